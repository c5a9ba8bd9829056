"""Which features a model uses, sample by sample: the bee-swarm of SHAP values."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from enas.report.canvas import FAINT, TEXT, add_axes, save, style
from enas.report.importance import ROW, Floats, mean_absolute, rank, rows

SHADES = LinearSegmentedColormap.from_list("features", ["#0072B2", "#A9A4B8", "#D55E00"])
SHORTEST_KEY = 1.1
"""Of the colours of feature values, inches."""


def importance_dots(
    values: NDArray[Any],
    features: NDArray[Any],
    names: Sequence[str],
    stem: Path | str,
    *,
    n_top: int = 20,
    title: str = "",
) -> tuple[Path, Path]:
    """Draw one dot per sample and feature at its SHAP value, coloured by the feature's value (bee-swarm).

    Args:
        values: SHAP values, shape (n, p).
        features: values of the features, shape (n, p); NaN = missing, grey.
        names: p names.
        stem: path without suffix.
        n_top: how many features, by mean |SHAP value|.
        title: above the figure.

    Returns:
        The PDF and the PNG.

    Raises:
        ValueError: shapes that do not match, no values, or SHAP values that are not finite.
    """
    if np.shape(values) != np.shape(features):
        raise ValueError(f"shapes do not match: {np.shape(values)=}, {np.shape(features)=}")
    with style():
        return save(draw_dots(values, features, names, n_top, title), stem)


def draw_dots(values: NDArray[Any], features: NDArray[Any], names: Sequence[str], n_top: int, title: str) -> Figure:
    """The figure of `importance_dots`; call inside `style`."""
    top = rank(mean_absolute(values, names), n_top)
    x, shades = np.asarray(values)[:, top].astype(np.float64), _shades(np.asarray(features)[:, top])
    figure, axes, places = rows([names[i] for i in top], title, right=0.75, shortest=SHORTEST_KEY)
    axes.axvline(0, color="#999999", linewidth=0.8, zorder=1)
    axes.hlines(places, 0, 1, transform=axes.get_yaxis_transform(), color=FAINT, linewidth=0.5, zorder=0)
    y = places + ROW * np.stack([swarm(column, float(np.ptp(x)) / 90) for column in x.T], axis=1)
    _dots(axes, x.ravel(), y.ravel(), shades.ravel())
    _widen(axes, x)
    axes.set_xlabel("SHAP value (effect on the model's output)")
    _key(figure, axes)
    return figure


def swarm(x: Floats, width: float) -> Floats:
    """Vertical offsets in [-0.4, 0.4] that part dots nearer than about ``width``; shape (n,), no randomness.

    Dots of one bin are laid above and below the middle in turn, the more of them the fuller the row.
    """
    bins = np.round((x - x.min()) / (width or 1.0)).astype(np.int64)
    order = np.argsort(bins, kind="stable")
    ordered = bins[order]
    place = np.arange(len(x)) - np.searchsorted(ordered, ordered)  # 0, 1, 2, … within each bin
    offsets = np.empty(len(x))
    offsets[order] = np.ceil(place / 2) * np.where(place % 2, 1, -1)
    return np.asarray(offsets * min(0.13, 0.4 / max(np.abs(offsets).max(), 1)))


def _shades(features: NDArray[Any]) -> Floats:
    """Feature values to [0, 1], column by column, between their 5th and 95th percentile."""
    features = features.astype(np.float64)
    finite = np.where(np.isfinite(features), features, np.nan)
    known = ~np.isnan(finite).all(axis=0)
    low, high = np.zeros(finite.shape[1]), np.ones(finite.shape[1])
    low[known], high[known] = np.nanpercentile(finite[:, known], [5, 95], axis=0)
    flat = high <= low
    low[flat], high[flat] = low[flat] - 0.5, low[flat] + 0.5
    return np.asarray(np.clip((finite - low) / (high - low), 0, 1))


def _dots(axes: Axes, x: Floats, y: Floats, shades: Floats) -> None:
    """Dots in 32 shades, one stamp per shade: much faster than a collection, above all in a PDF."""
    levels = np.where(np.isnan(shades), -1, np.minimum(shades * 32, 31)).astype(np.int64)
    for level in np.unique(levels):
        look = FAINT if level < 0 else SHADES((level + 0.5) / 32)
        here = levels == level
        axes.plot(
            x[here], y[here], "o", color=look, markersize=3.8, markeredgewidth=0, rasterized=x.size > 20_000, zorder=2
        )


def _widen(axes: Axes, x: Floats) -> None:
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    margin = 0.04 * (high - low) or 0.5
    axes.set_xlim(low - margin, high + margin)


def _key(figure: Figure, axes: Axes) -> None:
    width, height = figure.get_size_inches()
    box = axes.get_position()
    length = float(np.clip(box.height * height, SHORTEST_KEY, 2.4))
    bottom = min(box.y0 + box.height / 2 + length / height / 2, box.y1) * height - length
    key = add_axes(figure, box.x1 * width + 0.15, bottom, 0.1, length)
    edges = np.linspace(0, 1, 65)
    key.pcolormesh([0, 1], edges, ((edges[1:] + edges[:-1]) / 2)[:, None], cmap=SHADES, vmin=0, vmax=1, rasterized=True)
    key.set_xticks([])
    key.yaxis.tick_right()
    key.set_yticks([0, 1], ["low", "high"], fontsize=TEXT - 1)
    key.tick_params(length=0, pad=3)
    key.set_ylabel("feature value", fontsize=TEXT - 1, labelpad=-12)
    key.yaxis.set_label_position("right")
    for spine in key.spines.values():
        spine.set_visible(False)
