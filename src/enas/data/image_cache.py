"""Decoded images on the disk: one file of bytes per folder, mapped into memory, so that a second start decodes nothing.

The file ``<folder>-<place>-<key>.npy`` holds the images one after the other, and the JSON beside it what could not be
read and what the user was told. ``place`` hashes where the folder lies; ``key`` hashes names, sizes and times of its
files and the format, so that a change of any makes a new file and removes the old. Both are written whole or not at
all, the JSON last. Decoding goes on in threads (Pillow holds no lock while it decodes) and results are written in order
by the calling thread, with plain writes: on a full disk those fail with an error, where a mapped file would kill the
process. Memory holds a few blocks of images at a time, whatever the size of the folder.
"""

import hashlib
import io
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from enas.data.decode import Pixels
from enas.data.image_blocks import decode_blocks
from enas.data.image_folder import ImageFile
from enas.data.image_format import ImageFormat
from enas.errors import DataError, EnasError
from enas.files import PARTIAL_PREFIX, read_json, replacing, write_json, write_text
from enas.progress import Progress

_VERSION = 1  # of what decoding does to an image; a new one makes all caches anew
_N_EXAMPLES = 3


@dataclass(slots=True)
class Remark:
    """What was done to how many images, and the first of them by name."""

    n_images: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class CachedImages:
    """The images of a folder, decoded.

    Args:
        pixels: shape (n, height, width, channels), uint8, a read-only memory map; in the order of the files, without
            those that could not be read.
        unreadable: name and reason of each file that could not be read.
        remarks: by the words of `decode`, what was done to the others.
        unreadable_list: a text file that holds ``unreadable``; missing if there are none.
        n_seconds: what decoding took; None if nothing was decoded.
    """

    pixels: Pixels
    unreadable: dict[str, str]
    remarks: dict[str, Remark]
    unreadable_list: Path
    n_seconds: float | None


def cached_images(
    folder: Path,
    files: Sequence[ImageFile],
    fmt: ImageFormat,
    *,
    cache: Path,
    progress: Progress,
    n_threads: int | None = None,
) -> CachedImages:
    """The images from the cache; decoded into it first if they are not there, or not whole.

    Args:
        folder: where the files lie.
        files: those to read, in the order of the result.
        fmt: what each becomes.
        cache: the folder for the decoded images, made if need be.
        progress: shown while decoding.
        n_threads: that decode, at most; None: one per core.

    Raises:
        DataError: not a single image can be read, or the disk has too little room.
        RunError: the cache cannot be written.
    """
    place = _Place.of(folder, files, fmt, cache)
    if found := place.load(fmt):
        return found
    place.prepare(len(files) * int(np.prod(fmt.shape)))
    with _locked(place.lock, folder, progress):
        if found := place.load(fmt):
            return found
        place.remove_old()
        started = time.perf_counter()
        _decode_all(folder, files, fmt, place, progress, n_threads)
        if found := place.load(fmt, time.perf_counter() - started):
            return found
    raise DataError(f"the decoded images of '{folder}' vanished from '{cache}' at once; do other programs write there?")


