"""Lines of a delimited file to records: one line each, cells between single delimiters, quotes taken away."""

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from enas.errors import DataError

# Stand for a delimiter and a line end inside a quoted cell, so that records can be split without quotes in mind.
_DELIMITER_INSIDE, _LINE_END_INSIDE = b"\x1d", b"\x1e"

Record = tuple[int, bytes]  # line number in the file, from 1; the cells


def read_records(lines: Iterator[bytes], delimiter: bytes, path: Path) -> Iterator[Record]:
    """Yields one record per row of the table; blank lines are passed over.

    Args:
        lines: lines without line feeds.
        delimiter: one byte; a space stands for any run of spaces.
        path: for messages.

    Raises:
        DataError: a quoted cell that never ends.

    >>> list(read_records(iter([b'a\\t"b c"', b'', b'1\\t2']), b"\\t", Path("x")))
    [(1, b'a\\tb c'), (3, b'1\\t2')]
    """
    counted = _Counted(lines)
    for line in counted:
        number = counted.number
        if b'"' in line:
            line = _unquote(line, counted, delimiter, path)
        line = line.rstrip(b"\r")
        if delimiter == b" ":
            line = line.strip(b" ")
            if b"  " in line:
                line = b" ".join(cell for cell in line.split(b" ") if cell)
        if line.strip(b" "):
            yield number, line


def restore(cell: bytes, delimiter: bytes) -> bytes:
    """The cell as it stood between its quotes."""
    return cell.replace(_DELIMITER_INSIDE, delimiter).replace(_LINE_END_INSIDE, b"\n")


class _Counted:
    """An iterator over lines that knows the number of the last one."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self.number = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = next(self._lines)
        self.number += 1
        return line


def _unquote(line: bytes, following: _Counted, delimiter: bytes, path: Path) -> bytes:
    """Latin-1 maps bytes to characters one to one, so the csv module can work on bytes of any encoding."""
    number = following.number
    texts = (part.decode("latin-1") + "\n" for part in chain([line.rstrip(b"\r")], following))
    spaces = delimiter == b" "
    reader = csv.reader(texts, delimiter=delimiter.decode("latin-1"), strict=True, skipinitialspace=spaces)
    try:
        cells = [cell.encode("latin-1") for cell in next(reader)]
    except csv.Error as error:
        reason = "it is still open after 131,072 characters" if "field limit" in str(error) else str(error)
        raise DataError(
            f"'{path}', line {number}: a quote opens a cell and does not close it well ({reason})"
        ) from error
    inside = [cell.replace(delimiter, _DELIMITER_INSIDE).replace(b"\n", _LINE_END_INSIDE) for cell in cells]
    return delimiter.join(inside)
