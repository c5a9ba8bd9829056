"""Dense networks in training: the shared weights, and one architecture's own. M networks side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from enas.adam import Adam
from enas.folds import Folds
from enas.networks.base import Known, Supernet
from enas.networks.dense import DenseChild
from enas.networks.dropout import Dropout
from enas.schedule import one_cycle
from enas.search_space import Architecture
from enas.training import LossName, l2_penalty, network_loss

ADVICE = "lower trainer.child_lr, or set preprocessing.scale and preprocessing.transform for data of this range"


@dataclass(frozen=True, slots=True)
class Lesson:
    """How networks on tables are taught.

    Args:
        folds: their rows.
        batch_size: rows per step and network.
        loss: of classifiers.
        dropout: None: none.
        l2: weight of the penalty.
        generator: draws the order of the rows anew each epoch; None: the table's order.
    """

    folds: Folds
    batch_size: int
    loss: LossName
    dropout: Dropout | None
    l2: float
    generator: torch.Generator | None


@dataclass(slots=True)
class SharedDense:
    """The shared weights, one set per fold, and the minibatches that teach them."""

    supernet: Supernet
    lesson: Lesson
    optimizer: Adam
    rate: float
    advice: str = ADVICE
    _known: Known = field(default_factory=dict, init=False)
    _inputs: dict[int, Tensor] = field(default_factory=dict, init=False)

    def batches(self) -> list[Tensor]:
        """Passes over the rows: up to one per set of first-layer weights while minibatches are few."""
        folds, size = self.lesson.folds, self.lesson.batch_size
        self._known = {}
        n_stems = len(folds.inputs)
        n_batches = -(-min(len(rows) for rows in folds.train) // size)
        n_passes = max(1, min(n_stems, -(-2 * n_stems // n_batches))) if n_stems > 1 else 1
        return [rows for _ in range(n_passes) for rows in folds.batches(size, folds.n_folds, self.lesson.generator)]

    def schedule(self, epoch: int, step: int, n_steps: int) -> float:
        """The rate stays."""
        return self.rate

    def loss(self, rows: Tensor, architecture: Architecture) -> tuple[Tensor, Tensor]:
        """Sum over the folds' networks, with the penalty on the weights that the architecture uses."""
        lesson, folds = self.lesson, self.lesson.folds
        outputs = self.supernet(folds.gather(architecture, rows), architecture, lesson.dropout)
        loss = network_loss(outputs, folds, rows, lesson.loss).sum()
        return loss + l2_penalty(self.supernet.slices(architecture).values(), lesson.l2), loss / folds.n_folds

    @torch.inference_mode()
    def judge(self, judges: Folds, architectures: Sequence[Architecture]) -> Tensor:
        """Outputs (n, n_judged, C); while the weights rest, beginnings that architectures share are computed once."""
        known = self._known if judges is self.lesson.folds else Known()
        return torch.stack(
            [judges.collect(self.supernet(self._judged(judges, a), a, known=known)) for a in architectures]
        )

    def part(self, architecture: Architecture) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.supernet.slices(architecture).items()}

    def weights(self) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in self.supernet.state_dict().items()}

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        self.supernet.load_state_dict(weights)
        self._known = {}

    def _judged(self, judges: Folds, architecture: Architecture) -> Tensor:
        """What an architecture sees of the rows that judge; gathered once where these are always the same."""
        if judges is not self.lesson.folds:
            return judges.gather(architecture, judges.held_out)
        stem = judges.stem(architecture)
        if stem not in self._inputs:
            self._inputs[stem] = judges.gather(architecture, judges.held_out)
        return self._inputs[stem]


@dataclass(slots=True)
class DenseAlone:
    """One architecture's networks, folds x seeds, on one cycle of the rate up to ``peak``."""

    child: DenseChild
    lesson: Lesson
    optimizer: Adam
    n_seeds: int
    peak: float
    advice: str = ADVICE
    _inputs: Tensor | None = field(default=None, init=False)

    def batches(self) -> list[Tensor]:
        folds = self.lesson.folds
        return list(folds.batches(self.lesson.batch_size, folds.n_folds * self.n_seeds, self.lesson.generator))

    def schedule(self, epoch: int, step: int, n_steps: int) -> float:
        return one_cycle(step, n_steps, self.peak)

    def loss(self, rows: Tensor, architecture: Architecture) -> tuple[Tensor, Tensor]:
        """Sum over the networks; the penalty is the optimiser's."""
        folds = self.lesson.folds
        outputs = self.child(folds.gather(architecture, rows), self.lesson.dropout)
        losses = network_loss(outputs, folds, rows, self.lesson.loss)
        return losses.sum(), losses.mean()

    @torch.inference_mode()
    def judge(self, judges: Folds, architectures: Sequence[Architecture]) -> Tensor:
        """Outputs (1, n_judged, C)."""
        (architecture,) = architectures
        return judges.collect(self.child(self._judged(judges, architecture)))[None]

    def part(self, architecture: Architecture) -> dict[str, Tensor]:
        return self.weights()

    def weights(self) -> dict[str, Tensor]:
        return {name: tensor.detach().clone() for name, tensor in self.child.tensors.items()}

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        for name, tensor in weights.items():
            self.child.tensors[name].data.copy_(tensor)

    def _judged(self, judges: Folds, architecture: Architecture) -> Tensor:
        """What the networks see of the rows that judge; gathered once where these are always the same."""
        rows = judges.held_out.repeat(self.n_seeds, 1)
        if judges is not self.lesson.folds:
            return judges.gather(architecture, rows)
        if self._inputs is None:
            self._inputs = judges.gather(architecture, rows)
        return self._inputs
