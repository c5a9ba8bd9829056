"""`enas predict --model`: new samples through a model of whichever form, a batch at a time from file to file."""

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.data.image_blocks import decode_blocks
from enas.data.image_folder import ImageFile, list_images
from enas.data.image_format import ImageFormat
from enas.errors import DataError
from enas.export.portable import Portable, open_model
from enas.export.row_blocks import STDIN, read_blocks
from enas.files import guard_cell, write_csv
from enas.model import probabilities_of
from enas.printable import quoted
from enas.progress import Progress

STREAM = Path("-")
"""Stands for standard input, or standard output."""

Batches = Iterator[tuple[Sequence[str], NDArray[Any]]]


def predict_file(model: Path, data: Path, output: Path, progress: Progress) -> int:
    """Predict a table, or a folder of images, and write a row per sample; memory is bounded by a batch.

    Args:
        model: see `open_model`.
        data: a table or AnnData (`STREAM`: text on standard input), a folder of images or one image.
        output: a CSV file (`STREAM`: standard output).
        progress: told what was read.

    Returns:
        The number of samples.

    Raises:
        ConfigError: a library is not installed.
        DataError: the data cannot be read or do not fit the model.
        RunError: there is no such model, it is damaged, or the file cannot be written.
    """
    opened = open_model(model)
    rows = _Rows(opened, read_samples(opened, data, progress))
    if output == STREAM:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(map(guard_cell, rows.header))
        writer.writerows([guard_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)
    else:
        write_csv(output, rows.header, rows)
        progress.line(f"{output}: {rows.n_done:,} samples predicted")
    return rows.n_done


class _Rows:
    """The rows of the table of predictions, computed as they are asked for.

    Args:
        model: computes.
        batches: ids and samples.
    """

    def __init__(self, model: Portable, batches: Batches) -> None:
        self.model, self.batches, self.n_done = model, batches, 0

    @property
    def header(self) -> list[str]:
        classes, targets = self.model.classes, self.model.target_names
        if not classes:
            return ["sample_id", *(f"predicted_{name}" for name in targets)]
        return ["sample_id", "predicted_result", "softmax_value", *(f"softmax_{name}" for name in classes)]

    def __iter__(self) -> Iterator[tuple[object, ...]]:
        for ids, samples in self.batches:
            with np.errstate(over="ignore", invalid="ignore"):  # refused below, with the sample's name
                outputs = self.model.compute(samples)
            refuse_overflow(ids, outputs)
            yield from self._of_values(ids, outputs) if not self.model.classes else self._of_classes(ids, outputs)
            self.n_done += len(ids)

    def _of_values(self, ids: Sequence[str], outputs: NDArray[np.float64]) -> Iterator[tuple[object, ...]]:
        return ((i, *row) for i, row in zip(ids, outputs.tolist(), strict=True))

    def _of_classes(self, ids: Sequence[str], outputs: NDArray[np.float64]) -> Iterator[tuple[object, ...]]:
        for sample, values in zip(ids, probabilities_of(outputs), strict=True):
            rounded = [float(f"{value:.8g}") for value in values.tolist()]
            yield sample, self.model.classes[int(values.argmax())], json.dumps(rounded), *rounded


def refuse_overflow(ids: Sequence[str], outputs: NDArray[Any]) -> None:
    """Refuse the first sample whose outputs (b, C) are no numbers.

    Raises:
        DataError: there is one.
    """
    bad = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
    if len(bad):
        raise DataError(
            f"sample {quoted(ids[bad[0]])}: its values are beyond what the model can take (log1p needs values "
            "above -1); mend the row or leave it out"
        )


def read_samples(model: Portable, data: Path, progress: Progress) -> Batches:
    """Ids and samples as the model takes them, batch by batch.

    Args:
        model: says what it takes.
        data: a table or AnnData (`STREAM`: text on standard input), a folder of images or one image.
        progress: told what was read.

    Raises:
        DataError: the data cannot be read or do not fit the model.
    """
    return _read_images(data, model.image_format, progress) if model.image_format else _read_rows(data, model, progress)


def _read_rows(data: Path, model: Portable, progress: Progress) -> Batches:
    path = STDIN if data == STREAM else data
    if path == STDIN and not STDIN.exists():
        raise DataError("a table on standard input cannot be read on this system; name a file")
    names, by_name = model.feature_names, model.has_feature_names
    for block in read_blocks(path, names, by_name=by_name, layer=model.layer, progress=progress):
        yield block.sample_ids, block.features[:]


def _read_images(data: Path, fmt: ImageFormat, progress: Progress) -> Batches:
    if data == STREAM:
        raise DataError("images are not read from standard input; name a folder")
    folder, files = (data.parent, [_one_file(data)]) if data.is_file() else (data, list_images(data).files)
    done = 0
    for block in decode_blocks(folder, files, fmt, progress, None):
        if block.unreadable:
            name, reason = next(iter(block.unreadable.items()))
            raise DataError(f"{quoted(folder / name)} {reason}; mend or remove it")
        yield [file.name for file in files[done : done + len(block.pixels)]], block.pixels
        done += len(block.pixels)


def _one_file(path: Path) -> ImageFile:
    found = path.stat()
    return ImageFile(path.name, found.st_size, found.st_mtime_ns)
