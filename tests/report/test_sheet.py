"""Sheets of images, judged by the pixels of the files."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from numpy.typing import NDArray

from enas.report import attribution_sheet, augmentation_sheet, class_mean_sheet, image_sheet
from enas.report.board import Tile, draw_tiles, enlarge, pixels_of, shorten
from enas.report.canvas import style
from enas.report.sheet import colour, draw_images

GENERATOR = np.random.default_rng(0)
GREY = GENERATOR.integers(0, 256, (13, 28, 28, 1), dtype=np.uint8)
RGB = GENERATOR.integers(0, 256, (13, 32, 24, 3), dtype=np.uint8)
ODD = ["<script>alert(1)</script>", "$x_1$ & \\frac", "急性", "a\nb\tc", "a very long name of a class " * 5, "", "%s{}"]
CAPTIONS = [(ODD[k % 7], f"{ODD[(k + 1) % 7]} (87 %)") for k in range(13)]


def read(file: Path) -> NDArray[np.uint8]:
    return np.round(imread(file)[..., :3] * 255).astype(np.uint8)


def contains(page: NDArray[np.uint8], part: NDArray[np.uint8]) -> bool:
    """Whether the page holds the part pixel by pixel somewhere."""
    height, width = part.shape[:2]
    corners = np.argwhere((page[: -height + 1, : -width + 1] == part[0, 0]).all(axis=2))
    return any((page[y : y + height, x : x + width] == part).all() for y, x in corners)


@pytest.mark.parametrize("pixels", [GREY, RGB], ids=["grey", "rgb"])
def test_every_image_is_there_to_the_pixel(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    (file,) = image_sheet(pixels, CAPTIONS, tmp_path / "wrong", "misclassified")
    page = read(file)
    assert all(contains(page, enlarge(image)) for image in pixels)


def test_pixels_become_squares() -> None:
    large = enlarge(GREY[0])
    assert large.shape == (112, 112, 3)
    assert (large.reshape(28, 4, 28, 4, 3) == GREY[0][:, None, :, None]).all()


def texts(pixels: NDArray[np.uint8], captions: list[tuple[str, str]]) -> list[str]:
    with style():
        return [text.get_text() for text in draw_images(pixels, captions, "misclassified", 100).texts]


def test_the_first_hundred_are_shown_and_the_rest_counted() -> None:
    pixels = np.zeros((231, 8, 8, 1), np.uint8)
    shown = texts(pixels, [("a", "b")] * 231)
    assert shown[0] == "misclassified (showing 100 of 231)"
    assert shown.count("a") == shown.count("b") == 100


def test_all_are_shown_without_a_count_and_markup_stays_text() -> None:
    shown = texts(GREY, CAPTIONS)
    assert shown[0] == "misclassified"
    assert "<script>alert(1)</script>" in shown
    assert "$x_1$ & \\frac" in shown
    assert "a b c" in shown


def test_captions_do_not_collide_and_stay_on_the_page() -> None:
    with style():
        figure = draw_tiles([Tile((image,), caption) for image, caption in zip(GREY, CAPTIONS, strict=True)], "title")
        figure.canvas.draw()
        places = [text.get_window_extent() for text in figure.texts if text.get_text()]
    for k, one in enumerate(places):
        assert figure.bbox.x0 < one.x0
        assert one.x1 < figure.bbox.x1
        assert not any(one.overlaps(other) for other in places[k + 1 :] if abs(one.y0 - other.y0) < 5)


def test_long_captions_lose_their_middle() -> None:
    with style():
        short = shorten("acute leukaemia of the lymphoid line (87 %)", 120)
        assert pixels_of(short) <= 120
    assert short.startswith("acute")
    assert short.endswith("(87 %)")
    assert "…" in short


def test_large_images_are_reduced_and_oblong_ones_stay_so() -> None:
    assert enlarge(np.zeros((224, 448, 3), np.uint8)).shape == (56, 112, 3)


def test_signs_have_colours() -> None:
    red, _, blue = colour(np.array([[2.0, -2.0, 0.0, np.nan]]), 2.0)[0].T.astype(int)
    assert red[0] > blue[0] + 100
    assert blue[1] > red[1] + 100
    assert red[2] == blue[2] == 247
    assert red[3] == blue[3] == 217


def test_an_attribution_stands_beside_its_image_on_a_scale_of_its_own(tmp_path: Path) -> None:
    maps = GENERATOR.uniform(-1, 1, (3, 28, 28))
    maps[:, 0, :8] = 1.0  # so many that the 99.5th percentile is 1
    (file,) = attribution_sheet(
        GREY[:3], maps * np.array([1, 10, 100])[:, None, None], CAPTIONS[:3], tmp_path / "maps", "attribution"
    )
    page = read(file)
    for image, one in zip(GREY[:3], maps, strict=True):
        pair = [enlarge(image), np.full((112, 8, 3), 255, np.uint8), enlarge(colour(one, 1.0))]
        pair[1][:, [0, -1]] = 217  # the lines around them
        assert contains(page, np.concatenate(pair, axis=1))


def test_mean_maps_share_one_scale(tmp_path: Path) -> None:
    maps = np.stack([np.full((8, 8), 1.0), np.full((8, 8), 0.5), np.full((8, 8), np.nan)])
    (file,) = class_mean_sheet(maps, ["a", "b", "none"], tmp_path / "means")
    page = read(file)
    for value in (1.0, 0.5, np.nan):
        assert contains(page, enlarge(colour(np.full((8, 8), value), 1.0)))


def test_copies_stand_beside_their_original(tmp_path: Path) -> None:
    augmented = np.stack([255 - RGB[:2], RGB[:2] // 2], axis=1)
    (file,) = augmentation_sheet(RGB[:2], augmented, tmp_path / "augmented")
    page = read(file)
    for original, copies in zip(RGB[:2], augmented, strict=True):
        assert all(contains(page, enlarge(image)) for image in (original, *copies))


def test_nothing_is_cut_off_and_files_are_repeatable(tmp_path: Path) -> None:
    def write(name: str) -> list[Path]:
        maps, means = np.zeros((2, 28, 28)), np.zeros((7, 8, 8))
        return [
            *image_sheet(GREY[:7], CAPTIONS[:7], tmp_path / f"{name}v1.5_a", ODD[4]),
            *attribution_sheet(GREY[:2], maps, CAPTIONS[:2], tmp_path / f"{name}b", "maps"),
            *class_mean_sheet(means, ODD, tmp_path / f"{name}c"),
            *augmentation_sheet(RGB[:1], RGB[None, :2], tmp_path / f"{name}d"),
        ]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files, again = write(""), write("again-")
    assert files[0].name == "v1.5_a.png"
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    for file in files:
        page = read(file)
        assert all((edge == 255).all() for edge in (page[:3], page[-3:], page[:, :3], page[:, -3:]))


@pytest.mark.parametrize(
    "pixels", [GREY[:0], GREY[:, :, :, 0], np.zeros((13, 8, 8, 4), np.uint8), GREY[:5]], ids=lambda p: str(p.shape)
)
def test_bad_shapes_write_nothing(pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shapes do not match"):
        image_sheet(pixels, CAPTIONS, tmp_path / "x", "title")
    assert not list(tmp_path.iterdir())


def test_bad_maps_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not finite"):
        attribution_sheet(GREY, np.full((13, 28, 28), np.nan), CAPTIONS, tmp_path / "x", "title")
    with pytest.raises(ValueError, match="shapes do not match"):
        attribution_sheet(GREY, np.zeros((13, 8, 8)), CAPTIONS, tmp_path / "x", "title")
    with pytest.raises(ValueError, match="shapes do not match"):
        class_mean_sheet(np.zeros((2, 8, 8)), ["a"], tmp_path / "x")
    with pytest.raises(ValueError, match="shapes do not match"):
        augmentation_sheet(RGB, RGB, tmp_path / "x")
    assert not list(tmp_path.iterdir())
