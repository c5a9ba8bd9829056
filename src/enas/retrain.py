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
from enas.folds import Folds
from enas.metrics.rewards import RewardName, scores, tie_break
from enas.networks.dense import DenseChild, Dropout
from enas.progress import Progress
from enas.schedule import one_cycle
from enas.search_space import Architecture
from enas.training import GuardedStep, make_optimizer, network_loss


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
    """

    architecture: Architecture
    outputs: NDArray[np.float32]
    best_epoch: int
    reward: float
    tie: float
    tensors: dict[str, Tensor]
    n_skipped: int


def best_epoch(outputs: NDArray[np.float32], labels: NDArray[Any], reward: RewardName) -> int:
    """The epoch (first axis of ``outputs``) with the best score; ties by log-loss, then the earliest."""
    primary = np.nan_to_num(scores(reward, outputs, labels), nan=-np.inf)
    secondary = np.nan_to_num(tie_break(reward, outputs, labels), nan=-np.inf)
    return int(np.lexsort((-np.arange(len(outputs)), secondary, primary))[-1])


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

    Raises:
        RunError: the loss was not finite five times in a row.
    """
    n_epochs, n_networks = trainer.max_number_of_epoches_in_fixed, folds.n_folds * trainer.n_seeds
    step = GuardedStep(
        make_optimizer(child.parameters(), lr=trainer.child_lr, l2=trainer.child_l2_reg), f"{architecture}"
    )
    dropout = Dropout(trainer.child_keep_prob, generator) if trainer.child_keep_prob < 1 else None
    judged = folds.gather(architecture, folds.held_out.repeat(trainer.n_seeds, 1))
    outputs: list[NDArray[np.float32]] = []
    best = (-np.inf, -np.inf)
    kept: dict[str, Tensor] = {}
    with progress.stage(f"training {architecture}", n_epochs) as advance:
        for epoch in range(n_epochs):
            batches = list(folds.batches(trainer.batch_size, n_networks, generator if shuffle else None))
            losses = []
            for i, rows in enumerate(batches):
                rate = one_cycle(epoch * len(batches) + i, n_epochs * len(batches), trainer.child_lr)
                step.optimizer.param_groups[0]["lr"] = rate
                loss = network_loss(child(folds.gather(architecture, rows), dropout), folds, rows, trainer.loss)
                losses.append(step(loss.sum()) / n_networks)
            with torch.inference_mode():
                outputs.append(folds.collect(child(judged)).float().cpu().numpy())
            now = (
                float(np.nan_to_num(scores(reward, outputs[-1][None], folds.judged_labels)[0], nan=-np.inf)),
                float(np.nan_to_num(tie_break(reward, outputs[-1][None], folds.judged_labels)[0], nan=-np.inf)),
            )
            if now > best or not kept:
                best, kept = now, {name: tensor.detach().clone() for name, tensor in child.tensors.items()}
            record(
                {
                    "stage": "retrain",
                    "architecture": str(architecture),
                    "epoch": epoch,
                    "child_loss": float(np.mean(losses)),
                    "valid_score": now[0],
                    "valid_tie_break": now[1],
                    "lr": rate,
                }
            )
            advance(f"valid {now[0]:.3f}")
    stacked = np.stack(outputs)
    return Candidate(
        architecture, stacked, best_epoch(stacked, folds.judged_labels, reward), *best, kept, step.n_skipped
    )
