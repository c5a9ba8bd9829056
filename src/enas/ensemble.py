"""From retrained candidates to a model: which epoch, which candidates, with which weights, and an estimate that is honest.

Candidates are averaged in logits, not in probabilities, so that an explanation of the ensemble is the weighted sum of the
explanations of its networks, exactly; held-out accuracy was the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from enas.metrics.rewards import RewardName, scores, tie_break
from enas.retrain import best_epoch

_SHRINKAGE = 0.05
"""Pull towards equal weights, in units of log-loss: one candidate that is best by chance must not take all."""

Outputs = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Epoch (k,) and weight (k,) of each candidate; weights sum to 1, and a candidate that is not used has 0."""

    epochs: tuple[int, ...]
    weights: NDArray[np.float64]

    def combine(self, outputs: Sequence[Outputs]) -> NDArray[np.float64]:
        """Weighted mean (n, C) of each candidate's outputs (n_epochs, n, C) at its epoch."""
        chosen = [output[epoch] for output, epoch in zip(outputs, self.epochs, strict=True)]
        return np.tensordot(self.weights, np.stack(chosen), axes=1)


def select(outputs: Sequence[Outputs], labels: NDArray[np.generic], reward: RewardName, *, ensemble: bool) -> Selection:
    """Choose epochs and weights on the given rows.

    Args:
        outputs: per candidate (n_epochs, n, C) held-out outputs.
        labels: of the n rows.
        reward: chooses the epoch and, without ``ensemble``, the one candidate.
        ensemble: weight all candidates by their joint log-loss (regression: squared error).
    """
    epochs = tuple(best_epoch(output, labels, reward) for output in outputs)
    chosen = np.stack([output[epoch] for output, epoch in zip(outputs, epochs, strict=True)])
    if ensemble:
        return Selection(epochs, _stacking_weights(chosen, labels))
    primary, secondary = scores(reward, chosen, labels), tie_break(reward, chosen, labels)
    order = np.lexsort((-np.arange(len(chosen)), np.nan_to_num(secondary, nan=-np.inf), np.nan_to_num(primary, nan=-np.inf)))
    return Selection(epochs, np.eye(len(chosen))[order[-1]])


def cross_fitted(
    outputs: Sequence[Outputs],
    labels: NDArray[np.generic],
    fold_of_row: NDArray[np.int64],
    reward: RewardName,
    *,
    ensemble: bool,
) -> NDArray[np.float64]:
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


def _stacking_weights(chosen: Outputs, labels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Weights on the simplex that minimise the loss of the combined outputs (k, n, C), shrunk towards equal weights."""

    def objective(free: NDArray[np.float64]) -> float:
        weights = softmax(free)
        return _loss(np.tensordot(weights, chosen, axes=1), labels) + _SHRINKAGE * float((weights**2).sum())

    start = np.zeros(len(chosen))
    return np.asarray(softmax(minimize(objective, start, method="L-BFGS-B").x))


def _loss(outputs: NDArray[np.float64], labels: NDArray[np.generic]) -> float:
    """Log-loss with every class weighing the same; regression: squared error in units of the labels' variance."""
    if outputs.shape == labels.shape:
        return float((((outputs - labels) ** 2).mean(axis=0) / np.maximum(labels.var(axis=0), 1e-12)).mean())
    log_p = log_softmax(outputs, axis=1)[np.arange(len(labels)), labels]
    counts = np.bincount(labels, minlength=outputs.shape[1])
    return float(-np.average(log_p, weights=1 / counts[labels]))
