"""The corrected resampled t interval against numbers computed by hand, and against what it promises."""

import math

import numpy as np
import pytest

from enas.cross_validation.interval import summarize


def test_a_hand_computed_example() -> None:
    """J = 5, differences from 0.8: -0.05, 0.05, 0, -0.1, 0.1; sum of squares 0.025; n_test / n_train = 1/4.

    sd = √(0.025 / 4) = 0.0790569; corrected variance (1/5 + 1/4) · 0.00625 = 0.0028125, its root 0.0530330;
    t(0.975, 4) = 2.7764451; half the width 2.7764451 · 0.0530330 = 0.1472432.
    """
    found = summarize([0.75, 0.85, 0.8, 0.7, 0.9], 0.25)
    assert found.mean == pytest.approx(0.8)
    assert found.sd == pytest.approx(0.0790569, abs=1e-7)
    assert found.low == pytest.approx(0.8 - 0.1472432, abs=1e-6)
    assert found.high == pytest.approx(0.8 + 0.1472432, abs=1e-6)


def test_it_is_wider_than_that_of_independent_scores_and_more_repeats_do_not_shrink_it_away() -> None:
    scores = np.random.default_rng(0).normal(0.8, 0.05, 1000)
    naive = 1.962 * scores.std(ddof=1) / math.sqrt(1000)
    half = summarize(scores.tolist(), 1 / 4).high - scores.mean()
    assert half > 15 * naive
    assert half == pytest.approx(1.962 * scores.std(ddof=1) / 2, rel=0.01)  # √(1/J + 1/4) comes down to √(1/4)


def test_a_metric_that_is_undefined_in_a_fold_has_no_mean() -> None:
    found = summarize([0.5, float("nan"), 0.7], 0.5)
    assert all(math.isnan(value) for value in (found.mean, found.sd, found.low, found.high))


def test_the_interval_stays_where_the_metric_can_be() -> None:
    found = summarize([1.0, 0.9, 1.0], 0.5, bounds=(0, 1))
    assert found.high == 1
    assert 0 < found.low < 0.9
