"""Outputs that are computed again in the backward pass: the same bits, and less that is kept."""

import weakref
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from networks.native_studies import needs_kernels
from torch import Tensor

from enas.networks import native


class Study:
    """A projection that three others read; after `forward` nobody but they may hold its output."""

    def __init__(self, dtype: torch.dtype) -> None:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(4, 16, 8, 8, generator=generator)
        self.x = x.to(dtype, memory_format=torch.channels_last).requires_grad_()
        self.weights = [torch.randn(1, 16, 16, generator=generator).requires_grad_() for _ in range(4)]
        self.norm = [torch.rand(16, generator=generator).requires_grad_() for _ in range(2)]
        self.read: weakref.ref[Tensor]

    def forward(self, inside: AbstractContextManager[None]) -> Tensor:
        scale, offset = self.norm
        with inside:
            output = native.project([self.x], self.weights[0], scale, offset)[0]
            self.read = weakref.ref(output)
            readers = [native.project([output], weight, scale, offset)[0] for weight in self.weights[1:]]
            totals = [reader.square().sum() for reader in readers]
        return torch.stack(totals).sum()

    def gradients(self, total: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(total, [self.x, *self.weights, *self.norm], retain_graph=True))


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_have_the_same_bits_however_often(dtype: torch.dtype) -> None:
    plain, again = Study(dtype), Study(dtype)
    expected, total = plain.gradients(plain.forward(nullcontext())), again.forward(native.keeping_little())
    for _ in range(2):
        assert all(map(torch.equal, again.gradients(total), expected))


@needs_kernels
def test_the_output_is_not_kept() -> None:
    plain, again = Study(torch.float32), Study(torch.float32)
    totals = plain.forward(nullcontext()), again.forward(native.keeping_little())
    assert plain.read() is not None
    assert again.read() is None
    assert torch.equal(*totals)
