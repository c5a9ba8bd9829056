"""What the pixels of many images say: their statistics, and hashes by which an image is known again.

Both pass over the memory map a block at a time.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from enas.data.dataset import FloatArray, IntArray
from enas.data.decode import Pixels

_BLOCK_BYTES = 4 * 1024 * 1024


def channel_statistics(pixels: Pixels, rows: IntArray) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of each channel over all pixels of some images, in grey levels (0 to 255).

    Computed from counts of the 256 levels: exact but for the last rounding. A constant channel's deviation is set to 1.

    Args:
        pixels: shape (n, H, W, C), uint8.
        rows: numbers of the images that count, at least one.

    Returns:
        mean and deviation, each shape (C,), float32.

    >>> channel_statistics(np.array([0, 2, 9], np.uint8).reshape(3, 1, 1, 1), np.array([0, 1]))
    (array([1.], dtype=float32), array([1.], dtype=float32))
    """
    n_channels = pixels.shape[3]
    counts = np.zeros((n_channels, 256), np.int64)
    for block in _blocks(len(rows), pixels[0].nbytes):
        levels = pixels[rows[block]]
        for channel in range(n_channels):
            counts[channel] += np.bincount(levels[..., channel].reshape(-1), minlength=256)
    shares = counts / counts.sum(axis=1, keepdims=True)
    level = np.arange(256.0)
    mean = shares @ level
    deviation = np.sqrt((shares * (level - mean[:, None]) ** 2).sum(axis=1))
    deviation[(counts > 0).sum(axis=1) == 1] = 1.0
    return mean.astype(np.float32), deviation.astype(np.float32)


def image_hashes(pixels: Pixels) -> NDArray[np.uint64]:
    """A stable 64-bit hash of each image: equal pixels, equal hash, on every machine.

    Args:
        pixels: shape (n, H, W, C), uint8; hashes of images of different shape are not to be compared.

    Returns:
        shape (n,), uint64.
    """
    digests = []
    for block in _blocks(len(pixels), pixels[:1].nbytes):
        digests += [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in pixels[block]]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def _blocks(n_images: int, n_bytes_each: int) -> Iterator[slice]:
    n_each = max(1, _BLOCK_BYTES // max(n_bytes_each, 1))
    for start in range(0, n_images, n_each):
        yield slice(start, min(start + n_each, n_images))
