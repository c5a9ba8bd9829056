"""Decoded images on the disk: one file of bytes per folder, mapped into memory, so that a second start decodes nothing.

`image_cache_place` knows the files. All are written whole or not at all, the JSON last. Decoding goes on in threads
(Pillow holds no lock while it decodes) and results are written in order by the calling thread, with plain writes: on a
full disk those fail with an error, where a mapped file would kill the process. Memory holds a few blocks of images at a
time, whatever the size of the folder.
"""

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from enas.data.decode import decode_image, may_pass, quietly
from enas.data.image_blocks import decode_blocks
from enas.data.image_cache_place import CachedImages, Place, Remark
from enas.data.image_folder import ImageFile
from enas.data.image_format import ImageFormat
from enas.errors import DataError
from enas.files import replacing
from enas.printable import quoted
from enas.progress import Progress

__all__ = ["CachedImages", "cached_images"]

_N_EXAMPLES = 3


def cached_images(
    folder: Path,
    files: Sequence[ImageFile],
    fmt: ImageFormat,
    *,
    cache: Path,
    progress: Progress,
    n_threads: int | None = None,
) -> CachedImages:
    """The images from the cache; decoded into it first if they are not there, or not as they were written.

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
    place = Place.of(folder, files, fmt, cache)
    if found := _load(place, folder):
        return found
    place.prepare(len(files) * int(np.prod(fmt.shape)))
    with _locked(place.lock, folder, progress):
        if found := _load(place, folder):
            return found
        place.remove_old()
        started = time.perf_counter()
        _decode_all(folder, files, place, progress, n_threads)
        if found := place.load(time.perf_counter() - started):
            return found
    raise DataError(f"the decoded images of '{folder}' vanished from '{cache}' at once; do other programs write there?")


def _load(place: Place, folder: Path) -> CachedImages | None:
    """What is in the cache, unless a file can be read now that could not be read then."""
    found = place.load()
    return None if found and _any_mended(found.unreadable, folder, place.fmt) else found


def _any_mended(unreadable: Mapping[str, str], folder: Path, fmt: ImageFormat) -> bool:
    """Permissions and lost connections change neither size nor time of a file."""
    with quietly():
        return any(_is_readable(folder / name, fmt) for name, reason in unreadable.items() if may_pass(reason))


def _is_readable(path: Path, fmt: ImageFormat) -> bool:
    try:
        decode_image(path, fmt.size, fmt.n_channels)
    except DataError:
        return False
    return True


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


def _decode_all(
    folder: Path, files: Sequence[ImageFile], place: Place, progress: Progress, n_threads: int | None
) -> None:
    n_images = checksum = 0
    unreadable: dict[str, str] = {}
    remarks: dict[str, Remark] = {}
    with replacing(place.pixels) as partial:
        with partial.open("wb") as file:
            file.write(place.header(len(files)))
            for block in decode_blocks(folder, files, place.fmt, progress, n_threads):
                file.write(block.pixels.data)
                checksum = zlib.crc32(block.pixels.data, checksum)
                n_images += len(block.pixels)
                unreadable |= block.unreadable
                _count(block.remarks, remarks)
            file.seek(0)
            file.write(place.header(n_images))
        if not n_images:
            name, reason = next(iter(unreadable.items()))
            raise DataError(f"none of the {len(files):,} images of '{folder}' can be read: {quoted(name)} {reason}")
    place.save_record(folder, n_images, unreadable, remarks, checksum)


def _count(new: list[tuple[str, str]], remarks: dict[str, Remark]) -> None:
    for words, name in new:
        remark = remarks.setdefault(words, Remark())
        remark.n_images += 1
        if len(remark.examples) < _N_EXAMPLES:
            remark.examples.append(name)
