"""Which files of a folder are images, and which class each belongs to.

A class is a folder directly below the one that is named; whatever lies below a class, at any depth, belongs to it.
Links are followed, but never back to a folder above, and a class has each folder once, by the way with the fewest
links: among folders that link to one another there are endlessly many ways. Hidden files and what systems leave behind
(``.DS_Store``, ``Thumbs.db``, ``__MACOSX``, ``.ipynb_checkpoints``) are no images and no classes.
"""

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from heapq import heappop, heappush
from pathlib import Path
from typing import NamedTuple

from enas.errors import DataError
from enas.printable import printable, quoted

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"})
_LEFT_BEHIND = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "thumbs.db"})
_SPLITS = frozenset({"train", "training", "valid", "val", "validation", "test", "testing"})
_MOST_NAMED = 10
_Identity = tuple[int, int]


class ImageFile(NamedTuple):
    """One file as its folder lists it.

    Args:
        name: path relative to the listed folder, separated by ``/``.
        n_bytes: its size; -1 if it cannot be looked at (a link to nothing).
        modified: nanoseconds since 1970.
    """

    name: str
    n_bytes: int
    modified: int

    @property
    def class_name(self) -> str:
        """The first folder on the way to the file; empty for a file that lies in none."""
        return self.name.partition("/")[0] if "/" in self.name else ""


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found below ``folder``.

    Args:
        folder: as the user wrote it.
        files: all images, sorted by class, then path.
        folders: names of the folders directly below, sorted.
        ignored: number of other files by suffix (or ``hidden``, ``link to a folder above``, ``folder linked again``).
    """

    folder: Path
    files: tuple[ImageFile, ...]
    folders: tuple[str, ...]
    ignored: Mapping[str, int]

    def describe_ignored(self) -> str:
        """What is not read, in words; empty if nothing was ignored."""
        kinds = sorted(self.ignored.items(), key=lambda kind: (-kind[1], kind[0]))
        others = sum(n for _, n in kinds[_MOST_NAMED:])
        more = f" and {others:,} of other kinds" if others else ""
        return ", ".join(f"{n:,} {printable(kind)[:40]}" for kind, n in kinds[:_MOST_NAMED]) + more


def list_images(folder: Path) -> Listing:
    """Lists all images below ``folder`` without opening any; 60,000 files take about half a second.

    Raises:
        DataError: no such folder, no image in it, a folder that may not be read, or a name that is not UTF-8.
    """
    _check_folder(folder)
    files: list[ImageFile] = []
    folders: list[str] = []
    ignored: Counter[str] = Counter()
    waiting: list[tuple[int, str, str, frozenset[_Identity]]] = [(0, "", str(folder), frozenset())]
    seen: set[tuple[str, _Identity]] = set()
    while waiting:
        n_links, prefix, place, above = heappop(waiting)
        here = _identity(place)
        of_class = (prefix.partition("/")[0], here)
        if here in above or of_class in seen:
            ignored["link to a folder above" if here in above else "folder linked again"] += 1
            continue
        seen.add(of_class)
        for entry in _entries(place):
            suffix = os.path.splitext(entry.name)[1].lower()
            if entry.name.startswith(".") or entry.name.lower() in _LEFT_BEHIND:
                ignored["hidden"] += 1
            elif _is_folder(entry):
                heappush(waiting, (n_links + entry.is_symlink(), f"{prefix}{entry.name}/", entry.path, above | {here}))
                folders += [] if prefix else [entry.name]
            elif suffix in SUFFIXES:
                files.append(ImageFile(prefix + entry.name, *_size_and_time(entry)))
            else:
                ignored[suffix or "without suffix"] += 1
    files.sort(key=lambda file: file.name.split("/"))  # whole names part by part: all of a class, then the next
    listing = Listing(folder, tuple(files), tuple(sorted(folders)), ignored)
    _refuse_strange_names(listing)
    if not files:
        found = f" (only {listing.describe_ignored()})" if ignored else ""
        raise DataError(f"folder '{folder}' holds no image{found}; PNG, JPEG, BMP, TIFF and WebP are read")
    return listing


def find_classes(listing: Listing) -> tuple[str, ...]:
    """The classes of a training folder: the names of its folders, sorted.

    Raises:
        DataError: fewer than two classes, a class without images, or folders that look like train, valid and test.
    """
    folder, classes = listing.folder, listing.folders
    if not classes:
        raise DataError(f"folder '{folder}' has no class folders: put each class's images into a folder of its own")
    if all(name.lower() in _SPLITS for name in classes):
        raise DataError(
            f"the folders in '{folder}' are {quote(classes)}: name one of them, {quoted(folder / classes[0])}"
        )
    if len(classes) == 1:
        raise DataError(
            f"folder '{folder}' has one class folder, {quoted(classes[0])}: at least two classes are needed, "
            f"each a folder directly below; if the classes lie deeper, name {quoted(folder / classes[0])}"
        )
    refuse_empty_classes(listing.files, classes, folder)
    return classes


def refuse_empty_classes(files: Iterable[ImageFile], classes: tuple[str, ...], folder: Path) -> None:
    """Raises DataError if a class has none of the files."""
    filled = {file.class_name for file in files}
    if empty := [name for name in classes if name not in filled]:
        raise DataError(f"class folders of '{folder}' without an image: {quote(empty)}; fill or delete them")


def match_classes(listing: Listing, classes: tuple[str, ...]) -> tuple[str, ...]:
    """The known classes of which the folder has no image.

    Raises:
        DataError: the folder has no class folders, or one of an unknown class.
    """
    folder = listing.folder
    if not listing.folders:
        raise DataError(f"folder '{folder}' has no class folders: it needs those of the training folder")
    known = set(classes)
    if unknown := [name for name in listing.folders if name not in known]:
        raise DataError(
            f"folder '{folder}' has classes that the training folder lacks: {quote(unknown)}; "
            f"known are {quote(classes)}"
        )
    filled = {file.class_name for file in listing.files}
    return tuple(name for name in classes if name not in filled)


def quote(names: Iterable[str]) -> str:
    """Names in quotes, at most ten, and how many more there are.

    >>> quote(["a", "b"])
    "'a', 'b'"
    """
    listed = list(names)
    more = f" and {len(listed) - _MOST_NAMED:,} more" if len(listed) > _MOST_NAMED else ""
    return ", ".join(map(quoted, listed[:_MOST_NAMED])) + more


def _check_folder(folder: Path) -> None:
    if folder.is_file():
        raise DataError(f"'{folder}' is a file, not a folder of images; unpack it if it is an archive")
    if not folder.is_dir():
        raise DataError(f"folder '{folder}' does not exist{_hint(folder)}")


def _hint(folder: Path) -> str:
    if not folder.parent.is_dir():
        return f": there is no folder '{folder.parent}'"
    near = get_close_matches(folder.name, [entry.name for entry in _entries(str(folder.parent))], n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(quoted, near))}?" if near else ""


def _identity(place: str) -> _Identity:
    try:
        info = os.stat(place)
    except OSError as error:
        raise DataError(f"folder {quoted(place)} cannot be read: {error.strerror}") from error
    return info.st_dev, info.st_ino


def _entries(place: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(place) as entries:
            return list(entries)
    except OSError as error:
        raise DataError(f"folder {quoted(place)} cannot be read: {error.strerror}") from error


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _size_and_time(entry: os.DirEntry[str]) -> tuple[int, int]:
    try:
        info = entry.stat()
    except OSError:
        return -1, 0
    return info.st_size, info.st_mtime_ns


def _refuse_strange_names(listing: Listing) -> None:
    # Names go into tables and reports, which are UTF-8.
    for name in (*listing.folders, *(file.name for file in listing.files)):
        if not name.isascii() and any("\ud800" <= character <= "\udfff" for character in name):
            raise DataError(f"folder '{listing.folder}' holds a name that is not UTF-8: {quoted(name)}; rename it")
