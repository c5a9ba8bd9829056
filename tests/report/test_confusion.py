from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from enas.report.canvas import style
from enas.report.confusion import draw_matrix


def draw(matrix: NDArray[Any], classes: list[str]) -> Figure:
    with style():
        figure = draw_matrix(matrix, classes)
        figure.canvas.draw()  # puts the labels in their places
        return figure


def numbers(axes: Axes) -> dict[tuple[float, float], str]:
    return {t.get_position(): t.get_text() for t in axes.texts}


def test_true_classes_run_along_x() -> None:
    axes = draw(np.array([[60, 10], [3, 27]]), ["sick", "well"]).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true class", "predicted class")
    assert numbers(axes) == {(0, 0): "60", (0, 1): "10", (1, 0): "3", (1, 1): "27"}
    shares = axes.collections[0].get_array()
    assert shares is not None
    assert np.asarray(shares).ravel().tolist() == pytest.approx([60 / 70, 0.1, 10 / 70, 0.9])
    assert axes.get_title(loc="left") == "87 of 100 right"


@pytest.mark.parametrize("n_classes", [2, 10, 40])
def test_numbers_fit_their_cells(n_classes: int) -> None:
    matrix = np.diag(np.full(n_classes, 1234))
    axes = draw(matrix, [f"tissue {k}" for k in range(n_classes)]).axes[0]
    cell = axes.get_window_extent().width / n_classes
    assert axes.texts
    for text in axes.texts[:3]:
        assert text.get_window_extent().width < cell
        assert text.get_window_extent().height < cell


def test_many_classes_carry_no_numbers() -> None:
    assert not draw(np.eye(61), [str(k) for k in range(61)]).axes[0].texts


@pytest.mark.parametrize("n_classes", [2, 10, 40])
def test_names_stay_on_the_page_and_do_not_collide(n_classes: int) -> None:
    names = [f"embryonal_tumour of the central nervous system, {k}" for k in range(n_classes)]
    figure = draw(np.eye(n_classes), names)
    axes, page = figure.axes[0], figure.bbox
    for label in [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]:
        box = label.get_window_extent()
        assert page.x0 <= box.x0
        assert page.y0 <= box.y0
        assert box.x1 <= page.x1
        assert box.y1 <= page.y1
    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert all(upper.y0 >= lower.y1 - 1.5 for upper, lower in pairwise(boxes))
    assert all(axes.yaxis.label.get_window_extent().x1 <= box.x0 for box in boxes)
    assert all(axes.xaxis.label.get_window_extent().y1 <= t.get_window_extent().y0 + 2 for t in axes.get_xticklabels())
