"""Retraining: one architecture from scratch, in every fold and for every seed side by side.

The epoch with the best held-out score is kept; held-out outputs of *every* epoch are kept too (they are small), so that
`ensemble.cross_fitted` can choose epochs without the rows it then judges.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.config import Trainer
from enas.errors import RunError
from enas.folds import Folds
from enas.metrics.rewards import RewardName, judge
from enas.networks.dense import DenseChild
from enas.networks.dropout import Dropout
from enas.progress import Progress
from enas.schedule import one_cycle
from enas.search_space import Architecture
from enas.training import GuardedStep, StepLog, make_optimizer, network_loss


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
    child: DenseChild,
    architecture: Architecture,
    folds: Folds,
    *,
    trainer: Trainer,
    reward: RewardName,
    generator: torch.Generator,
    progress: Progress,
    record: Callable[[Mapping[str, object]], None],
    shuffle: bool = True,
) -> Candidate:
    """Train ``child`` (M = folds x seeds networks, called as ``child(x, dropout)``) and keep its best epoch.

    Where training breaks down after an epoch or more, the best of these is returned with the `failure`.

    Raises:
        RunError: the loss was not finite five times in a row in the first epoch.
    """
    n_epochs = trainer.max_number_of_epoches_in_fixed
    training = _Training(child, architecture, folds, trainer, generator, shuffle, progress)
    judged = folds.gather(architecture, folds.held_out.repeat(trainer.n_seeds, 1))
    outputs: list[NDArray[np.float32]] = []
    best, kept, failure = (-np.inf, -np.inf), dict[str, Tensor](), None
    with progress.stage(f"training {architecture}", n_epochs) as advance:
        for epoch in range(n_epochs):
            try:
                loss = training.run_epoch(epoch, n_epochs)
            except RunError as error:
                if not kept:
                    raise
                failure = str(error)
                break
            with torch.inference_mode():
                outputs.append(folds.collect(child(judged)).float().cpu().numpy())
            score, tie = (float(values[0]) for values in judge(reward, outputs[-1][None], folds.judged_labels))
            if (score, tie) > best:
                best, kept = (score, tie), {name: tensor.detach().clone() for name, tensor in child.tensors.items()}
            curves = {"epoch": epoch, "child_loss": loss, "valid_score": score, "valid_tie_break": tie}
            record({"stage": "retrain", "architecture": str(architecture), **curves, "lr": training.optimizer.lr})
            advance(f"valid {score:.3f}")
    if not kept:
        raise RunError(f"training {architecture}: no epoch gave finite outputs; lower trainer.child_lr")
    stacked = np.stack(outputs)
    chosen = best_epoch(stacked, folds.judged_labels, reward)
    return Candidate(architecture, stacked, chosen, *best, kept, training.step.n_skipped, failure)


class _Training:
    """The optimisation of one child."""

    def __init__(
        self,
        child: DenseChild,
        architecture: Architecture,
        folds: Folds,
        trainer: Trainer,
        generator: torch.Generator,
        shuffle: bool,
        progress: Progress,
    ) -> None:
        self.child, self.architecture, self.folds, self.trainer = child, architecture, folds, trainer
        self.n_networks = folds.n_folds * trainer.n_seeds
        self.generator = generator if shuffle else None
        self.dropout = Dropout(trainer.child_keep_prob, generator) if trainer.child_keep_prob < 1 else None
        self.log = StepLog(progress, trainer.log_every_n_steps)
        self.optimizer = make_optimizer(child.parameters(), lr=trainer.child_lr, l2=trainer.child_l2_reg)
        self.step = GuardedStep(self.optimizer, f"training {architecture}")

    def run_epoch(self, epoch: int, n_epochs: int) -> float:
        """Train on every row once; returns the mean loss."""
        batches = list(self.folds.batches(self.trainer.batch_size, self.n_networks, self.generator))
        losses = []
        for i, rows in enumerate(batches, start=epoch * len(batches)):
            self.optimizer.lr = one_cycle(i, n_epochs * len(batches), self.trainer.child_lr)
            outputs = self.child(self.folds.gather(self.architecture, rows), self.dropout)
            loss = network_loss(outputs, self.folds, rows, self.trainer.loss)
            losses.append(self.step(loss.sum()) / self.n_networks)
            self.log(rows.numel(), epoch, losses[-1])
        return float(np.mean(losses))
