"""Statistics and hashes of images."""

import numpy as np
import pytest

from enas.data.pixels import channel_statistics, image_hashes

rng = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(7, 5, 4, 3), (3_000, 28, 28, 1)])
def test_statistics_are_those_of_numpy(shape: tuple[int, int, int, int]) -> None:
    pixels = rng.integers(0, 256, shape, dtype=np.uint8)
    rows = rng.permutation(shape[0])[: shape[0] * 2 // 3]
    mean, deviation = channel_statistics(pixels, rows)
    assert mean.dtype == deviation.dtype == np.float32
    chosen = pixels[rows].astype(np.float64)
    assert mean.tolist() == chosen.mean(axis=(0, 1, 2)).astype(np.float32).tolist()
    np.testing.assert_allclose(deviation, chosen.std(axis=(0, 1, 2)), rtol=1e-6)


def test_only_the_rows_that_train_count() -> None:
    pixels = np.stack(
        [np.zeros((2, 2, 1), np.uint8), np.full((2, 2, 1), 2, np.uint8), np.full((2, 2, 1), 255, np.uint8)]
    )
    mean, deviation = channel_statistics(pixels, np.array([0, 1]))
    assert (mean.tolist(), deviation.tolist()) == ([1.0], [1.0])


def test_constant_channel_is_divided_by_one() -> None:
    pixels = np.full((4, 3, 3, 3), 7, np.uint8)
    pixels[0, 0, 0, 1] = 8
    mean, deviation = channel_statistics(pixels, np.arange(4))
    assert deviation[0] == deviation[2] == 1
    assert deviation[1] == pytest.approx(np.sqrt(35) / 36)
    assert mean[0] == 7


def test_images_are_known_again() -> None:
    pixels = rng.integers(0, 256, (6_000, 28, 28, 1), dtype=np.uint8)  # more than one block
    hashes = image_hashes(pixels)
    assert hashes.dtype == np.uint64
    assert len(set(hashes.tolist())) == 6_000
    assert (image_hashes(pixels[::-3]) == hashes[::-3]).all()
    changed = pixels.copy()
    changed[5_999, 27, 27, 0] ^= 1
    assert np.flatnonzero(image_hashes(changed) != hashes).tolist() == [5_999]


def test_hash_is_the_same_everywhere() -> None:
    pixels = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    assert image_hashes(pixels).tolist() == [6765881130712925518]
