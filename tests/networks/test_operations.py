"""The operations of the cells against numbers worked out by hand."""

from itertools import product

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.testing import assert_close

from enas.networks.batch_norm import BatchNorm
from enas.networks.operations import (
    FactorisedReduction,
    Projection,
    SeparableConv,
    average_pool,
    max_pool,
    pad_same,
    same_padding,
)

SIDES = (1, 2, 3, 4, 5, 7, 8)


def image(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def rows_of(x: Tensor) -> list[list[float]]:
    rows: list[list[float]] = x[0, 0].tolist()
    return rows


@pytest.mark.parametrize(
    ("side", "kernel", "stride", "expected"),
    [
        (4, 3, 1, (1, 1)),
        (4, 3, 2, (0, 1)),
        (5, 3, 2, (1, 1)),
        (4, 5, 2, (1, 2)),
        (5, 5, 2, (2, 2)),
        (1, 3, 2, (1, 1)),
        (8, 5, 3, (1, 2)),
        (8, 1, 2, (0, 0)),
        (4, 4, 1, (1, 2)),
    ],
)
def test_same_padding_gives_more_to_the_end(side: int, kernel: int, stride: int, expected: tuple[int, int]) -> None:
    assert same_padding(side, kernel, stride) == expected


def test_an_image_is_padded_on_each_axis_for_itself() -> None:
    padded = pad_same(torch.ones(1, 1, 4, 5), (3, 3), 2, value=7.0)
    assert rows_of(padded) == [[7.0, 1, 1, 1, 1, 1, 7]] * 4 + [[7.0] * 7]


def windows(size: tuple[int, int], stride: int) -> list[list[tuple[slice, slice]]]:
    """The part inside the image of every 3×3 window, from the definition of same padding."""

    def along(side: int) -> list[slice]:
        n = -(-side // stride)
        before = max((n - 1) * stride + 3 - side, 0) // 2
        return [slice(max(i * stride - before, 0), min(i * stride - before + 3, side)) for i in range(n)]

    return [[(rows, columns) for columns in along(size[1])] for rows in along(size[0])]


@pytest.mark.parametrize(("height", "width", "stride"), [*product(SIDES, SIDES[:4], (1, 2))])
def test_pools_take_the_cells_inside_alone(height: int, width: int, stride: int) -> None:
    values: NDArray[np.float32] = np.random.default_rng(0).normal(size=(height, width)).astype(np.float32) - 5
    x = torch.from_numpy(values)[None, None]
    cells = windows((height, width), stride)
    mean = [[float(values[cell].mean()) for cell in row] for row in cells]
    largest = [[float(values[cell].max()) for cell in row] for row in cells]
    assert_close(average_pool(x, stride=stride)[0, 0], torch.tensor(mean))
    assert_close(max_pool(x, stride=stride)[0, 0], torch.tensor(largest))


def test_average_of_a_corner_is_of_four_cells() -> None:
    x = image([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    assert rows_of(average_pool(x)) == [[3, 3.5, 4], [4.5, 5, 5.5], [6, 6.5, 7]]
    assert rows_of(average_pool(x, stride=2)) == [[3, 4], [6, 7]]
    even = image([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]])
    assert rows_of(average_pool(even, stride=2)) == [[6, 7.5], [12, 13.5]]
    assert rows_of(max_pool(even, stride=2)) == [[11, 12], [15, 16]]


def test_a_pool_without_padding() -> None:
    assert average_pool(torch.ones(1, 1, 8, 13), 5, 3, padded=False).shape == (1, 1, 2, 3)


def make_reduction(n_in: int = 1, n_out: int = 2) -> FactorisedReduction:
    return FactorisedReduction(n_in, n_out, running=False, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("rows", "even", "odd"),
    [
        ([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]], [[1, 3], [9, 11]], [[6, 8], [14, 16]]),
        ([[1, 2, 3], [4, 5, 6], [7, 8, 9]], [[1, 3], [7, 9]], [[5, 0], [0, 0]]),
        ([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], [[1, 3], [9, 11]], [[6, 8], [0, 0]]),
    ],
)
def test_a_factorised_reduction_reads_even_pixels_and_those_down_and_right_of_them(
    rows: list[list[float]], even: list[list[float]], odd: list[list[float]]
) -> None:
    reduction = make_reduction()
    with torch.no_grad():
        reduction.even.fill_(1.0)
        reduction.odd.fill_(1.0)
    plain = torch.cat([image(even), image(odd)], dim=1)
    expected = torch.nn.functional.batch_norm(plain, None, None, training=True, eps=1e-5)
    assert_close(reduction([image(rows)]), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(4, 4), (5, 7), (6, 3)])
def test_parts_count_as_their_concatenation(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(3, 2, *size, generator=generator) for _ in range(3)]
    for module in (make_reduction(6, 4), Projection(6, 4, running=False, generator=generator)):
        assert_close(module(parts), module([torch.cat(parts, dim=1)]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (1, 2)])
def test_a_stride_halves_and_rounds_up(kernel: int, size: tuple[int, int]) -> None:
    conv = SeparableConv(4, kernel, stride=2, running=True, generator=torch.Generator().manual_seed(0))
    halved = tuple(-(-side // 2) for side in size)
    x = torch.randn(3, 4, *size, generator=torch.Generator().manual_seed(1))
    assert conv(x).shape == (3, 4, *halved)
    assert make_reduction(4, 4)([x]).shape == (3, 4, *halved)


def test_a_separable_convolution_with_a_stride_looks_down_and_right_of_an_even_side() -> None:
    """One bright pixel, and weights that add up all of a window: who sees it tells where the windows lie."""
    conv = SeparableConv(1, 3, stride=2, running=True, generator=torch.Generator()).eval()
    with torch.no_grad():
        conv.first.depth.fill_(1.0)
        conv.first.point.fill_(1.0)
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 2, 2] = 1.0
    seen = conv.first(x)  # running mean 0, variance 1
    assert_close(rows_of(seen), [[1.0, 1.0], [1.0, 1.0]], rtol=1e-4, atol=1e-5)
    x = torch.zeros(1, 1, 4, 4)
    x[0, 0, 0, 0] = 1.0
    assert_close(rows_of(conv.first(x)), [[1.0, 0.0], [0.0, 0.0]], rtol=1e-4, atol=1e-5)


def test_weights_start_with_the_deviation_of_their_true_fan_in() -> None:
    conv = SeparableConv(200, 5, running=False, generator=torch.Generator().manual_seed(0))
    assert float(conv.first.depth.detach().std()) == pytest.approx((2 / 25) ** 0.5, rel=0.05)
    assert float(conv.first.point.detach().std()) == pytest.approx((2 / 200) ** 0.5, rel=0.05)


def test_batch_norm_uses_and_keeps_the_statistics_it_should() -> None:
    x = 3 + 2 * torch.randn(16, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    running, own = BatchNorm(2, running=True), BatchNorm(2, running=False).eval()
    normed = running(x)
    assert_close(own(x), normed)
    assert_close(normed.mean((0, 2, 3)), torch.zeros(2), rtol=0, atol=1e-5)
    mean, variance = running.mean, running.variance
    assert mean is not None
    assert variance is not None
    assert_close(mean, 0.1 * x.mean((0, 2, 3)))
    assert_close(variance, 0.9 + 0.1 * x.var((0, 2, 3)))
    expected = (x - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    assert_close(running.eval()(x), expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_told_of_statistics_keeps_them_as_if_it_had_computed_them() -> None:
    x = torch.randn(8, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    computed, told = BatchNorm(3, running=True), BatchNorm(3, running=True)
    computed(x)
    told.remember(x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0), 32)
    for one, other in zip(computed.buffers(), told.buffers(), strict=True):
        assert_close(one, other)
