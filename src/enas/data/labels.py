"""Labels files: their cells, whether they have a header and ids, and their match to the samples."""

import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from enas.data.layout import detect_delimiter, is_id_word
from enas.data.numbers import is_missing, is_number
from enas.data.opening import check_delimiter, find_column
from enas.data.parquet import read_parquet_cells
from enas.data.raw import RawTable
from enas.data.records import read_records, restore
from enas.data.source import check_file, decode, is_parquet, read_lines, show
from enas.errors import DataError

_LABEL_WORDS = frozenset(
    ("label", "labels", "class", "classes", "target", "targets", "y", "outcome", "group", "status", "diagnosis")
)
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_HEAD_LINES = 200
MAX_LABEL_COLUMNS = 100_000


@dataclass(frozen=True, slots=True)
class LabelCells:
    """The cells of a labels file, before it is known whether its first row holds names.

    Args:
        path: the file.
        columns: cells as text, all columns equally long.
        lines: line number of each row.
    """

    path: Path
    columns: tuple[list[str], ...]
    lines: Sequence[int]

    def first_row(self) -> tuple[str, ...]:
        """Names, if it is a header."""
        return tuple(column[0] for column in self.columns)

    def possible_ids(self) -> frozenset[str]:
        """The first column, if more follow."""
        return frozenset(self.columns[0]) if len(self.columns) > 1 else frozenset()


@dataclass(frozen=True, slots=True)
class Labels:
    """Target columns in the order of the samples.

    Args:
        names: one per column.
        columns: cells as text.
        source: the file, for messages.
        unit: what its rows are counted by ("line").
        numbers: of each row, in that unit.
    """

    names: tuple[str, ...]
    columns: tuple[list[str], ...]
    source: str
    unit: str
    numbers: Sequence[int]

    def without(self, name: str) -> "Labels":
        """All columns but this one."""
        kept = [at for at, known in enumerate(self.names) if known != name]
        return replace(self, names=tuple(self.names[at] for at in kept), columns=tuple(self.columns[at] for at in kept))

    def only(self, name: str) -> "Labels":
        """This column alone."""
        return replace(self, names=(name,), columns=(self.columns[self.names.index(name)],))

    def place(self, row: int) -> str:
        """Where a row stands, for messages."""
        return f"'{self.source}', {self.unit} {self.numbers[row]}"


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
        columns = read_parquet_cells(path)
        return LabelCells(path, columns, range(1, len(columns[0]) + 1))
    given = check_delimiter(delimiter, path)
    head = [line for line in islice(read_lines(path), _HEAD_LINES) if line.strip()]
    fits = given not in (None, b" ") and all(given in line for line in head)
    # One column: a byte that no text holds stands for the delimiter.
    cut = (given if fits else detect_delimiter(head)) or b"\x1f"
    columns, lines = _read_columns(path, cut)
    return LabelCells(path, columns, lines)


def _read_columns(path: Path, cut: bytes) -> tuple[tuple[list[str], ...], Sequence[int]]:
    """Equal cells are one object: a million labels of two classes are kept as a million references."""
    known: dict[bytes, bytes] = {}
    cells: list[bytes] = []
    lines = array("Q")
    widths: Counter[int] = Counter()
    first_of: dict[int, int] = {}  # the first line of each width
    for number, record in read_records(read_lines(path), cut, path):
        row = [known.setdefault(cell, cell) for cell in record.split(cut, MAX_LABEL_COLUMNS)]
        cells += row
        lines.append(number)
        widths[len(row)] += 1
        first_of.setdefault(len(row), number)
    if not lines:
        raise DataError(f"labels file '{path}' holds no rows")
    width = widths.most_common(1)[0][0]
    if width > MAX_LABEL_COLUMNS:
        raise DataError(f"labels file '{path}' has more than {MAX_LABEL_COLUMNS:,} columns; is it the features file?")
    if first_of.get(width - 1) == lines[0] and widths[width - 1] == 1:
        cells.insert(0, b"")
        known[b""] = b""
        del first_of[width - 1]
    if len(first_of) > 1:
        line, n_cells = min((line, n_cells) for n_cells, line in first_of.items() if n_cells != width)
        raise DataError(f"labels file '{path}', line {line}: {n_cells:,} cells where the others have {width:,}")
    texts, _ = decode([restore(cell, cut).strip() for cell in known])
    text_of = dict(zip(known, texts, strict=True))
    return tuple([text_of[cell] for cell in islice(cells, j, None, width)] for j in range(width)), lines


