"""What a search asks of a supernet, whatever its space."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from torch import Tensor, nn

from enas.networks.dropout import Dropout
from enas.search_space import Architecture

Known = dict[tuple[int, ...], list[Tensor]]


class Supernet(Protocol):
    """The shared weights of every architecture of a space."""

    def __call__(
        self, x: Tensor, architecture: Architecture, dropout: Dropout | None = None, known: Known | None = None
    ) -> Tensor:
        """Outputs (M, B, C) of the architecture's child.

        ``known`` remembers, while weights and rows stay the same, what architectures with the same beginning compute:
        pass one dictionary to all calls. Not with dropout.
        """

    def slices(self, architecture: Architecture) -> dict[str, Tensor]:
        """The architecture's part of the shared weights, as views: what a child of its own would hold, by name."""

    def parameters(self) -> Iterator[nn.Parameter]:
        """All shared weights."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """All shared weights, by name."""

    def load_state_dict(self, state_dict: Mapping[str, Tensor]) -> object:
        """Take weights that `state_dict` gave."""
