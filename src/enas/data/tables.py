"""From table files to one ``Dataset``: features, names, sample ids and target, each oddity reported or refused.

Reading goes through four parts: ``source`` opens a file and yields lines, ``layout`` finds out how they are cut,
``delimited`` (or ``parquet``) fills the matrix, ``labels`` matches and encodes the target.
"""

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from enas.data.anndata_file import Keys, read_anndata
from enas.data.dataset import Dataset, IntArray, RowNumbers, Target
from enas.data.delimited import read_delimited
from enas.data.groups import encode_groups
from enas.data.hashing import file_hash, row_hashes
from enas.data.labels import LabelCells, Labels, match_labels, read_label_cells
from enas.data.matching import match_features
from enas.data.opening import Reading
from enas.data.parquet import read_parquet
from enas.data.raw import RawTable, unique_names
from enas.data.source import check_file, decode, is_parquet, read_lines, show
from enas.data.targets import encode_classes, parse_targets
from enas.errors import DataError
from enas.progress import Progress

if TYPE_CHECKING:
    from enas.config import DataArgs

__all__ = ["file_hash", "match_features", "read_dataset", "read_names", "read_validation", "row_hashes"]

_BAR_FROM_BYTES = 64 * 1024 * 1024


def read_dataset(
    args: "DataArgs",
    *,
    regression: bool,
    classes: tuple[str, ...] | None = None,
    target_names: tuple[str, ...] | None = None,
    names_file: Path | None = None,
    progress: Progress,
    n_threads: int | None = None,
    max_memory: float | None = None,
) -> Dataset:
    """Reads the features file, or the AnnData file, and, where the section names one, the target.

    Args:
        args: the section's files and how to read them.
        regression: targets are numbers (one or more columns); else one column of classes.
        classes: class names of the training run, in index order; None: infer them.
        target_names: names of the training run's targets (regression); None: take all.
        names_file: feature names, one per line, for a features file without header.
        progress: told how each file was read, and of what the user should know.
        n_threads: for parsing; None: all cores. Only the first reading of a process can set it.
        max_memory: GiB; of an AnnData file, a matrix that takes much of it stays in the file. None: what is free.

    Raises:
        DataError: a file that is missing, damaged or no table of numbers, or labels that do not fit.
    """
    _limit_threads(n_threads)
    file = args.h5ad or args.features_file
    if file is None:
        raise DataError("no table is named; give features_file or h5ad")
    source = str(file)
    try:
        table, cells = (
            (_read_anndata(args, file, max_memory, progress), None)
            if args.h5ad
            else _read_files(args, file, args.labels_file, names_file, progress)
        )
    except MemoryError as error:
        raise DataError(f"'{source}' and its labels do not fit into the memory of this machine") from error
    labels, named_groups = _find_labels(args, table, cells, source, progress)
    target = _make_target(labels, regression, classes, target_names)
    groups = encode_groups(named_groups) if named_groups else None
    if groups is not None:
        key = "batch_key" if args.h5ad else "group_column"
        progress.line(f"{len(np.unique(groups)):,} groups of rows ({key})")
    _report(table, target, source, progress)
    return _assemble(table, target, groups, source)


def read_validation(
    args: "DataArgs",
    *,
    regression: bool,
    classes: tuple[str, ...] | None,
    target_names: tuple[str, ...] | None = None,
    names_file: Path | None = None,
    progress: Progress,
    n_threads: int | None = None,
) -> Dataset | None:
    """Reads ``validation_features`` and ``validation_labels`` as ``read_dataset`` reads the others; None if not given.

    Raises:
        DataError: as ``read_dataset``; also if only one of the two is given and no label column stands in the features.
    """
    if args.validation_features is None:
        if args.validation_labels is not None:
            raise DataError("validation_labels is given without validation_features; give both or none")
        return None
    if args.validation_labels is None and not args.label_column:
        raise DataError("validation_features is given without validation_labels; give both or none")
    files = {"features_file": args.validation_features, "labels_file": args.validation_labels}
    return read_dataset(
        args.model_copy(update=files),
        regression=regression,
        classes=classes,
        target_names=target_names,
        names_file=names_file,
        progress=progress,
        n_threads=n_threads,
    )


def read_names(path: Path) -> tuple[str, ...]:
    """Feature names, one per line; blank lines are passed over.

    Raises:
        DataError: no such file, binary, damaged or empty.
    """
    check_file(path, "names file")
    lines = [line.strip() for line in read_lines(path)]
    names, _ = decode([line.removeprefix(b'"').removesuffix(b'"') for line in lines if line])
    if not names:
        raise DataError(f"names file '{path}' holds no names")
    return tuple(names)


def _limit_threads(n_threads: int | None) -> None:
    """The library reads this variable once, when it is imported."""
    if n_threads is not None and "polars" not in sys.modules:
        os.environ.setdefault("POLARS_MAX_THREADS", str(n_threads))


def _read_files(
    args: "DataArgs", features: Path, labels: Path | None, names_file: Path | None, progress: Progress
) -> tuple[RawTable, LabelCells | None]:
    """Labels come first: their ids tell whether numbers in the features' first column are ids."""
    cells = read_label_cells(_locate(args, labels), args.delimiter) if labels is not None else None
    reading = Reading(
        delimiter=args.delimiter,
        header=args.header,
        sample_ids=args.sample_ids,
        label_columns=_label_columns(args) if labels is None else (),
        group_column=None if _has_groups(cells, args) else args.group_column,
        known_ids=cells.possible_ids() if cells is not None else (),
        known_names=cells.first_row() if cells is not None else (),
    )
    path = _locate(args, features)
    table = _tell(lambda: _read_table(path, reading, progress), str(features), progress)
    return (_name_features(table, path, names_file, progress) if names_file is not None else table), cells


