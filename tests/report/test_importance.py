import numpy as np
import pytest

from enas.report.canvas import style
from enas.report.importance import draw_bar, draw_total, mean_absolute, rank

VALUES = np.array([[1.0, -4.0, 0.5], [-1.0, 2.0, 0.5]])


def test_features_are_ranked_by_mean_absolute_value() -> None:
    assert mean_absolute(VALUES, "abc").tolist() == [1.0, 3.0, 0.5]
    assert rank(np.array([1.0, 3.0, 3.0, 0.5]), 3).tolist() == [1, 2, 0]


def test_bars_are_the_means_largest_on_top() -> None:
    with style():
        axes = draw_bar(VALUES, ["a", "b", "c"], 2, "").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]
    assert [bar.get_width() for bar in axes.patches] == [3.0, 1.0]  # type: ignore[attr-defined]
    assert axes.yaxis_inverted()


def test_stacks_add_up_over_classes() -> None:
    with style():
        axes = draw_total(np.stack([VALUES, 2 * VALUES]), ["a", "b", "c"], ["well", "sick"], 1, "").axes[0]
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0, 6.0), (6.0, 3.0)]  # type: ignore[attr-defined]
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["sick", "well"]


def test_the_least_of_many_classes_are_added_up() -> None:
    with style():
        axes = draw_total(np.ones((40, 2, 1)), ["a"], [f"c{k}" for k in range(40)], 20, "").axes[0]
    assert axes.patches[-1].get_x() + axes.patches[-1].get_width() == pytest.approx(40)  # type: ignore[attr-defined]
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_texts()[-1].get_text() == "28 other classes"
