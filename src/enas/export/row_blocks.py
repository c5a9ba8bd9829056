"""New rows of a table, a block at a time in the columns of a model: no table is ever held as a whole.

A header names the columns, in any order, and those that the model does not know are left out unread, whatever they
hold; without names in both places the columns must be as many as in training.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from enas.console import Silent
from enas.data.anndata_file import Keys, is_anndata, read_anndata
from enas.data.dataset import Dataset, RowNumbers
from enas.data.delimited import BLOCK_BYTES
from enas.data.matching import match_features
from enas.data.numbers import CellsOrigin, parse_numbers
from enas.data.opening import Reading, open_text
from enas.data.parquet_blocks import read_parquet_blocks
from enas.data.raw import unique_names
from enas.data.records import restore
from enas.data.source import check_file, decode, is_parquet
from enas.errors import DataError
from enas.printable import quoted
from enas.progress import Progress

MAX_ROWS = 1000
STDIN = Path("/dev/stdin")


def read_blocks(
    path: Path,
    names: tuple[str, ...],
    *,
    by_name: bool,
    layer: str | None = None,
    max_rows: int = MAX_ROWS,
    progress: Progress,
) -> Iterator[Dataset]:
    """Up to ``max_rows`` rows at a time (fewer of wide tables), with exactly the features ``names``.

    Args:
        path: a table of text, plain or compressed, Parquet, or AnnData; `STDIN`: text.
        names: of the features that the model was trained on, in order.
        by_name: whether these come from files, so that columns are matched by them.
        layer: of an AnnData; None: X.
        max_rows: at most.
        progress: told once of what is matched how.

    Raises:
        DataError: no such file, no table of numbers, or features are missing.
    """
    if path != STDIN:
        check_file(path, "table")
    if path != STDIN and is_parquet(path):
        blocks = _read_parquet(path, names if by_name else (), max_rows, progress)
    elif is_anndata(path):
        blocks = _read_anndata(path, layer, max_rows, progress)
    else:
        blocks = _Text(path, names if by_name else ()).blocks(max_rows, progress)
    for number, block in enumerate(blocks):
        yield match_features(block, names, by_name=by_name, progress=Silent() if number else progress)


def _read_parquet(path: Path, wanted: Sequence[str], max_rows: int, progress: Progress) -> Iterator[Dataset]:
    n_before = 0
    for block in read_parquet_blocks(path, wanted, max_rows, progress):
        for note in () if n_before else block.notes:
            progress.line(f"{path}: {note}")
        n_rows = len(block.features)
        ids = block.ids if block.ids is not None else RowNumbers(range(n_before, n_before + n_rows))
        n_before += n_rows
        yield Dataset(block.features, block.names, True, ids, block.ids is not None, None, str(path))


def _read_anndata(path: Path, layer: str | None, max_rows: int, progress: Progress) -> Iterator[Dataset]:
    table = read_anndata(path, Keys(layer=layer))
    progress.line(f"{path}: {f'the layer {quoted(layer)}' if layer else 'X'} is read")
    whole = Dataset(table.features, table.names, True, table.ids or (), True, None, str(path))
    for start in range(0, whole.n_samples, max_rows):
        block = whole.take(slice(start, start + max_rows))
        yield replace(block, features=block.features[:])


class _Text:
    """A table of text.

    Args:
        path: where it lies.
        wanted: names of columns; where the header has them all, the others are left out. Empty: all columns.
    """

    def __init__(self, path: Path, wanted: Sequence[str]) -> None:
        self.path = path
        opened = open_text(path, Reading())
        self.delimiter, self.layout, self.records = opened.delimiter, opened.layout, opened.records
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
            origin = CellsOrigin(self.path, numbers, names, self.kept)
            features = parse_numbers(b"\n".join(rows), origin)
            known = ids if self.layout.has_ids else RowNumbers(range(n_before, n_before + len(rows)))
            n_before += len(rows)
            has_names, has_ids = self.layout.has_header, self.layout.has_ids
            yield Dataset(features, names, has_names, known, has_ids, None, str(self.path))
        if not n_before:
            raise DataError(f"'{self.path}' has a header and no rows below it")

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
