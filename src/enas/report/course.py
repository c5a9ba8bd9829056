"""The course of a search or a training, epoch by epoch: panels of curves, and shares stacked on each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from enas.report.canvas import COLOURS, FAINT, TEXT, add_axes, page, round_ticks, save_vector, style
from enas.report.cell import OPERATION_COLOURS, OPERATION_NAMES

DASHES = ("-", "--", ":")
WIDTH, HEIGHT = 2.7, 2.0
"""Of a panel, inches."""
LEFT, ACROSS, DOWN = 0.6, 3.35, 2.85
"""Beside the first panel, and from one to the next."""
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes.

    Args:
        title: above it, with the unit.
        keys: of the records, one curve each.
        labels: of the curves, in the legend; none: the keys themselves.
        is_share: whether values are shares of 1, shown in per cent.
    """

    title: str
    keys: tuple[str, ...]
    labels: tuple[str, ...] = ()
    is_share: bool = False


REWARD, ENTROPY = Panel("reward", ("reward", "baseline")), Panel("entropy, nats", ("entropy",))
RATE = Panel("learning rate", ("lr",))
OPERATION_KEYS = tuple(f"operation_{k}" for k in range(len(OPERATION_NAMES)))


def image_search_curves(records: Sequence[Record], stem: Path | str) -> tuple[Path, Path]:
    """Draw how a search on images went, by epoch: the controller, the shared weights and the policy.

    Args:
        records: one per epoch, with any of the keys epoch, reward, baseline, entropy, child_loss, lr, and operation_0 …
            operation_4, the shares of the operations in the policy; what a record lacks is skipped, and without "epoch"
            records count from 1.
        stem: path without suffix.

    Returns:
        The SVG and the PNG.

    Raises:
        ValueError: no records.
        RunError: the system refuses to write.
    """
    with style():
        return save_vector(draw_image_search(records), stem)


def draw_image_search(records: Sequence[Record]) -> Figure:
    """The figure of `image_search_curves`; call inside `style`."""
    panels = (REWARD, ENTROPY, Panel("shared-weight loss", ("child_loss",)), RATE)
    has_shares = any(_points(records, key) for key in OPERATION_KEYS)
    figure, places = _places(len(panels) + has_shares, records)
    figure.set_label("The course of the search, by epoch")
    for axes, panel in zip(places, panels, strict=False):
        draw_course(axes, panel, records)
    if has_shares:
        _stack(places[-1], records)  # its legend stands in the place that is left of the last row
    return figure


def retraining_curves(records: Sequence[Record], stem: Path | str) -> tuple[Path, Path]:
    """Draw how the training of one network went, by epoch.

    Args:
        records: one per epoch, with any of the keys epoch, child_loss, lr, valid_score and test_score (accuracies, 0
            to 1); what a record lacks is skipped, and without "epoch" records count from 1.
        stem: path without suffix.

    Returns:
        The SVG and the PNG.

    Raises:
        ValueError: no records.
        RunError: the system refuses to write.
    """
    with style():
        return save_vector(draw_retraining(records), stem)


def draw_retraining(records: Sequence[Record]) -> Figure:
    """The figure of `retraining_curves`; call inside `style`."""
    keys, labels = ("valid_score", "test_score"), ("validation", "test")
    known = [k for k, key in enumerate(keys) if _points(records, key)]
    title = "accuracy" if len(known) != 1 else f"{labels[known[0]]} accuracy"
    scores = Panel(title, tuple(keys[k] for k in known), tuple(labels[k] for k in known), is_share=True)
    figure = draw_courses((Panel("loss", ("child_loss",)), RATE, scores), records)
    figure.set_label("The course of the training, by epoch")
    return figure


def draw_courses(panels: Sequence[Panel], records: Sequence[Record]) -> Figure:
    """Panels side by side, three a row; call inside `style`.

    Raises:
        ValueError: no records.
    """
    figure, places = _places(len(panels), records)
    for axes, panel in zip(places, panels, strict=True):
        draw_course(axes, panel, records)
    return figure


def draw_course(axes: Axes, panel: Panel, records: Sequence[Record]) -> None:
    """One curve per key over the epochs; a legend if there may be several."""
    for index, key in enumerate(panel.keys):
        points = _points(records, key)
        if points:
            look: dict[str, Any] = {
                "color": COLOURS[index],
                "linestyle": DASHES[index],
                "marker": "o" if len(points) <= 40 else "",
                "markersize": 3,
            }
            label = panel.labels[index] if panel.labels else key
            axes.plot(*zip(*points, strict=True), label=label, linewidth=1.3, **look)
    _frame(axes, panel.title)
    if panel.is_share:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    if len(panel.keys) > 1 and axes.lines:
        axes.legend(loc="best")


def _points(records: Sequence[Record], key: str) -> list[tuple[float, float]]:
    return [(one.get("epoch", k + 1), one[key]) for k, one in enumerate(records) if one.get(key) is not None]


def _places(n: int, records: Sequence[Record]) -> tuple[Figure, list[Axes]]:
    """A page with n panels, three a row.

    Raises:
        ValueError: no records.
    """
    if not records:
        raise ValueError("no records to draw")
    right, below = ACROSS * (min(n, 3) - 1), DOWN * ((n - 1) // 3)
    figure, first = page(WIDTH, HEIGHT, left=LEFT, right=right + 0.15, top=0.35, bottom=0.5 + below)
    places = [(LEFT + k % 3 * ACROSS, 0.5 + below - k // 3 * DOWN) for k in range(1, n)]
    return figure, [first, *(add_axes(figure, *place, WIDTH, HEIGHT) for place in places)]


def _stack(axes: Axes, records: Sequence[Record]) -> None:
    """Shares of the operations as areas on each other; missing ones count as nothing."""
    known = [(k, one) for k, one in enumerate(records) if any(one.get(key) is not None for key in OPERATION_KEYS)]
    epochs = np.array([one.get("epoch", k + 1) for k, one in known], np.float64)
    shares = np.array([[one.get(key) or 0.0 for key in OPERATION_KEYS] for _, one in known]).T
    if len(known) == 1:  # one epoch has no width
        epochs, shares = epochs[0] + np.array([-0.5, 0.5]), np.repeat(shares, 2, axis=1)
    axes.stackplot(epochs, shares, colors=OPERATION_COLOURS, edgecolor="white", linewidth=0.4)
    _frame(axes, "operations in the policy")
    axes.set(xlim=(epochs[0], epochs[-1]), ylim=(0, max(1.0, float(shares.sum(axis=0).max()))))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    key = [Patch(facecolor=c, label=name) for c, name in zip(OPERATION_COLOURS, OPERATION_NAMES, strict=True)]
    axes.legend(handles=key[::-1], loc="upper left", bbox_to_anchor=(1.01, 1.02), handlelength=1.2)


def _frame(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=TEXT)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(round_ticks())
    axes.ticklabel_format(axis="y", useOffset=False)  # it would stand on the title
    axes.grid(axis="y", color=FAINT, linewidth=0.5)
