"""Sheets of images with captions: the misclassified ones, attribution maps, augmented copies. PNG only."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from enas.report.board import Caption, Key, Pixels, Tile, draw_tiles
from enas.report.canvas import style, write

SIGNS = LinearSegmentedColormap.from_list(
    "signs", ["#08519c", "#6baed6", "#f7f7f7", "#f4a16c", "#b63a0b"], N=255
).with_extremes(bad="#d9d9d9")
"""Blue speaks against, white is nothing, orange speaks for: told apart by the colour-blind."""
PERCENTILE = 99.5
"""Of |attribution|: the end of the colour scale, so that one pixel does not pale all others."""


def image_sheet(
    pixels: Pixels, captions: Sequence[Caption], stem: Path | str, title: str, *, n_most: int = 100
) -> tuple[Path]:
    """Write a grid of images, each with a caption of up to two lines, to ``<stem>.png``.

    Args:
        pixels: shape (n, H, W, C), C = 1 (grey) or 3 (RGB).
        captions: n pairs of lines, such as the true class and the predicted one with its probability; what is wider
            than its place loses its middle.
        stem: path without suffix.
        title: above the sheet.
        n_most: so many are shown, the first ones; the sheet says of how many.

    Raises:
        ValueError: no images, or shapes that do not match.
        RunError: the system refuses to write.
    """
    with style():
        return (write(draw_images(pixels, captions, title, n_most), Path(f"{stem}.png")),)


def draw_images(pixels: Pixels, captions: Sequence[Caption], title: str, n_most: int) -> Figure:
    """The figure of `image_sheet`; call inside `style`."""
    _check(pixels, len(captions), "captions")
    tiles = [Tile((image,), caption) for image, caption in zip(pixels[:n_most], captions, strict=False)]
    return draw_tiles(tiles, _title(title, len(tiles), len(pixels)))


def attribution_sheet(
    pixels: Pixels,
    attributions: NDArray[Any],
    captions: Sequence[Caption],
    stem: Path | str,
    title: str,
    *,
    n_most: int = 50,
) -> tuple[Path]:
    """Write images, each beside the map of what its pixels say for and against the class, to ``<stem>.png``.

    The colours of each map reach from −a to a, with a the 99.5th percentile of its absolute values.

    Args:
        pixels: shape (n, H, W, C), C = 1 or 3.
        attributions: shape (n, H, W), finite.
        captions: n pairs of lines.
        stem: path without suffix.
        title: above the sheet.
        n_most: so many are shown, the first ones; the sheet says of how many.

    Raises:
        ValueError: no images, shapes that do not match, or attributions that are not finite.
        RunError: the system refuses to write.
    """
    _check(pixels, len(captions), "captions")
    maps = _finite(attributions)
    if maps.shape != np.shape(pixels)[:3]:
        raise ValueError(f"shapes do not match: {np.shape(pixels)=}, {maps.shape=}")
    shown = zip(pixels[:n_most], maps, captions, strict=False)
    tiles = [Tile((image, colour(one, _limit(one))), caption) for image, one, caption in shown]
    return _save(tiles, stem, _title(title, len(tiles), len(pixels)), key=_key())


def class_mean_sheet(
    mean_maps: NDArray[Any], classes: Sequence[str], stem: Path | str, title: str = "mean attribution by class"
) -> tuple[Path]:
    """Write one map per class, all with one colour scale, to ``<stem>.png``.

    Args:
        mean_maps: shape (K, H, W); a class whose map is all NaN has no images and is grey.
        classes: K names.
        stem: path without suffix.
        title: above the sheet.

    Raises:
        ValueError: no maps, shapes that do not match, or infinite values.
        RunError: the system refuses to write.
    """
    maps = np.asarray(mean_maps, np.float64)
    if maps.ndim != 3 or not maps.size or len(maps) != len(classes):
        raise ValueError(f"shapes do not match: {maps.shape=}, {len(classes)} classes")
    lacks = np.array([bool(np.isnan(one).all()) for one in maps])
    limit = _limit(_finite(maps[~lacks]))
    captions = [(name, "no images" if one else "") for name, one in zip(classes, lacks.tolist(), strict=True)]
    tiles = [Tile((colour(one, limit),), caption) for one, caption in zip(maps, captions, strict=True)]
    return _save(tiles, stem, title, key=_key())


def augmentation_sheet(
    originals: Pixels, augmented: Pixels, stem: Path | str, title: str = "originals and augmented copies"
) -> tuple[Path]:
    """Write originals in the first column and their augmented copies beside them, to ``<stem>.png``.

    Args:
        originals: shape (n, H, W, C), C = 1 or 3.
        augmented: shape (n, m, H, W, C).
        stem: path without suffix.
        title: above the sheet.

    Raises:
        ValueError: no images, or shapes that do not match.
        RunError: the system refuses to write.
    """
    _check(originals, len(augmented), "rows of copies")
    if np.ndim(augmented) != 5 or (np.shape(augmented)[0], *np.shape(augmented)[2:]) != np.shape(originals):
        raise ValueError(f"shapes do not match: {np.shape(originals)=}, {np.shape(augmented)=}")
    heads = ["original", *(f"copy {k + 1}" for k in range(augmented.shape[1]))]
    tiles = [
        Tile((image,)) for original, copies in zip(originals, augmented, strict=True) for image in (original, *copies)
    ]
    return _save(tiles, stem, title, heads=heads)


def colour(attributions: NDArray[Any], limit: float) -> Pixels:
    """Signed values (H, W) to RGB (H, W, 3): −limit blue, 0 white, limit orange, NaN grey."""
    share = np.ma.masked_invalid(0.5 + np.asarray(attributions, np.float64) / (2 * limit))
    return np.asarray(np.round(SIGNS(share.clip(0, 1))[..., :3] * 255), np.uint8)


def _title(title: str, n_shown: int, n: int) -> str:
    return title if n_shown == n else f"{title} (showing {n_shown:,} of {n:,})"


def _check(pixels: Pixels, n: int, what: str) -> None:
    shape = np.shape(pixels)
    if len(shape) != 4 or shape[3] not in (1, 3) or 0 in shape or shape[0] != n:
        raise ValueError(f"shapes do not match, or there are no images: {shape=}, {n} {what}")


def _finite(values: NDArray[Any]) -> NDArray[np.float64]:
    values = np.asarray(values, np.float64)
    if not np.isfinite(values).all():
        raise ValueError("attributions are not finite")
    return values


def _limit(values: NDArray[np.float64]) -> float:
    """Where the colour scale ends; values that are all zero have one, too."""
    if not values.size:
        return 1.0
    return float(np.percentile(np.abs(values), PERCENTILE)) or float(np.abs(values).max()) or 1.0


def _save(
    tiles: Sequence[Tile], stem: Path | str, title: str, *, key: Key | None = None, heads: Sequence[str] = ()
) -> tuple[Path]:
    with style():
        return (write(draw_tiles(tiles, title, key=key, heads=heads), Path(f"{stem}.png")),)


def _key() -> Key:
    bar = colour(np.linspace(-1, 1, 120)[None].repeat(10, axis=0), 1.0)
    return Key(bar, "speaks against the class", "speaks for it")
