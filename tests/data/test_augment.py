"""Crop, flip and cutout of a batch, each against a plain picture-by-picture account."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import pad

from enas.data.augment import Augment


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(n: int, channels: int = 3, height: int = 8, width: int = 10) -> Tensor:
    """All numbers differ, none is zero."""
    x = torch.arange(1.0, 1 + n * channels * height * width).view(n, channels, height, width)
    return x.to(memory_format=torch.channels_last)


def crops(image: Tensor, border: int) -> dict[tuple[int, int, bool], Tensor]:
    """Every crop of one image (C, H, W) and its mirror, by shift."""
    _, height, width = image.shape
    padded = pad(image, (border,) * 4)
    found = {}
    for down in range(2 * border + 1):
        for right in range(2 * border + 1):
            crop = padded[:, down : down + height, right : right + width]
            found[down - border, right - border, False] = crop
            found[down - border, right - border, True] = crop.flip(2)
    return found


def test_each_image_is_one_of_its_crops_and_all_crops_occur() -> None:
    x = batch(500)
    seen: list[tuple[int, int, bool]] = []
    for image, result in zip(x, Augment(pad=2)(x, seeded(0)), strict=True):
        seen += [key for key, crop in crops(image, 2).items() if torch.equal(crop, result)]
    assert len(seen) == 500
    assert len(set(seen)) == 5 * 5 * 2
    assert sum(mirrored for *_, mirrored in seen) == pytest.approx(250, abs=40)


def test_the_flip_alone_mirrors_about_half() -> None:
    x = batch(400)
    y = Augment(pad=0, flip=True)(x, seeded(1))
    mirrored = [torch.equal(result, image.flip(2)) for image, result in zip(x, y, strict=True)]
    same = [torch.equal(result, image) for image, result in zip(x, y, strict=True)]
    assert sum(mirrored) + sum(same) == 400
    assert sum(mirrored) == pytest.approx(200, abs=40)


@pytest.mark.parametrize("side", [1, 4, 5, 30])
def test_the_cutout_is_a_square_around_any_pixel_cut_off_at_the_edge(side: int) -> None:
    x = batch(600)
    y = Augment(pad=0, flip=False, cutout=side)(x, seeded(2))
    centers = set()
    for hole, image, result in zip((y == 0).all(1), x, y, strict=True):
        matches = [
            (row, column)
            for row in range(8)
            for column in range(10)
            if torch.equal(hole, square(row - side // 2, column - side // 2, side))
        ]
        assert matches
        assert torch.equal(result, image.masked_fill(hole, 0))
        centers.update(matches)
    assert len(centers) == 80


def square(top: int, left: int, side: int) -> Tensor:
    hole = torch.zeros(8, 10, dtype=torch.bool)
    hole[max(top, 0) : top + side, max(left, 0) : left + side] = True
    return hole


def test_switching_one_off_leaves_the_others_as_they_were() -> None:
    x = batch(50)
    whole, cut = (Augment(cutout=cutout)(x, seeded(3)) for cutout in (None, 4))
    assert torch.equal(cut, whole.masked_fill(cut == 0, 0))
    assert not torch.equal(cut, whole)


@given(
    seed=st.integers(0, 2**31),
    channels=st.sampled_from([1, 3]),
    sides=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    augment=st.builds(
        Augment, pad=st.integers(0, 12), flip=st.booleans(), cutout=st.one_of(st.none(), st.integers(1, 12))
    ),
    last=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.bfloat16]),
)
def test_shape_type_range_and_strides_stay_and_the_seed_decides(
    seed: int, channels: int, sides: tuple[int, int], augment: Augment, last: bool, dtype: torch.dtype
) -> None:
    x = torch.randn(3, channels, *sides, generator=seeded(seed)).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    before = x.clone()
    y = augment(x, seeded(seed))
    torch.rand(3)
    assert torch.equal(y, augment(x, seeded(seed)))
    assert torch.equal(x, before)
    assert (y.shape, y.dtype, y.stride()) == (x.shape, x.dtype, x.stride()) or 1 in x.shape
    assert y.is_contiguous(memory_format=torch.channels_last if last else torch.contiguous_format)
    for image, result in zip(x, y, strict=True):
        assert set(result.flatten().tolist()) <= {0.0, *image.flatten().tolist()}


def test_the_memory_format_makes_no_difference() -> None:
    x = batch(20)
    one = Augment(cutout=3)(x, seeded(5))
    other = Augment(cutout=3)(x.contiguous(), seeded(5))
    assert torch.equal(one, other)
    assert one.is_contiguous(memory_format=torch.channels_last)
    assert other.is_contiguous()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same() -> None:
    x = batch(64, height=32, width=32)
    augment = Augment(cutout=16)
    on_gpu = augment(x.cuda(), seeded(6))
    assert on_gpu.is_cuda
    assert torch.equal(on_gpu.cpu(), augment(x, seeded(6)))
