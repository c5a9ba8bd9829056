"""The micro space (images; Pham et al. 2018, section 2.4): a normal and a reduction cell of `n_nodes` nodes each.

Encoding: the normal cell's nodes, then the reduction cell's, four integers a node: ``input1 op1 input2 op2``. Node k
may read inputs 0 … k+1: 0 = the layer before the previous, 1 = the previous layer, j+2 = node j. Both inputs of a node
are sampled before its two operations.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from enas.errors import ConfigError
from enas.search_space.architecture import Architecture
from enas.search_space.base import (
    ChooseEarlier,
    ChooseOperation,
    CloseNode,
    Decision,
    Integer,
    OpenCell,
    Vocabulary,
    count_architectures,
    validate_integers,
)

OPERATIONS = (
    "separable conv 3×3",
    "separable conv 5×5",
    "average pool 3×3",
    "max pool 3×3",
    "identity",
)
MAX_NODES = 16
CELLS = ("normal", "reduction")

_N_CONVOLUTIONS = 2
_OPERATION_REASON = ", ".join(f"{index} = {name}" for index, name in enumerate(OPERATIONS))
_INPUT_REASON = (
    "0 = the layer before the previous, 1 = the previous layer, j+2 = node j of the same cell, counted from 0"
)


@dataclass(frozen=True, slots=True)
class Branch:
    """One of a node's two branches: `operation` (index into OPERATIONS) on `source` (0 … k+1 at node k)."""

    source: int
    operation: int


Cell = Sequence[tuple[Branch, Branch]]
"""The two branches of each of a cell's nodes."""


def unread_states(cell: Cell) -> tuple[int, ...]:
    """The states that no node reads, ascending; they make up the cell's output.

    0 and 1 are its inputs, j + 2 is node j.

    Example:
        >>> unread_states([(Branch(1, 0), Branch(1, 4)), (Branch(2, 0), Branch(2, 3))])
        (0, 3)
    """
    read = {branch.source for node in cell for branch in node}
    return tuple(state for state in range(len(cell) + 2) if state not in read)


@dataclass(frozen=True)
class MicroSpace:
    """Two cells of `n_nodes` nodes.

    The original's bias of 10 saturates the squashing: tanh(10) is 1 in single precision, its gradient is 0, and the
    controller can never lower a convolution or prefer one size to the other. Give a `convolution_bias` near 0 for a
    controller that can.

    Args:
        n_nodes: nodes of a cell, 1 to MAX_NODES.
        convolution_bias: where the learned bias of the two convolutions starts (0 for the other operations).
        normal_bias: never learned; added for convolutions and subtracted for the rest, in the normal cell only.

    Raises:
        ConfigError: n_nodes is another number.
    """

    n_nodes: int = 5
    convolution_bias: float = 10.0
    normal_bias: float = 0.25

    def __post_init__(self) -> None:
        if not 1 <= self.n_nodes <= MAX_NODES:
            raise ConfigError(f"a cell has 1 to {MAX_NODES} nodes, not n_nodes={self.n_nodes}")

    @cached_property
    def integers(self) -> tuple[Integer, ...]:
        """The encoding: 8 · n_nodes integers."""
        return tuple(
            entry
            for cell in CELLS
            for node in range(self.n_nodes)
            for branch in (1, 2)
            for entry in (
                Integer(f"input {branch} of node {node} of the {cell} cell", node + 2, _INPUT_REASON),
                Integer(f"operation {branch} of node {node} of the {cell} cell", len(OPERATIONS), _OPERATION_REASON),
            )
        )

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """Both cells, one after the other."""
        normal_bias = _bias(self.normal_bias, -self.normal_bias)
        return (*self._cell(0, normal_bias), *self._cell(4 * self.n_nodes, None))

    @property
    def n_architectures(self) -> int:
        """How many encodings there are; swapped branches count twice."""
        return count_architectures(self.integers)

    def validate(self, architecture: Architecture) -> None:
        """Raise ConfigError, naming the integer, if the architecture is not of this space."""
        validate_integers(architecture, self.integers)

    def cells(self, architecture: Architecture) -> tuple[tuple[tuple[Branch, Branch], ...], ...]:
        """The normal and the reduction cell, each as its nodes' two branches."""
        values = architecture.values
        nodes = [
            (Branch(values[start], values[start + 1]), Branch(values[start + 2], values[start + 3]))
            for start in range(0, len(values), 4)
        ]
        return tuple(nodes[: self.n_nodes]), tuple(nodes[self.n_nodes :])

    def describe(self, architecture: Architecture) -> str:
        """The architecture in words.

        Example:
            >>> MicroSpace(1).describe(Architecture.from_text("0 2 1 0 1 4 1 3"))
            'normal: average pool 3×3(0) + separable conv 3×3(1) | reduction: identity(1) + max pool 3×3(1)'
        """
        return " | ".join(
            f"{name}: " + ", ".join(" + ".join(f"{OPERATIONS[b.operation]}({b.source})" for b in node) for node in cell)
            for name, cell in zip(CELLS, self.cells(architecture), strict=True)
        )

    def _cell(self, first: int, fixed_bias: tuple[float, ...] | None) -> Iterator[Decision]:
        """A cell's decisions; its integers start at position `first`."""
        bias = _bias(self.convolution_bias, 0.0)
        vocabulary = Vocabulary("operation", len(OPERATIONS), initial_bias=bias, labels=OPERATIONS)
        yield OpenCell(n_inputs=2)
        for start in range(first, first + 4 * self.n_nodes, 4):
            yield ChooseEarlier(start)
            yield ChooseEarlier(start + 2)
            yield ChooseOperation(start + 1, vocabulary, fixed_bias)
            yield ChooseOperation(start + 3, vocabulary, fixed_bias)
            yield CloseNode()


def _bias(convolutions: float, rest: float) -> tuple[float, ...]:
    return (convolutions,) * _N_CONVOLUTIONS + (rest,) * (len(OPERATIONS) - _N_CONVOLUTIONS)
