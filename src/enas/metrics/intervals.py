"""Intervals for metrics that stay honest on twelve samples.

A bootstrap of twelve correct answers gives [1, 1]. So proportions and what is made of them get closed forms that never
collapse, and only means of losses and errors are bootstrapped:

=================  =====================================================================================================
proportion         Wilson (1927)
average of them    square-and-add: the distances to the single limits add up in squares (Newcombe 1998; Zou and Donner
                   2008, Statistics in Medicine 27:1693, who also give the form for correlated estimates)
smooth function    the same with the change that each proportion alone makes in the function
AUROC              Newcombe (2006, Statistics in Medicine 25:559), method 5: a score interval with the variance of
                   Hanley and McNeil (1982); averages combine them with the correlations of DeLong et al. (1988)
rank correlation   Fisher's z with the standard error of Bonett and Wright (2000, Psychometrika 65:23); above 0.95 and
                   with few rows it covers rather 85 than 95 %
mean of losses     percentile bootstrap, stratified by class
=================  =====================================================================================================
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.metrics.rewards import Floats, midranks

Z = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""
LARGEST_BOOTSTRAP = 2 * 10**7
"""Resamples × rows."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval; all three are NaN where the metric is undefined."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "undefined"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def to_dict(self) -> dict[str, float | None]:
        """Plain JSON; what is not finite is null."""
        values = {"value": self.value, "low": self.low, "high": self.high}
        return {key: float(value) if np.isfinite(value) else None for key, value in values.items()}


UNDEFINED = Estimate(np.nan, np.nan, np.nan)


def wilson(n_hits: float, n_trials: float) -> Estimate:
    """Proportion with Wilson's score interval.

    >>> print(wilson(12, 12))
    1.000 [0.758, 1.000]
    """
    if n_trials <= 0:
        return UNDEFINED
    p, shrink = n_hits / n_trials, 1 + Z**2 / n_trials
    centre = (p + Z**2 / (2 * n_trials)) / shrink
    half = Z * np.sqrt(p * (1 - p) / n_trials + (Z / (2 * n_trials)) ** 2) / shrink
    return Estimate(float(p), float(max(0.0, min(p, centre - half))), float(min(1.0, max(p, centre + half))))


def mean_of(estimates: Sequence[Estimate], correlation: Floats | None = None) -> Estimate:
    """Mean of estimates by square-and-add.

    Args:
        estimates: at least one, none undefined.
        correlation: of the estimates, shape (K, K); None = independent.
    """
    value, low, high = np.array([(e.value, e.low, e.high) for e in estimates]).T
    correlation = np.eye(len(value)) if correlation is None else correlation
    below, above = ((value - low) / len(value), (high - value) / len(value))
    mean = float(value.mean())
    return Estimate(
        mean,
        mean - float(np.sqrt(max(below @ correlation @ below, 0.0))),
        mean + float(np.sqrt(max(above @ correlation @ above, 0.0))),
    )


def of_confusion(measure: Callable[[Floats], float], matrix: NDArray[Any]) -> Estimate:
    """Interval of a measure of a confusion matrix whose row sums are fixed.

    Every row's recall in turn is moved to its Wilson limits, the others kept; what a row loses goes to the wrong
    classes as they were confused so far (evenly, as far as nothing was), and the changes are added in squares. Where
    recalls stand at 1 that leaves no room above, so the limits are at least those of a proportion with the effective
    number of trials of an average over the classes.

    Args:
        measure: rises with every recall, in [0, 1].
        matrix: counts, shape (C, C), rows = true class.
    """
    value, counts = measure(matrix.astype(np.float64)), matrix.sum(axis=1)
    present = np.flatnonzero(counts).tolist()
    if not present or np.isnan(value):
        return UNDEFINED
    below = above = 0.0
    for row in present:
        recall = wilson(matrix[row, row], counts[row])
        below += max(0.0, value - measure(_with_recall(matrix, row, recall.low))) ** 2
        above += max(0.0, measure(_with_recall(matrix, row, recall.high)) - value) ** 2
    n_effective = len(present) ** 2 / float((1 / counts[present]).sum())
    pooled = wilson(value * n_effective, n_effective)
    low, high = min(value - below**0.5, pooled.low), max(value + above**0.5, pooled.high)
    return Estimate(value, max(0.0, low), min(1.0, high))


def auroc(area: float, n_positive: int, n_negative: int) -> Estimate:
    """Interval for one area under the ROC curve; never collapses.

    >>> print(auroc(1.0, 6, 6))
    1.000 [0.689, 1.000]
    """
    if np.isnan(area) or not n_positive or not n_negative:
        return UNDEFINED
    low, high = (_auroc_limit(area, end, n_positive, n_negative) for end in (0.0, 1.0))
    return Estimate(area, low, high)


