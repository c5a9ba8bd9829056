"""Native pools compute what plain PyTorch computes."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from networks.native_studies import FACTORS, SHAPES, make_images, needs_kernels, relative
from torch import Tensor

from enas.networks import native, operations


def plain_pool(x: Tensor, stride: int, *, is_max: bool) -> Tensor:
    """By PyTorch, of every window what lies inside; padded at the end first, as TensorFlow does."""
    before, after = zip(*(operations.same_padding(side, 3, stride) for side in x.shape[2:]), strict=True)
    padding = (before[1], after[1], before[0], after[0])
    if is_max:
        return F.max_pool2d(F.pad(x, padding, value=-torch.inf), 3, stride)
    inside = F.pad(torch.ones_like(x[:1, :1]), padding)
    return F.avg_pool2d(F.pad(x, padding), 3, stride) / F.avg_pool2d(inside, 3, stride)


POOLS = [native.average_pool, native.max_pool]


@needs_kernels
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [*(shape[:4] for shape in SHAPES), (2, 5, 1, 1), (2, 21, 2, 2), (1, 20, 3, 8)])
def test_pools_equal_plain_ones(shape: tuple[int, ...], stride: int, pool: Callable[..., Tensor]) -> None:
    x = make_images(shape).requires_grad_()
    exact = x.detach().double().requires_grad_()
    out, expected = pool(x, stride), plain_pool(exact, stride, is_max=pool is native.max_pool)
    assert out.shape == expected.shape
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert relative(out, expected) < 1e-6
    grad = make_images(tuple(out.shape), seed=1)
    (slope,) = torch.autograd.grad(out, x, grad.contiguous())
    assert relative(slope, torch.autograd.grad(expected, exact, grad.double())[0]) < 1e-6
    with torch.no_grad():
        assert torch.equal(pool(x.contiguous(), stride), out)


@needs_kernels
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("stride", [1, 2])
def test_pools_add_another_tensor(stride: int, pool: Callable[..., Tensor]) -> None:
    x, side = make_images((3, 20, 8, 7)).requires_grad_(), 8 // stride
    other = make_images((3, 20, side, -(-7 // stride)), seed=2).requires_grad_()
    out = pool(x, stride, add=other.contiguous())
    assert torch.equal(out, pool(x, stride) + other)
    grad = make_images(tuple(out.shape), seed=1)
    d_x, d_other = torch.autograd.grad(out, [x, other], grad)
    assert torch.equal(d_other, grad)
    assert torch.equal(d_x, torch.autograd.grad(pool(x, stride), x, grad)[0])
    assert torch.equal(torch.autograd.grad(pool(x.detach(), stride, add=other), other, grad)[0], grad)


@needs_kernels
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("stride", [1, 2])
def test_pools_multiply_images(stride: int, pool: Callable[..., Tensor]) -> None:
    x = make_images((3, 20, 8, 7)).requires_grad_()
    out, scaled = pool(x, stride, factor=FACTORS), pool(x, stride) * FACTORS[:, None, None, None]
    torch.testing.assert_close(out, scaled)
    grad = make_images(tuple(out.shape), seed=1)
    torch.testing.assert_close(torch.autograd.grad(out, x, grad)[0], torch.autograd.grad(scaled, x, grad)[0])


@needs_kernels
@pytest.mark.parametrize("stride", [1, 2])
def test_of_equal_cells_the_first_has_the_gradient(stride: int) -> None:
    x = make_images((4, 20, 9, 8)).sign().requires_grad_()
    slope = torch.autograd.grad(native.max_pool(x, stride).sum(), x)[0]
    assert torch.equal(slope, torch.autograd.grad(plain_pool(x, stride, is_max=True).sum(), x)[0])
    lowest = torch.full((1, 3, 4, 4), -torch.inf).requires_grad_()
    slope = torch.autograd.grad(native.max_pool(lowest, stride).sum(), lowest)[0]
    assert torch.equal(slope.sum((2, 3)), torch.full((1, 3), 16.0 / stride**2))


@needs_kernels
@pytest.mark.parametrize("pool", POOLS)
def test_nan_passes_through_pools(pool: Callable[..., Tensor]) -> None:
    x = make_images((1, 20, 5, 5))
    x[0, 3, 2, 1] = torch.nan
    out = pool(x)
    assert torch.equal(torch.isnan(out).nonzero(), torch.tensor([[0, 3, i, j] for i in (1, 2, 3) for j in (0, 1, 2)]))
    assert torch.equal(torch.isnan(pool(x.requires_grad_())), torch.isnan(out))
    slope = torch.autograd.grad(pool(x).sum(), x, torch.tensor(1.0))[0]
    assert slope.isfinite().all()
    assert relative(slope.sum(), torch.tensor(500.0)) < 1e-5


@needs_kernels
@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("stride", [1, 2])
def test_pools_of_bfloat16(stride: int, pool: Callable[..., Tensor]) -> None:
    x = make_images((2, 21, 16, 16)).bfloat16().requires_grad_()
    exact = x.detach().double().requires_grad_()
    out, expected = pool(x, stride), plain_pool(exact, stride, is_max=pool is native.max_pool)
    assert out.dtype == torch.bfloat16
    assert relative(out, expected) < 4e-3
    slope = torch.autograd.grad(out, x, torch.ones_like(out))[0]
    assert relative(slope, torch.autograd.grad(expected, exact, torch.ones_like(expected))[0]) < 4e-3
