"""Labels files: their cells, whether they have a header and ids, and their match to the samples."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from enas.data.delimited import find_column
from enas.data.layout import detect_delimiter, is_id_word
from enas.data.numbers import is_missing, is_number
from enas.data.parquet import read_parquet_cells
from enas.data.raw import RawTable
from enas.data.records import read_records, restore
from enas.data.source import check_file, decode, is_parquet, read_lines
from enas.errors import DataError

Rows = list[list[str]]
_LABEL_WORDS = frozenset(
    ("label", "labels", "class", "classes", "target", "targets", "y", "outcome", "group", "status", "diagnosis")
)
_WHOLE = re.compile(r"[+-]?\d+")


@dataclass(frozen=True, slots=True)
class LabelCells:
    """The cells of a labels file, before it is known whether its first row holds names.

    Args:
        path: the file.
        rows: cells as text, all rows equally long.
        lines: line number of each row.
    """

    path: Path
    rows: Rows
    lines: tuple[int, ...]

    @property
    def width(self) -> int:
        return len(self.rows[0])

    def possible_ids(self) -> frozenset[str]:
        """The first column, if more follow."""
        return frozenset(row[0] for row in self.rows) if self.width > 1 else frozenset()


@dataclass(frozen=True, slots=True)
class Labels:
    """Target columns in the order of the samples.

    Args:
        names: one per column.
        columns: cells as text.
        places: where each row stands, for messages ("'y.tsv', line 7").
    """

    names: tuple[str, ...]
    columns: tuple[list[str], ...]
    places: tuple[str, ...]


def read_label_cells(path: Path, delimiter: str | None) -> LabelCells:
    """Reads a labels file: TSV, CSV, one column, plain or compressed, or Parquet.

    Args:
        path: the file.
        delimiter: as given for the features; another one is detected if it does not fit.

    Raises:
        DataError: empty, binary, damaged or ragged file.
    """
    check_file(path, "labels file")
    if is_parquet(path):
        rows = read_parquet_cells(path)
        return LabelCells(path, rows, tuple(range(1, len(rows) + 1)))
    lines = list(read_lines(path))
    head = [line for line in lines[:200] if line.strip()]
    given = delimiter.encode() if delimiter and len(delimiter) == 1 and delimiter != " " else None
    fits = given is not None and all(given in line for line in head)
    cut = given if fits else detect_delimiter(head)
    # One column: a byte that no text holds stands for the delimiter.
    cut = cut or b"\x1f"
    records = [
        (number, [restore(cell, cut) for cell in line.split(cut)])
        for number, line in read_records(iter(lines), cut, path)
    ]
    if not records:
        raise DataError(f"labels file '{path}' holds no rows")
    width = Counter(len(cells) for _, cells in records).most_common(1)[0][0]
    if len(records[0][1]) == width - 1:
        records[0][1].insert(0, b"")
    for number, cells in records:
        if len(cells) != width:
            raise DataError(
                f"labels file '{path}', line {number}: {len(cells):,} cells where the others have {width:,}"
            )
    texts, _ = decode([cell.strip() for _, cells in records for cell in cells])
    rows = [texts[at : at + width] for at in range(0, len(texts), width)]
    return LabelCells(path, rows, tuple(number for number, _ in records))


def match_labels(
    cells: LabelCells, table: RawTable, label_columns: tuple[str, ...], source: str
) -> tuple[Labels, tuple[str, ...]]:
    """Brings the labels into the order of the samples: by id where both have ids, else by position.

    Returns:
        The labels, and notes for the log.

    Raises:
        DataError: counts differ, ids differ or are ambiguous, a label column does not exist.
    """
    n = len(table.features)
    sample_ids = set(table.ids or ())
    has_header = _has_header(cells, label_columns, n, sample_ids)
    if has_header and len(cells.rows) == 1:
        raise DataError(f"labels file '{cells.path}' has a header and no labels below it")
    names = cells.rows[0] if has_header else [f"target_{j}" for j in range(cells.width)]
    body, lines = cells.rows[has_header:], cells.lines[has_header:]
    has_ids = _has_ids(names if has_header else None, body, label_columns, sample_ids)
    places = [find_column(name, names, cells.path, has_header) for name in label_columns]
    places = places or list(range(int(has_ids), cells.width))
    notes: list[str] = []
    if has_ids and table.ids is not None:
        order, unused = _match_by_id(cells.path, [row[0] for row in body], table.ids, source, table.names)
        others = f"; {unused:,} labels of other samples were left out" if unused else ""
        notes.append(f"labels matched to the samples by id{others}")
    else:
        _check_counts(cells, len(body), n, table, source)
        order = list(range(n))
        why = (
            ""
            if has_ids == (table.ids is not None)
            else f" (only the {'labels' if has_ids else 'features'} have sample ids)"
        )
        notes.append(f"labels matched to the samples by position{why}")
    target_names = tuple(names[j] if has_header and names[j] else f"target_{k}" for k, j in enumerate(places))
    columns = tuple([body[at][j] for at in order] for j in places)
    return Labels(target_names, columns, tuple(f"'{cells.path}', line {lines[at]}" for at in order)), tuple(notes)


def _has_header(cells: LabelCells, label_columns: tuple[str, ...], n: int, sample_ids: set[str]) -> bool:
    first, body = cells.rows[0], cells.rows[1:]
    if label_columns and set(label_columns) <= set(first):
        return True
    if sample_ids and cells.width > 1 and sample_ids & {row[0] for row in cells.rows}:
        return first[0] not in sample_ids
    for j, name in enumerate(first):
        below = [row[j].encode() for row in body]
        if (
            below
            and not is_number(name.encode())
            and name
            and all(is_number(cell) or is_missing(cell) for cell in below)
        ):
            return True
        if name.lower() in _LABEL_WORDS and all(row[j] != name for row in body):
            return True
    # A name that occurs once, one row too many: it heads the column.
    return len(cells.rows) == n + 1 and all(row[-1] != first[-1] for row in body) and not is_number(first[-1].encode())


def _has_ids(names: list[str] | None, body: Rows, label_columns: tuple[str, ...], sample_ids: set[str]) -> bool:
    if len(body[0]) < 2 or (names and names[0] in label_columns):
        return False
    column = [row[0] for row in body]
    if sample_ids and not sample_ids.isdisjoint(column):
        return True
    if names is not None and (is_id_word(names[0].encode()) or label_columns):
        return all(_WHOLE.fullmatch(cell) or not is_number(cell.encode()) for cell in column)
    unique = len(set(column)) == len(column)
    if not all(is_number(cell.encode()) for cell in column):
        return unique
    if names is not None or not unique or len(body[0]) != 2 or not all(_WHOLE.fullmatch(cell) for cell in column):
        return False
    # Two columns of numbers without names: the first counts the samples or stands before classes, or both are targets.
    counts = sorted(int(cell) for cell in column) in (list(range(len(body))), list(range(1, len(body) + 1)))
    return counts or len({row[1] for row in body}) <= len(body) / 2


def _match_by_id(
    path: Path, label_ids: list[str], sample_ids: tuple[str, ...], source: str, names: tuple[str, ...]
) -> tuple[list[int], int]:
    row_of = {text: at for at, text in enumerate(label_ids)}
    missing = [text for text in sample_ids if text not in row_of]
    if len(missing) == len(sample_ids) and set(label_ids) & set(names):
        raise DataError(
            f"'{source}' looks transposed: ids of the labels file '{path}' are names of its columns; "
            "rows must be samples"
        )
    if missing:
        raise DataError(
            f"{len(missing):,} of {len(sample_ids):,} samples of '{source}' have no label in '{path}': "
            f"{some(missing)}; ids there look like {some(label_ids)}"
        )
    for ids, where in ((sample_ids, source), (label_ids, str(path))):
        wanted = (
            Counter(text for text in ids if where == source or text in set(sample_ids))
            if len(set(ids)) < len(ids)
            else {}
        )
        twice = [text for text, count in wanted.items() if count > 1]
        if twice:
            raise DataError(
                f"'{where}': {len(twice):,} sample ids occur more than once ({some(twice)}), "
                "so labels cannot be matched by id"
            )
    return [row_of[text] for text in sample_ids], len(label_ids) - len(sample_ids)


def _check_counts(cells: LabelCells, n_labels: int, n_samples: int, table: RawTable, source: str) -> None:
    if n_labels == n_samples:
        return
    counts = f"{n_samples:,} samples in '{source}', {n_labels:,} labels in '{cells.path}'"
    n_columns = table.features.shape[1]
    if n_labels in (n_columns, n_columns + 1):
        raise DataError(
            f"{counts}: '{source}' looks transposed ({n_columns:,} columns); rows must be samples, columns features"
        )
    raise DataError(f"{counts}: the counts must be equal, or both files must have sample ids")


def some(texts: Sequence[str]) -> str:
    """The first few, for messages."""
    return ", ".join(repr(text) for text in list(texts)[:3]) + (", …" if len(texts) > 3 else "")
