"""Curves: receiver operating characteristics, and the course of a search."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from enas.metrics.rewards import auroc_by_class
from enas.report.canvas import COLOURS, FAINT, TEXT, page, save, style, text_size
from enas.report.course import DASHES, ENTROPY, REWARD, Panel, draw_courses
from enas.report.labels import clean, wrap

MOST_NAMED = 20
"""So many classes have a colour and a line in the legend; the others are thin and grey."""
MOST_POINTS = 1000
Floats = NDArray[np.float64]


def roc_curves(
    probabilities: NDArray[Any], y: NDArray[Any], classes: Sequence[str], stem: Path | str
) -> tuple[Path, Path]:
    """Draw one curve per class against the rest, with its area in the legend; of two classes only the second.

    With many classes the legend names those with the smallest areas, which need attention.

    Args:
        probabilities: shape (n, C).
        y: true class indices, shape (n,).
        classes: C names.
        stem: path without suffix.

    Returns:
        The PDF and the PNG.

    Raises:
        ValueError: shapes that do not match.
    """
    probabilities, y = np.asarray(probabilities), np.asarray(y)
    if probabilities.shape != (len(y), len(classes)) or not probabilities.size:
        raise ValueError(f"shapes do not match: {probabilities.shape=}, {y.shape=}, {len(classes)} classes")
    with style():
        return save(draw_roc(probabilities, y, classes), stem)


def draw_roc(probabilities: NDArray[Any], y: NDArray[Any], classes: Sequence[str]) -> Figure:
    """The figure of `roc_curves`; call inside `style`."""
    areas = auroc_by_class(probabilities, y)
    shown = [c for c in ([1] if len(classes) == 2 else range(len(classes))) if not np.isnan(areas[c])]
    named = sorted(sorted(shown, key=lambda c: float(areas[c]))[:MOST_NAMED])
    labels = [wrap(clean(classes[c]), 8, shortest=30) + f"   {areas[c]:.3f}" for c in named]
    others = f"{len(shown) - len(named)} other classes" if len(shown) > len(named) else ""
    title = "class   AUROC" if shown else "no AUROC: all samples are of one class"
    size = TEXT - 1
    width = max(text_size(label, size)[0] for label in [title, others, *labels]) + 0.6
    depth = sum(text_size(label, size)[1] for label in [title, title, *labels]) * 1.15 + 0.1
    side = max(3.6, depth)
    figure, axes = page(side, side, left=0.6, right=width + 0.1, top=0.2, bottom=0.5)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1)
    for c in [c for c in shown if c not in named]:
        axes.plot(*roc_points(probabilities[:, c], y == c), color="#bbbbbb", linewidth=0.6)
    lines = []
    look: dict[str, Any]
    for index, (c, label) in enumerate(zip(named, labels, strict=True)):
        look = {"color": COLOURS[index % 8], "linestyle": DASHES[index // 8 % 3], "linewidth": 1.5}
        lines += axes.plot(*roc_points(probabilities[:, c], y == c), label=label, clip_on=False, **look)
    if others:
        lines.append(Line2D([], [], color="#bbbbbb", linewidth=0.6, label=others))
    _frame(axes)
    legend = axes.legend(handles=lines, title=title, loc="upper left", bbox_to_anchor=(1.02, 1.01), alignment="left")
    legend.get_title().set_fontsize(size)
    return figure


def roc_points(scores: NDArray[Any], positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """False and true positive rates from (0, 0) to (1, 1), one corner per distinct score; thinned if very many.

    >>> roc_points(np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False]))
    (array([0. , 0. , 0.5, 1. ]), array([0. , 0.5, 1. , 1. ]))
    """
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.append(0, np.cumsum(positive[order])[last_of_score])
    alarms = np.append(0, last_of_score + 1) - hits
    turn = np.flatnonzero(np.diff(hits[1:]) * np.diff(alarms)[:-1] != np.diff(hits)[:-1] * np.diff(alarms[1:])) + 1
    corners = np.concatenate([[0], turn, [len(hits) - 1]])
    if len(corners) > MOST_POINTS:
        corners = corners[np.linspace(0, len(corners) - 1, MOST_POINTS).round().astype(int)]
    return alarms[corners] / max(alarms[-1], 1), hits[corners] / max(hits[-1], 1)


def search_curves(records: Sequence[Mapping[str, Any]], stem: Path | str) -> tuple[Path, Path]:
    """Draw how a search went, by epoch: reward with its baseline, entropy of the controller, shared-weight loss.

    Args:
        records: one per epoch (or finer), with any of the keys epoch, reward, baseline, entropy, loss; what a record
            lacks is skipped, and without "epoch" records count from 1.
        stem: path without suffix.

    Returns:
        The PDF and the PNG.

    Raises:
        ValueError: no records.
    """
    with style():
        return save(draw_search(records), stem)


def draw_search(records: Sequence[Mapping[str, Any]]) -> Figure:
    """The figure of `search_curves`; call inside `style`."""
    return draw_courses((REWARD, ENTROPY, Panel("shared-weight loss", ("loss",))), records)


def _frame(axes: Axes) -> None:
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.grid(color=FAINT, linewidth=0.5)
