"""Differences of two figures: published intervals, and what must hold at the edges."""

import numpy as np
import pytest

from enas.metrics.differences import independent_difference, paired_difference, paired_proportions
from enas.metrics.intervals import UNDEFINED, wilson


def hits(both: int, one: int, other: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    counts = (both, one, other, neither)
    return np.repeat([True, True, False, False], counts), np.repeat([True, False, True, False], counts)


def test_on_the_same_rows_as_newcombe() -> None:
    found = paired_proportions(*hits(36, 12, 2, 0))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0569, 0.3404), abs=1e-4)


def test_on_different_rows_as_newcombe() -> None:
    """56 of 70 against 48 of 80, the example of his second paper."""
    found = independent_difference(wilson(56, 70), wilson(48, 80))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=1e-4)


def test_equal_models_are_not_proved_equal() -> None:
    found = paired_proportions(np.ones(12, bool), np.ones(12, bool))
    assert found.value == 0
    assert found.low < -0.2
    assert found.high > 0.2


def test_the_other_way_round_it_is_the_negative() -> None:
    ours, theirs = hits(20, 7, 3, 5)
    there, back = paired_proportions(ours, theirs), paired_proportions(theirs, ours)
    assert (there.value, there.low, there.high) == pytest.approx((-back.value, -back.high, -back.low))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Two models that agree often, 40 rows, true difference 0.1."""
    chance = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        easy, side = chance.random(40), chance.random(40)
        ours, theirs = (easy < 0.7) | (side < 0.5), (easy < 0.7) | ((side > 0.5) & (side < 0.8334))
        found = paired_proportions(ours, theirs)
        held += found.low <= 0.3 * (0.5 - 0.3334) <= found.high
    assert 0.93 <= held / 1000 <= 1


def test_differences_of_r2() -> None:
    chance = np.random.default_rng(0)
    truth = chance.normal(size=(200, 1))
    good, poor = truth + 0.1 * chance.normal(size=truth.shape), truth + chance.normal(size=truth.shape)
    found = paired_difference(good, poor, truth, is_regression=True)
    assert found.value == pytest.approx(1.0, abs=0.25)
    assert 0 < found.low < found.value < found.high
    same = paired_difference(good, good, truth, is_regression=True)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_of_classes_by_their_logits() -> None:
    labels = np.array([0, 1, 1, 0])
    right, wrong = np.eye(2)[labels], np.eye(2)[1 - labels]
    assert paired_difference(right, wrong, labels, is_regression=False).value == 1


def test_what_is_undefined_stays_so() -> None:
    assert np.isnan(independent_difference(UNDEFINED, wilson(1, 2)).value)
