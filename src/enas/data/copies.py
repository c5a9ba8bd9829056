"""Augmented copies of the training images, made once before training (``n_aug_img``).

One copy of an image: each of five operations is applied with probability ½, in the order enlarge, rotate, change
contrast and brightness, drop pixels, flip. Departures from ENAS-Tensorflow: all is drawn from one seed, and the
geometry is Pillow's (bilinear, black outside the picture).
"""

import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from enas.data.checksum import checksum_file
from enas.files import replacing
from enas.progress import Progress

if TYPE_CHECKING:
    from PIL import Image

Pixels = NDArray[np.uint8]

_RECIPE = 1  # part of the file's name: raise it when the same seed gives other copies
_WHOLE = zlib.crc32(bytes(4))  # of all bytes that end in their own checksum
_BLOCK_BYTES = 1 << 22  # of pixels at a time; the copies depend on it

_ENLARGEMENT = 1.2
_MAX_DEGREES = 20
_CONTRAST = (0.7, 1.0)
_BRIGHTNESS = (6, 32)
_DROPPED = 0.1


def augmented_copies(pixels: Pixels, generator: np.random.Generator) -> Pixels:
    """One augmented copy of each image.

    Args:
        pixels: (n, H, W, C), C = 1 or 3; left as they are. Only colour images are flipped.
        generator: decides everything.

    Returns:
        (n, H, W, C), in the same order.
    """
    n, height, width, n_channels = pixels.shape
    enlarged, rotated, relit, noisy, flipped = generator.random((5, n)) < 0.5
    degrees = generator.integers(-_MAX_DEGREES, _MAX_DEGREES, n, endpoint=True) * rotated
    contrast = generator.uniform(*_CONTRAST, (n, 1, 1, 1)).astype(np.float32)
    brightness = generator.integers(*_BRIGHTNESS, (n, 1, 1, 1), endpoint=True).astype(np.float32)
    dropped = generator.random((n, height, width), dtype=np.float32) < _DROPPED

    copies = np.array(pixels)
    for i in np.flatnonzero(enlarged | (degrees != 0)):
        copies[i] = _bend(pixels[i], bool(enlarged[i]), int(degrees[i]))
    lit = copies[relit] * contrast[relit] + brightness[relit]
    copies[relit] = np.minimum(np.rint(lit), 255).astype(np.uint8)
    copies[dropped & noisy[:, None, None]] = 0
    if n_channels == 3:
        copies[flipped] = copies[flipped, :, ::-1]
    return copies


def _bend(pixels: Pixels, enlarge: bool, degrees: int) -> Pixels:
    """Enlarge and rotate about the centre, (H, W, C)."""
    from PIL import Image

    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if enlarge:
        image = _enlarge(image)
    if degrees:
        image = image.rotate(degrees, Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(pixels.shape)


def _enlarge(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    scale = 1 / _ENLARGEMENT
    x, y = ((1 - scale) * size / 2 for size in image.size)  # where the result's upper left corner is taken from
    return image.transform(image.size, Image.Transform.AFFINE, (scale, 0, x, 0, scale, y), Image.Resampling.BILINEAR)


def copies_path(cache: Path, n_aug_img: int, seed: int) -> Path:
    """The file for `write_copies`, beside the cache of the originals, whose name stands for their content.

    >>> copies_path(Path("cache/3f2a.npy"), 4, 0).name
    '3f2a-copies1-4-seed0.npy'
    """
    return cache.with_name(f"{cache.stem}-copies{_RECIPE}-{n_aug_img}-seed{seed}.npy")


def write_copies(pixels: Pixels, n_aug_img: int, *, seed: int, path: Path, progress: Progress) -> Pixels:
    """The originals and their augmented copies, from ``path`` if they are there, else made and written to it.

    Memory is bounded by a block of images. Only training images should be given.

    Args:
        pixels: (n, H, W, C), C = 1 or 3, by custom a memory map.
        n_aug_img: how often each image is to be there, the original included, at least 1.
        seed: of the copies.
        path: see `copies_path`; written atomically. Its last four bytes are the checksum of the pixels.
        progress: shows a bar while copies are made.

    Returns:
        (n_aug_img · n, H, W, C), a read-only memory map: all originals, then one copy of each, then another …; so the
        labels are ``np.tile(labels, n_aug_img)``. With ``n_aug_img`` 1 it is ``pixels``.

    Raises:
        RunError: the file cannot be written.
    """
    if n_aug_img == 1:
        return pixels
    shape = (n_aug_img * len(pixels), *pixels.shape[1:])
    found = _open(path, shape)
    if found is not None:
        return found
    with replacing(path) as partial, partial.open("wb") as file:
        # Written, not mapped: a full disk is then an error and not the end of the process.
        file.write(_header(shape))
        checksum = 0
        for block in _blocks(pixels, n_aug_img, seed, progress):
            written = np.ascontiguousarray(block).data
            file.write(written)
            checksum = zlib.crc32(written, checksum)
        file.write(checksum.to_bytes(4, "little"))
    found = _open(path, shape)
    assert found is not None, f"{path} was changed while it was written"
    return found


def _open(path: Path, shape: tuple[int, ...]) -> Pixels | None:
    """The file as a memory map; None if there is none, or it is not as it was written."""
    header = _header(shape)
    try:
        with path.open("rb") as file:
            is_ours = file.read(len(header)) == header
        if not is_ours or path.stat().st_size != len(header) + np.prod(shape, dtype=np.int64) + 4:
            return None
        if checksum_file(path, len(header)) != _WHOLE:
            return None
        return np.memmap(path, np.uint8, "r", offset=len(header), shape=shape)
    except (OSError, ValueError):
        return None


def _header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _blocks(pixels: Pixels, n_aug_img: int, seed: int, progress: Progress) -> Iterator[Pixels]:
    generator = np.random.default_rng(seed)
    size = max(1, _BLOCK_BYTES // pixels[0].size)
    starts = range(0, len(pixels), size)
    with progress.stage("making augmented copies", total=n_aug_img * len(starts)) as step:
        for copy in range(n_aug_img):
            for start in starts:
                block = pixels[start : start + size]
                yield augmented_copies(block, generator) if copy else block
                step(f"copy {copy} of {n_aug_img - 1}" if copy else "originals")