def match_labels(
    cells: LabelCells, table: RawTable, label_columns: tuple[str, ...], source: str, group_column: str | None = None
) -> tuple[Labels, tuple[str, ...]]:
    """Brings the labels into the order of the samples: by id where both have ids, else by position.

    Args:
        cells: of the labels file.
        table: the samples.
        label_columns: the columns that are wanted; none: all but ids and groups.
        source: the features file, for messages.
        group_column: a name in the first row; that column becomes the last one of the labels.

    Returns:
        The labels, and notes for the log.

    Raises:
        DataError: counts differ, ids differ or are ambiguous, a label column does not exist.
    """
    n = len(table.features)
    sample_ids = set(table.ids or ())
    has_header = group_column is not None or _has_header(cells, label_columns, n, sample_ids)
    if has_header and len(cells.lines) == 1:
        raise DataError(f"labels file '{cells.path}' has a header and no labels below it")
    width = len(cells.columns)
    names = [column[0] for column in cells.columns] if has_header else [f"target_{j}" for j in range(width)]
    body, lines = [column[has_header:] for column in cells.columns], cells.lines[has_header:]
    has_ids = _has_ids(names if has_header else None, body, label_columns, sample_ids, group_column)
    groups = [] if group_column is None else [find_column(group_column, names, cells.path, True, "group_column")]
    places = [find_column(name, names, cells.path, has_header) for name in label_columns]
    places = places or [place for place in range(int(has_ids), width) if place not in groups]
    places += groups
    notes: list[str] = []
    if has_ids and table.ids is not None:
        order, unused = _match_by_id(cells.path, body[0], table.ids, source, table.names)
        others = f"; {unused:,} labels of other samples were left out" if unused else ""
        notes.append(f"labels matched to the samples by id{others}")
    else:
        _check_counts(cells, len(lines), n, table, source)
        order = list(range(n))
        why = (
            ""
            if has_ids == (table.ids is not None)
            else f" (only the {'labels' if has_ids else 'features'} have sample ids)"
        )
        notes.append(f"labels matched to the samples by position{why}")
    target_names = tuple(names[j] if has_header and names[j] else f"target_{k}" for k, j in enumerate(places))
    columns = tuple([body[j][at] for at in order] for j in places)
    numbers = array("q", (lines[at] for at in order))
    return Labels(target_names, columns, str(cells.path), "line", numbers), tuple(notes)


def _has_header(cells: LabelCells, label_columns: tuple[str, ...], n: int, sample_ids: set[str]) -> bool:
    first = cells.first_row()
    if label_columns and set(label_columns) <= set(first):
        return True
    if sample_ids and len(first) > 1 and not sample_ids.isdisjoint(cells.columns[0]):
        return first[0] not in sample_ids
    below = [set(islice(column, 1, None)) for column in cells.columns]
    for name, texts in zip(first, below, strict=True):
        numeric = all(is_number(cell) or is_missing(cell) for cell in (text.encode() for text in texts))
        if texts and name and not is_number(name.encode()) and numeric:
            return True
        if name.lower() in _LABEL_WORDS and name not in texts:
            return True
    # A name that occurs once, one row too many: it heads the column.
    return len(cells.lines) == n + 1 and first[-1] not in below[-1] and not is_number(first[-1].encode())


def _has_ids(
    names: list[str] | None,
    body: list[list[str]],
    label_columns: tuple[str, ...],
    sample_ids: set[str],
    group_column: str | None,
) -> bool:
    if len(body) < 2 or (names and names[0] in label_columns):
        return False
    column = body[0]
    if sample_ids and not sample_ids.isdisjoint(column):
        return True
    if names is not None and names[0] == group_column:
        return False
    if names is not None and (is_id_word(names[0].encode()) or label_columns):
        return all(_WHOLE.fullmatch(cell) or not is_number(cell.encode()) for cell in column)
    unique = len(set(column)) == len(column)
    if not all(is_number(cell.encode()) for cell in column):
        return unique
    if names is not None or not unique or len(body) != 2 or not all(_WHOLE.fullmatch(cell) for cell in column):
        return False
    # Two columns of numbers without names: the first counts the samples or stands before classes, or both are targets.
    counts = sorted(int(cell) for cell in column) in (list(range(len(column))), list(range(1, len(column) + 1)))
    return counts or len(set(body[1])) <= len(column) / 2


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
    known = set(sample_ids)
    for ids, where in ((sample_ids, source), (label_ids, str(path))):
        twice = [text for text, count in Counter(ids).items() if count > 1 and text in known]
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
    return ", ".join(show(text) for text in texts[:3]) + (", …" if len(texts) > 3 else "")