def _read_anndata(args: "DataArgs", file: Path, max_memory: float | None, progress: Progress) -> RawTable:
    keys = Keys(_names(args.label_key), args.layer, args.batch_key)
    limit = None if max_memory is None else max_memory * 2**30
    return _tell(lambda: read_anndata(_locate(args, file), keys, max_memory=limit), str(file), progress)


def _tell(read: Callable[[], RawTable], source: str, progress: Progress) -> RawTable:
    """Read, and say what was read and how."""
    started = time.perf_counter()
    table = read()
    seconds = time.perf_counter() - started
    n_samples, n_features = table.features.shape
    progress.line(f"read {source}: {n_samples:,} samples x {n_features:,} features ({table.how}; {seconds:.2f} s)")
    for note in table.notes:
        progress.warn(f"{source}: {note}")
    return table


def _locate(args: "DataArgs", file: Path) -> Path:
    return file if args.data_dir is None else args.data_dir / file


def _label_columns(args: "DataArgs") -> tuple[str, ...]:
    return _names(args.label_column)


def _names(given: str | list[str] | None) -> tuple[str, ...]:
    """One name, several, or none."""
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)


def _has_groups(cells: LabelCells | None, args: "DataArgs") -> bool:
    """Whether the labels file names the groups; else the features file has to."""
    return cells is not None and args.group_column in cells.first_row()


def _read_table(path: Path, reading: Reading, progress: Progress) -> RawTable:
    check_file(path, "features file")
    if is_parquet(path):
        return read_parquet(path, reading)
    n_bytes = path.stat().st_size
    if n_bytes < _BAR_FROM_BYTES:
        return read_delimited(path, reading)
    with progress.stage(f"reading {path.name}", total=100) as step:
        return read_delimited(path, reading, _percent(step, n_bytes))


def _percent(step: Callable[[str], None], n_bytes: int) -> Callable[[int], None]:
    read = shown = 0

    def advance(n: int) -> None:
        nonlocal read, shown
        read += n
        while shown < min(100, 100 * read // n_bytes):
            shown += 1
            step(f"{read / 2**20:,.0f} MB")

    return advance


def _name_features(table: RawTable, path: Path, names_file: Path, progress: Progress) -> RawTable:
    names = read_names(names_file)
    n_features = table.features.shape[1]
    if table.has_names:
        if names != table.names:
            progress.line(f"{names_file}: not used, '{path.name}' has names of its own")
        return table
    if len(names) != n_features:
        raise DataError(f"names file '{names_file}' has {len(names):,} names, '{path}' has {n_features:,} features")
    unique, n_changed = unique_names(names)
    if n_changed:
        progress.warn(f"{names_file}: {n_changed:,} names occur more than once; .1, .2, … were appended")
    return replace(table, names=unique, has_names=True)


def _find_labels(
    args: "DataArgs", table: RawTable, cells: LabelCells | None, source: str, progress: Progress
) -> tuple[Labels | None, Labels | None]:
    """Targets and groups, each from the file that has them."""
    columns = tuple([text.strip() for text in column] for column in table.texts.values())
    inside = Labels(tuple(table.texts), columns, source, "sample", range(1, len(table.features) + 1))
    in_labels = _has_groups(cells, args)
    labels = inside
    if cells is not None:
        labels, notes = match_labels(
            cells, table, _label_columns(args), source, args.group_column if in_labels else None
        )
        for note in notes:
            progress.line(note)
    by = args.group_column or args.batch_key
    if by is None:
        return (labels if labels.names else None), None
    targets = labels.without(by)
    return (targets if targets.names else None), (labels if in_labels else inside).only(by)


def _make_target(
    labels: Labels | None, regression: bool, classes: tuple[str, ...] | None, target_names: tuple[str, ...] | None
) -> Target | None:
    if labels is None:
        return None
    return parse_targets(labels, target_names) if regression else encode_classes(labels, classes)


def _report(table: RawTable, target: Target | None, source: str, progress: Progress) -> None:
    n_twice = len(table.ids) - len(set(table.ids)) if table.ids is not None else 0
    if n_twice:
        progress.warn(f"{source}: {n_twice:,} sample ids occur more than once")
    if target is None:
        return
    if target.classes:
        counts = np.bincount(target.values.astype(np.int64)[:], minlength=len(target.classes))
        pairs = [f"{show(name)[1:-1]}: {count:,}" for name, count in zip(target.classes[:20], counts, strict=False)]
        progress.line(f"target {show(target.names[0])[1:-1]}: {len(target.classes)} classes ({', '.join(pairs)})")
    else:
        progress.line(f"targets (numbers): {', '.join(show(name)[1:-1] for name in target.names[:20])}")


def _assemble(table: RawTable, target: Target | None, groups: IntArray | None, source: str) -> Dataset:
    ids = table.ids if table.ids is not None else RowNumbers(range(len(table.features)))
    return Dataset(table.features, table.names, table.has_names, ids, table.ids is not None, target, source, groups)
