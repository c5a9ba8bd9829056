"""Reads a delimited text file into one float32 matrix, a block of rows at a time."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np

from enas.data.dataset import FloatArray
from enas.data.layout import NAMES_OF_DELIMITERS, Layout, detect_delimiter, detect_layout
from enas.data.numbers import CellsOrigin, parse_numbers
from enas.data.raw import RawTable, unique_names
from enas.data.records import Record, read_records, restore
from enas.data.source import MAX_LINE, decode, read_lines, show
from enas.errors import DataError

BLOCK_BYTES, _BLOCK_ROWS = 8 * 1024 * 1024, 128 * 1024
# More are names without end rather than features, and each name takes ten times the memory of a cell.
MAX_COLUMNS = 1_000_000
_HEAD_BYTES, _HEAD_LINES = 256 * 1024, 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the user forces and what is known beforehand.

    Args:
        delimiter: one character; None: detect.
        header, sample_ids: None: detect.
        label_columns: target columns, kept as text and taken out of the features.
        known_ids: ids of the labels file, if it has any.
    """

    delimiter: str | None = None
    header: bool | None = None
    sample_ids: bool | None = None
    label_columns: tuple[str, ...] = ()
    known_ids: Collection[str] = ()


def read_delimited(path: Path, reading: Reading, advance: Callable[[int], None] | None = None) -> RawTable:
    """Reads TSV, CSV and their kin, plain or compressed.

    The matrix grows in place, so that the peak is about 1.3 times its size plus a few blocks.

    Raises:
        DataError: anything that keeps the file from being a table of numbers; names file, line, column and value.
    """
    delimiter, lines, notes = _open(path, reading.delimiter, advance)
    head, records = _peek(read_records(lines, delimiter, path), lambda record: len(record[1]))
    _check_head(head, delimiter, path)
    layout = detect_layout(
        [cells for _, cells in head],
        delimiter=delimiter,
        header=reading.header,
        sample_ids=reading.sample_ids,
        label_columns=[name.encode() for name in reading.label_columns],
        known_ids=frozenset(text.encode() for text in reading.known_ids),
    )
    if layout.has_header:
        _check_header(next(records), layout, delimiter, path)
        if len(head) == 1:
            raise DataError(f"'{path}' has a header and no rows below it (if line 1 holds values, set header: false)")
    table = _Reader(path, reading, layout, delimiter).read(records)
    return replace(table, notes=(*notes, *table.notes))


def _open(
    path: Path, delimiter: str | None, advance: Callable[[int], None] | None
) -> tuple[bytes, Iterator[bytes], list[str]]:
    """The delimiter as one byte, all lines, and what is to be said about the delimiter."""
    given = check_delimiter(delimiter, path)
    head, lines = _peek(read_lines(path, advance), len)
    filled = [line for line in head if line.strip()]
    if not filled:
        raise DataError(f"'{path}' holds no rows{' in its first 200 lines' if len(head) == _HEAD_LINES else ''}")
    if given is not None and 2 * sum(given in line for line in filled) > len(filled):
        return given, lines, []
    detected = detect_delimiter(filled)
    if detected is None:
        raise DataError(_one_column(path, filled))
    if delimiter is None:
        return detected, lines, []
    # A config that served another file is no reason to stop: without its delimiter there would be one column.
    looks = NAMES_OF_DELIMITERS[detected]
    return detected, lines, [f"the delimiter {delimiter!r} does not cut its rows; read as {looks}-delimited"]


def check_delimiter(delimiter: str | None, path: Path) -> bytes | None:
    """The delimiter that the user gave as one byte, or None.

    Raises:
        DataError: it is not one plain character.
    """
    if delimiter is None:
        return None
    if delimiter in ("\t", "\\t"):
        return b"\t"
    if len(delimiter) != 1 or not delimiter.isascii() or not delimiter.isprintable() or delimiter == '"':
        raise DataError(
            f"'{path}': delimiter {delimiter!r} is not one plain character; give '\\t', ',', ';', ' ' or leave it out"
        )
    return delimiter.encode()


