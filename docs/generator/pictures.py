"""Pictures of the pages, drawn by the program's own code: cells, a final network, and how a search goes round."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from enas.families.image_pictures import network_rows
from enas.networks.blueprint import Blueprint, place_reductions
from enas.report.canvas import INK, style, write
from enas.report.cell import draw_cells
from enas.report.diagram import EDGE, blank, draw_box, draw_text
from enas.report.network import draw_network
from enas.search_space import Architecture, MicroSpace

MNIST = "1 2 1 3 0 1 0 4 1 1 1 1 0 1 0 1 1 0 0 1 0 1 0 4 1 0 2 0 0 3 1 1 0 0 0 0 4 1 1 0"
"""ENAS-Tensorflow's architecture for MNIST."""

SEARCH = (
    ("controller", "an LSTM: a probability\nfor every decision"),
    ("architecture", "sampled: 3 0 1 2 1 1"),
    ("child", "its part of the\nshared weights"),
    ("reward", "score on\nheld-out rows"),
)
AFTERWARDS = (
    ("derive", "sample many, score\non all held-out rows"),
    ("retrain", "the best few,\nfrom scratch"),
    ("choose", "epoch, candidates,\nby held-out rows"),
    ("model", "test once, explain,\nreport"),
)
WIDTH, HEIGHT, GAP, LEFT = 1.5, 0.9, 0.35, 0.15


def pictures() -> Iterator[tuple[str, bytes]]:
    """Path in the site's sources, and content."""
    space, architecture = MicroSpace(), Architecture.from_text(MNIST)
    plan = Blueprint((28, 28), 1, 10, n_layers=3, n_filters=12, reductions=place_reductions(3, 2))
    with style():
        yield "pictures/mnist_cells.svg", _svg(draw_cells(space, architecture))
        yield "pictures/mnist_network.svg", _svg(draw_network(network_rows(space, architecture, plan)))
        yield "pictures/search.svg", _svg(_draw_search())


def _svg(figure: Figure) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write(figure, Path(folder) / "picture.svg").read_bytes()


def _draw_search() -> Figure:
    """Shared weights and controller in turn; below, what follows once."""
    figure, axes = blank(2 * LEFT + 4 * WIDTH + 3 * GAP, 3.75)
    figure.set_label("How a search goes round")
    draw_text(axes, LEFT, 0.2, "search: in every epoch", align="left", bold=True)
    _chain(axes, SEARCH, 0.85, "#e3eefa")
    start, end = _centre(3), _centre(0)
    _arrow(axes, (start, 1.3), (end, 1.3), bend=-0.13)
    text = "REINFORCE: likelier if better than the baseline, less likely if worse"
    draw_text(axes, (start + end) / 2, 2.0, text)
    draw_text(axes, LEFT, 2.4, "once, at the end", align="left", bold=True)
    _chain(axes, AFTERWARDS, 3.05, "#e9f4e6")
    return figure


def _chain(axes: Axes, boxes: tuple[tuple[str, str], ...], y: float, fill: str) -> None:
    for i, (name, words) in enumerate(boxes):
        draw_box(axes, np.array([_centre(i), y]), WIDTH, HEIGHT, gid=name, fill=fill)
        draw_text(axes, _centre(i), y - 0.24, name, bold=True)
        draw_text(axes, _centre(i), y + 0.13, words, size=8, colour=INK)
        if i:
            _arrow(axes, (_centre(i) - WIDTH / 2 - GAP, y), (_centre(i) - WIDTH / 2, y))


def _centre(i: int) -> float:
    return LEFT + WIDTH / 2 + i * (WIDTH + GAP)


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> None:
    style = {"arrowstyle": "-|>", "color": EDGE, "connectionstyle": f"arc3,rad={bend}", "shrinkA": 2, "shrinkB": 2}
    axes.annotate("", xy=end, xytext=start, arrowprops=style)
