"""What a report draws of predictions."""

import json

import numpy as np
import pytest

from enas.metrics.curves import classification_curves, regression_points


def test_two_classes_have_one_curve() -> None:
    p = np.array([0.9, 0.8, 0.3, 0.1])
    found = classification_curves(np.stack([1 - p, p], axis=1), np.array([1, 0, 1, 0]), ["no", "yes"])
    assert found["roc"] == [{"class": "yes", "auroc": 0.75, "points": [[0, 0], [0, 0.5], [0.5, 0.5], [0.5, 1], [1, 1]]}]
    assert found["calibration"]["of"] == "class yes"
    assert [(one["n"], one["predicted"], one["observed"]["value"]) for one in found["calibration"]["bins"]] == [
        (1, 0.1, 0.0),
        (1, 0.3, 1.0),
        (1, 0.8, 0.0),
        (1, 0.9, 1.0),
    ]


def test_of_many_classes_the_worst_come_first_and_absent_ones_do_not() -> None:
    generator = np.random.default_rng(0)
    y = np.arange(120) % 30
    p = generator.dirichlet(np.ones(31), 120)
    found = classification_curves(p, y, [f"c{k}" for k in range(31)])
    areas = [one["auroc"] for one in found["roc"]]
    assert len(areas) == 20
    assert areas == sorted(areas)
    assert "c30" not in {one["class"] for one in found["roc"]}
    assert sum(one["n"] for one in found["calibration"]["bins"]) == 120
    assert found["calibration"]["of"] == "the predicted class"
    json.dumps(found, allow_nan=False)


def test_one_class_alone_has_no_curve() -> None:
    assert classification_curves(np.array([[0.2, 0.8]]), np.array([1]), ["a", "b"])["roc"] == []


def test_large_tables_are_thinned() -> None:
    generator = np.random.default_rng(0)
    y, p = np.arange(50_000) % 2, generator.uniform(size=50_000)
    found = classification_curves(np.stack([1 - p, p], axis=1), y, ["a", "b"])
    assert len(found["roc"][0]["points"]) == 200
    assert found["roc"][0]["auroc"] == pytest.approx(0.5, abs=0.01)
    targets = generator.normal(size=5000)
    (one,) = regression_points(targets[:, None] + 1, targets, ["size"])
    assert (one["target"], one["n"], len(one["points"])) == ("size", 5000, 1000)
    assert one["points"][0][0] == pytest.approx(targets.min(), rel=1e-4)
    assert all(predicted == pytest.approx(true + 1, abs=2e-4) for true, predicted in one["points"])
