"""What every search space tells: the integers that encode an architecture, and the decisions that a controller takes.

A space is pure data. The controller walks its decisions in sampling order and keeps a list of *anchors*, one per node
that a later decision may look at; a decision that chooses names the place of its integer in the encoding, so the two
orders may differ (positions count from 0 here, from 1 in messages).
"""

from dataclasses import dataclass
from math import prod
from typing import Protocol

from enas.errors import ConfigError
from enas.search_space.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A named list of options that has its own embedding and softmax weights in the controller.

    Args:
        name: a Python identifier, unique in the space.
        n_options: how many options.
        initial_bias: start of a learned bias on the logits, one number per option; None: no bias.
        labels: what the options are called; empty where nobody asks.
    """

    name: str
    n_options: int
    initial_bias: tuple[float, ...] | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChooseOperation:
    """Choose one option of a vocabulary; `fixed_bias` is added to the squashed logits and never learned."""

    position: int
    vocabulary: Vocabulary
    fixed_bias: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class ChooseEarlier:
    """Choose one of the anchors so far, by attention."""

    position: int


@dataclass(frozen=True, slots=True)
class ChooseSubset:
    """Close a node and choose, with one bit per earlier anchor, which of them it also reads; then it is an anchor."""

    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CloseNode:
    """The node is complete and becomes an anchor."""


@dataclass(frozen=True, slots=True)
class OpenCell:
    """Forget the anchors so far; the cell's `n_inputs` inputs become the first ones."""

    n_inputs: int


Decision = ChooseOperation | ChooseEarlier | ChooseSubset | CloseNode | OpenCell


@dataclass(frozen=True, slots=True)
class Integer:
    """One integer of the encoding: it must be 0 … n_options − 1.

    Args:
        meaning: what it chooses, as in "the width of layer 2".
        n_options: how many values it may take.
        reason: what the values stand for, as in "0 = no, 1 = yes".
    """

    meaning: str
    n_options: int
    reason: str


class SearchSpace(Protocol):
    """What may be chosen, and nothing about weights."""

    @property
    def integers(self) -> tuple[Integer, ...]:
        """The encoding, one entry per integer of an architecture."""

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What a controller decides, in sampling order."""

    @property
    def n_architectures(self) -> int:
        """How many architectures there are."""

    def validate(self, architecture: Architecture) -> None:
        """Raise ConfigError if the architecture is not of this space."""

    def describe(self, architecture: Architecture) -> str:
        """The architecture in words, on one line."""


def count_architectures(integers: tuple[Integer, ...]) -> int:
    """How many sequences an encoding allows."""
    return prod(integer.n_options for integer in integers)


def validate_integers(architecture: Architecture, integers: tuple[Integer, ...]) -> None:
    """Check an architecture against an encoding.

    Raises:
        ConfigError: the length is wrong, or an integer is out of range; names it, its value and what it may be.
    """
    if len(architecture.values) != len(integers):
        raise ConfigError(
            f"architecture {_show(architecture)} has {len(architecture.values)} integers, "
            f"but this search space needs {len(integers)}"
        )
    for position, (value, integer) in enumerate(zip(architecture.values, integers, strict=True), start=1):
        if value >= integer.n_options:
            raise ConfigError(
                f"integer {position} of architecture {_show(architecture)} is {value}, but {integer.meaning} "
                f"must be from 0 to {integer.n_options - 1} ({integer.reason})"
            )


def _show(architecture: Architecture) -> str:
    text = str(architecture)
    return text if len(text) <= 120 else f"{text[:120]}…"
