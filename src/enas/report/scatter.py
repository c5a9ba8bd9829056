"""Predicted against true values, for regression."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from enas.metrics import score
from enas.report.canvas import COLOURS, INK, TEXT, add_axes, page, round_ticks, save, style, text_size
from enas.report.labels import clean, wrap

MOST_PANELS = 16
PANEL = 2.9
"""Side of a panel, inches."""


def scatter(
    predictions: NDArray[Any], targets: NDArray[Any], names: Sequence[str], stem: Path | str
) -> tuple[Path, Path]:
    """Draw true (x) against predicted (y) values with the line of identity, one panel per target, the first 16.

    Args:
        predictions: shape (n, t), or (n,) for one target.
        targets: true values, same shape.
        names: t names.
        stem: path without suffix.

    Returns:
        The PDF and the PNG.

    Raises:
        ValueError: shapes that do not match.
    """
    predictions, targets = (np.asarray(v, np.float64).reshape(len(v), -1) for v in (predictions, targets))
    if predictions.shape != targets.shape or targets.shape[1] != len(names) or not targets.size:
        raise ValueError(f"shapes do not match: {predictions.shape=}, {targets.shape=}, {len(names)} names")
    n_panels = min(len(names), MOST_PANELS)
    n_columns = min(n_panels, 4)
    n_rows = -(-n_panels // n_columns)
    with style():
        titles = [_title(names[i], predictions[:, i], targets[:, i]) for i in range(n_panels)]
        head = max(text_size(title)[1] for title in titles) + 0.3
        across, down = PANEL + 0.85, PANEL + head + 0.5
        note = 0.3 if n_panels < len(names) else 0.0
        figure, frame = page(across * n_columns, down * n_rows, left=0.0, right=0.05, top=note, bottom=0.0)
        frame.remove()
        for i, title in enumerate(titles):
            left, bottom = 0.75 + i % n_columns * across, (n_rows - 1 - i // n_columns) * down + 0.5
            _panel(add_axes(figure, left, bottom, PANEL, PANEL), predictions[:, i], targets[:, i], title)
        if note:
            figure.text(
                0.01, 1 - 0.1 / figure.get_figheight(), f"the first {n_panels} of {len(names)} targets", va="top"
            )
        return save(figure, stem)


def _title(name: str, predictions: NDArray[Any], targets: NDArray[Any]) -> str:
    r2 = score("r2", predictions, targets)
    return wrap(clean(name), 6, shortest=36) + (f"\nR² = {r2:.3f}" if np.isfinite(r2) else "\nR² undefined")


def _panel(axes: Axes, predictions: NDArray[Any], targets: NDArray[Any], title: str) -> None:
    both = np.concatenate([predictions, targets])
    both = both[np.isfinite(both)]
    low, high = (float(both.min()), float(both.max())) if both.size else (0.0, 1.0)
    margin = 0.04 * (high - low) or 0.5
    limits = (low - margin, high + margin)
    many = len(targets) > 2000
    axes.plot(limits, limits, color=INK, linewidth=0.8, linestyle="--")
    axes.plot(
        targets, predictions, ".", color=COLOURS[0], alpha=0.3 if many else 0.7, markersize=4 if many else 7,
        markeredgewidth=0, rasterized=many,
    )  # fmt: skip
    axes.set(xlim=limits, ylim=limits, xlabel="true", ylabel="predicted")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(round_ticks())
    axes.set_title(title, loc="left", fontsize=TEXT)
