"""What every trained model is to those who use it: evaluate, predict and explain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from enas.data.dataset import Target
from enas.errors import ConfigError
from enas.progress import Progress
from enas.search_space import Architecture

Network = TypeVar("Network")


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One candidate of a model.

    Args:
        architecture: of its networks.
        share: of the model's output; 0 for a candidate that was not chosen.
        temperature: factor that makes its probabilities honest.
        tensors: weights of its networks, by name.
    """

    architecture: Architecture
    share: float
    temperature: float
    tensors: Mapping[str, Tensor]

    @property
    def weight(self) -> float:
        """Factor of its outputs in the model's."""
        return self.share * self.temperature


def choose_member(members: Sequence[Member], architecture: Architecture) -> tuple[Member, ...]:
    """The members, of which this architecture alone has a share in the output.

    Raises:
        ConfigError: no member has this architecture.
    """
    if architecture not in {member.architecture for member in members}:
        known = ", ".join(str(member.architecture) for member in members)
        raise ConfigError(f"arc {architecture} is not among the retrained candidates: {known}")
    return tuple(replace(member, share=float(member.architecture == architecture)) for member in members)


def best_of(active: Sequence[tuple[Member, Network]]) -> tuple[Member, Network]:
    """The member with the largest share in the output, with its networks; of equals the first."""
    return max(active, key=lambda pair: pair[0].share)


class Model(Protocol):
    """A trained model of any family."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; empty for regression."""

    @property
    def target_names(self) -> tuple[str, ...]:
        """One per target column."""

    def outputs(self, features: Any, *, batch_size: int) -> Iterator[NDArray[np.float64]]:
        """Logits, or regression values, of rows (n, …) in batches (b, C)."""


class Samples(Protocol):
    """Rows of a table, or images, as a model takes them."""

    @property
    def features(self) -> Any:
        """(n, …), one entry per sample: an array, or what gives blocks of one."""

    @property
    def sample_ids(self) -> Sequence[str]:
        """n ids."""

    @property
    def target(self) -> Target | None:
        """What is to be predicted, if known."""

    @property
    def noun(self) -> str:
        """What samples are called, plural."""

    def hashes(self) -> NDArray[np.uint64]:
        """(n,), by which a sample is known again."""


def run_model(model: Model, samples: Samples, batch_size: int, progress: Progress) -> NDArray[np.float64]:
    """Logits, or regression values, (n, C); memory is bounded by the batch."""
    n_batches = -(-len(samples.features) // batch_size)
    batches = []
    with progress.stage(f"computing {len(samples.features):,} {samples.noun}", n_batches) as advance:
        for batch in model.outputs(samples.features, batch_size=batch_size):
            batches.append(batch)
            advance("")
    return np.concatenate(batches)


def probabilities_of(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))
