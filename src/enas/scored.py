"""Architectures with their shared-weight scores, and which of them are worth retraining."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from enas.search_space import Architecture


@dataclass(frozen=True, slots=True)
class Scored:
    """An architecture and its shared-weight score on held-out rows; ``tie`` orders equal rewards, higher is better."""

    architecture: Architecture
    reward: float
    tie: float

    def to_json(self) -> list[Any]:
        """As a checkpoint keeps it."""
        return [self.architecture.to_json(), self.reward, self.tie]

    @classmethod
    def from_json(cls, kept: Sequence[Any]) -> "Scored":
        """The inverse of `to_json`."""
        return cls(Architecture.from_json(kept[0]), *kept[1:])


def choose_candidates(
    derived: Sequence[Scored], k: int, group: Callable[[Architecture], Hashable]
) -> tuple[Scored, ...]:
    """The best ``k``: first the best of each group in turn, then the next best of any.

    A group is a number of features: networks on different features err differently, so they are worth retraining (and
    averaging) before a second network on the same ones.

    Args:
        derived: distinct architectures, best first.
        k: how many to choose.
        group: what an architecture belongs to.
    """
    seen: set[Hashable] = set()
    firsts: list[Scored] = []
    rest: list[Scored] = []
    for one in derived:
        (rest if group(one.architecture) in seen else firsts).append(one)
        seen.add(group(one.architecture))
    return tuple([*firsts, *rest][:k])


def by_reward(scored: Scored) -> tuple[float, float]:
    """Orders architectures, the best last."""
    return scored.reward, scored.tie
