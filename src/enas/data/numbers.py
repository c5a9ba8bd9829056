"""Decimal text to float32, and a clear word on every cell that is no finite number."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from enas.data.dataset import FloatArray
from enas.data.source import decode, show
from enas.errors import DataError

MISSING = ("", "NA", "N/A", "#N/A", "n/a", "na", "NaN", "nan", "NAN", "-nan", "null", "NULL", "None", "?", ".")
_MISSING = frozenset(text.encode() for text in MISSING)
_NUMBER = re.compile(rb"[+-]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE)
_COMMA = re.compile(rb"[+-]?\d+(?:,\d+)+(?:\.\d*)?")
_SHOWN = 8
_MAX_PASSES = 16


def is_missing(cell: bytes) -> bool:
    """Whether the cell says that a value is missing.

    >>> is_missing(b" NA "), is_missing(b"0")
    (True, False)
    """
    return cell.strip() in _MISSING


def is_number(cell: bytes) -> bool:
    """Whether the cell is a decimal number.

    >>> is_number(b"-1.5e3"), is_number(b"1,5"), is_number(b"abc")
    (True, False, False)
    """
    return _NUMBER.fullmatch(cell.strip()) is not None


@dataclass(frozen=True, slots=True)
class CellsOrigin:
    """Where a block of cells stands, for messages.

    Args:
        path: the file.
        lines: line number of each row of the block.
        columns: name of each column of the block.
        positions: of each column in the file, from 0; a message counts from 1.
    """

    path: Path
    lines: Sequence[int]
    columns: Sequence[str]
    positions: Sequence[int]


def parse_numbers(cells: bytes, origin: CellsOrigin) -> FloatArray:
    """Parses cells that are separated by line feeds, row by row.

    A table of one column is what the library reads fastest: its cost per column, which rules wide tables, is paid once.
    Each value is the float32 nearest to the decimal number.

    Returns:
        shape (n_rows, n_columns), NaN where a value is missing.

    Raises:
        DataError: a cell that is no number, or infinite; the message names file, line, column and value.
    """
    shape = (len(origin.lines), len(origin.columns))
    cells = _trim(cells)
    # Looking for many marks of missing values in each cell costs half as much again as parsing it.
    values = _parse_fast(cells, ["NA"], shape)
    if values is None:
        values = _parse_fast(cells, list(MISSING), shape)
    if values is None:
        values = _parse_slowly(cells, origin)
    if np.isinf(values).any():
        row, place = np.argwhere(np.isinf(values))[0]
        cell = cells.split(b"\n")[row * shape[1] + place]
        raise DataError(
            f"{_where(origin, int(row), int(place))}: {_show(cell)} is infinite (or beyond float32); "
            "mend the cell or leave it empty"
        )
    return values


def _parse_fast(cells: bytes, missing: list[str], shape: tuple[int, int]) -> FloatArray | None:
    """None: a cell is neither a number nor in ``missing``. Empty cells and NaN need no mention."""
    import polars as pl

    try:
        column = pl.read_csv(
            cells + b"\n",
            has_header=False,
            schema={"value": pl.Float32},
            quote_char=None,
            separator="\x1f",  # no text holds it
            null_values=missing,
        ).to_series()
        return column.to_numpy().reshape(shape)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError):
        return None


def _trim(cells: bytes) -> bytes:
    """Takes blanks off the cells' ends; few at once are taken off all cells at once."""
    n_passes = 0
    for blank in (blank for blank in (b" ", b"\t") if blank in cells):  # one byte is found much faster than two
        for end in (blank + b"\n", b"\n" + blank):
            while end in cells:
                if n_passes == _MAX_PASSES:
                    return b"\n".join(cell.strip(b" \t") for cell in cells.split(b"\n"))
                cells = cells.replace(end, b"\n")
                n_passes += 1
        cells = cells.strip(blank)
    return cells


def _parse_slowly(block: bytes, origin: CellsOrigin) -> FloatArray:
    cells = block.split(b"\n")
    width = len(origin.columns)
    bad = [at for at, cell in enumerate(cells) if cell.strip() not in _MISSING and not is_number(cell)]
    if bad:
        raise DataError(_complaint(cells, bad, origin))
    values = (np.nan if is_missing(cell) else float(cell) for cell in cells)
    with np.errstate(over="ignore"):
        return np.fromiter(values, np.float64, len(cells)).astype(np.float32).reshape(-1, width)


def _complaint(cells: list[bytes], bad: list[int], origin: CellsOrigin) -> str:
    """Whole columns of text are named together; else the first bad cell."""
    width = len(origin.columns)
    counts = Counter(at % width for at in bad)
    filled = Counter(at % width for at, cell in enumerate(cells) if not is_missing(cell))
    texts = [place for place in sorted(counts) if counts[place] == filled[place] and counts[place] > 1]
    row, place = divmod(bad[0], width)
    first = f"{_where(origin, row, place)}: {_show(cells[bad[0]])} is not a number"
    if not texts or _COMMA.fullmatch(_plain(cells[bad[0]])):
        return f"{first}{_advice(cells[bad[0]])}"
    names = ", ".join(show(origin.columns[j]) for j in texts[:_SHOWN])
    more = f" and {len(texts) - _SHOWN:,} more" if len(texts) > _SHOWN else ""
    return (
        f"{first}; columns that hold text: {names}{more}. Turn them into numbers "
        "(true/false into 1/0) or leave them out; "
        "if one is the target, name it in label_column; if the first holds sample ids, set sample_ids: true"
    )


def _advice(cell: bytes) -> str:
    if _COMMA.fullmatch(_plain(cell)):
        return " (a comma? write 1.5, and 1234 without one)"
    return "; mend the cell or leave it empty (then it counts as missing)"


def _where(origin: CellsOrigin, row: int, place: int) -> str:
    column = f"column {show(origin.columns[place])} (number {origin.positions[place] + 1})"
    return f"'{origin.path}', line {origin.lines[row]}, {column}"


def _plain(cell: bytes) -> bytes:
    """What records put in place of delimiters and line ends within quotes, in a form that can be shown."""
    return cell.strip().replace(b"\x1d", b",").replace(b"\x1e", b" ")


def _show(cell: bytes) -> str:
    return show(decode([_plain(cell)])[0][0])
