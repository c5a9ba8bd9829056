"""How a text table begins: its delimiter and its layout, settled by the first lines before the others are read."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import TypeVar

from enas.data.layout import NAMES_OF_DELIMITERS, Layout, detect_delimiter, detect_layout
from enas.data.records import Record, read_records
from enas.data.source import MAX_LINE, decode, read_lines, show
from enas.errors import DataError

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
        group_column: the column of groups, kept as text and taken out, too.
        known_ids: ids of the labels file, if it has any.
        known_names: names of the labels file's columns, which a misspelt group may have meant.
    """

    delimiter: str | None = None
    header: bool | None = None
    sample_ids: bool | None = None
    label_columns: tuple[str, ...] = ()
    group_column: str | None = None
    known_ids: Collection[str] = ()
    known_names: tuple[str, ...] = ()

    @property
    def columns_of_text(self) -> dict[str, str]:
        """The columns that are no features, and the key that names each."""
        groups = {} if self.group_column is None else {self.group_column: "group_column"}
        return dict.fromkeys(self.label_columns, "label_column") | groups

    def find_texts(self, names: Sequence[str], path: Path, has_header: bool) -> list[int]:
        """Where among a file's columns they stand.

        Raises:
            DataError: one is not there; names the nearest.
        """
        return [
            find_column(name, names, path, has_header, key, self.known_names if key == "group_column" else ())
            for name, key in self.columns_of_text.items()
        ]


@dataclass(frozen=True, slots=True)
class Opened:
    """A text table of which the first lines are known.

    Args:
        delimiter: one byte.
        layout: what the first lines say.
        records: all rows, without the header.
        notes: what is to be said about the delimiter.
    """

    delimiter: bytes
    layout: Layout
    records: Iterator[Record]
    notes: tuple[str, ...]


def open_text(path: Path, reading: Reading, advance: Callable[[int], None] | None = None) -> Opened:
    """Open TSV, CSV and their kin, plain or compressed.

    Raises:
        DataError: the first lines are those of no table; names file and line.
    """
    delimiter, lines, notes = _open(path, reading.delimiter, advance)
    head, records = _peek(read_records(lines, delimiter, path), lambda record: len(record[1]))
    _check_head(head, delimiter, path)
    layout = detect_layout(
        [cells for _, cells in head],
        delimiter=delimiter,
        header=reading.header,
        sample_ids=reading.sample_ids,
        label_columns=[name.encode() for name in reading.columns_of_text],
        known_ids=frozenset(text.encode() for text in reading.known_ids),
    )
    if layout.has_header:
        _check_header(next(records), layout, delimiter, path)
        if len(head) == 1:
            raise DataError(f"'{path}' has a header and no rows below it (if line 1 holds values, set header: false)")
    return Opened(delimiter, layout, records, tuple(notes))


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
    if not head:
        raise DataError(f"'{path}' holds no rows: its cells are empty")
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


def find_column(
    name: str, names: Sequence[str], path: Path, has_header: bool, key: str = "label_column", others: Sequence[str] = ()
) -> int:
    """Number of a column, from 0.

    Args:
        name: the column's.
        names: of the file's columns.
        path: the file.
        has_header: whether its names are its own.
        key: of the config, that names the column.
        others: names that are elsewhere; what is not found may be meant as one of them.

    Raises:
        DataError: it is not there, or twice; names the nearest columns.
    """
    if names.count(name) > 1:
        raise DataError(f"'{path}' has more than one column {show(name)} ({key}); rename one of them")
    if name in names:
        return names.index(name)
    near = get_close_matches(name, [*others, *names[:5000]], n=3, cutoff=0.6) or [*others, *names][:3]
    if not has_header and not others:
        raise DataError(
            f"'{path}' has no header, so it has no column {show(name)} ({key}); set header: true if line 1 holds names"
        )
    nor = ", nor has the labels file" if others else ""
    meant = " or ".join(show(text) for text in dict.fromkeys(near))
    raise DataError(f"'{path}' has no column {show(name)} ({key}){nor}; did you mean {meant}?")
