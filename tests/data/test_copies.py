"""Augmented copies: pictures in which each of the five operations can be told from the others, and the file that keeps
the copies."""

import itertools
import math
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enas.data.copies import Pixels, augmented_copies, copies_path, write_copies
from enas.errors import RunError

if TYPE_CHECKING:
    from numpy.typing import NDArray

N = 800
HALF = pytest.approx(N / 2, abs=60)  # four standard deviations
DISC = np.hypot(*np.meshgrid(np.arange(-15.5, 16), np.arange(-15.5, 16))) < 15  # of 32 x 32: no corner turns in


def copies_of(picture: "NDArray[Any]", seed: int = 0, channels: int = 1) -> Pixels:
    pixels = np.broadcast_to(picture.astype(np.uint8)[None, :, :, None], (N, *picture.shape, channels))
    return augmented_copies(pixels, np.random.default_rng(seed))


def bar() -> "NDArray[Any]":
    """Bright and upright, 4 x 24 pixels, on a ground of 1."""
    picture = np.ones((32, 32))
    picture[4:28, 14:18] = 201
    return picture


def angles_and_areas(copies: Pixels) -> "tuple[NDArray[Any], NDArray[Any]]":
    """Direction of the bar's main axis in degrees, and its area in pixels."""
    weights = np.where(DISC, copies[..., 0].astype(float) - 1, 0)
    places = np.arange(-15.5, 16)
    areas = weights.sum((1, 2))
    xx, yy = (weights * places**2).sum((1, 2)), (weights * places[:, None] ** 2).sum((1, 2))
    xy = (weights * np.outer(places, places)).sum((1, 2))
    return np.degrees(0.5 * np.arctan2(2 * xy, yy - xx)), areas / 200


def untouched_levels(copies: Pixels) -> Pixels:
    """The copies whose contrast is as it was and that lost no pixel."""
    inside = copies[:, DISC, 0]
    chosen: Pixels = copies[(inside.min(1) == 1) & (inside.max(1) > 190)]
    return chosen


def test_contrast_and_brightness() -> None:
    level = copies_of(np.full((32, 32), 100)).max((1, 2, 3)).astype(int)
    assert (level == 100).sum() == HALF
    assert 76 <= level.min() <= 80
    assert 126 <= level.max() <= 132
    assert copies_of(np.full((32, 32), 250)).max() == 255  # cut off, not begun again at 0
    assert set(copies_of(np.zeros((8, 8))).max((1, 2, 3)).tolist()) == {0, *range(6, 33)}


def test_a_tenth_of_the_pixels_is_dropped_in_half_of_the_copies_whatever_was_done_before() -> None:
    lost = (copies_of(np.full((32, 32), 100), channels=3)[:, DISC] == 0).astype(float)
    share = lost.mean((1, 2))
    assert (share > 0).sum() == HALF
    assert share[share > 0].mean() == pytest.approx(0.1, abs=0.003)
    assert np.array_equal(lost.min(2), lost.max(2))  # all channels of a pixel


def test_the_bar_is_turned_by_whole_degrees_up_to_twenty() -> None:
    angles, areas = angles_and_areas(untouched_levels(copies_of(bar())))
    angles = angles[areas < 110]  # the enlarged bar reaches beyond the picture
    assert (np.abs(angles) < 0.01).mean() == pytest.approx(0.5, abs=0.15)
    assert -20.5 < angles.min() < -17
    assert 17 < angles.max() < 20.5
    distinct = np.unique(angles.round(3))
    assert len(distinct) > 25
    assert min(later - earlier for earlier, later in itertools.pairwise(distinct)) > 0.5


def test_half_of_the_copies_are_a_fifth_larger_about_the_centre() -> None:
    picture = np.ones((32, 32))
    picture[10:22, 10:22] = 201
    copies = untouched_levels(copies_of(picture))
    _, areas = angles_and_areas(copies)
    enlarged = areas > 170
    assert enlarged.mean() == pytest.approx(0.5, abs=0.15)
    assert areas[enlarged] == pytest.approx(144 * 1.44, rel=0.02)
    assert areas[~enlarged] == pytest.approx(144, rel=0.02)
    weights = (copies[..., 0].astype(float) - 1) * DISC
    for axis in (1, 2):
        assert (weights.sum(axis) @ np.arange(-15.5, 16)) / weights.sum((1, 2)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("channels", "flipped"), [(3, HALF), (1, 0)])
def test_only_colour_images_are_mirrored(channels: int, flipped: object) -> None:
    left = np.zeros((32, 32))
    left[:, :16] = 200
    copies = copies_of(left, channels=channels).astype(float)
    assert (copies[:, :, :16].mean((1, 2, 3)) < copies[:, :, 16:].mean((1, 2, 3))).sum() == flipped


