"""The native kernels compute what plain PyTorch computes, and say why where they are not there."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from enas.networks import native, operations

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


def relative(value: Tensor, expected: Tensor) -> float:
    """Of the error's norm; a gradient that is zero in theory, as of a single channel's weight, has a norm near zero."""
    return float((value.detach().double() - expected.detach()).norm() / expected.detach().norm().clamp_min(0.1))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


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


FACTORS = torch.tensor([0.0, 1.25, 1.0])


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
        whole, *its = native.relu_project([x], point, ones, ones)
        part = native.relu_project([x[1:]], point, ones, ones, (its[0], its[1]))[0]
    assert torch.equal(again, out)
    assert torch.equal(alone, out[:1])
    assert not torch.equal(double, out)
    assert torch.equal(part, whole[1:])


@needs_kernels
def test_same_bits_with_two_threads(two_threads: None) -> None:
    x, weights = make_images((18, 20, 8, 8)).requires_grad_(), make_weights(20, 5)

    def run() -> list[Tensor]:
        out, mean, variance = native.separable_conv(x, *weights)
        return [out, mean, variance, *torch.autograd.grad(out.square().sum(), [x, *weights])]

    twice = run()
    assert all(map(torch.equal, twice, run()))
    torch.set_num_threads(1)
    assert all(map(torch.equal, twice, run()))


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
        return native.relu_project(xs, whole, norm[0], norm[1])[0]

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

    out, mean, variance = native.relu_project(xs, *tensors[n_inputs:])
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
        expected = native.relu_project([x], weight, ones, ones)[0]
    out, _, _ = native.relu_project([x], weight, ones, ones)
    assert torch.equal(out, expected)
    assert torch.autograd.grad(out.sum(), weight)[0].shape == weight.shape


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


def test_other_tensors_do_not_fit() -> None:
    assert native.fits(torch.zeros(1, 2, 3, 3))
    assert not native.fits(torch.zeros(2, 3))
    assert not native.fits(torch.zeros(1, 2, 3, 3, dtype=torch.float64))
    assert not native.fits(torch.zeros(0, 2, 3, 3))


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENAS_NATIVE", "0")
    assert not native.available()
    assert native.unavailable() == "switched off by ENAS_NATIVE=0"


def test_without_compiler_the_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from enas.networks import native; print(native.available(), native.unavailable())"
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False could not be built: ")
    assert "no-such-compiler" in done.stdout
