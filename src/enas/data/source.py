"""Opens a text file of any common kind and yields its lines as UTF-8 bytes.

Plain, gzip and zstd files are recognised by their first bytes, not by their names; so are byte order marks and the
three kinds of line ends. Text without a mark is passed on as it stands: ``decode`` settles UTF-8 or Latin-1 later.

No file is trusted: compressed data that unpack to far more than tables do, lines without end and control characters are
refused before they fill the memory.
"""

import codecs
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from itertools import chain
from pathlib import Path
from typing import Protocol

from enas.errors import DataError

RAW_CHUNK = 256 * 1024
PARQUET_MAGIC = b"PAR1"
MAX_LINE = 32 * 2**20
# Tables of nearly nothing but zeros shrink to 1/200; what shrinks further would fill the memory from a tiny file.
_MAX_RATIO, _UNPACKED_FREELY = 250, 16 * 2**20
# So little goes to the decompressor at once because it may make thirty thousand times as much of it.
_PIECE = 1024
# Zero bytes mean a binary file; the others stand for something else while a table is cut into cells.
_CONTROLS = (b"\0", b"\x1d", b"\x1e", b"\x1f")
_LINE_END = re.compile(rb"\r\n?|\n")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN = {
    b"PK\x03\x04": "an Excel workbook or a zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x89HDF": "an HDF5 file",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x93NUMPY": "a NumPy file",
    b"RDX": "an R data file",
    b"%PDF": "a PDF file",
}


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def check_file(path: Path, role: str) -> None:
    """Raises DataError unless ``path`` is a readable, non-empty file; ``role`` ("features file") begins the message."""
    try:
        if path.is_dir():
            raise DataError(f"{role} '{path}' is a folder, not a file")
        if not path.exists():
            raise DataError(f"{role} '{path}' does not exist{_hint(path)}")
        if not path.is_file():
            raise DataError(f"{role} '{path}' is a device, pipe or socket; give a regular file")
        with path.open("rb") as file:
            if not file.read(1):
                raise DataError(f"{role} '{path}' is empty")
    except OSError as error:
        raise DataError(f"{role} '{path}' cannot be read: {error.strerror}") from error


