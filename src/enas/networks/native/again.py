"""Outputs of norms are computed again in the backward pass instead of kept: costs a pass over memory, saves an eighth.

A projection keeps what it gives before its norm, from which its output follows number by number. So whatever reads the
output need not keep it, too.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from enas.device import n_threads
from enas.networks.native.arguments import address, empty_like, kernels


@dataclass(slots=True, eq=False)
class Normalised:
    """The output of a norm, computed when the first reader wants it and let go after the last.

    Args:
        before: (B, C, H, W), channels last; the others (C,).
    """

    before: Tensor
    scale: Tensor
    offset: Tensor
    mean: Tensor
    variance: Tensor
    n_readers: int = 0
    _output: Tensor | None = field(default=None, repr=False)

    def read(self) -> Tensor:
        """The output, with the bits that it had."""
        output = self._compute() if self._output is None else self._output
        self.n_readers -= 1
        self._output = output if self.n_readers > 0 else None
        return output

    def _compute(self) -> Tensor:
        n_images, n_channels, height, width = self.before.shape
        sizes = (ctypes.c_int64 * 5)(n_images, height, width, n_channels, n_threads())
        output = empty_like(self.before)
        parts = self.before, self.scale, self.offset, self.mean, self.variance, output
        kernels(self.before).enas_normalise(sizes, *map(address, parts))
        return output


_RECIPE = "_enas_recipe"  # an attribute of the output itself


def can_be_computed_again(output: Tensor, recipe: Normalised) -> None:
    """Tell how."""
    setattr(output, _RECIPE, recipe)


def recipe_of(output: Tensor) -> Normalised | None:
    """How, if it has been told."""
    recipe: Normalised | None = getattr(output, _RECIPE, None)
    return recipe


@contextmanager
def keeping_little() -> Iterator[None]:
    """Inside, what can be computed again is not kept for the backward pass."""
    with torch.autograd.graph.saved_tensors_hooks(_pack, _unpack):
        yield


def _pack(tensor: Tensor) -> Tensor | Normalised:
    recipe = recipe_of(tensor)
    if recipe is None:
        return tensor
    recipe.n_readers += 1
    return recipe


def _unpack(kept: Tensor | Normalised) -> Tensor:
    return kept.read() if isinstance(kept, Normalised) else kept
