"""Micro networks in training: the shared weights, and one architecture's own.

Trained as specified: Nesterov momentum 0.9, L2 over all weights, a cosine rate with restarts by the epoch, the
auxiliary loss with weight 0.4. Departures from the originals, with the keys that restore them:
- the gradient's norm is clipped; theirs names a bound and clips nothing (``child_grad_bound: 0``);
- the auxiliary head is trained (``train_auxiliary: false``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from enas.data.augment import Augment
from enas.families.pictures import Pictures
from enas.folds import Folds
from enas.memory import in_halves
from enas.nesterov import Nesterov
from enas.networks.dropout import Dropout
from enas.networks.micro import MicroSupernet
from enas.networks.micro_child import MicroChild, Noise
from enas.schedule import cosine_restarts, drop_path_keep
from enas.search_space import Architecture
from enas.training import network_loss

AUXILIARY_WEIGHT = 0.4
ADVICE = "lower child_lr_max, or child_grad_bound"


@dataclass(frozen=True, slots=True)
class ImageLesson:
    """How networks on images are taught.

    Args:
        folds: which rows train and judge.
        pictures: the rows.
        augment: what is done to training images on the fly.
        batch_size: images per step.
        rates: highest and lowest learning rate, epochs of the first cycle, growth of the next ones.
        keep_prob: of the dropout before the head.
        path_keep_prob: of drop path in the last layer at the end.
        dtype: of the activations; weights, statistics, losses and sums stay float32.
        generator: the source of all randomness.
        noise: what dropout and drop path draw from, on the device of the networks, so that nothing waits for it.
    """

    folds: Folds
    pictures: Pictures
    augment: Augment
    batch_size: int
    rates: tuple[float, float, int, int]
    keep_prob: float
    path_keep_prob: float
    dtype: torch.dtype
    generator: torch.Generator
    noise: torch.Generator

    def batches(self) -> list[Tensor]:
        """One epoch: row numbers (1, B) per step."""
        return list(self.folds.batches(self.batch_size, 1, self.generator))

    def rate(self, epoch: int) -> float:
        """Learning rate of an epoch."""
        peak, trough, first, factor = self.rates
        return cosine_restarts(epoch, peak=peak, trough=trough, first=first, factor=factor)

    def pictures_of(self, rows: Tensor) -> Tensor:
        """Augmented training images of (1, B) row numbers."""
        return self.augment(self.pictures.take(rows[0]), self.generator).to(self.dtype)

    def total(self, outputs: Sequence[Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
        """The loss to minimise, auxiliary head included, and that of the main head."""
        main, *auxiliary = (network_loss(one, self.folds, rows, "cross_entropy").sum() for one in outputs)
        return main + AUXILIARY_WEIGHT * sum(auxiliary, start=torch.zeros_like(main)), main

    def dropout(self) -> Dropout | None:
        return Dropout(self.keep_prob, self.noise) if self.keep_prob < 1 else None


@dataclass(slots=True)
class SharedMicro:
    """The shared weights, and the minibatches that teach them and score architectures with them.

    ``noisy_scores``: dropout stays on while architectures are scored, as in the originals.
    """

    supernet: MicroSupernet
    lesson: ImageLesson
    optimizer: Nesterov
    noisy_scores: bool = False
    advice: str = ADVICE

    def batches(self) -> list[Tensor]:
        return self.lesson.batches()

    def schedule(self, epoch: int, step: int, n_steps: int) -> float:
        return self.lesson.rate(epoch)

    def loss(self, rows: Tensor, architecture: Architecture) -> tuple[Tensor, Tensor]:
        x = self.lesson.pictures_of(rows)
        return self.lesson.total(self.supernet.train_outputs(x, architecture, self.lesson.dropout()), rows)

    @torch.inference_mode()
    def judge(self, judges: Folds, architectures: Sequence[Architecture]) -> Tensor:
        """Logits (n, n_judged, n_classes); all architectures see one minibatch after the other.

        Batch norm takes each minibatch's own statistics, so minibatches are as large as in training and mix the
        classes, which lie one after the other in a folder.
        """
        rows = judges.judged
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
        n_parts = -(-len(rows) // self.lesson.batch_size)
        take, dtype = self.lesson.pictures.take, self.lesson.dtype
        batches = rows[order].tensor_split(n_parts)
        dropout = self.lesson.dropout() if self.noisy_scores else None
        parts = [self.supernet(take(batch).to(dtype), architectures, dropout) for batch in batches]
        return torch.cat(parts, dim=1)[:, order.argsort()]

    def part(self, architecture: Architecture) -> dict[str, Tensor]:
        return self.weights()

    def weights(self) -> dict[str, Tensor]:
        return _copy_of(self.supernet)

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        self.supernet.load_state_dict(dict(weights))


@dataclass(slots=True)
class MicroAlone:
    """One architecture's network."""

    child: MicroChild
    lesson: ImageLesson
    optimizer: Nesterov
    advice: str = ADVICE
    _progress: float = field(default=0.0, init=False)

    def batches(self) -> list[Tensor]:
        return self.lesson.batches()

    def schedule(self, epoch: int, step: int, n_steps: int) -> float:
        self._progress = (step + 1) / n_steps
        return self.lesson.rate(epoch)

    def loss(self, rows: Tensor, architecture: Architecture) -> tuple[Tensor, Tensor]:
        self.child.train()
        noise = Noise(self.lesson.dropout(), self._keep_of_layer, self.lesson.noise)
        outputs = self.child.train_outputs(self.lesson.pictures_of(rows), noise)
        return self.lesson.total(outputs, rows)

    @torch.inference_mode()
    def judge(self, judges: Folds, architectures: Sequence[Architecture]) -> Tensor:
        """Logits (1, n_judged, n_classes) with running statistics."""
        self.child.eval()
        parts = judges.judged.split(self.lesson.batch_size)
        title = "judging validation images"
        return torch.cat([in_halves(self._answer, part, title) for part in parts]).transpose(0, 1)

    def _answer(self, rows: Tensor) -> Tensor:
        """Logits (B, 1, n_classes)."""
        logits: Tensor = self.child(self.lesson.pictures.take(rows))
        return logits.transpose(0, 1)

    def part(self, architecture: Architecture) -> dict[str, Tensor]:
        """All but the auxiliary head, which serves training alone."""
        return {name: tensor for name, tensor in self.weights().items() if not name.startswith("auxiliary.")}

    def weights(self) -> dict[str, Tensor]:
        return _copy_of(self.child)

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        self.child.load_state_dict(dict(weights))

    def _keep_of_layer(self, layer: int) -> float:
        return drop_path_keep(layer, self.child.plan.n_cells, self._progress, self.lesson.path_keep_prob)


def _copy_of(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
