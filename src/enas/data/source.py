"""Opens a text file of any common kind and yields its lines as UTF-8 bytes.

Plain, gzip and zstd files are recognised by their first bytes, not by their names; so are byte order marks and the
three kinds of line ends. Text without a mark is passed on as it stands: ``decode`` settles UTF-8 or Latin-1 later.
"""

import codecs
import zlib
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Protocol

from enas.errors import DataError

RAW_CHUNK = 256 * 1024
PARQUET_MAGIC = b"PAR1"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
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
    if path.is_dir():
        raise DataError(f"{role} '{path}' is a folder, not a file")
    if not path.is_file():
        raise DataError(f"{role} '{path}' does not exist{_hint(path)}")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise DataError(f"{role} '{path}' is empty")
    except OSError as error:
        raise DataError(f"{role} '{path}' cannot be read: {error.strerror}") from error


def _hint(path: Path) -> str:
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
        DataError: binary, truncated or damaged file.
    """
    rest: list[bytes] = []
    for chunk in _unified(_decoded(_decompressed(path, advance), path), path):
        first, *others = chunk.split(b"\n")
        rest.append(first)
        if others:
            yield b"".join(rest)
            yield from others[:-1]
            rest = [others[-1]]
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


def _raw(path: Path, advance: Callable[[int], None] | None) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(RAW_CHUNK):
            if advance is not None:
                advance(len(chunk))
            yield chunk


def _decompressed(path: Path, advance: Callable[[int], None] | None) -> Iterator[bytes]:
    raw = _raw(path, advance)
    with path.open("rb") as file:
        start = file.read(8)
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
    try:
        for data in raw:
            while data:
                if stream.eof:
                    stream = new()
                yield stream.decompress(data)
                # Some writers pad the end with zero bytes.
                data = stream.unused_data.lstrip(b"\0") if stream.eof else b""
    except DataError:
        raise
    except Exception as error:  # zlib.error and zstandard.ZstdError share no base
        raise DataError(f"'{path}' is damaged: it cannot be decompressed ({error})") from error
    if not stream.eof:
        raise DataError(f"'{path}' is truncated: the compressed data end too early; copy or download it again")


def _decoded(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Turns UTF-16 and UTF-32 into UTF-8, takes byte order marks away and refuses binary files."""
    first = b""
    while len(first) < 4096 and (chunk := next(chunks, b"")):
        first += chunk
    encoding = next((name for mark, name in _MARKS if first.startswith(mark)), None)
    if encoding is None or encoding == "utf-8-sig":
        if b"\0" in first[:65536]:
            raise DataError(
                f"'{path}' is not a text file (it holds zero bytes); save the table as UTF-8 text or Parquet"
            )
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
        return
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        yield decoder.decode(first).encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeError as error:
        raise DataError(f"'{path}' begins as {encoding.upper()} but is damaged: {error}") from error


def _unified(chunks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Turns the bare carriage returns of old spreadsheets into line feeds; others are taken off with the lines."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= RAW_CHUNK:
            break
    old = b"\r" in first[:-1] and b"\n" not in first
    yield first.replace(b"\r", b"\n") if old else first
    for chunk in chunks:
        yield chunk.replace(b"\r", b"\n") if old else chunk