def macro_auroc(class_scores: Floats, targets: NDArray[Any], areas: Floats) -> Estimate:
    """Mean of the one-versus-rest areas that are defined.

    Args:
        class_scores: shape (n, C).
        targets: class indices, shape (n,).
        areas: shape (C,), NaN = undefined.
    """
    defined = np.flatnonzero(~np.isnan(areas))
    if not defined.size:
        return UNDEFINED
    counts = np.bincount(targets, minlength=len(areas))
    singles = [auroc(float(areas[c]), int(counts[c]), int(len(targets) - counts[c])) for c in defined]
    influence = np.stack([_auroc_influence(class_scores[:, c], targets == c) for c in defined], axis=1)
    mean = mean_of(singles, _correlation(influence, targets))
    return Estimate(mean.value, max(0.0, mean.low), min(1.0, mean.high))


def rank_correlation(predictions: Floats, targets: Floats) -> Estimate:
    """Spearman's rank correlation of two vectors; undefined if one is constant.

    The interval is [-1, 1] below four rows.
    """
    ranks = np.stack([midranks(predictions), midranks(targets)])
    ranks -= ranks.mean(axis=1, keepdims=True)
    n, scale = len(predictions), float(np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))
    if scale == 0:
        return UNDEFINED
    value = float(np.clip(ranks[0] @ ranks[1] / scale, -1, 1))
    if n < 4:
        return Estimate(value, -1.0, 1.0)
    largest = 1 - 12 / (n * (n**2 - 1))  # perfect but for one pair of neighbours swapped: keeps Fisher's z finite
    centre = np.arctanh(np.clip(value, -largest, largest))
    half = Z * np.sqrt((1 + value**2 / 2) / (n - 3))
    return Estimate(value, min(value, float(np.tanh(centre - half))), max(value, float(np.tanh(centre + half))))


def percentiles(samples: Floats, value: float) -> Estimate:
    """Percentile interval of resampled values, shape (B,), stretched to hold the value itself."""
    if np.isnan(value) or np.isnan(samples).all():
        return Estimate(value, np.nan, np.nan)
    low, high = np.nanpercentile(samples, [2.5, 97.5])
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def bootstrap(strata: NDArray[Any], seed: int) -> NDArray[np.float32]:
    """Draw bootstrap weights, shape (B, n): how often each row is in each resample; strata keep their sizes.

    B is 1,000, and less for tables so long that their intervals are narrow anyway.

    Args:
        strata: one integer ≥ 0 per row, shape (n,); all equal = no strata.
        seed: of the draws.
    """
    n_resamples = int(np.clip(LARGEST_BOOTSTRAP // len(strata), 100, 1000))
    generator, weights = np.random.default_rng(seed), np.zeros((n_resamples, len(strata)), np.float32)
    for stratum in np.unique(strata):
        rows = np.flatnonzero(strata == stratum)
        drawn = generator.integers(0, len(rows), (n_resamples, len(rows)))
        drawn += np.arange(n_resamples)[:, None] * len(rows)
        weights[:, rows] = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
    return weights


def _with_recall(matrix: NDArray[Any], row: int, recall: float) -> Floats:
    changed = matrix.astype(np.float64)
    total, wrong = changed[row].sum(), changed[row].copy()
    wrong[row] = 0.0
    missed = wrong.sum()
    if missed == 0:
        present = matrix.sum(axis=1) > 0
        wrong = (present if present.sum() > 1 else np.ones(len(present), bool)).astype(np.float64)
        wrong[row] = 0.0
        missed = max(wrong.sum(), 1.0)
    changed[row] = wrong * (total * (1 - recall) / missed)
    changed[row, row] = total * recall
    return changed


def _auroc_limit(area: float, end: float, n_positive: int, n_negative: int) -> float:
    """Where |limit - area| = Z·sqrt(variance at the limit), between the area and 0 or 1; by bisection."""
    spread = (n_positive + n_negative) / 2 - 1

    def excess(limit: float) -> float:
        bracket = 1 + spread * ((1 - limit) / (2 - limit) + limit / (1 + limit))
        return abs(limit - area) - Z * float(np.sqrt(limit * (1 - limit) * bracket / (n_positive * n_negative)))

    inner, outer = area, end
    for _ in range(50):
        middle = (inner + outer) / 2
        inner, outer = (middle, outer) if excess(middle) < 0 else (inner, middle)
    return (inner + outer) / 2


def _auroc_influence(values: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Each row's share in the area (DeLong's placements over their group's size), up to a constant per group; (n,)."""
    influence = np.empty(len(values))
    everywhere = midranks(values)
    for group, sign in ((positive, 1.0), (~positive, -1.0)):
        n_group, n_other = group.sum(), (~group).sum()
        influence[group] = sign * (everywhere[group] - midranks(values[group])) / (n_other * n_group)
    return influence


def _correlation(influence: Floats, targets: NDArray[Any]) -> Floats:
    """Correlation of sums of rows drawn within classes; influence (n, K) gives (K, K)."""
    centred = influence.copy()
    for label in np.unique(targets):
        centred[targets == label] -= centred[targets == label].mean(axis=0)
    covariance = centred.T @ centred
    deviation = np.sqrt(np.diag(covariance))
    scale = np.outer(deviation, deviation)
    correlation = np.divide(covariance, scale, out=np.zeros_like(covariance), where=scale > 1e-12)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation)