def _one_column(path: Path, filled: list[bytes]) -> str:
    shown = decode([filled[0][:60]])[0][0]
    quotes = ", quotes must be paired" if any(b'"' in line for line in filled) else ""
    return (
        f"'{path}' has one column, or its rows have no common delimiter: line 1 begins {shown!r}; features need two "
        f"columns or more (give the delimiter if it is an unusual one; rows must have equally many cells{quotes})"
    )


def _peek(items: Iterator[T], size: Callable[[T], int]) -> tuple[list[T], Iterator[T]]:
    head: list[T] = []
    n_bytes = 0
    for item in items:
        head.append(item)
        n_bytes += size(item)
        enough = 2 if n_bytes > MAX_LINE else 4
        if len(head) >= _HEAD_LINES or (n_bytes >= _HEAD_BYTES and len(head) >= enough):
            break
    return head, chain(head, items)


def _check_head(head: list[Record], delimiter: bytes, path: Path) -> None:
    counts = [cells.count(delimiter) + 1 for _, cells in head]
    if max(counts) > MAX_COLUMNS:
        raise DataError(
            f"'{path}', line {head[counts.index(max(counts))][0]}: {max(counts):,} cells; {MAX_COLUMNS:,} columns are "
            "the most that is read (rows must be samples, columns features)"
        )
    if head[0][1].startswith(b"#") and counts[0] not in counts[1:]:
        raise DataError(f"'{path}', line {head[0][0]} begins with '#' and is cut unlike the rows; take comments out")


def _check_header(record: Record, layout: Layout, delimiter: bytes, path: Path) -> None:
    n_cells = record[1].count(delimiter) + 1
    if n_cells not in (layout.width, layout.width - layout.has_ids, layout.width + layout.ends_empty):
        raise DataError(f"'{path}', line {record[0]}: the header has {n_cells:,} cells, the rows have {layout.width:,}")


