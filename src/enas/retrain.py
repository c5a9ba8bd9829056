"""Retraining: one architecture from scratch, in every fold and for every seed side by side.

The epoch with the best held-out score is kept; held-out outputs of *every* epoch are kept too (they are small), so that
`ensemble.cross_fitted` can choose epochs without the rows it then judges.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from enas.errors import RunError
from enas.folds import Folds
from enas.metrics.rewards import RewardName, judge
from enas.progress import Progress
from enas.search_space import Architecture
from enas.training import GuardedStep, Learner, StepLog, run_epoch


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A retrained architecture.

    Args:
        architecture: what was trained.
        outputs: (n_epochs, n_judged, C) float32: held-out logits (regression: values) after each epoch.
        best_epoch: index of the epoch whose weights are kept.
        reward, tie: held-out score of that epoch, and what orders equal ones.
        tensors: weights of that epoch, M networks side by side.
        n_skipped: steps that were skipped because the loss was not finite.
        failure: why training stopped before its last epoch; None if it did not.
    """

    architecture: Architecture
    outputs: NDArray[np.float32]
    best_epoch: int
    reward: float
    tie: float
    tensors: dict[str, Tensor]
    n_skipped: int
    failure: str | None = None


def best_epoch(outputs: NDArray[np.float32], labels: NDArray[Any], reward: RewardName) -> int:
    """The epoch (first axis of ``outputs``) with the best score; ties by log-loss, then the earliest."""
    score, tie = judge(reward, outputs, labels)
    return int(np.lexsort((-np.arange(len(outputs)), tie, score))[-1])


def retrain(
    learner: Learner,
    architecture: Architecture,
    folds: Folds,
    *,
    n_epochs: int,
    reward: RewardName,
    log: StepLog,
    progress: Progress,
    record: Callable[[Mapping[str, object]], None],
) -> Candidate:
    """Train the networks of ``learner``, all of one architecture, and keep their best epoch.

    Where training breaks down after an epoch or more, the best of these is returned with the `failure`.

    Args:
        learner: an untrained child with its rows.
        architecture: of its networks.
        folds: which rows judge.
        n_epochs: epochs over the training rows.
        reward: chooses the epoch.
        log: told of each step.
        progress: where the log goes.
        record: takes one row of the training curves per epoch.

    Raises:
        RunError: the loss was not finite five times in a row in the first epoch.
    """
    step = GuardedStep(learner.optimizer, f"training {architecture}", learner.advice)
    outputs: list[NDArray[np.float32]] = []
    best, kept, failure = (-np.inf, -np.inf), dict[str, Tensor](), None
    with progress.stage(f"training {architecture}", n_epochs) as advance:
        for epoch in range(n_epochs):
            try:
                loss = run_epoch(learner, step, log, lambda n: [architecture] * n, epoch=epoch, n_epochs=n_epochs)
            except RunError as error:
                if not kept:
                    raise
                failure = str(error)
                break
            outputs.append(learner.judge(folds, [architecture])[0].float().cpu().numpy())
            score, tie = (float(values[0]) for values in judge(reward, outputs[-1][None], folds.judged_labels))
            if (score, tie) > best:
                best, kept = (score, tie), dict(learner.part(architecture))
            curves = {"epoch": epoch, "child_loss": loss, "valid_score": score, "valid_tie_break": tie}
            record({"stage": "retrain", "architecture": str(architecture), **curves, "lr": learner.optimizer.lr})
            advance(f"valid {score:.3f}")
    if not kept:
        raise RunError(f"training {architecture}: no epoch gave finite outputs; {learner.advice}")
    stacked = np.stack(outputs)
    chosen = best_epoch(stacked, folds.judged_labels, reward)
    return Candidate(architecture, stacked, chosen, *best, kept, step.n_skipped, failure)
