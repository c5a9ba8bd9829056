"""What the tests of the native kernels share: images, weights, and how near two tensors are."""

import pytest
import torch
from torch import Tensor

from enas.networks import native

needs_kernels = pytest.mark.skipif(not native.available(), reason=f"no native kernels: {native.unavailable()}")

# batch, channels, height, width, kernel: the networks' sizes and odd ones
SHAPES = [
    (3, 20, 32, 32, 5),
    (2, 40, 16, 16, 3),
    (18, 80, 8, 8, 5),
    (40, 160, 4, 4, 3),
    (1, 16, 32, 32, 3),
    (2, 7, 9, 11, 5),
    (3, 1, 5, 5, 3),
    (17, 33, 2, 1, 5),
    (1, 48, 7, 7, 3),
]

FACTORS = torch.tensor([0.0, 1.25, 1.0])


def make_weights(n_channels: int, kernel: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(n_channels + kernel)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    weights = []
    for _ in range(2):
        weights += [draw(n_channels, 1, kernel, kernel) / kernel, draw(n_channels, n_channels, 1, 1) / n_channels**0.5]
        weights += [draw(n_channels).abs() + 0.5, 0.3 * draw(n_channels)]
    return [weight.requires_grad_() for weight in weights]


def make_images(shape: tuple[int, ...], seed: int = 0) -> Tensor:
    images = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return images.contiguous(memory_format=torch.channels_last)


def relative(value: Tensor, expected: Tensor) -> float:
    """Of the error's norm; a gradient that is zero in theory, as of a single channel's weight, has a norm near zero."""
    return float((value.detach().double() - expected.detach()).norm() / expected.detach().norm().clamp_min(0.1))
