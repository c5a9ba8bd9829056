from typing import Any

import numpy as np
import pytest
from sklearn.metrics import auc, roc_auc_score, roc_curve

from enas.report import curves
from enas.report.canvas import style


@pytest.mark.parametrize("decimals", [1, 8])
def test_points_are_those_of_scikit_learn(decimals: int) -> None:
    generator = np.random.default_rng(0)
    scores, positive = np.round(generator.random(200), decimals), generator.random(200) < 0.4
    false_rate, true_rate = curves.roc_points(scores, positive)
    every_false, every_true, _ = roc_curve(positive, scores, drop_intermediate=False)
    every_point = {(round(f, 9), round(t, 9)) for f, t in zip(every_false, every_true, strict=True)}
    assert {(round(f, 9), round(t, 9)) for f, t in zip(false_rate, true_rate, strict=True)} <= every_point
    assert len(false_rate) < len(every_false) or decimals == 1
    assert auc(false_rate, true_rate) == pytest.approx(roc_auc_score(positive, scores))


def test_very_many_points_are_thinned_without_moving_the_area() -> None:
    generator = np.random.default_rng(0)
    positive = generator.random(30_000) < 0.5
    scores = generator.normal(size=30_000) + positive
    points = curves.roc_points(scores, positive)
    assert len(points[0]) == curves.MOST_POINTS
    assert (points[0][0], points[1][0], points[0][-1], points[1][-1]) == (0, 0, 1, 1)
    assert auc(*points) == pytest.approx(roc_auc_score(positive, scores), abs=2e-3)


def test_all_one_score_is_the_diagonal() -> None:
    false_rate, true_rate = curves.roc_points(np.ones(4), np.array([True, False, True, False]))
    assert false_rate.tolist() == true_rate.tolist() == [0, 1]


def legend_of_roc(*arguments: Any) -> list[str]:
    with style():
        figure = curves.draw_roc(*arguments)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_of_two_classes_the_second_is_drawn() -> None:
    p, y = np.array([[0.9, 0.1], [0.6, 0.4], [0.5, 0.5], [0.2, 0.8]]), np.array([0, 1, 0, 1])
    assert legend_of_roc(p, y, ["well", "sick"]) == ["sick   0.750"]


def test_the_legend_names_twenty_classes() -> None:
    generator = np.random.default_rng(0)
    p, y = generator.dirichlet(np.ones(30), 300), generator.integers(0, 30, 300)
    labels = legend_of_roc(p, y, [f"c{k}" for k in range(30)])
    assert len(labels) == 21
    assert labels[-1] == "10 other classes"


def test_one_class_has_no_curve_but_a_figure() -> None:
    assert legend_of_roc(np.full((3, 2), 0.5), np.zeros(3, int), ["a", "b"]) == []


def test_records_may_lack_keys() -> None:
    records: list[dict[str, Any]] = [
        {"reward": 0.5, "loss": 2.0},
        {"reward": 0.75, "loss": None},
        {"epoch": 7, "loss": 1.0},
    ]
    with style():
        reward, entropy, loss = curves.draw_search(records).axes
    assert np.array_equal(reward.lines[0].get_xydata(), [[1, 0.5], [2, 0.75]])
    assert not entropy.lines
    assert np.array_equal(loss.lines[0].get_xydata(), [[1, 2.0], [7, 1.0]])
