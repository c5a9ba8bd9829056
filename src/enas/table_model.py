"""The trained model of a table: what evaluate, predict and explain load; arrays and JSON, never pickle.

A model holds every retrained candidate, each a group of M networks (folds x seeds), with the weight that it has in the
output (0 for one that was not chosen), and one preprocessor per fold. The output is the weighted mean over candidates
of the mean over networks: of logits, or of regression values.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.data.dataset import FloatArray
from enas.data.matrix import Matrix
from enas.data.preprocess import Preprocessor
from enas.model import Member, best_of, choose_member
from enas.networks.dense import DenseChild, skips_of
from enas.search_space import Architecture, DenseSpace


@dataclass(frozen=True, eq=False)
class TableModel:
    """A trained model of a table.

    Args:
        space: the search space of the architectures.
        members: the retrained candidates.
        preprocessors: one per fold; network m of a member uses number m % K.
        feature_names, has_feature_names: of the training table; has: they come from its files.
        target_names: one per target column.
        classes: class names; empty for regression.
        center, factor: regression: (K, 1, t) mean and deviation of the labels in each fold.
    """

    space: DenseSpace
    members: tuple[Member, ...]
    preprocessors: tuple[Preprocessor, ...]
    feature_names: tuple[str, ...]
    has_feature_names: bool
    target_names: tuple[str, ...]
    classes: tuple[str, ...]
    center: FloatArray
    factor: FloatArray

    @property
    def n_folds(self) -> int:
        return len(self.preprocessors)

    @cached_property
    def active(self) -> tuple[tuple[Member, DenseChild], ...]:
        """The members that count, with their networks ready to compute."""
        return tuple((m, DenseChild(m.tensors, skips_of(self.space, m.architecture))) for m in self.members if m.share)

    def only(self, architecture: Architecture) -> "TableModel":
        """The same model with this candidate alone in the output.

        Raises:
            ConfigError: no candidate has this architecture.
        """
        return replace(self, members=choose_member(self.members, architecture))

    @property
    def n_outputs(self) -> int:
        """C, classes or regression targets."""
        return len(self.classes or self.target_names)

    def stem(self, member: Member) -> int:
        """Which stem of the preprocessors the member's networks read."""
        return self.space.screen(member.architecture) or 0

    def outputs(self, features: Matrix, *, batch_size: int = 1000) -> Iterator[NDArray[np.float64]]:
        """Logits, or regression values, of rows (n, p) in batches (b, C); memory is bounded by the batch."""
        for start in range(0, len(features), batch_size):
            yield self._batch(features[start : start + batch_size])

    def predict(self, features: Matrix, *, batch_size: int = 1000) -> NDArray[np.float64]:
        """Logits, or regression values, (n, C)."""
        return np.concatenate(list(self.outputs(features, batch_size=batch_size)))

    def embeddings(self, features: Matrix, *, batch_size: int = 1000) -> Iterator[NDArray[np.float32]]:
        """What the last linear layer reads, for rows (n, p) in blocks (b, D); memory is bounded by the block.

        It is that of the candidate with the largest share: its M networks side by side, seed by seed and in each of
        them fold by fold, W values each (D = M·W). A network's logits are ``values @ head_weight + head_bias`` and,
        besides, its linear shortcut, which has no hidden layer and is no part of the embedding.
        """
        for start in range(0, len(features), batch_size):
            yield self._embed(features[start : start + batch_size])

    @torch.no_grad()
    def _embed(self, features: FloatArray) -> NDArray[np.float32]:
        member, child = best_of(self.active)
        values = child.embed(self._inputs(self._coordinates(features, [member]), member))
        return values.transpose(0, 1).flatten(1).numpy()

    @torch.no_grad()  # not inference_mode: the networks are made here at first use, and explaining differentiates them
    def _batch(self, features: FloatArray) -> NDArray[np.float64]:
        coordinates = self._coordinates(features, [member for member, _ in self.active])
        total = np.zeros((len(features), self.n_outputs))
        for member, child in self.active:
            logits = child(self._inputs(coordinates, member))
            outputs = logits.view(-1, self.n_folds, len(features), self.n_outputs).mean(dim=0).numpy()
            outputs = outputs if self.classes else outputs * self.factor + self.center
            total += member.weight * outputs.mean(axis=0)
        return total

    def _inputs(self, coordinates: dict[int, Tensor], member: Member) -> Tensor:
        """What the member's networks read, (M, b, r)."""
        return coordinates[self.stem(member)].repeat(count_networks(member) // self.n_folds, 1, 1)

    def _coordinates(self, features: FloatArray, members: Iterable[Member]) -> dict[int, Tensor]:
        """Per stem that these members read the rows in every fold's coordinates, (K, b, r)."""
        used = {self.stem(member): member.tensors["stem_weight"].shape[1] for member in members}
        stacks = {stem: torch.zeros(self.n_folds, len(features), n_inputs) for stem, n_inputs in used.items()}
        for fold, preprocessor in enumerate(self.preprocessors):
            standardised = preprocessor.scaler(features)
            for stem, stack in stacks.items():
                values = preprocessor.stems[stem](standardised)
                stack[fold, :, : values.shape[1]] = torch.from_numpy(values)
        return stacks


def count_networks(member: Member) -> int:
    """M of a member, folds x seeds."""
    return len(member.tensors["head_bias"])
