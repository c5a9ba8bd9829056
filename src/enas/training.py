"""What networks in training are to search and retraining, tables or images: their loss, their optimiser, their log."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enas.adam import Adam
from enas.folds import Folds
from enas.pace import Pace
from enas.progress import Progress
from enas.search_space import Architecture

LossName = Literal["cross_entropy", "focal"]

_FOCAL_GAMMA = 2.0


def network_loss(outputs: Tensor, folds: Folds, rows: Tensor, loss: LossName) -> Tensor:
    """Weighted mean loss of each network on its rows, shape (M,).

    Args:
        outputs: (M, B, C) logits, or standardised regression outputs (squared error, mean over targets).
        folds: where labels and row weights come from.
        rows: (M, B) row numbers.
        loss: ``focal`` is cross-entropy times (1 - p)^2 (Lin et al. 2017, γ = 2): easy rows count less.
    """
    labels, weights = folds.scaled_labels(rows), folds.row_weights[rows]
    if folds.is_regression:
        errors = ((outputs - labels) ** 2).mean(dim=-1)
    else:
        errors = F.cross_entropy(outputs.flatten(0, 1), labels.flatten(), reduction="none").view_as(weights)
        if loss == "focal":
            errors = errors * (-torch.expm1(-errors)) ** _FOCAL_GAMMA
    return (errors * weights).sum(dim=1) / weights.sum(dim=1)


def l2_penalty(tensors: Iterable[Tensor], l2: float) -> Tensor | float:
    """``l2 · Σ w²`` over the weights that an architecture uses; 0 where l2 is."""
    return l2 * torch.stack([tensor.square().sum() for tensor in tensors]).sum() if l2 else 0.0


def make_optimizer(parameters: Iterable[nn.Parameter], *, lr: float, l2: float) -> Adam:
    """Adam with ``l2 · Σ w²`` added to the loss (gradient ``2 · l2 · w``), of all parameters.

    For shared weights pass 0 and use `l2_penalty`: Adam divides a gradient by its own size, so that the penalty alone
    would move the weights that an architecture does not use at the full rate.
    """
    return Adam(parameters, lr=lr, l2=l2)


@dataclass(slots=True)
class StepLog:
    """A line of the log every so many steps, in AutoGenome's form.

    Args:
        progress: where lines go.
        every: steps between two lines.
        pace: counts their rows.
    """

    progress: Progress
    every: int
    pace: Pace
    n_steps: int = 0

    def __call__(self, n_samples: int, epoch: int, loss: Tensor, done: float) -> None:
        """Count a step on ``n_samples`` rows; rows per second are counted since the last line or epoch.

        Args:
            n_samples: of the step.
            epoch: it belongs to.
            loss: of the step, a scalar; looked at only when a line is due.
            done: share of all steps, this one included; tells how long the rest will take.
        """
        self.pace.count(n_samples)
        if self.n_steps % self.every == 0:
            shown = float(loss)
            rate, left = self.pace.show(done)
            self.progress.line(f"step: {self.n_steps}\t{rate}\tepoch: {epoch}\tchild loss: {shown:.3f}\t{left}")
        self.n_steps += 1


class Optimizer(Protocol):
    """What a step needs of an optimiser."""

    lr: float

    @property
    def skips_by_itself(self) -> bool:
        """Whether it takes a gradient that is not finite for zero."""

    def zero_grad(self) -> None:
        """Forget all gradients."""

    def step(self) -> object:
        """Update the parameters."""

    def state(self) -> Mapping[str, Tensor]:
        """What it remembers of earlier steps; copies."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave; from nothing, as if there had been no step."""


class Learner(Protocol):
    """Networks in training and the rows that teach them: what search and retraining ask of a family of networks."""

    @property
    def optimizer(self) -> Optimizer:
        """Updates the weights."""

    @property
    def advice(self) -> str:
        """What to change where the loss is not finite."""

    def batches(self) -> Sequence[Tensor]:
        """One epoch: row numbers (M, B) per step, for M networks side by side."""

    def schedule(self, epoch: int, step: int, n_steps: int) -> float:
        """Set what changes from step to step, and give its learning rate; steps count from 0 over all epochs."""

    def loss(self, rows: Tensor, architecture: Architecture) -> tuple[Tensor, Tensor]:
        """What to minimise on rows (M, B), and the mean loss without penalties, to be shown; both scalars."""

    def judge(self, judges: Folds, architectures: Sequence[Architecture]) -> Tensor:
        """Outputs (n, n_judged, C) for the rows that ``judges`` hold out, without gradient."""

    def part(self, architecture: Architecture) -> Mapping[str, Tensor]:
        """The weights that belong to an architecture, by name; copies."""

    def weights(self) -> Mapping[str, Tensor]:
        """All weights, by name; copies."""

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Go back to what `weights` gave."""
