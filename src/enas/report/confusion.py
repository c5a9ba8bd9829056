"""The confusion matrix, as a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from enas.report.canvas import FAINT, INK, TEXT, add_axes, page, save, style, text_size
from enas.report.labels import clean, wrap

SHADES = LinearSegmentedColormap.from_list(
    "shades",
    [(0, "#ffffff"), (0.005, "#dce9f6"), (0.25, "#a6cbe6"), (0.5, "#6baed6"), (0.75, "#2171b5"), (1, "#08306b")],
).with_extremes(bad=FAINT)
"""White is exactly nothing: a single error among many shows."""
MOST_NUMBERED = 60
"""With more classes than this the cells carry no numbers."""
MOST_ZEROS = 12
"""With more classes than this zeros are left out."""


def confusion_matrix(matrix: NDArray[Any], classes: Sequence[str], stem: Path | str) -> tuple[Path, Path]:
    """Draw counts of true (x) against predicted (y) classes; the shade is the share of the true class.

    Numbers and names are scaled to the number of classes; classes without samples are grey.

    Args:
        matrix: counts, shape (C, C), rows = true class, columns = predicted class.
        classes: C names.
        stem: path without suffix.

    Returns:
        The PDF and the PNG.

    Raises:
        ValueError: shapes that do not match.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)) or not classes:
        raise ValueError(f"shapes do not match: {matrix.shape=}, {len(classes)} classes")
    with style():
        return save(draw_matrix(matrix, classes), stem)


def draw_matrix(matrix: NDArray[Any], classes: Sequence[str]) -> Figure:
    """The figure of `confusion_matrix`; call inside `style`."""
    n = len(classes)
    cell = float(np.clip(0.5 * n, 3.0, 9.0)) / n
    size = float(np.clip(cell * 72 * 0.65, 4.5, TEXT + 1))
    names = [clean(name) for name in classes]
    beside = _wrapped(names, cell, size)
    below, rotation, depth = _names_below(names, cell, size)
    widths = [text_size(name, size)[0] for name in beside]
    overhang = max(text_size(name, size)[0] for name in below) * 0.71 if rotation == 45 else 0.0
    left = max(max(widths) + 0.42, overhang - cell / 2 + 0.1)
    figure, axes = page(cell * n, cell * n, left=left, right=0.95, top=0.4, bottom=depth + 0.35)
    _cells(axes, matrix, cell)
    axes.set_xticks(np.arange(n), below, fontsize=size, rotation=rotation, **_anchor(rotation))
    axes.set_yticks(np.arange(n), beside, fontsize=size)
    axes.set_xlabel("true class", labelpad=0)
    axes.set_ylabel("predicted class", labelpad=0)
    axes.xaxis.set_label_coords(0.5, -(depth + 0.08) / (cell * n))
    axes.yaxis.set_label_coords(-(max(widths) + 0.16) / (cell * n), 0.5)
    n_right, n_all = int(np.trace(matrix)), int(matrix.sum())
    axes.set_title(f"{n_right:,} of {n_all:,} right", loc="left", fontsize=TEXT)
    _key(add_axes(figure, left + cell * n + 0.2, depth + 0.35 + max(0.0, cell * n - 3.0), 0.12, min(cell * n, 3.0)))
    return figure


def _cells(axes: Axes, matrix: NDArray[Any], cell: float) -> None:
    n = len(matrix)
    totals = matrix.sum(axis=1, keepdims=True)
    share = np.where(totals > 0, matrix / np.maximum(totals, 1), np.nan)
    edges = np.arange(n + 1) - 0.5
    line = min(1.0, cell * 72 / 12)
    axes.pcolormesh(edges, edges, share.T, cmap=SHADES, vmin=0, vmax=1, edgecolors="#eeeeee", linewidth=line)
    axes.set_xlim(-0.5, n - 0.5)
    axes.set_ylim(n - 0.5, -0.5)
    axes.tick_params(length=2, pad=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)
    if n > MOST_NUMBERED:
        return
    size = min(16.0, 0.8 * cell / text_size(f"{matrix.max():,}", 1.0)[0], cell * 72 * 0.5)
    for true, predicted in np.argwhere((matrix > 0) | (n <= MOST_ZEROS)):
        shade = INK if not share[true, predicted] > 0.5 else "white"
        text = f"{matrix[true, predicted]:,}"
        axes.text(true, predicted, text, ha="center", va="center_baseline", color=shade, fontsize=size)


def _wrapped(names: Sequence[str], room: float, size: float) -> list[str]:
    """Names in as many lines as fit into the height of a cell, at most four."""
    n_lines = int(np.clip(room / text_size("x", size)[1], 1, 4))
    return [wrap(name, n_lines, shortest=22) for name in names]


def _names_below(names: Sequence[str], cell: float, size: float) -> tuple[list[str], int, float]:
    """Names for the x axis, their rotation in degrees and the room they need below the axis, in inches."""
    level = [wrap(name, 3, shortest=8) for name in names]
    if max(text_size(name, size)[0] for name in level) <= 0.92 * cell:
        return level, 0, max(text_size(name, size)[1] for name in level) + 0.06
    if cell > 2.2 * text_size("x", size)[1]:
        slanted = _wrapped(names, 0.7 * cell, size)
        return slanted, 45, max(sum(text_size(name, size)) for name in slanted) * 0.71 + 0.06
    upright = _wrapped(names, cell, size)
    return upright, 90, max(text_size(name, size)[0] for name in upright) + 0.08


def _anchor(rotation: int) -> dict[str, Any]:
    return {"ha": "right", "va": "top", "rotation_mode": "anchor"} if rotation == 45 else {}


def _key(axes: Axes) -> None:
    edges = np.linspace(0, 1, 65)
    axes.pcolormesh(
        [0, 1], edges, ((edges[1:] + edges[:-1]) / 2)[:, None], cmap=SHADES, vmin=0, vmax=1, rasterized=True
    )
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([0, 0.5, 1], ["0", "½", "1"], fontsize=TEXT - 1)
    axes.set_ylabel("share of the true class", fontsize=TEXT - 1)
    axes.yaxis.set_label_position("right")
    axes.tick_params(length=2, pad=2)
