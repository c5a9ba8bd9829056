"""Reads a delimited text file into one float32 matrix, a block of rows at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from enas.data.dataset import FloatArray
from enas.data.layout import NAMES_OF_DELIMITERS, Layout
from enas.data.numbers import CellsOrigin, parse_numbers
from enas.data.opening import Reading, open_text
from enas.data.raw import RawTable, unique_names
from enas.data.records import Record, restore
from enas.data.source import decode, show
from enas.errors import DataError

BLOCK_BYTES, _BLOCK_ROWS = 8 * 1024 * 1024, 128 * 1024
_SMALL_BLOCK_BYTES, _SHARE = 128 * 1024, 64  # a block and what is made of it are small beside a small table, too


def read_delimited(path: Path, reading: Reading, advance: Callable[[int], None] | None = None) -> RawTable:
    """Reads TSV, CSV and their kin, plain or compressed.

    The matrix grows in place, so that the peak is about 1.2 times its size plus names and a few blocks: for 100 rows
    of 23,361 columns 2.3 times its size, beside the 45 MB that the parser takes for itself.

    Raises:
        DataError: anything that keeps the file from being a table of numbers; names file, line, column and value.
    """
    opened = open_text(path, reading, advance)
    table = _Reader(path, reading, opened.layout, opened.delimiter).read(opened.records)
    return replace(table, notes=(*opened.notes, *table.notes))


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
    block_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        share = self.path.stat().st_size // _SHARE
        self.block_bytes = min(BLOCK_BYTES, max(_SMALL_BLOCK_BYTES, share))

    def read(self, records: Iterator[Record]) -> RawTable:
        layout = self.layout
        names = self._decode([restore(name, self.delimiter) for name in layout.names])
        targets = self.reading.find_texts(names, self.path, layout.has_header)
        if layout.has_ids and 0 in targets:
            key = self.reading.columns_of_text[names[0]]
            raise DataError(
                f"'{self.path}': column {show(names[0])} cannot be both {key} and sample ids; set "
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
            origin = CellsOrigin(self.path, lines, names, kept)
            block = parse_numbers(b"\n".join(rows), origin)
            if n_rows + len(block) > len(matrix):
                # In place (no second copy): nobody else holds the matrix yet.
                matrix.resize((max(n_rows + len(block), len(matrix) * 9 // 8), len(kept)), refcheck=False)
            matrix[n_rows : n_rows + len(block)] = block
            n_rows += len(block)
        matrix.resize((n_rows, len(kept)), refcheck=False)
        return matrix

    def _blocks(self, records: Iterator[Record]) -> Iterator[tuple[list[int], list[bytes]]]:
        """Line numbers and rows of feature cells, separated by line feeds, of about ``block_bytes`` at most."""
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
            if n_bytes >= self.block_bytes or len(rows) >= _BLOCK_ROWS:
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
