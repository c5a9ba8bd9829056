"""Dropout with a generator of its own: the same seed gives the same masks, whatever else draws random numbers."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Dropout:
    """Zero each unit with probability ``1 - keep_prob`` and scale the rest; masks come from ``generator``."""

    keep_prob: float
    generator: torch.Generator

    def __call__(self, x: Tensor) -> Tensor:
        mask = torch.rand(x.shape, generator=self.generator, device=self.generator.device) < self.keep_prob
        return x * mask.to(x) / self.keep_prob
