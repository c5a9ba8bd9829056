"""The native separable convolution computes what plain PyTorch computes."""

import pytest
import torch
import torch.nn.functional as F
from networks.native_studies import FACTORS, SHAPES, make_images, make_weights, needs_kernels, relative
from torch import Tensor

from enas.networks import native, operations


def plain(x: Tensor, *weights: Tensor, stride: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    means, variances = [], []
    for depth, point, scale, offset in (weights[:4], weights[4:]):
        padded = operations.pad_same(F.relu(x), (depth.shape[2], depth.shape[3]), stride)
        x, stride = F.conv2d(F.conv2d(padded, depth, stride=stride, groups=len(depth)), point), 1
        variance, mean = torch.var_mean(x, (0, 2, 3), correction=0)
        means.append(mean)
        variances.append(variance)
        x = F.batch_norm(x, None, None, scale, offset, training=True, eps=1e-5)
    return x, torch.stack(means), torch.stack(variances)


@needs_kernels
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [*SHAPES, (2, 20, 8, 7, 3), (2, 16, 5, 2, 5), (4, 3, 1, 6, 3)])
def test_separable_conv_equals_plain_computation(shape: tuple[int, int, int, int, int], stride: int) -> None:
    x, weights = make_images(shape[:4]).requires_grad_(), make_weights(shape[1], shape[4])
    exact_x = x.detach().double().requires_grad_()
    exact_weights = [weight.detach().double().requires_grad_() for weight in weights]

    out, mean, variance = native.separable_conv(x, *weights, stride=stride)
    expected = plain(exact_x, *exact_weights, stride=stride)
    grad = make_images(tuple(out.shape), seed=1)
    for value, exact in zip((out, mean, variance), expected, strict=True):
        assert relative(value, exact) < 1e-5
    slopes = torch.autograd.grad(out, [x, *weights], grad)
    exact_slopes = torch.autograd.grad(expected[0], [exact_x, *exact_weights], grad.double())
    for slope, exact in zip(slopes, exact_slopes, strict=True):
        assert slope.shape == exact.shape
        assert relative(slope, exact) < 1e-4


@needs_kernels
def test_without_gradient_same_output_in_the_same_layout() -> None:
    x, weights = make_images((3, 20, 8, 8)), make_weights(20, 3)
    expected = native.separable_conv(x, *weights)[0].detach()
    with torch.no_grad():
        out = native.separable_conv(x.contiguous(), *weights)[0]
    assert torch.equal(out, expected)
    assert out.is_contiguous(memory_format=torch.channels_last)


@needs_kernels
def test_separable_conv_adds_another_tensor() -> None:
    x, weights = make_images((3, 20, 8, 7)).requires_grad_(), make_weights(20, 3)
    other, grad = make_images((3, 20, 8, 7), seed=2).requires_grad_(), make_images((3, 20, 8, 7), seed=1)
    alone = native.separable_conv(x, *weights)[0]
    out = native.separable_conv(x, *weights, add=other.contiguous())[0]
    assert torch.equal(out, alone + other)
    d_other, *slopes = torch.autograd.grad(out, [other, x, *weights], grad)
    assert torch.equal(d_other, grad)
    assert all(map(torch.equal, slopes, torch.autograd.grad(alone, [x, *weights], grad)))
    with torch.no_grad():
        assert torch.equal(native.separable_conv(x, *weights, add=other)[0], out)


@needs_kernels
@pytest.mark.parametrize("stride", [1, 2])
def test_separable_conv_multiplies_images(stride: int) -> None:
    x, weights = make_images((3, 20, 8, 6)).requires_grad_(), make_weights(20, 5)
    out, mean, variance = native.separable_conv(x, *weights, stride=stride, factor=FACTORS)
    grad = make_images(tuple(out.shape), seed=1)
    alone, *statistics = native.separable_conv(x, *weights, stride=stride)
    scaled = alone * FACTORS[:, None, None, None]
    torch.testing.assert_close(out, scaled)
    assert torch.equal(mean, statistics[0])
    assert torch.equal(variance, statistics[1])
    slopes, expected = (torch.autograd.grad(y, [x, *weights], grad) for y in (out, scaled))
    for slope, right in zip(slopes, expected, strict=True):
        assert relative(slope, right) < 1e-5
    assert torch.equal(native.separable_conv(x.detach(), *weights, stride=stride, factor=FACTORS)[0], out)


@needs_kernels
def test_as_many_factors_as_images() -> None:
    with pytest.raises(ValueError, match=r"one factor for each image: \(3,\) for images of \(2, 20, 8, 8\)"):
        native.separable_conv(make_images((2, 20, 8, 8)), *make_weights(20, 3), factor=FACTORS)


@needs_kernels
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_given_statistics_take_the_place_of_the_batchs(dtype: torch.dtype) -> None:
    x, weights = make_images((3, 20, 8, 8)).to(dtype), make_weights(20, 3)
    with torch.no_grad():
        out, mean, variance = native.separable_conv(x, *weights)
        again = native.separable_conv(x, *weights, statistics=(mean, variance))[0]
        alone = native.separable_conv(x[:1], *weights, statistics=(mean, variance))[0]
        double = native.separable_conv(x, *weights, statistics=(mean, variance * 4))[0]
        point, ones = weights[1].flatten(1)[None], weights[2]
        whole, *its = native.project([x], point, ones, ones)
        part = native.project([x[1:]], point, ones, ones, (its[0], its[1]))[0]
    assert torch.equal(again, out)
    assert torch.equal(alone, out[:1])
    assert not torch.equal(double, out)
    assert torch.equal(part, whole[1:])


@needs_kernels
def test_nan_passes() -> None:
    x, weights = make_images((2, 16, 8, 8)), make_weights(16, 3)
    x[0, 3, 4, 4] = torch.nan
    x.requires_grad_()
    out, mean, variance = native.separable_conv(x, *weights)
    assert torch.isnan(out).all()
    assert torch.isnan(mean).all()
    assert torch.isnan(variance).all()
    assert torch.isnan(torch.autograd.grad(out.sum(), x)[0]).any()


@needs_kernels
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("n_channels", [7, 20, 64])  # one at a time; in pairs; in pairs for the weights' gradient, too
def test_bfloat16_activations_are_near(n_channels: int, stride: int) -> None:
    x, weights = make_images((5, n_channels, 16, 15)), make_weights(n_channels, 5)
    half = x.bfloat16().requires_grad_()
    exact = half.detach().float().requires_grad_()
    out, mean, _ = native.separable_conv(half, *weights, stride=stride)
    expected = plain(exact, *weights, stride=stride)[0]
    assert out.dtype == torch.bfloat16
    assert mean.dtype == torch.float32
    assert relative(out, expected.double()) < 0.01
    grad = make_images(tuple(out.shape), seed=1).bfloat16()
    slopes = torch.autograd.grad(out, [half, *weights], grad)
    assert [slope.dtype for slope in slopes] == [torch.bfloat16] + [torch.float32] * 8
    errors = list(map(relative, slopes, torch.autograd.grad(expected, [exact, *weights], grad.float())))
    assert max(errors) < 0.1  # what rounds to the other side of the second ReLU sends nothing back, or does
    assert max(errors[6:]) < 0.01
