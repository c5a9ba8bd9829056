"""The files of one folder in the cache of decoded images, and what is found in them.

``<folder>-<place>-<key>.npy`` holds the images one after the other, and the JSON beside it what could not be read and
what the user was told. ``place`` hashes where the folder lies; ``key`` hashes names, sizes and times of its files and
the format, so that a change of any makes a new file and removes the old. A checksum over both files shows damage.
"""

import hashlib
import io
import json
import re
import shutil
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from enas.data.checksum import checksum_file
from enas.data.decode import Pixels
from enas.data.image_folder import ImageFile
from enas.data.image_format import ImageFormat
from enas.errors import DataError, EnasError
from enas.files import PARTIAL_PREFIX, read_json, write_json, write_text
from enas.printable import printable

_VERSION = 1  # of what decoding does to an image; a new one makes all caches anew


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


@dataclass(frozen=True, slots=True)
class Place:
    """Where the images of a folder lie in the cache, and in which format."""

    stem: str
    key: str
    cache: Path
    fmt: ImageFormat

    @classmethod
    def of(cls, folder: Path, files: Sequence[ImageFile], fmt: ImageFormat, cache: Path) -> "Place":
        """The place for some files of a folder."""
        where = folder.resolve()
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", where.name)[:40] or "images"
        contents = "\n".join(f"{file.name}\t{file.n_bytes}\t{file.modified}" for file in files)
        key = _short_hash(f"{_VERSION} {fmt.shape}\n{contents}", 8)
        return cls(f"{name}-{_short_hash(str(where), 4)}", key, cache, fmt)

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
        """Make the folder, with room for so many bytes.

        Raises:
            DataError: it cannot be made, or the disk has too little room.
        """
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

    def load(self, n_seconds: float | None = None) -> CachedImages | None:
        """What is there; None if something is missing or damaged."""
        try:
            record = read_json(self.record)
            if record.pop("checksum") != _checksum(record, checksum_file(self.pixels, self.n_header_bytes)):
                return None
            shape = (record["n_images"], *self.fmt.shape)
            with self.pixels.open("rb") as file:
                if file.read(self.n_header_bytes) != self.header(shape[0]):
                    return None
            pixels = np.memmap(self.pixels, np.uint8, "r", offset=self.n_header_bytes, shape=shape)
            remarks = {words: Remark(**remark) for words, remark in record["remarks"].items()}
            return CachedImages(pixels, record["unreadable"], remarks, self.unreadable_list, n_seconds)
        except (EnasError, OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return None

    def save_record(
        self,
        folder: Path,
        n_images: int,
        unreadable: Mapping[str, str],
        remarks: Mapping[str, Remark],
        pixels_checksum: int,
    ) -> None:
        """Write the JSON, and the list of what could not be read."""
        if unreadable:
            lines = (f"{printable(str(folder / name))}\t{why}\n" for name, why in unreadable.items())
            write_text(self.unreadable_list, "".join(lines))
        words = {word: asdict(remark) for word, remark in remarks.items()}
        record = {"folder": str(folder), "n_images": n_images, "unreadable": dict(unreadable), "remarks": words}
        write_json(self.record, {**record, "checksum": _checksum(record, pixels_checksum)})

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

    def header(self, n_images: int) -> bytes:
        """numpy's; padded so that its length does not depend on the number of images."""
        stream = io.BytesIO()
        shape = (n_images, *self.fmt.shape)
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
        return stream.getvalue()

    @property
    def n_header_bytes(self) -> int:
        return len(self.header(0))


def _checksum(record: Mapping[str, Any], of_pixels: int) -> int:
    return zlib.crc32(json.dumps(record, sort_keys=True).encode(), of_pixels)


def _short_hash(text: str, n_bytes: int) -> str:
    return hashlib.blake2b(text.encode(errors="surrogateescape"), digest_size=n_bytes).hexdigest()
