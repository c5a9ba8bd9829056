"""The generators that a run draws from, and where each stands."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Randomness:
    """All generators of a run; there is no other source of chance.

    Args:
        generators: on any devices, each once.

    Example:
        >>> generator = torch.Generator().manual_seed(0)
        >>> randomness = Randomness((generator,))
        >>> start = randomness.position()
        >>> first = torch.rand(1, generator=generator)
        >>> with randomness.at(start):
        ...     again = torch.rand(1, generator=generator)
        >>> bool(again == first), bool(torch.rand(1, generator=generator) == first)
        (True, False)
    """

    generators: tuple[torch.Generator, ...]

    def position(self) -> dict[str, Tensor]:
        """Where the generators stand, as a part of a checkpoint."""
        return {str(i): generator.get_state() for i, generator in enumerate(self.generators)}

    def restore(self, position: Mapping[str, Tensor]) -> None:
        """Go to where `position` was."""
        for i, generator in enumerate(self.generators):
            generator.set_state(position[str(i)])

    @contextmanager
    def at(self, position: Mapping[str, Tensor]) -> Iterator[None]:
        """Draw again what was drawn from there; afterwards the generators stand as before."""
        now = self.position()
        self.restore(position)
        try:
            yield
        finally:
            self.restore(now)
