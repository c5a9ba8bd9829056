"""Samples as a trained network sees them: what its last linear layer reads, a batch at a time from file to file.

It serves as input of other methods: maps of samples, clustering, nearest neighbours. Samples are never held as a whole;
embeddings are, where they are written as Parquet, which keeps columns.

Example:
    >>> from enas.embed import embed
    >>> embed(Path("nowhere"), Path("new.tsv"))
    Traceback (most recent call last):
    ...
    enas.errors.RunError: nowhere does not exist; name a finished run, a folder of models or an exported model
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enas.console import Silent
from enas.errors import ConfigError, DataError, RunError
from enas.export.description import is_exported
from enas.export.exporter import models_of
from enas.export.portable import open_trained
from enas.export.predictions import read_samples, refuse_overflow
from enas.files import replacing, write_csv
from enas.printable import quoted
from enas.progress import Progress

Blocks = Iterator[tuple[Sequence[str], NDArray[np.float32]]]


def embed(run: Path, data: Path, progress: Progress | None = None) -> Blocks:
    """Ids (b) and embeddings (b, D) of samples, block by block; see ``embeddings`` of the two models.

    Args:
        run: a finished run, or its folder of models.
        data: a table or AnnData (``-``: text on standard input), a folder of images or one image.
        progress: told what was read.

    Raises:
        DataError: while they are read: the data cannot be read, do not fit the model, or hold no sample.
        RunError: there is no such model, it is damaged, or was exported.
    """
    folder = models_of(run)
    if is_exported(folder):
        raise RunError(f"{folder} was exported and gives outputs alone; embed with the run that it came from")
    model, portable = open_trained(folder)

    def compute() -> Blocks:
        n_samples = 0
        for ids, samples in read_samples(portable, data, progress or Silent()):
            with np.errstate(over="ignore", invalid="ignore"):  # refused below, with the sample's name
                values = np.concatenate(list(model.embeddings(samples)))
            refuse_overflow(ids, values)
            yield ids, values
            n_samples += len(ids)
        if not n_samples:
            raise DataError(f"{quoted(data)} has no samples")

    return compute()


def embed_file(run: Path, data: Path, output: Path, progress: Progress) -> int:
    """Write ``sample_id`` and ``e0`` … ``e{D-1}`` (float32), a row per sample.

    Args:
        run, data, progress: see `embed`.
        output: Parquet, or by the ending ``.csv`` text.

    Returns:
        The number of samples.

    Raises:
        ConfigError: another ending.
        DataError: the data cannot be read or do not fit the model.
        RunError: there is no such model, it is damaged, or the file cannot be written.
    """
    if output.suffix.lower() not in (".parquet", ".csv"):
        raise ConfigError(f"{output}: embeddings are written as .parquet or .csv; name the file so")
    blocks = embed(run, data, progress)
    first = next(blocks)
    header = ["sample_id", *(f"e{j}" for j in range(first[1].shape[1]))]
    write = _write_csv if output.suffix.lower() == ".csv" else _write_parquet
    n_samples = write(output, header, chain([first], blocks))
    progress.line(f"{output}: {n_samples:,} samples as {len(header) - 1:,} numbers each")
    return n_samples


def _write_csv(path: Path, header: Sequence[str], blocks: Iterable[tuple[Sequence[str], NDArray[np.float32]]]) -> int:
    n_samples = 0

    def rows() -> Iterator[list[object]]:
        nonlocal n_samples
        for ids, values in blocks:
            n_samples += len(ids)
            yield from ([i, *row] for i, row in zip(ids, values, strict=True))  # float32's own shortest text

    write_csv(path, header, rows())
    return n_samples


def _write_parquet(
    path: Path, header: Sequence[str], blocks: Iterable[tuple[Sequence[str], NDArray[np.float32]]]
) -> int:
    import polars as pl

    frames = [
        pl.from_numpy(values, header[1:]).insert_column(0, pl.Series(header[0], list(ids))) for ids, values in blocks
    ]
    table = pl.concat(frames, rechunk=False)
    with replacing(path) as partial:
        table.write_parquet(partial)
    return table.height
