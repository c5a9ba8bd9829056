"""What a delimited file's first rows say about the rest: delimiter, header, sample ids, decimal comma."""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from enas.data.numbers import is_missing, is_number
from enas.data.records import read_records
from enas.errors import DataError

CELLS_LOOKED_AT = 2000
_DELIMITERS = (b"\t", b";", b"|", b",", b" ")
_DECIMAL_COMMA = re.compile(rb"[+-]?\d*,\d+(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(rb"[+-]?[1-9]\d{0,2}(?:,\d{3})+")
_WHOLE = re.compile(rb"\d{1,18}")
_ID_WORDS = frozenset(
    b"""id ids key index row rowname rownames unnamed0 name names barcode sample samples sampleid samplename
    patient patients patientid subject subjectid individual cell cellid accession geoaccession case caseid donor
    specimen""".split()
)
NAMES_OF_DELIMITERS = {b"\t": "tab", b" ": "space", b",": "comma", b";": "semicolon", b"|": "bar"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How to read the rows of a delimited file.

    Args:
        names: one name per cell of a data row, ids and labels included; made up where there is no header.
        has_header: whether the first record holds the names.
        has_ids: whether the first cell of each data row is the sample's id.
        ends_empty: whether each data row ends with a delimiter and no cell after it.
        decimal_comma: whether numbers are written as 1,5.
    """

    names: tuple[bytes, ...]
    has_header: bool
    has_ids: bool
    ends_empty: bool
    decimal_comma: bool

    @property
    def width(self) -> int:
        return len(self.names)


def is_id_word(cell: bytes) -> bool:
    """Whether a column's name says that the column holds ids.

    >>> is_id_word(b"Sample_ID"), is_id_word(b""), is_id_word(b"TP53")
    (True, True, False)
    """
    word = re.sub(rb"[^a-z0-9]", b"", cell.lower())
    return not cell.strip() or word in _ID_WORDS


def detect_delimiter(lines: Sequence[bytes]) -> bytes | None:
    """The delimiter that cuts these lines into equally many cells, most of them numbers; None: one column.

    A header may have one cell fewer than the rows (R writes it so).

    >>> detect_delimiter([b"a;b", b"1,5;2,5"]), detect_delimiter([b"x", b"y"])
    (b';', None)
    """
    scores = {d: score for d in _DELIMITERS if (score := _score(lines, d)) is not None}
    return max(scores, key=lambda d: scores[d]) if scores else None


def _score(lines: Sequence[bytes], delimiter: bytes) -> tuple[float, int] | None:
    records = _read(lines, delimiter)
    widths = [record.count(delimiter) + 1 for record in records]
    if not widths:
        return None
    body = widths[1:] or widths
    width = Counter(body).most_common(1)[0][0]
    if width < 2 or widths[0] not in (width, width - 1) or body.count(width) < 0.8 * len(body):
        return None
    rows = [_cut(record, delimiter) for record in records]
    cells = [cell for row in (rows[1:] or rows) for cell in row]
    decimal = delimiter != b","
    n_numbers = sum(1 for cell in cells if is_number(cell) or (decimal and _DECIMAL_COMMA.fullmatch(cell)))
    if delimiter == b" " and not n_numbers and len({row[0] for row in rows}) < len(rows):
        return None  # words of one text cell ("good prognosis"), not cells
    return round(n_numbers / len(cells), 1), width


def _read(lines: Sequence[bytes], delimiter: bytes) -> list[bytes]:
    records: list[bytes] = []
    with suppress(DataError):  # the last of the lines may end within quotes
        records.extend(cells for _, cells in read_records(iter(lines), delimiter, Path()))
    return records


def _cut(record: bytes, delimiter: bytes) -> list[bytes]:
    """The first cells: a row may have a million."""
    return record.split(delimiter, CELLS_LOOKED_AT)[:CELLS_LOOKED_AT]


def detect_layout(
    records: Sequence[bytes],
    *,
    delimiter: bytes,
    header: bool | None,
    sample_ids: bool | None,
    label_columns: Collection[bytes] = (),
    known_ids: Collection[bytes] = (),
) -> Layout:
    """Settles what the user did not force.

    Args:
        records: the first ones.
        delimiter: what separates their cells.
        header: forced by the user, or None.
        sample_ids: forced by the user, or None.
        label_columns: names of target columns, which are no ids.
        known_ids: ids of the labels file: a first column of the same is one of ids, even if it holds numbers.
    """
    widths = [record.count(delimiter) + 1 for record in records]
    width = Counter(widths[1:] or widths).most_common(1)[0][0]
    rows = [_cut(record, delimiter) for record in records]
    comma = _has_decimal_commas([cell for row in rows for cell in row], delimiter)
    # What looks like numbers is all that is asked of these cells, so that points may stand for commas.
    looks = [[cell.replace(b",", b".") for cell in row] for row in rows] if comma else rows
    usual = [at for at in range(1, len(rows)) if widths[at] == width]
    first, body, below = rows[0], [rows[at] for at in usual], [looks[at] for at in usual]
    short = bool(body) and widths[0] == width - 1 and header is not False
    has_header = header if header is not None else short or _looks_like_header(looks[0], below)
    ends_empty = bool(
        has_header
        and body
        and width > 2
        and all(records[at].endswith(delimiter) for at in usual)
        and (short or records[0].endswith(delimiter))
    )
    if ends_empty:
        width, short = width - 1, False
    if has_header:
        names = _names(records[0].split(delimiter), width, short)
    else:
        names = tuple(b"column_%d" % (j + 1) for j in range(width))
    if sample_ids is None:
        column = [row[0].strip() for row in (body if has_header else [first, *body])]
        named = names[0] if has_header else None
        sample_ids = short or (named not in label_columns and _looks_like_ids(column, named, known_ids))
    return Layout(names, has_header, sample_ids, ends_empty, comma)


def _has_decimal_commas(cells: Sequence[bytes], delimiter: bytes) -> bool:
    """Commas and no points in numbers. 1,234 may mean a thousand: only a semicolon beside it says that it does not."""
    if delimiter == b"," or not any(b"," in cell for cell in cells):
        return False
    commas = [cell for cell in cells if _DECIMAL_COMMA.fullmatch(cell.strip())]
    points = any(b"." in cell and is_number(cell) for cell in cells)
    thousands = all(_THOUSANDS.fullmatch(cell.strip()) for cell in commas)
    return bool(commas) and not points and (delimiter == b";" or not thousands)


def _names(first: Sequence[bytes], width: int, short: bool) -> tuple[bytes, ...]:
    """A header shorter than the rows by one lacks the name of the ids; another length is found out later."""
    names = [b"", *first] if short else list(first)
    return tuple(name.strip() for name in names[:width]) + tuple(b"" for _ in range(width - len(names)))


def _looks_like_header(first: Sequence[bytes], body: Sequence[Sequence[bytes]]) -> bool:
    """Names stand above numbers; numbers stand above numbers unless they count 0, 1, 2, … or only they are whole."""
    if not body:
        return sum(1 for cell in first if not is_number(cell) and not is_missing(cell)) > len(first) / 2
    places = range(min(len(first), len(body[0]), CELLS_LOOKED_AT))
    numeric = [j for j in places if all(is_number(row[j]) or is_missing(row[j]) for row in body)]
    if not numeric:
        return all(not is_number(cell) for cell in first) and len(set(first)) == len(first) and is_id_word(first[0])
    n_texts = sum(1 for j in numeric if not is_number(first[j]) and not is_missing(first[j]))
    if 2 * n_texts > len(numeric):
        return True
    if is_id_word(first[0]) and not any(is_id_word(row[0]) for row in body):
        return True
    return _are_numbers_names([first[j].strip() for j in numeric], [row[j].strip() for row in body for j in numeric])


def _are_numbers_names(first: list[bytes], below: list[bytes]) -> bool:
    if len(first) < 3 or len(set(first)) < len(first) or not all(_WHOLE.fullmatch(cell) for cell in first):
        return False
    n_whole = sum(1 for cell in below if _WHOLE.fullmatch(cell))
    if 2 * n_whole < len(below):
        return len(first) >= 10 or _counts(first)
    return len(first) >= 10 and _counts(first) and below[: len(first)] != first


def _counts(cells: list[bytes]) -> bool:
    return [int(cell) for cell in cells] in (list(range(len(cells))), list(range(1, len(cells) + 1)))


def _looks_like_ids(column: list[bytes], name: bytes | None, known_ids: Collection[bytes]) -> bool:
    unique = len(set(column)) == len(column)
    if known_ids and set(column) <= set(known_ids):
        return unique or any(not is_number(cell) for cell in column)
    n_texts = sum(1 for cell in column if not is_number(cell) and not is_missing(cell))
    if 2 * n_texts > len(column):
        return len(set(column)) > len(column) / 2 or (name is not None and is_id_word(name))
    if name is None:
        return False
    return not name or (is_id_word(name) and unique and all(_WHOLE.fullmatch(cell) for cell in column))
