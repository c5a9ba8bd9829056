"""From retrained candidates to a model: which epoch, which candidates, with which weights, and an estimate that is
honest.

Candidates are averaged in logits, not in probabilities, so that an explanation of the ensemble is the weighted sum of
the explanations of its networks, exactly; held-out accuracy was the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax

from enas.metrics.rewards import RewardName, judge
from enas.retrain import best_epoch

_SHRINKAGE = 0.05
"""Pull towards equal weights, in units of log-loss: one candidate that is best by chance must not take all."""

_CAUTION = 0.01
"""Pull of each temperature towards 1: separable held-out rows would ask for an infinite one."""

_MAX_LOG_FACTOR = math.log(4.0)

Outputs = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What becomes of each of k candidates.

    Args:
        epochs: (k,) the epoch whose weights are used.
        shares: (k,) sum to 1; a candidate that is not used has 0.
        temperatures: (k,) factors on the logits that make their probabilities honest (Guo et al. 2017); 1 for
            regression.
    """

    epochs: tuple[int, ...]
    shares: Floats
    temperatures: Floats

    @property
    def weights(self) -> Floats:
        """(k,) factor of each candidate's outputs in the model's."""
        return self.shares * self.temperatures

    def combine(self, outputs: Sequence[Outputs]) -> Floats:
        """Weighted mean (n, C) of each candidate's outputs (n_epochs, n, C) at its epoch."""
        chosen = [output[epoch] for output, epoch in zip(outputs, self.epochs, strict=True)]
        return np.tensordot(self.weights, np.stack(chosen), axes=1)


def select(outputs: Sequence[Outputs], labels: NDArray[Any], reward: RewardName, *, ensemble: bool) -> Selection:
    """Choose epochs and weights on the given rows.

    Args:
        outputs: per candidate (n_epochs, n, C) held-out outputs.
        labels: of the n rows.
        reward: chooses the epoch and, without ``ensemble``, the one candidate.
        ensemble: weight all candidates by their joint log-loss (regression: squared error).
    """
    epochs = tuple(best_epoch(output, labels, reward) for output in outputs)
    chosen = np.stack([output[epoch] for output, epoch in zip(outputs, epochs, strict=True)])
    temperatures = np.array([_temperature(output, labels) for output in chosen])
    chosen = chosen * temperatures[:, None, None]
    if ensemble:
        return Selection(epochs, _stacking_weights(chosen, labels), temperatures)
    score, tie = judge(reward, chosen, labels)
    order = np.lexsort((-np.arange(len(chosen)), tie, score))
    return Selection(epochs, np.eye(len(chosen))[order[-1]], temperatures)


def cross_fitted(
    outputs: Sequence[Outputs],
    labels: NDArray[Any],
    fold_of_row: NDArray[np.int64],
    reward: RewardName,
    *,
    ensemble: bool,
) -> Floats:
    """Out-of-fold outputs (n, C) in which no row had a say in its own epoch, candidate or weight.

    The rows of each fold are combined by the selection that the other folds alone would make. With one fold there is
    nothing to leave out: the rows that chose are the rows that are judged, and the caller must say so.
    """
    result = np.empty(outputs[0].shape[1:], np.float64)
    for fold in np.unique(fold_of_row):
        inside = fold_of_row == fold
        others = ~inside if not inside.all() else inside
        selection = select([output[:, others] for output in outputs], labels[others], reward, ensemble=ensemble)
        result[inside] = selection.combine([output[:, inside] for output in outputs])
    return result


def _temperature(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """The factor in [1/4, 4] that minimises the log-loss of ``factor * logits``, drawn towards 1; 1 for regression."""
    if logits.shape == labels.shape:
        return 1.0
    from scipy.optimize import minimize_scalar  # takes a fifth of a second, for which no search need wait

    def objective(log_factor: float) -> float:
        value, _ = _balanced_log_loss(math.exp(log_factor) * logits, labels)
        return value + _CAUTION * log_factor**2

    return math.exp(minimize_scalar(objective, bounds=(-_MAX_LOG_FACTOR, _MAX_LOG_FACTOR), method="bounded").x)


def _stacking_weights(chosen: Floats, labels: NDArray[Any]) -> Floats:
    """Weights on the simplex that minimise the loss of the combined outputs (k, n, C), shrunk towards equal weights."""
    from scipy.optimize import minimize

    loss = _squared_error if chosen.shape[1:] == labels.shape else _balanced_log_loss

    def objective(free: Floats) -> tuple[float, Floats]:
        weights = softmax(free)
        value, slope = loss(np.tensordot(weights, chosen, axes=1), labels)
        slopes = np.tensordot(chosen, slope, axes=2) + 2 * _SHRINKAGE * weights
        return value + _SHRINKAGE * float(weights @ weights), weights * (slopes - weights @ slopes)

    return np.asarray(softmax(minimize(objective, np.zeros(len(chosen)), jac=True, method="L-BFGS-B").x))


def _balanced_log_loss(logits: Floats, labels: NDArray[Any]) -> tuple[float, Floats]:
    """Log-loss in which every class weighs the same, and its gradient (n, C)."""
    weights = 1.0 / np.bincount(labels)[labels]
    weights /= weights.sum()
    log_p = log_softmax(logits, axis=1)
    slope = np.exp(log_p)
    slope[np.arange(len(labels)), labels] -= 1
    return float(-weights @ log_p[np.arange(len(labels)), labels]), slope * weights[:, None]


def _squared_error(values: Floats, labels: NDArray[Any]) -> tuple[float, Floats]:
    """Mean squared error in units of the labels' variance, and its gradient (n, t)."""
    scale = 1.0 / (np.maximum(labels.var(axis=0), 1e-12) * labels.size)
    errors = values - labels
    return float((errors**2 * scale).sum()), 2 * errors * scale
