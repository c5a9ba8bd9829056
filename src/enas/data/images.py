"""From folders of image files to one ``ImageSet`` per split, each oddity reported or refused.

Reading goes through these parts: ``image_folder`` lists the files and their classes, ``image_format`` settles size and
channels, ``decode`` turns one file into pixels (``image_blocks`` many), and ``image_cache`` keeps a folder's decoded
pixels on the disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enas.data.dataset import Target
from enas.data.decode import Pixels
from enas.data.image_cache import CachedImages, cached_images
from enas.data.image_folder import (
    SUFFIXES,
    ImageFile,
    Listing,
    find_classes,
    list_images,
    match_classes,
    quote,
    refuse_empty_classes,
)
from enas.data.image_format import ImageFormat, infer_format
from enas.data.pixels import image_hashes
from enas.errors import DataError
from enas.printable import quoted
from enas.progress import Progress

__all__ = ["ImageFormat", "ImageSet", "infer_format", "read_images"]

_MOST_LISTED = 10
_IMAGES_NOT_READ = frozenset(
    {".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ppm", ".pgm", ".tga", ".psd", ".svg"}
)


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """Images of one split, decoded: n images of H x W pixels in C channels (1 grey, 3 RGB).

    Args:
        pixels: shape (n, H, W, C), uint8, a read-only memory map of the cache.
        sample_ids: n paths relative to the folder, separated by ``/``, in the order of class, then path.
        target: the class of each image, values (n,) int64; None for images without labels.
        source: the folder as the user wrote it, for messages.
    """

    pixels: Pixels
    sample_ids: tuple[str, ...]
    target: Target | None
    source: str

    @property
    def features(self) -> Pixels:
        """The pixels, under the name that a table's columns have."""
        return self.pixels

    @property
    def noun(self) -> str:
        """What samples are called, plural."""
        return "images"

    def take(self, rows: NDArray[np.int64]) -> "ImageSet":
        """Some images, in this order; their pixels are read into memory."""
        ids = tuple(self.sample_ids[row] for row in rows)
        return replace(
            self, pixels=self.pixels[rows], sample_ids=ids, target=self.target.take(rows) if self.target else None
        )

    def hashes(self) -> NDArray[np.uint64]:
        """(n,), by which an image is known again."""
        return image_hashes(self.pixels)

    @property
    def n_samples(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def n_channels(self) -> int:
        return int(self.pixels.shape[3])

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return int(self.pixels.shape[1]), int(self.pixels.shape[2])


def read_images(
    folder: Path,
    fmt: ImageFormat,
    *,
    classes: tuple[str, ...] | None,
    labelled: bool,
    cache: Path,
    skip_unreadable: bool,
    progress: Progress,
    n_threads: int | None = None,
) -> ImageSet:
    """Reads all images below ``folder``; decoded once, kept in ``cache`` and mapped from there.

    Args:
        folder: labelled: one folder per class, with images at any depth below it; else images at any depth.
        fmt: size and channels that all images are brought to.
        classes: class names of the training images, in index order; None: infer them.
        labelled: whether the folders are classes.
        cache: the folder for the decoded images, made if need be.
        skip_unreadable: leave out images that cannot be read, with a warning; else they are an error.
        progress: told what was read, and of what the user should know.
        n_threads: that decode, at most; None: one per core.

    Raises:
        DataError: a folder without images, classes that do not fit, images that cannot be read, no room to decode to.
        RunError: the cache cannot be written.
    """
    listing = list_images(folder)
    known = _settle_classes(listing, classes, progress) if labelled else ()
    files = _choose(listing, known, progress) if labelled else listing.files
    _report_ignored(listing, progress)
    cached = cached_images(folder, files, fmt, cache=cache, progress=progress, n_threads=n_threads)
    _report_remarks(folder, cached, progress)
    if cached.unreadable:
        _report_unreadable(folder, cached, skip_unreadable, progress)
        files = [file for file in files if file.name not in cached.unreadable]
        if labelled and classes is None:
            refuse_empty_classes(files, known, folder)
    how = "from the cache" if cached.n_seconds is None else f"decoded in {cached.n_seconds:.1f} s"
    in_classes = f" in {len({file.class_name for file in files}):,} classes" if labelled else ""
    progress.line(f"read {folder}: {_count(len(files))} of {fmt}{in_classes} ({how})")
    ids = tuple(file.name for file in files)
    return ImageSet(cached.pixels, ids, _make_target(files, known) if labelled else None, str(folder))


def _settle_classes(listing: Listing, classes: tuple[str, ...] | None, progress: Progress) -> tuple[str, ...]:
    if classes is None:
        return find_classes(listing)
    if missing := match_classes(listing, classes):
        progress.warn(f"{listing.folder}: no image of {quote(missing)}")
    return classes


def _choose(listing: Listing, classes: tuple[str, ...], progress: Progress) -> list[ImageFile]:
    """The images that have a class, in the order of class, then path."""
    index = {name: i for i, name in enumerate(classes)}
    chosen = sorted((file for file in listing.files if file.class_name), key=lambda file: index[file.class_name])
    if loose := [file.name for file in listing.files if not file.class_name]:
        progress.warn(f"{listing.folder}: leaving out {_count(len(loose))} in no class folder: {quote(loose)}")
    if not chosen:
        raise DataError(f"folder '{listing.folder}' has no image in its class folders")
    return chosen


def _make_target(files: Sequence[ImageFile], classes: tuple[str, ...]) -> Target:
    index = {name: i for i, name in enumerate(classes)}
    return Target(("class",), np.array([index[file.class_name] for file in files], np.int64), classes)


def _report_ignored(listing: Listing, progress: Progress) -> None:
    if not listing.ignored:
        return
    tell = progress.warn if _IMAGES_NOT_READ & set(listing.ignored) else progress.line
    kinds = ", ".join(sorted(SUFFIXES))
    tell(f"{listing.folder}: other files are ignored: {listing.describe_ignored()} (images end in {kinds})")


def _report_remarks(folder: Path, cached: CachedImages, progress: Progress) -> None:
    for words, remark in cached.remarks.items():
        more = ", …" if remark.n_images > len(remark.examples) else ""
        progress.line(f"{folder}: {_count(remark.n_images)} {words} ({quote(remark.examples)}{more})")


def _count(n_images: int) -> str:
    return f"{n_images:,} image{'s' if n_images != 1 else ''}"


def _report_unreadable(folder: Path, cached: CachedImages, skip: bool, progress: Progress) -> None:
    n_bad = len(cached.unreadable)
    n_all = n_bad + len(cached.pixels)
    listed = [f"{quoted(folder / name)} {reason}" for name, reason in list(cached.unreadable.items())[:_MOST_LISTED]]
    count = f"{n_bad:,} of {_count(n_all)} of '{folder}' cannot be read"
    where = f"all are listed in '{cached.unreadable_list}'"
    if not skip:
        more = f"; and {n_bad - len(listed):,} more" if n_bad > len(listed) else ""
        raise DataError(
            f"{count}: {'; '.join(listed)}{more}; {where}; mend or remove them, "
            "or leave them out with trainer.skip_unreadable: true"
        )
    for line in listed:
        progress.warn(f"left out: {line}")
    progress.warn(f"{count} and are left out; {where}")
