"""The mean over folds, with an interval that knows that training sets overlap."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Summary:
    """A metric over all folds of all repeats; all four are NaN where it is undefined in a fold.

    Args:
        mean: over folds.
        sd: standard deviation of the folds, with J - 1 in the denominator.
        low, high: 95 % interval of the mean.
    """

    mean: float
    sd: float
    low: float
    high: float


def summarize(values: Sequence[float], ratio: float, *, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Summary:
    """Mean, standard deviation and the corrected resampled t interval of Nadeau and Bengio.

    Folds share most of their training rows, so their scores are not independent, and sd / √J would promise too much.
    The corrected variance of the mean of J scores is (1/J + n_test / n_train) · sd², and (mean - μ) over its root is
    taken as t-distributed with J - 1 degrees of freedom. C. Nadeau and Y. Bengio (2003), Inference for the
    generalization error, Machine Learning 52:239-281; for repeated cross-validation see R. Bouckaert and E. Frank
    (2004), PAKDD, LNAI 3056:3-12.

    Args:
        values: J ≥ 2 scores, one per fold.
        ratio: held-out rows / training rows of a fold.
        bounds: what the metric cannot leave; the interval does not either.

    >>> found = summarize([0.8, 0.9, 0.7, 1.0], 1 / 3, bounds=(0, 1))
    >>> round(found.mean, 3), round(found.sd, 4), round(found.low, 4), found.high
    (0.85, 0.1291, 0.5362, 1)
    """
    from scipy.stats import t

    scores = np.asarray(values, np.float64)
    if not np.isfinite(scores).all():
        return Summary(*[float("nan")] * 4)
    mean, sd = float(scores.mean()), float(scores.std(ddof=1))
    half = float(t.ppf(0.975, len(scores) - 1)) * sd * float(np.sqrt(1 / len(scores) + ratio))
    return Summary(mean, sd, max(mean - half, bounds[0]), min(mean + half, bounds[1]))
