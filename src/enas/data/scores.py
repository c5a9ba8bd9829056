"""What each feature by itself tells about the target: the order in which they are kept, and their weights."""

import numpy as np
from numpy.typing import NDArray

from enas.data.dataset import FloatArray, IntArray, Target
from enas.data.matrix import Matrix, column_blocks

_MAX_SCORE = 1e6  # where a feature separates the classes without any error, its F score is infinite


def score_features(standardised: Matrix, target: Target, rows: IntArray) -> NDArray[np.float64]:
    """Univariate F score (p,) of each feature on ``rows`` (regression: the best score over the targets)."""
    from sklearn.feature_selection import f_classif, f_regression

    scores = np.zeros(standardised.shape[1])
    y = target.values[rows]
    columns = [y] if target.classes else list(y.T)
    for block in column_blocks((len(rows), standardised.shape[1])):
        values = standardised[rows, block].astype(np.float64)
        varies = np.ptp(values, axis=0) > 0
        if varies.any():
            test = f_classif if target.classes else f_regression
            with np.errstate(divide="ignore", invalid="ignore"):  # a feature without error, or rows of one class
                per_target = [np.nan_to_num(test(values[:, varies], column)[0], nan=0.0) for column in columns]
            scores[np.arange(block.start, block.start + len(varies))[varies]] = np.max(per_target, axis=0)
    return scores


def rank_features(standardised: Matrix, target: Target, rows: IntArray) -> IntArray:
    """Feature numbers by that score, best first."""
    return np.argsort(-score_features(standardised, target, rows), kind="stable")


def weigh_features(scores: NDArray[np.float64], sharpness: int) -> FloatArray:
    """Weights (p,) proportional to ``sqrt(F) ** sharpness``, with a mean square of 1; sqrt(F) is |t| for two classes.

    A penalty on what is learnt of weighted features is a weaker one for features of a high score: what screening does
    at one blow, weights do by degrees, and no feature is lost to a score of few samples.
    """
    weights = np.sqrt(np.minimum(scores, _MAX_SCORE)) ** sharpness
    size = np.sqrt(np.mean(weights**2))
    return np.asarray(weights / size if size > 0 else np.ones_like(weights), np.float32)