def _hint(path: Path) -> str:
    if path.is_symlink():
        return f": it is a link to '{path.readlink()}', which is not there"
    if not path.parent.is_dir():
        return f": there is no folder '{path.parent}'"
    near = get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(name) for name in near)}?" if near else ""


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet files do."""
    with path.open("rb") as file:
        return file.read(4) == PARQUET_MAGIC


def read_lines(path: Path, advance: Callable[[int], None] | None = None) -> Iterator[bytes]:
    """Yields the lines of a text file as UTF-8 bytes without their ends.

    Args:
        path: plain, gzip or zstd.
        advance: told how many bytes of the file each step has read.

    Raises:
        DataError: binary, truncated or damaged file; a line beyond ``MAX_LINE`` bytes.
    """
    rest: list[bytes] = []
    number, n_bytes = 1, 0
    for chunk in _unified(_decoded(_decompressed(path, advance), path)):
        first, *others = chunk.split(b"\n")
        rest.append(first)
        n_bytes += len(first)
        if n_bytes > MAX_LINE:
            raise DataError(
                f"'{path}', line {number} is longer than {MAX_LINE // 2**20} MB; "
                "is it a table, with one row per sample, each on a line of its own?"
            )
        if others:
            yield b"".join(rest)
            yield from others[:-1]
            number += len(others)
            rest, n_bytes = [others[-1]], len(others[-1])
    last = b"".join(rest)
    if last:
        yield last


def decode(cells: list[bytes]) -> tuple[list[str], bool]:
    """The cells as text, and whether they had to be taken as Latin-1 because they are not UTF-8.

    >>> decode([b"caf\\xc3\\xa9"]), decode([b"caf\\xe9"])
    ((['café'], False), (['café'], True))
    """
    try:
        return [cell.decode("utf-8") for cell in cells], False
    except UnicodeDecodeError:
        return [cell.decode("latin-1") for cell in cells], True


def show(text: str) -> str:
    """Text from a file as messages quote it: on one line, no longer than 40 characters.

    >>> show("TP53"), show("A" * 50)
    ("'TP53'", "'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA...'")
    """
    return repr(text if len(text) <= 40 else text[:37] + "...")


def _raw(path: Path, advance: Callable[[int], None] | None) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while chunk := file.read(RAW_CHUNK):
                if advance is not None:
                    advance(len(chunk))
                yield chunk
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from error


def _decompressed(path: Path, advance: Callable[[int], None] | None) -> Iterator[bytes]:
    raw = _raw(path, advance)
    first = next(raw, b"")
    start, raw = first[:8], chain([first], raw)
    if start.startswith(_GZIP):
        return _inflate(raw, lambda: zlib.decompressobj(wbits=31), path)
    if start.startswith(_ZSTD):
        import zstandard

        return _inflate(raw, lambda: zstandard.ZstdDecompressor().decompressobj(), path)
    for magic, kind in _FOREIGN.items():
        if start.startswith(magic):
            raise DataError(f"'{path}' is {kind}; save the table as TSV or CSV (plain, .gz or .zst) or Parquet")
    return raw


def _inflate(raw: Iterator[bytes], new: Callable[[], _Decompressor], path: Path) -> Iterator[bytes]:
    """Members follow each other in files that were written in parallel or concatenated."""
    stream = new()
    n_packed = n_unpacked = 0
    try:
        for data in _cut(raw, _PIECE):
            n_packed += len(data)
            while data:
                if stream.eof:
                    stream = new()
                unpacked = stream.decompress(data)
                n_unpacked += len(unpacked)
                if n_unpacked > max(_UNPACKED_FREELY, _MAX_RATIO * n_packed):
                    raise DataError(
                        f"'{path}' unpacks to more than {_MAX_RATIO} times its size, as no usual table does; "
                        "if it is one, unpack it and name the unpacked file"
                    )
                yield from _cut([unpacked], RAW_CHUNK)
                # Some writers pad the end with zero bytes.
                data = stream.unused_data.lstrip(b"\0") if stream.eof else b""
    except DataError:
        raise
    except Exception as error:  # zlib.error and zstandard.ZstdError share no base
        raise DataError(f"'{path}' is damaged: it cannot be decompressed ({error})") from error
    if not stream.eof:
        raise DataError(f"'{path}' is truncated: the compressed data end too early; copy or download it again")


def _cut(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for at in range(0, len(chunk), size):
            yield chunk[at : at + size]


def _decoded(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Turns UTF-16 and UTF-32 into UTF-8, takes byte order marks away and refuses binary files."""
    first = b""
    while len(first) < 4096 and (chunk := next(chunks, b"")):
        first += chunk
    encoding = next((name for mark, name in _MARKS if first.startswith(mark)), None)
    texts = chain([first.removeprefix(codecs.BOM_UTF8)], chunks)
    for text in _to_utf8(texts, encoding, path) if encoding else texts:
        _refuse_controls(text, path)
        yield text


def _to_utf8(chunks: Iterator[bytes], encoding: str, path: Path) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise DataError(f"'{path}' begins as {encoding.upper()} but is damaged: {error}") from error


def _refuse_controls(text: bytes, path: Path) -> None:
    found = next((control for control in _CONTROLS if control in text), None)
    if found == b"\0":
        raise DataError(f"'{path}' is not a text file (it holds zero bytes); save the table as UTF-8 text or Parquet")
    if found:
        raise DataError(
            f"'{path}' holds the control character 0x{found.hex()}; save the table as TSV or CSV without it"
        )


def _unified(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Turns the bare carriage returns of old spreadsheets into line feeds; others are taken off with the lines.

    The first line's end says which they are.
    """
    old: bool | None = None
    held = b""
    for chunk in chunks:
        chunk, held = held + chunk, b""
        if old is None and chunk.endswith(b"\r"):  # the next chunk may begin with its line feed
            chunk, held = chunk[:-1], b"\r"
        if old is None and (end := _LINE_END.search(chunk)):
            old = end.group() == b"\r"
        yield chunk.replace(b"\r", b"\n") if old else chunk
    yield held
