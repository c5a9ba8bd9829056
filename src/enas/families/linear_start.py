"""The linear model as which networks on weighted features start: their shortcut, fitted with an L2 penalty.

Weights of features act through a penalty: what is learnt of a feature of a low score costs more. Adam hardly sees
that, since its steps are as long for small gradients as for large ones. So the linear part begins where a penalised
fit, which is convex and takes milliseconds, has put it, and training adds what it finds beyond. How strong the penalty
must be depends on the table, so it is chosen as an epoch is: one for all folds, on the rows that they hold out.
"""

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from enas.folds import Folds
from enas.metrics.rewards import Reward
from enas.networks.dense import SHORTCUT_GAIN
from enas.retrain import best_epoch

PENALTIES = (1.0, 0.1, 0.01, 0.001)
"""Weights of the squared weights beside the sum of the rows' losses, for rows of a norm of about 1; the strongest
first."""

Weights = tuple[NDArray[np.floating], NDArray[np.floating]]
"""(r, C) and (C,)."""


def linear_start(folds: Folds, stem: int, reward: Reward) -> dict[str, Tensor]:
    """The tensors ``shortcut`` (K, r, C) and ``head_bias`` (K, 1, C) of each fold's linear model of a stem.

    Args:
        folds: rows that train and judge.
        stem: what the model sees of the features.
        reward: chooses the penalty.
    """
    with threadpool_limits(limits=1, user_api="blas"):  # small products: a second thread would only be waited for
        paths = [_fit_path(folds, stem, fold) for fold in range(folds.n_folds)]
    starts = [_stack(per_fold) for per_fold in zip(*paths, strict=True)]
    inputs = folds.inputs[stem].cpu()
    judges = torch.stack([rows[judges] for rows, judges in zip(inputs, folds.held_out.cpu(), strict=True)])
    outputs = [folds.collect((judges @ weights + bias).to(folds.labels.device)) for weights, bias in starts]
    weights, bias = starts[best_epoch(torch.stack(outputs).cpu().numpy(), folds.judged_labels, reward)]
    return {"shortcut": weights / SHORTCUT_GAIN, "head_bias": bias}


def _fit_path(folds: Folds, stem: int, fold: int) -> list[Weights]:
    """One model per penalty of a fold's training rows."""
    rows = folds.train[fold]
    labels = folds.scaled_labels(rows.to(folds.labels.device).expand(folds.n_folds, -1))[fold].cpu().numpy()
    inputs, row_weights = folds.inputs[stem][fold].cpu()[rows].numpy(), folds.row_weights.cpu()[rows].numpy()
    fit = _fit_ridge if folds.is_regression else _fit_logistic
    return fit(inputs, labels, row_weights, folds.n_outputs)


def _stack(per_fold: tuple[Weights, ...]) -> tuple[Tensor, Tensor]:
    """(K, r, C) and (K, 1, C)."""
    weights, bias = (torch.from_numpy(np.stack(parts).astype(np.float32)) for parts in zip(*per_fold, strict=True))
    return weights, bias[:, None]


def _fit_ridge(
    inputs: NDArray[np.float32], labels: NDArray[np.float32], row_weights: NDArray[np.float32], n_outputs: int
) -> list[Weights]:
    from sklearn.linear_model import Ridge

    models = [Ridge(alpha=penalty).fit(inputs, labels, row_weights) for penalty in PENALTIES]
    return [(np.reshape(one.coef_, (n_outputs, -1)).T, np.reshape(one.intercept_, n_outputs)) for one in models]


def _fit_logistic(
    inputs: NDArray[np.float32], labels: NDArray[np.int64], row_weights: NDArray[np.float32], n_outputs: int
) -> list[Weights]:
    """Each from the weights of the one before; of a single class there is nothing to fit."""
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels)
    if len(present) == 1:
        return [_of_all_classes(np.zeros((inputs.shape[1], 1)), np.zeros(1), labels, n_outputs)] * len(PENALTIES)
    halves = np.array([-0.5, 0.5])  # of two classes scikit-learn keeps the difference
    sides = halves if len(present) == 2 else 1.0
    model, path = LogisticRegression(warm_start=True, max_iter=200), []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nearly converged is good enough for a start
        for penalty in PENALTIES:
            model.set_params(C=1 / penalty).fit(inputs, labels, row_weights)
            path.append(_of_all_classes(model.coef_.T * sides, model.intercept_ * sides, labels, n_outputs))
    return path


def _of_all_classes(
    weights: NDArray[np.floating], bias: NDArray[np.floating], labels: NDArray[np.int64], n_outputs: int
) -> Weights:
    """A class that the rows do not have begins as rare as one row in all would be."""
    present = np.unique(labels)
    all_weights = np.zeros((len(weights), n_outputs))
    all_bias = np.full(n_outputs, bias.min() - np.log(len(labels)))
    all_weights[:, present], all_bias[present] = weights, bias
    return all_weights, all_bias
