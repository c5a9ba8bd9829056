"""Which features a model uses: figures of SHAP values.

The features are ranked by mean |SHAP value| over the samples; after that only the columns that are drawn are touched:
a table may have tens of thousands.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from enas.report.canvas import AREA_COLOURS, COLOURS, FAINT, TEXT, page, round_ticks, save, style, text_size
from enas.report.labels import clean, wrap

Floats = NDArray[np.float64]
MOST_CLASSES = len(AREA_COLOURS)
"""Classes with a colour of their own in a stacked bar; the others are added up in grey."""
WIDTH = 4.6
"""Of the plotting area, inches."""
ROW, BAR = 0.24, 0.17
"""Height of a row with one line of text, and of a bar, inches."""


def importance_bar(
    values: NDArray[Any], names: Sequence[str], stem: Path | str, *, n_top: int = 20, title: str = ""
) -> tuple[Path, Path]:
    """Draw the features with the largest mean |SHAP value| as bars, the largest on top.

    Args:
        values: SHAP values, shape (n, p).
        names: p names.
        stem: path without suffix.
        n_top: how many features.
        title: above the figure.

    Returns:
        The PDF and the PNG.

    Raises:
        ValueError: shapes that do not match, no values, or values that are not finite.
    """
    with style():
        return save(draw_bar(values, names, n_top, title), stem)


def draw_bar(values: NDArray[Any], names: Sequence[str], n_top: int, title: str) -> Figure:
    """The figure of `importance_bar`; call inside `style`."""
    importance = mean_absolute(values, names)
    top = rank(importance, n_top)
    figure, axes, places = rows([names[i] for i in top], title)
    axes.barh(places, importance[top], height=BAR, color=COLOURS[0])
    _finish_bars(axes)
    return figure


def importance_bar_total(
    values: NDArray[Any],
    names: Sequence[str],
    classes: Sequence[str],
    stem: Path | str,
    *,
    n_top: int = 20,
    title: str = "",
) -> tuple[Path, Path]:
    """Draw mean |SHAP value| stacked over the classes; the arguments as for `importance_bar`.

    Args:
        values: SHAP values, shape (C, n, p).
        names: p names.
        classes: C names; one is fine (regression).
        stem: path without suffix.
        n_top: how many features, ranked by the sum over classes.
        title: above the figure.
    """
    if len(values) != len(classes) or not len(classes):
        raise ValueError(f"shapes do not match: {np.shape(values)=}, {len(classes)} classes")
    with style():
        return save(draw_total(values, names, classes, n_top, title), stem)


def draw_total(values: NDArray[Any], names: Sequence[str], classes: Sequence[str], n_top: int, title: str) -> Figure:
    """The figure of `importance_bar_total`; call inside `style`."""
    importance = np.stack([mean_absolute(one, names) for one in values])
    top = rank(importance.sum(axis=0), n_top)
    stacks = importance[:, top]
    parts = _parts(stacks, classes)
    sizes = [text_size(label, TEXT - 1) for label, _, _ in parts]
    beside, high = max(width for width, _ in sizes) + 0.75, sum(height * 1.3 for _, height in sizes)
    figure, axes, places = rows([names[i] for i in top], title, right=beside, shortest=high)
    start = np.zeros(len(top))
    for label, look, part in parts:
        axes.barh(places, part, left=start, height=BAR, color=look, label=label)
        start = start + part
    _finish_bars(axes)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), borderaxespad=0)
    return figure


def mean_absolute(values: NDArray[Any], names: Sequence[str]) -> Floats:
    """Mean |SHAP value| of each feature, shape (p,), from values (n, p)."""
    values = np.asarray(values)
    if values.ndim != 2 or values.shape[1] != len(names) or not values.size:
        raise ValueError(f"shapes do not match: {values.shape=}, {len(names)} names")
    importance = np.abs(values).mean(axis=0, dtype=np.float64)
    if not np.isfinite(importance).all():
        raise ValueError(f"SHAP values of {names[int(np.argmin(np.isfinite(importance)))]!r} are not finite")
    return np.asarray(importance)


def rank(importance: Floats, n_top: int) -> NDArray[np.int64]:
    """Indices of the largest, largest first; equal ones in their order."""
    return np.argsort(-importance, kind="stable")[:n_top]


def _parts(stacks: Floats, classes: Sequence[str]) -> list[tuple[str, str, Floats]]:
    """Label, colour and lengths of each class, from stacks (C, rows), largest first; the least are added up in grey."""
    order = np.argsort(-stacks.sum(axis=1), kind="stable").tolist()
    shown, others = order[:MOST_CLASSES], order[MOST_CLASSES:]
    labels = [wrap(clean(classes[c]), 6, shortest=30) for c in shown]
    # A class keeps its colour from figure to figure, unless there are more classes than colours.
    parts = [(labels[k], AREA_COLOURS[k if others else c], stacks[c]) for k, c in enumerate(shown)]
    return parts + ([(f"{len(others)} other classes", FAINT, stacks[others].sum(axis=0))] if others else [])


def rows(
    names: Sequence[str], title: str, *, right: float = 0.25, shortest: float = 0.0
) -> tuple[Figure, Axes, Floats]:
    """Make axes with one row per name, the first on top; the page is as wide and as high as the texts need.

    Returns:
        The figure, its axes, whose y runs downward in inches, and the middle of each row.
    """
    labels = [wrap(clean(name), 6, shortest=36) for name in names]
    sizes = [text_size(label) for label in labels]
    heights = np.array([max(ROW, height + 0.06) for _, height in sizes])
    head = wrap(clean(title), 6, shortest=60)
    total = float(heights.sum())
    figure, axes = page(
        WIDTH,
        total,
        left=max(width for width, _ in sizes) + 0.2,
        right=max(right, text_size(head, TEXT + 1)[0] - WIDTH + 0.1),
        top=text_size(head, TEXT + 1)[1] + 0.15 if head else 0.15,
        bottom=max(0.6, shortest - total),
    )
    places = np.cumsum(heights) - heights / 2
    axes.set_yticks(places, labels)
    axes.set_ylim(total, 0)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(round_ticks())
    if head:
        axes.set_title(head, loc="left")
    return figure, axes, places


def _finish_bars(axes: Axes) -> None:
    axes.set_xlabel("mean |SHAP value|")
    axes.grid(axis="x", color=FAINT, linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlim(left=0)
