"""The linear model as which networks on weighted features start: their shortcut, fitted with an L2 penalty.

Weights of features act through a penalty: what is learnt of a feature of a low score costs more. Adam hardly sees
that, since its steps are as long for small gradients as for large ones. So the linear part begins where a penalised
fit, which is convex and takes milliseconds, has put it, and training adds what it finds beyond.
"""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.folds import Folds
from enas.networks.dense import SHORTCUT_GAIN

PENALTY = 0.1
"""Weight of the squared weights beside the sum of the rows' losses, for rows of a norm of about 1."""

Weights = tuple[NDArray[np.floating], NDArray[np.floating]]
"""(r, C) and (C,)."""


def linear_start(folds: Folds, stem: int) -> dict[str, Tensor]:
    """The tensors ``shortcut`` (K, r, C) and ``head_bias`` (K, 1, C) of each fold's linear model of a stem."""
    every_row = torch.arange(len(folds.labels), device=folds.labels.device).expand(folds.n_folds, -1)
    inputs, labels = folds.inputs[stem].cpu().numpy(), folds.scaled_labels(every_row).cpu().numpy()
    row_weights = folds.row_weights.cpu().numpy()
    fit = _fit_ridge if folds.is_regression else _fit_logistic
    fitted = [
        fit(inputs[fold, rows], labels[fold, rows], row_weights[rows], folds.n_outputs)
        for fold, rows in enumerate(rows.numpy() for rows in folds.train)
    ]
    weights, bias = (torch.from_numpy(np.stack(parts).astype(np.float32)) for parts in zip(*fitted, strict=True))
    return {"shortcut": weights / SHORTCUT_GAIN, "head_bias": bias[:, None]}


def _fit_ridge(
    inputs: NDArray[np.float32], labels: NDArray[np.float32], row_weights: NDArray[np.float32], n_outputs: int
) -> Weights:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=PENALTY).fit(inputs, labels, row_weights)
    return np.reshape(model.coef_, (n_outputs, -1)).T, np.reshape(model.intercept_, n_outputs)


def _fit_logistic(
    inputs: NDArray[np.float32], labels: NDArray[np.int64], row_weights: NDArray[np.float32], n_outputs: int
) -> Weights:
    """A class that these rows do not have begins as rare as one row in all would be."""
    from sklearn.linear_model import LogisticRegression

    weights, bias, present = np.zeros((inputs.shape[1], n_outputs)), np.zeros(n_outputs), np.unique(labels)
    if len(present) > 1:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # nearly converged is good enough for a start
            model = LogisticRegression(C=1 / PENALTY, max_iter=200).fit(inputs, labels, row_weights)
        halves = np.array([-0.5, 0.5])  # of two classes scikit-learn keeps the difference
        sides = halves if len(present) == 2 else 1.0
        weights[:, present], bias[present] = model.coef_.T * sides, model.intercept_ * sides
    absent = np.setdiff1d(np.arange(n_outputs), present)
    bias[absent] = bias[present].min() - np.log(len(labels))
    return weights, bias
