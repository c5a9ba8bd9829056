"""Batch norm as the originals computed it: ε 1e-5, running decay 0.9."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enas.networks import native

EPSILON = 1e-5
MOMENTUM = 0.1  # of new statistics in the running ones


class BatchNorm(nn.Module):
    """Batch normalisation over (B, H, W).

    Args:
        n_channels: C.
        running: keep running statistics and use them in evaluation; False: the batch's own, always (supernet).
    """

    mean: Tensor | None
    variance: Tensor | None

    def __init__(self, n_channels: int, *, running: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_channels))
        self.offset = nn.Parameter(torch.zeros(n_channels))
        self.register_buffer("mean", torch.zeros(n_channels) if running else None)
        self.register_buffer("variance", torch.ones(n_channels) if running else None)

    @property
    def uses_batch(self) -> bool:
        """Whether the statistics are the batch's own."""
        return self.training or self.mean is None

    @property
    def given(self) -> tuple[Tensor, Tensor] | None:
        """Running mean and variance (C,) where they are used; None: the batch's own are."""
        return None if self.training or self.mean is None or self.variance is None else (self.mean, self.variance)

    def fuses(self, x: Tensor) -> bool:
        """Whether a native kernel computes this norm after a convolution of ``x``; it sends nothing back through
        running statistics.
        """
        return (self.uses_batch or not torch.is_grad_enabled()) and native.takes(x)

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(
            x, self.mean, self.variance, self.scale, self.offset, self.uses_batch, momentum=MOMENTUM, eps=EPSILON
        )

    @torch.no_grad()
    def remember(self, mean: Tensor, variance: Tensor, n: int) -> None:
        """In training, take a batch's statistics (of ``n`` cells, variance biased) into the running ones."""
        if self.training and self.mean is not None and self.variance is not None:
            self.mean.lerp_(mean, MOMENTUM)
            self.variance.lerp_(variance * (n / max(n - 1, 1)), MOMENTUM)