def test_light_is_changed_after_turning_and_pixels_are_dropped_last() -> None:
    corners = copies_of(np.full((32, 32), 200))[:, [0, 0, -1, -1], [0, -1, 0, -1], 0]
    values = set(corners.flatten().tolist())
    assert values & set(range(6, 33))  # black from turning, then made brighter
    assert 0 in values


def test_one_in_sixteen_stays_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(1, 256, (16, 16))
    same = (copies_of(picture)[..., 0] == picture).all((1, 2)).sum()
    assert same == pytest.approx(N / 16 * 42 / 41, abs=4 * math.sqrt(N / 16))


@given(
    seed=st.integers(0, 2**31),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 12), st.integers(1, 12), st.sampled_from([1, 3])),
)
def test_shape_and_type_stay_and_the_seed_decides(seed: int, shape: tuple[int, int, int, int]) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    before = pixels.copy()
    pixels.flags.writeable = False
    copies = augmented_copies(pixels, np.random.default_rng(seed))
    assert copies.shape == shape
    assert copies.dtype == np.uint8
    assert np.array_equal(copies, augmented_copies(pixels, np.random.default_rng(seed)))
    assert np.array_equal(pixels, before)


def test_other_seeds_give_other_copies() -> None:
    assert not np.array_equal(copies_of(bar(), seed=0), copies_of(bar(), seed=1))


Write = Callable[..., Pixels]


@pytest.fixture
def write(tmp_path: Path, log: Any) -> Write:
    def write_it(pixels: Pixels, n_aug_img: int = 3, seed: int = 5) -> Pixels:
        path = copies_path(tmp_path / "train.npy", n_aug_img, seed)
        return write_copies(pixels, n_aug_img, seed=seed, path=path, progress=log)

    return write_it


def pictures(n: int, size: int, channels: int) -> Pixels:
    return np.random.default_rng(9).integers(0, 256, (n, size, size, channels), dtype=np.uint8)


def test_originals_come_first_then_copies_in_the_same_order(write: Write, tmp_path: Path, log: Any) -> None:
    pixels = pictures(11, 700, 1)  # more than one block of images
    written = write(pixels)
    assert isinstance(written, np.memmap)
    assert not written.flags.writeable
    assert written.shape == (33, 700, 700, 1)
    assert written.dtype == np.uint8
    assert np.array_equal(written[:11], pixels)
    for copy in range(1, 3):
        for original, changed in zip(pixels, written[11 * copy : 11 * (copy + 1)], strict=True):
            middle = original[340:360, 340:360].astype(float), changed[340:360, 340:360].astype(float)
            assert changed.shape == original.shape
            assert abs(middle[0].mean() - middle[1].mean()) < 60
    assert not np.array_equal(written[11:22], written[22:])
    assert [path.name for path in tmp_path.iterdir()] == ["train-copies1-3-seed5.npy"]
    assert log.lines[0] == "originals"
    assert log.lines[-1] == "copy 2 of 2"


def test_what_is_there_is_read_and_what_is_damaged_is_written_anew(write: Write, tmp_path: Path, log: Any) -> None:
    pixels = pictures(4, 8, 3)
    first = np.array(write(pixels))
    log.lines.clear()
    assert np.array_equal(write(pixels), first)
    assert not log.lines
    path = copies_path(tmp_path / "train.npy", 3, 5)
    path.write_bytes(path.read_bytes()[:-100])
    assert np.array_equal(write(pixels), first)
    assert log.lines
    for at in (6, 128, -100, -1):  # header, first and last pixels, checksum
        content = bytearray(path.read_bytes())
        content[at] ^= 4
        path.write_bytes(content)
        assert np.array_equal(write(pixels), first)
    assert not np.array_equal(write(pixels, seed=6), first)


def test_one_image_of_each_is_the_originals_and_no_file(write: Write, tmp_path: Path) -> None:
    pixels = pictures(2, 8, 1)
    assert write(pixels, n_aug_img=1) is pixels
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path, log: Any) -> None:
    with pytest.raises(RunError, match=r"cannot write .*missing"):
        write_copies(pictures(2, 8, 1), 2, seed=0, path=tmp_path / "missing" / "a.npy", progress=log)


def test_copies_of_real_digits_still_look_like_them(shared: Path) -> None:
    from PIL import Image

    with tarfile.open(next((shared / "data" / "images").glob("mnist-small*.tar.gz"))) as archive:
        members = (member for member in archive if member.name.endswith(".png"))
        files = [archive.extractfile(member) for member in itertools.islice(members, 100)]
        digits = np.stack([np.asarray(Image.open(file).convert("L")) for file in files if file is not None])[..., None]
    copies = augmented_copies(digits, np.random.default_rng(0))
    pairs = zip(digits.reshape(100, -1), copies.reshape(100, -1), strict=True)
    correlations = [np.corrcoef(one, other)[0, 1] for one, other in pairs]
    assert np.median(correlations) > 0.7