@contextmanager
def _locked(path: Path, folder: Path, progress: Progress) -> Iterator[None]:
    """Only one process at a time; a second one that reads the same folder waits, then finds it done."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=1)
    except Timeout:
        progress.line(f"waiting for another process that decodes {folder}")
        lock.acquire()
    except OSError as error:
        raise DataError(f"the folder '{path.parent}' for decoded images cannot be used: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True, slots=True)
class _Place:
    """The files of one folder in the cache."""

    stem: str
    key: str
    cache: Path

    @classmethod
    def of(cls, folder: Path, files: Sequence[ImageFile], fmt: ImageFormat, cache: Path) -> "_Place":
        where = folder.resolve()
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", where.name)[:40] or "images"
        contents = "\n".join(f"{file.name}\t{file.n_bytes}\t{file.modified}" for file in files)
        return cls(f"{name}-{_short_hash(str(where), 4)}", _short_hash(f"{_VERSION} {fmt.shape}\n{contents}", 8), cache)

    @property
    def pixels(self) -> Path:
        return self.cache / f"{self.stem}-{self.key}.npy"

    @property
    def record(self) -> Path:
        return self.cache / f"{self.stem}-{self.key}.json"

    @property
    def lock(self) -> Path:
        return self.cache / f"{self.stem}.lock"

    @property
    def unreadable_list(self) -> Path:
        return self.cache / f"{self.stem}-unreadable.txt"

    def prepare(self, n_bytes: int) -> None:
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.cache).free
        except OSError as error:
            raise DataError(f"the folder '{self.cache}' for decoded images cannot be made: {error.strerror}") from error
        if n_bytes > free:
            raise DataError(
                f"the decoded images need {n_bytes / 2**30:,.1f} GB in '{self.cache}', but {free / 2**30:,.1f} GB are "
                "free; make room or set a smaller trainer.img_size"
            )

    def load(self, fmt: ImageFormat, n_seconds: float | None = None) -> CachedImages | None:
        """What is there; None if something is missing or damaged."""
        try:
            record = read_json(self.record)
            shape = (int(record["n_images"]), *fmt.shape)
            header = _header(shape)
            with self.pixels.open("rb") as file:
                whole = file.read(len(header)) == header
            if not whole or self.pixels.stat().st_size != len(header) + np.prod(shape, dtype=np.int64):
                return None
            pixels = np.memmap(self.pixels, np.uint8, "r", offset=len(header), shape=shape)
            remarks = {words: Remark(**remark) for words, remark in record["remarks"].items()}
            return CachedImages(pixels, dict(record["unreadable"]), remarks, self.unreadable_list, n_seconds)
        except (EnasError, OSError, KeyError, TypeError, ValueError, AttributeError):
            return None

    def remove_old(self) -> None:
        """What other states of the same folder and killed processes left; call it under the lock."""
        old = (
            f"{self.stem}-*.npy",
            f"{self.stem}-*.json",
            f"{PARTIAL_PREFIX}*-{self.stem}-*",
            self.unreadable_list.name,
        )
        for path in (path for pattern in old for path in self.cache.glob(pattern)):
            with suppress(OSError):  # Windows keeps a file that another process maps
                path.unlink()


def _short_hash(text: str, n_bytes: int) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=n_bytes).hexdigest()


def _header(shape: tuple[int, ...]) -> bytes:
    """numpy's; padded so that its length does not depend on the number of images."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _decode_all(
    folder: Path, files: Sequence[ImageFile], fmt: ImageFormat, place: _Place, progress: Progress, n_threads: int | None
) -> None:
    n_images = 0
    unreadable: dict[str, str] = {}
    remarks: dict[str, Remark] = {}
    with replacing(place.pixels) as partial:
        with partial.open("wb") as file:
            file.write(_header((len(files), *fmt.shape)))
            for block in decode_blocks(folder, files, fmt, progress, n_threads):
                file.write(block.pixels.data)
                n_images += len(block.pixels)
                unreadable |= block.unreadable
                _count(block.remarks, remarks)
            file.seek(0)
            file.write(_header((n_images, *fmt.shape)))
        if not n_images:
            name, reason = next(iter(unreadable.items()))
            raise DataError(f"none of the {len(files):,} images of '{folder}' can be read: '{name}' {reason}")
    if unreadable:
        write_text(place.unreadable_list, "".join(f"{folder / name}\t{why}\n" for name, why in unreadable.items()))
    words = {word: {"n_images": remark.n_images, "examples": remark.examples} for word, remark in remarks.items()}
    record = {"folder": str(folder), "n_images": n_images, "unreadable": unreadable, "remarks": words}
    write_json(place.record, record)


def _count(new: list[tuple[str, str]], remarks: dict[str, Remark]) -> None:
    for words, name in new:
        remark = remarks.setdefault(words, Remark())
        remark.n_images += 1
        if len(remark.examples) < _N_EXAMPLES:
            remark.examples.append(name)
