"""New rows of a table, a block at a time in the columns of a model: text is never held as a whole, nor is its matrix.

A header names the columns, in any order, and those that the model does not know are left out unread, whatever they
hold; without names in both places the columns must be as many as in training.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeVar

from enas.console import Silent
from enas.data.dataset import Dataset, RowNumbers
from enas.data.delimited import BLOCK_BYTES, MAX_COLUMNS, Reading
from enas.data.layout import Layout, detect_delimiter, detect_layout
from enas.data.matching import match_features
from enas.data.numbers import CellsOrigin, parse_numbers
from enas.data.parquet import read_parquet
from enas.data.raw import unique_names
from enas.data.records import Record, read_records, restore
from enas.data.source import MAX_LINE, check_file, decode, is_parquet, read_lines, show
from enas.errors import DataError
from enas.progress import Progress

MAX_ROWS = 1000
STDIN = Path("/dev/stdin")
_HEAD_BYTES, _HEAD_LINES = 256 * 1024, 200

T = TypeVar("T")


def read_blocks(
    path: Path, names: tuple[str, ...], *, by_name: bool, max_rows: int = MAX_ROWS, progress: Progress
) -> Iterator[Dataset]:
    """Up to ``max_rows`` rows at a time (fewer of wide tables), with exactly the features ``names``.

    Args:
        path: a table of text, plain or compressed, or Parquet (which is read as a whole); `STDIN`: text.
        names: of the features that the model was trained on, in order.
        by_name: whether these come from files, so that columns are matched by them.
        max_rows: at most.
        progress: told once of what is matched how.

    Raises:
        DataError: no such file, no table of numbers, or features are missing.
    """
    if path != STDIN:
        check_file(path, "table")
    if path != STDIN and is_parquet(path):
        blocks = _cut(_read_parquet(path), max_rows)
    else:
        blocks = _Text(path, names if by_name else ()).blocks(max_rows, progress)
    for number, block in enumerate(blocks):
        yield match_features(block, names, by_name=by_name, progress=Silent() if number else progress)


def _read_parquet(path: Path) -> Dataset:
    table = read_parquet(path, Reading())
    ids = table.ids if table.ids is not None else RowNumbers(range(len(table.features)))
    return Dataset(table.features, table.names, True, ids, table.ids is not None, None, str(path))


def _cut(table: Dataset, max_rows: int) -> Iterator[Dataset]:
    for start in range(0, table.n_samples, max_rows):
        rows = slice(start, start + max_rows)
        ids = table.sample_ids[rows]
        yield Dataset(table.features[rows], table.feature_names, True, ids, table.has_sample_ids, None, table.source)


class _Text:
    """A table of text.

    Args:
        path: where it lies.
        wanted: names of columns; where the header has them all, the others are left out. Empty: all columns.
    """

    def __init__(self, path: Path, wanted: Sequence[str]) -> None:
        self.path = path
        self.delimiter, lines = self._find_delimiter()
        head, self.records = _peek(read_records(lines, self.delimiter, path), lambda record: len(record[1]))
        self._check_width([cells for _, cells in head])
        self.layout: Layout = detect_layout(
            [cells for _, cells in head],
            delimiter=self.delimiter,
            header=None,
            sample_ids=None,
            label_columns=[],
            known_ids=frozenset(),
        )
        if self.layout.has_header:
            self._check_header(next(self.records))
        self.names = self._name_columns()
        first = int(self.layout.has_ids)
        places = {name: at for at, name in enumerate(self.names)} if self.layout.has_header else {}
        self.is_chosen = bool(wanted) and all(name in places for name in wanted)
        self.kept = [places[name] for name in wanted] if self.is_chosen else list(range(first, self.layout.width))
        self.in_order = self.kept == list(range(first, self.layout.width))

    def blocks(self, max_rows: int, progress: Progress) -> Iterator[Dataset]:
        """The rows; features are the kept columns."""
        n_left_out = self.layout.width - self.layout.has_ids - len(self.kept)
        if self.is_chosen and n_left_out:
            progress.line(f"{self.path}: {n_left_out:,} columns that the model does not know are left out")
        names = tuple(self.names[j] for j in self.kept)
        n_before = 0
        for numbers, lines in self._gather(max_rows):
            ids, rows = self._take_apart(numbers, lines)
            origin = CellsOrigin(self.path, numbers, names, [j + 1 for j in self.kept])
            features = parse_numbers(b"\n".join(rows), origin)
            known = ids if self.layout.has_ids else RowNumbers(range(n_before, n_before + len(rows)))
            n_before += len(rows)
            has_names, has_ids = self.layout.has_header, self.layout.has_ids
            yield Dataset(features, names, has_names, known, has_ids, None, str(self.path))
        if not n_before:
            raise DataError(f"'{self.path}' has a header and no rows below it")

    def _find_delimiter(self) -> tuple[bytes, Iterator[bytes]]:
        head, lines = _peek(read_lines(self.path), len)
        filled = [line for line in head if line.strip()]
        if not filled:
            raise DataError(f"'{self.path}' holds no rows")
        delimiter = detect_delimiter(filled)
        if delimiter is None:
            begins = show(decode([filled[0][:60]])[0][0])
            raise DataError(f"'{self.path}' has one column, or rows without a common delimiter: it begins {begins}")
        return delimiter, lines

    def _check_width(self, head: Sequence[bytes]) -> None:
        if max(cells.count(self.delimiter) for cells in head) >= MAX_COLUMNS:
            raise DataError(f"'{self.path}' has more than {MAX_COLUMNS:,} columns; rows must be samples")

    def _check_header(self, header: Record) -> None:
        n_cells, layout = header[1].count(self.delimiter) + 1, self.layout
        if n_cells not in (layout.width, layout.width - layout.has_ids, layout.width + layout.ends_empty):
            raise DataError(f"'{self.path}': the header has {n_cells:,} cells, the rows have {layout.width:,}")

    def _name_columns(self) -> tuple[str, ...]:
        given, _ = decode([restore(name, self.delimiter) for name in self.layout.names])
        made_up = [name or f"column_{j + 1}" for j, name in enumerate(given)]
        return unique_names(made_up)[0]

    def _gather(self, max_rows: int) -> Iterator[tuple[list[int], list[bytes]]]:
        """Line numbers and lines, of about ``BLOCK_BYTES`` at most."""
        numbers: list[int] = []
        lines: list[bytes] = []
        n_bytes = 0
        for number, line in self.records:
            numbers.append(number)
            lines.append(line)
            n_bytes += len(line)
            if n_bytes >= BLOCK_BYTES or len(lines) >= max_rows:
                yield numbers, lines
                numbers, lines, n_bytes = [], [], 0
        if lines:
            yield numbers, lines

    def _take_apart(self, numbers: Sequence[int], lines: Sequence[bytes]) -> tuple[list[str], list[bytes]]:
        """Ids, and the kept cells of each row separated by line feeds."""
        layout = self.layout
        table = bytes.maketrans(self.delimiter + b",", b"\n.") if layout.decimal_comma else None
        table = table or bytes.maketrans(self.delimiter, b"\n")
        ids, rows = [], []
        for number, line in zip(numbers, lines, strict=True):
            line = line.removesuffix(self.delimiter) if layout.ends_empty else line
            n_cells = line.count(self.delimiter) + 1
            if n_cells != layout.width:
                message = f"{n_cells:,} cells where the others have {layout.width:,}"
                raise DataError(f"'{self.path}', line {number}: {message}")
            if layout.has_ids:
                ids.append(line.partition(self.delimiter)[0])
            rows.append(self._keep(line).translate(table))
        return decode([restore(cell, self.delimiter).strip() for cell in ids])[0], rows

    def _keep(self, line: bytes) -> bytes:
        if self.in_order:
            return line.partition(self.delimiter)[2] if self.layout.has_ids else line
        cells = line.split(self.delimiter)
        return self.delimiter.join([cells[j] for j in self.kept])


def _peek(items: Iterator[T], size: Callable[[T], int]) -> tuple[list[T], Iterator[T]]:
    """The first few, and all of them."""
    head: list[T] = []
    n_bytes = 0
    for item in items:
        head.append(item)
        n_bytes += size(item)
        enough = 2 if n_bytes > MAX_LINE else 4
        if len(head) >= _HEAD_LINES or (n_bytes >= _HEAD_BYTES and len(head) >= enough):
            break
    return head, chain(head, items)
