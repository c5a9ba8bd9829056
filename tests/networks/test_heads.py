"""The heads: what the kernels compute is what plain PyTorch computes, of maps of any size."""

import copy

import pytest
import torch
import torch.nn.functional as F
from networks.native_studies import needs_kernels, relative
from torch import Tensor

from enas.networks.cell import AUXILIARY_FILTERS, AuxiliaryHead, Shape, pool, shifts
from enas.networks.operations import pad_same

N_IMAGES, N_PARTS, N_CHANNELS, N_CLASSES = 6, 2, 8, 3


def parts(size: tuple[int, int]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(N_IMAGES, N_CHANNELS, *size, generator=generator) for _ in range(N_PARTS)]
    return [one.to(memory_format=torch.channels_last).requires_grad_() for one in drawn]


@needs_kernels
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (8, 13), (14, 14), (3, 1)])
@pytest.mark.parametrize("running", [False, True])
def test_the_auxiliary_head(size: tuple[int, int], running: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    shape = Shape(N_PARTS * N_CHANNELS, size)
    head = AuxiliaryHead(shape, N_CLASSES, running=running, generator=torch.Generator().manual_seed(0))
    found = study(copy.deepcopy(head), parts(size))
    monkeypatch.setenv("ENAS_NATIVE", "0")
    for one, right in zip(found, study(head, parts(size)), strict=True):
        assert relative(one, right) < 1e-5


def study(head: AuxiliaryHead, xs: list[Tensor]) -> list[Tensor]:
    """Logits in training, gradients, running statistics, logits in evaluation."""
    logits = head(xs)
    slopes = torch.autograd.grad(logits.square().sum(), [*xs, *head.parameters()])
    with torch.no_grad():
        return [logits, *slopes, *head.buffers(), head.eval()(xs)]


@pytest.mark.parametrize("kernel", [(1, 1), (2, 2), (3, 3), (2, 3)])
def test_a_convolution_is_a_sum_over_shifts(kernel: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, *kernel, generator=generator, dtype=torch.float64)
    weight = torch.randn(5, 3, *kernel, generator=generator, dtype=torch.float64)
    taps = weight.flatten(2).unbind(dim=2)
    total = sum(torch.einsum("bchw,oc->bohw", one, tap) for one, tap in zip(shifts(x, kernel), taps, strict=True))
    torch.testing.assert_close(total, F.conv2d(pad_same(x, kernel, 1), weight))


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
def test_the_head_reads_means_of_what_is_positive(memory_format: torch.memory_format) -> None:
    xs = [x.detach().to(memory_format=memory_format) for x in parts((4, 5))]
    expected = torch.cat(xs, dim=1).clamp(min=0).double().mean(dim=(2, 3))
    torch.testing.assert_close(pool(xs).double(), expected, rtol=1e-5, atol=1e-6)


def test_it_has_the_published_filters() -> None:
    head = AuxiliaryHead(Shape(80, (8, 8)), 10, running=True, generator=torch.Generator().manual_seed(0))
    assert sum(parameter.numel() for parameter in head.parameters()) == (
        80 * AUXILIARY_FILTERS[0] + 4 * AUXILIARY_FILTERS[0] * AUXILIARY_FILTERS[1] + 2 * sum(AUXILIARY_FILTERS) + 7680
    )
