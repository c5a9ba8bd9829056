"""The linear model as which networks on weighted features start: their shortcut, fitted with an L2 penalty.

Weights of features act through a penalty: what is learnt of a feature of a low score costs more. Adam hardly sees
that, since its steps are as long for small gradients as for large ones. So the linear part begins where a penalised
fit, which is convex and takes milliseconds, has put it, and training adds what it finds beyond. How strong the penalty
must be depends on the table, so it is chosen as an epoch is: one for all folds, on the rows that they hold out.
"""

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch import Tensor

from enas.baselines.paths import Weights, logistic_path, of_all_classes, ridge_path
from enas.folds import Folds
from enas.metrics.rewards import Reward
from enas.networks.dense import SHORTCUT_GAIN
from enas.retrain import best_epoch

PENALTIES = (1.0, 0.1, 0.01, 0.001)
"""Weights of the squared weights beside the sum of the rows' losses, for rows of a norm of about 1; the strongest
first."""


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
    """One model per penalty of a fold's training rows; a class that these do not have begins as rare as one row."""
    rows = folds.train[fold]
    labels = folds.scaled_labels(rows.to(folds.labels.device).expand(folds.n_folds, -1))[fold].cpu().numpy()
    inputs, row_weights = folds.inputs[stem][fold].cpu()[rows].numpy(), folds.row_weights.cpu()[rows].numpy()
    if folds.is_regression:
        return ridge_path(inputs, labels, row_weights, PENALTIES)
    path, present, rare = logistic_path(inputs, labels, row_weights, PENALTIES), np.unique(labels), np.log(len(labels))
    return [of_all_classes(weights, present, folds.n_outputs, weights[1].min() - rare) for weights in path]


def _stack(per_fold: tuple[Weights, ...]) -> tuple[Tensor, Tensor]:
    """(K, r, C) and (K, 1, C)."""
    weights, bias = (torch.from_numpy(np.stack(parts).astype(np.float32)) for parts in zip(*per_fold, strict=True))
    return weights, bias[:, None]
