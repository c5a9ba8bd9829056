"""Native projections and factorised reductions compute what plain PyTorch computes."""

import pytest
import torch
import torch.nn.functional as F
from networks.native_studies import make_images, needs_kernels, relative
from torch import Tensor

from enas.networks import native


@needs_kernels
@pytest.mark.parametrize(("n_in", "n_out"), [(20, 40), (64, 64), (7, 9), (16, 13)])
def test_bfloat16_projections_are_near(n_in: int, n_out: int) -> None:
    generator, half = torch.Generator().manual_seed(0), n_out // 2
    xs = [make_images((5, n_in, 8, 9), seed=i).bfloat16().requires_grad_() for i in range(2)]
    exact = [x.detach().float().requires_grad_() for x in xs]
    whole, even, odd = (torch.randn(2, n, n_in, generator=generator) / n_in**0.5 for n in (n_out, half, n_out - half))
    norm = [torch.rand(n_out, generator=generator) for _ in range(2)]
    parameters = [tensor.requires_grad_() for tensor in (whole, even, odd, *norm)]

    def reduce(xs: list[Tensor]) -> Tensor:
        return native.factorised_reduction(xs, even, odd, norm[0], norm[1], relu=True)[0]

    def project(xs: list[Tensor]) -> Tensor:
        return native.project(xs, whole, norm[0], norm[1])[0]

    for compute in (project, reduce):
        out, expected = compute(xs), compute(exact)
        assert out.dtype == torch.bfloat16
        assert relative(out, expected.double()) < 0.01
        grad = make_images(tuple(out.shape), seed=9).bfloat16()
        slopes = torch.autograd.grad(out, [*xs, *parameters], grad, allow_unused=True)
        rights = torch.autograd.grad(expected, [*exact, *parameters], grad.float(), allow_unused=True)
        for slope, right in zip(slopes, rights, strict=True):
            assert (slope is None) == (right is None)
            assert slope is None or right is None or relative(slope, right) < 0.02


@needs_kernels
@pytest.mark.parametrize(
    ("n_inputs", "n_in", "n_out", "n_images", "side"),
    [(5, 20, 20, 3, 32), (1, 60, 20, 2, 32), (3, 40, 40, 18, 16), (2, 160, 160, 40, 4), (2, 7, 13, 3, 5)],
)
def test_relu_project_equals_convolution_of_the_concatenation(
    n_inputs: int, n_in: int, n_out: int, n_images: int, side: int
) -> None:
    generator = torch.Generator().manual_seed(0)
    xs = [make_images((n_images, n_in, side, side), seed=i).requires_grad_() for i in range(n_inputs)]
    weight = torch.randn(n_inputs, n_out, n_in, generator=generator) / n_in**0.5
    tensors = [*xs, weight, torch.rand(n_out, generator=generator), torch.randn(n_out, generator=generator)]
    tensors = [tensor.requires_grad_() for tensor in tensors]
    exact = [tensor.detach().double().requires_grad_() for tensor in tensors]
    grad = make_images((n_images, n_out, side, side), seed=9)

    out, mean, variance = native.project(xs, *tensors[n_inputs:])
    kernel = torch.cat(list(exact[n_inputs]), dim=1)[:, :, None, None]
    total = F.conv2d(F.relu(torch.cat(exact[:n_inputs], dim=1)), kernel)
    expected = F.batch_norm(total, None, None, exact[-2], exact[-1], training=True, eps=1e-5)
    exact_variance, exact_mean = torch.var_mean(total, (0, 2, 3), correction=0)
    for value, right in ((out, expected), (mean, exact_mean), (variance, exact_variance)):
        assert relative(value, right) < 1e-5
    slopes = torch.autograd.grad(out, tensors, grad)
    for slope, right in zip(slopes, torch.autograd.grad(expected, exact, grad.double()), strict=True):
        assert relative(slope, right) < 1e-4


@needs_kernels
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize(
    ("n_inputs", "n_in", "n_out", "size"), [(1, 20, 40, (16, 16)), (3, 7, 9, (5, 4)), (2, 16, 2, (1, 1))]
)
def test_factorised_reduction(n_inputs: int, n_in: int, n_out: int, size: tuple[int, int], relu: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    half = n_out // 2
    tensors = [make_images((18, n_in, *size), seed=i) for i in range(n_inputs)]
    tensors += [torch.randn(n_inputs, n, n_in, generator=generator) / n_in**0.5 for n in (half, n_out - half)]
    tensors += [torch.rand(n_out, generator=generator), torch.randn(n_out, generator=generator)]
    tensors = [tensor.requires_grad_() for tensor in tensors]
    exact = [tensor.detach().double().requires_grad_() for tensor in tensors]

    even, odd, scale, offset = tensors[n_inputs:]
    out, mean, _ = native.factorised_reduction(tensors[:n_inputs], even, odd, scale, offset, relu=relu)
    whole = torch.cat(exact[:n_inputs], dim=1)
    whole = F.pad(F.relu(whole) if relu else whole, (0, 1, 0, 1))
    kernels = [torch.cat(list(weight), dim=1)[:, :, None, None] for weight in exact[n_inputs : n_inputs + 2]]
    corners = whole[:, :, :-1, :-1], whole[:, :, 1:, 1:]
    parts = [F.conv2d(corner, kernel, stride=2) for corner, kernel in zip(corners, kernels, strict=True)]
    total = torch.cat(parts, dim=1)
    expected = F.batch_norm(total, None, None, exact[-2], exact[-1], training=True, eps=1e-5)
    assert relative(out, expected) < 1e-5
    assert relative(mean, total.mean((0, 2, 3))) < 1e-5
    grad = make_images(tuple(out.shape), seed=9)
    slopes = torch.autograd.grad(out, tensors, grad)
    for slope, right in zip(slopes, torch.autograd.grad(expected, exact, grad.double()), strict=True):
        assert relative(slope, right) < 1e-4


@needs_kernels
def test_relu_project_computes_only_wanted_gradients() -> None:
    x, weight, ones = make_images((2, 16, 4, 4)), torch.ones(1, 8, 16, requires_grad=True), torch.ones(8)
    with torch.no_grad():
        expected = native.project([x], weight, ones, ones)[0]
    out, _, _ = native.project([x], weight, ones, ones)
    assert torch.equal(out, expected)
    assert torch.autograd.grad(out.sum(), weight)[0].shape == weight.shape
