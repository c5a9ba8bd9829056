"""Arrays of images as the pipeline takes them: 8-bit pixels, of whatever range the values are."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

from enas.data.decode import Pixels
from enas.estimators.settings import InputError

BITS_8 = (0.0, 255.0)
_BLOCK = 1000

Range = tuple[float, float]


def check_images(X: Any) -> NDArray[Any]:
    """Finite numbers as (n, H, W, C).

    Raises:
        InputError: another shape.
        ValueError: what scikit-learn finds wrong: no numbers, NaN, no image.
    """
    images: NDArray[Any] = check_array(X, allow_nd=True, input_name="X")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim != 4 or images.shape[3] not in (1, 3) or not images.size:
        raise InputError(
            f"X has the shape {np.shape(X)}; images are (n, height, width), or (n, height, width, channels) with 1 or "
            "3 channels, the last axis"
        )
    return images


def value_range(images: NDArray[Any]) -> Range:
    """What becomes 0 and 255: these two for uint8, the smallest and the largest value for other numbers.

    Raises:
        InputError: all values are the same.
    """
    if images.dtype == np.uint8:
        return BITS_8
    low, high = float(images.min()), float(images.max())
    if low == high:
        raise InputError(f"all values of X are {low:g}: there is nothing to tell images apart by")
    return low, high


def to_pixels(images: NDArray[Any], values: Range) -> Pixels:
    """Images scaled linearly, so that ``values`` become 0 and 255; what lies beyond is cut."""
    if images.dtype == np.uint8 and values == BITS_8:
        return images
    low, high = values
    _warn_of_another_range(images, values)
    pixels = np.empty(images.shape, np.uint8)
    for start in range(0, len(images), _BLOCK):
        scaled = (images[start : start + _BLOCK].astype(np.float64) - low) * (255 / (high - low))
        pixels[start : start + _BLOCK] = np.rint(scaled).clip(0, 255)
    return pixels


def _warn_of_another_range(images: NDArray[Any], values: Range) -> None:
    low, high = values
    lowest, highest = float(images.min()), float(images.max())
    if lowest < low - (high - low) or highest > high + (high - low):
        warnings.warn(
            f"X has values from {lowest:g} to {highest:g}, at training from {low:g} to {high:g}: scale it as there",
            UserWarning,
            stacklevel=2,
        )
