"""Intervals for the difference of two figures: of two models on the same rows, or of one model on two sets of rows.

Two models that agree on every one of twelve rows are not proved equal, so differences of proportions get Newcombe's
closed forms (1998, Statistics in Medicine 17:2635, method 10, for the same rows; 17:873 for different rows), which
never collapse; only differences of R² are bootstrapped.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.metrics.intervals import UNDEFINED, Estimate, bootstrap, percentiles, wilson
from enas.metrics.rewards import Floats, scores


def paired_difference(ours: Floats, theirs: Floats, labels: NDArray[Any], *, is_regression: bool) -> Estimate:
    """Headline figure of one model minus that of another on the same rows: accuracy, or R² (mean over the targets).

    Args:
        ours, theirs: logits, or values, (n, C).
        labels: class indices (n,), or values (n, t).
        is_regression: whether the labels are values.
    """
    if is_regression:
        return _difference_of_r2(ours, theirs, labels)
    return paired_proportions(ours.argmax(axis=1) == labels, theirs.argmax(axis=1) == labels)


def paired_proportions(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> Estimate:
    """Share of hits minus share of hits on the same rows, (n,) each.

    >>> print(paired_proportions(np.ones(12, bool), np.ones(12, bool)))
    0.000 [-0.242, 0.242]
    """
    n = len(ours)
    first, second = wilson(ours.sum(), n), wilson(theirs.sum(), n)
    return _square_and_add(first, second, _correlation(ours, theirs))


def independent_difference(first: Estimate, second: Estimate) -> Estimate:
    """First minus second where the two stand on different rows; not defined where one of them is not."""
    if not np.isfinite([first.value, first.low, first.high, second.value, second.low, second.high]).all():
        return UNDEFINED
    return _square_and_add(first, second, 0.0)


def _square_and_add(first: Estimate, second: Estimate, correlation: float) -> Estimate:
    """The distances to the single limits in squares, less what the two have in common."""
    value = first.value - second.value

    def distance(one: float, other: float) -> float:
        return float(np.sqrt(max(one**2 - 2 * correlation * one * other + other**2, 0.0)))

    low = distance(first.value - first.low, second.high - second.value)
    high = distance(first.high - first.value, second.value - second.low)
    return Estimate(value, value - low, value + high)


def _correlation(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """Phi of the table of hits and misses, with Newcombe's correction towards 0 where it is positive."""
    n = len(ours)
    both, neither = int((ours & theirs).sum()), int((~ours & ~theirs).sum())
    one, other = int((ours & ~theirs).sum()), int((~ours & theirs).sum())
    product = (both + one) * (other + neither) * (both + other) * (one + neither)
    if product == 0:
        return 0.0
    excess = both * neither - one * other
    corrected = max(excess - n / 2, 0.0) if excess > 0 else excess
    return float(corrected / np.sqrt(product))


def _difference_of_r2(ours: Floats, theirs: Floats, labels: NDArray[Any], seed: int = 0) -> Estimate:
    """Both models are scored on the same resamples of the rows."""
    both = np.stack([ours, theirs])
    value = float(-np.diff(scores("r2", both, labels))[0])
    drawn = [_drawn_difference(both, labels, rows) for rows in bootstrap(np.zeros(len(labels), np.int64), seed)]
    return percentiles(np.array(drawn), value)


def _drawn_difference(both: Floats, labels: NDArray[Any], counts: NDArray[np.float32]) -> float:
    drawn = counts > 0
    first, second = scores("r2", both[:, drawn], labels[drawn], counts[drawn].astype(np.float64))
    return float(first - second)