@dataclass(slots=True)
class _Reader:
    """Collects rows into blocks and blocks into the matrix."""

    path: Path
    reading: Reading
    layout: Layout
    delimiter: bytes
    ids: list[bytes] = field(default_factory=list)
    texts: dict[int, list[bytes]] = field(default_factory=dict)
    latin: bool = False

    def read(self, records: Iterator[Record]) -> RawTable:
        layout = self.layout
        names = self._decode([restore(name, self.delimiter) for name in layout.names])
        targets = self._find_targets(names)
        if layout.has_ids and 0 in targets:
            raise DataError(
                f"'{self.path}': column {show(names[0])} cannot be both label_column and sample ids; set "
                "sample_ids: false or name another column"
            )
        self.texts = {place: [] for place in targets}
        kept = [j for j in range(layout.width) if j not in self.texts and not (j == 0 and layout.has_ids)]
        if not kept:
            raise DataError(f"'{self.path}' has no feature columns beside ids and target")
        features = self._fill(records, [names[j] or f"column_{j + 1}" for j in kept], kept)
        ids = self._decode([restore(cell, self.delimiter).strip() for cell in self.ids]) if layout.has_ids else None
        texts = {names[j]: self._decode([restore(c, self.delimiter) for c in cells]) for j, cells in self.texts.items()}
        given = [(layout.has_header and names[j]) or f"feature_{at}" for at, j in enumerate(kept)]
        unique, n_changed = unique_names(given)
        notes = [f"{n_changed:,} feature names occur more than once; .1, .2, … were appended"] if n_changed else []
        if layout.has_header and (n_empty := sum(not names[j] for j in kept)):
            notes.append(f"{n_empty:,} columns have no name; they are called feature_<number>")
        if self.latin:
            notes.append("the file is not UTF-8; its text was read as Latin-1")
        return RawTable(
            features,
            unique,
            layout.has_header,
            tuple(ids) if ids is not None else None,
            texts,
            self._how(),
            tuple(notes),
        )

    def _decode(self, cells: list[bytes]) -> list[str]:
        texts, latin = decode(cells)
        self.latin |= latin
        return texts

    def _find_targets(self, names: list[str]) -> list[int]:
        return [find_column(name, names, self.path, self.layout.has_header) for name in self.reading.label_columns]

    def _how(self) -> str:
        layout = self.layout
        delimiter = NAMES_OF_DELIMITERS.get(self.delimiter, repr(self.delimiter.decode("latin-1")))
        header = "a header" if layout.has_header else "no header"
        ids = "sample ids in the first column" if layout.has_ids else "no sample ids"
        return f"{delimiter}-delimited, {header}, {ids}{', decimal commas' if layout.decimal_comma else ''}"

    def _fill(self, records: Iterator[Record], names: Sequence[str], kept: list[int]) -> FloatArray:
        matrix = np.empty((0, len(kept)), dtype=np.float32)
        n_rows = 0
        for lines, rows in self._blocks(records):
            origin = CellsOrigin(self.path, lines, names, [j + 1 for j in kept])
            block = parse_numbers(b"\n".join(rows), origin)
            if n_rows + len(block) > len(matrix):
                # In place (no second copy): nobody else holds the matrix yet.
                matrix.resize((max(n_rows + len(block), len(matrix) * 5 // 4), len(kept)), refcheck=False)
            matrix[n_rows : n_rows + len(block)] = block
            n_rows += len(block)
        matrix.resize((n_rows, len(kept)), refcheck=False)
        return matrix

    def _blocks(self, records: Iterator[Record]) -> Iterator[tuple[list[int], list[bytes]]]:
        """Line numbers and rows of feature cells, separated by line feeds, of about ``BLOCK_BYTES`` at most."""
        if self.layout.decimal_comma:
            table = bytes.maketrans(self.delimiter + b",", b"\n.")
        else:
            table = bytes.maketrans(self.delimiter, b"\n")
        lines: list[int] = []
        rows: list[bytes] = []
        n_bytes = 0
        for number, line in records:
            row = self._take_apart(number, line).translate(table)
            lines.append(number)
            rows.append(row)
            n_bytes += len(row)
            if n_bytes >= BLOCK_BYTES or len(rows) >= _BLOCK_ROWS:
                yield lines, rows
                lines, rows, n_bytes = [], [], 0
        if rows:
            yield lines, rows

    def _take_apart(self, number: int, line: bytes) -> bytes:
        """Checks the row's length, keeps its id and target cells and returns the others."""
        layout = self.layout
        if layout.ends_empty:
            line = line.removesuffix(self.delimiter)
        n_cells = line.count(self.delimiter) + 1
        if n_cells != layout.width:
            raise DataError(f"'{self.path}', line {number}: {n_cells:,} cells where the others have {layout.width:,}")
        if self.texts:
            line = self._cut_out(line)
        if layout.has_ids:
            cell, _, line = line.partition(self.delimiter)
            self.ids.append(cell)
        return line

    def _cut_out(self, line: bytes) -> bytes:
        ends = np.flatnonzero(np.frombuffer(line, dtype=np.uint8) == self.delimiter[0])
        edges = np.concatenate(([-1], ends, [len(line)]))
        kept: list[bytes] = []
        start = 0
        for place in sorted(self.texts):
            left, right = int(edges[place]) + 1, int(edges[place + 1])
            self.texts[place].append(line[left:right])
            kept.append(line[start:left])
            start = right + 1
        return (
            (b"".join(kept) + line[start:]).removesuffix(self.delimiter)
            if start > len(line)
            else b"".join(kept) + line[start:]
        )


def find_column(name: str, names: Sequence[str], path: Path, has_header: bool) -> int:
    """Number of the column, from 0; raises DataError that names the nearest columns."""
    if names.count(name) > 1:
        raise DataError(f"'{path}' has more than one column {show(name)} (label_column); rename one of them")
    if name in names:
        return names.index(name)
    if not has_header:
        raise DataError(
            f"'{path}' has no header, so it has no column {show(name)} (label_column); "
            "set header: true if line 1 holds names"
        )
    near = get_close_matches(name, list(names[:5000]), n=3, cutoff=0.6) or list(names[:3])
    raise DataError(
        f"'{path}' has no column {show(name)} (label_column); did you mean {' or '.join(show(text) for text in near)}?"
    )
