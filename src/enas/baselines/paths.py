"""Linear models with an L2 penalty, one per penalty, each from the weights of the one before."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Weights = tuple[NDArray[Any], NDArray[Any]]
"""(p, C) and (C,)."""


def logistic_path(
    inputs: NDArray[Any], labels: NDArray[Any], row_weights: NDArray[Any], penalties: Sequence[float]
) -> list[Weights]:
    """Logistic regressions of the classes that ``labels`` hold; of a single class there is nothing to fit.

    Args:
        inputs: (n, p).
        labels: (n,) class indices.
        row_weights: (n,) in the loss.
        penalties: of the squared weights beside the sum of the rows' losses, the strongest first.
    """
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) == 1:
        return [(np.zeros((inputs.shape[1], 1)), np.zeros(1))] * len(penalties)
    model, path = LogisticRegression(warm_start=True, max_iter=200), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a weak penalty may take more steps than it is given; it then has its place
        for penalty in penalties:
            model.set_params(C=1.0 / penalty).fit(inputs, labels, row_weights)
            path.append(both_sides(model.coef_.T, model.intercept_))
    return path


def ridge_path(
    inputs: NDArray[Any], values: NDArray[Any], row_weights: NDArray[Any], penalties: Sequence[float]
) -> list[Weights]:
    """Ridge regressions of values (n, t); else as `logistic_path`."""
    from sklearn.linear_model import Ridge

    models = [Ridge(alpha=penalty).fit(inputs, values, row_weights) for penalty in penalties]
    return [(np.atleast_2d(one.coef_).T, np.atleast_1d(one.intercept_)) for one in models]


def both_sides(weights: NDArray[Any], bias: NDArray[Any]) -> Weights:
    """Of two classes scikit-learn keeps the difference; here each has half of it."""
    if weights.shape[1] > 1:
        return weights, bias
    halves = np.array([-0.5, 0.5])
    return weights * halves, bias * halves


def of_all_classes(weights: Weights, present: NDArray[Any], n_outputs: int, absent: float) -> Weights:
    """Float32 columns for all outputs: those that are not ``present`` have no weights and the bias ``absent``."""
    coefficients, bias = weights
    all_weights = np.zeros((len(coefficients), n_outputs), np.float32)
    all_bias = np.full(n_outputs, absent, np.float32)
    all_weights[:, present], all_bias[present] = coefficients, bias
    return all_weights, all_bias
