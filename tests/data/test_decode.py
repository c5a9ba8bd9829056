"""One image file to pixels: every kind of file, every kind of damage."""

import io
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from enas.data import decode
from enas.data.decode import decode_image, quietly, read_header
from enas.errors import DataError

rng = np.random.default_rng(0)
COLOUR = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
GREY = rng.integers(0, 256, (6, 8), dtype=np.uint8)


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def decoded(
    folder: Path, content: bytes, n_channels: int = 3, size: tuple[int, int] = (6, 8)
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    path = folder / "image.jpg"  # the suffix says nothing
    path.write_bytes(content)
    with quietly():
        pixels, remarks = decode_image(path, size, n_channels)
    assert pixels.shape == (*size, n_channels)
    assert pixels.dtype == np.uint8
    return pixels, remarks


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP"])
def test_lossless_kinds_keep_every_pixel(tmp_path: Path, kind: str) -> None:
    options = {"lossless": True} if kind == "WEBP" else {}
    pixels, remarks = decoded(tmp_path, encode(Image.fromarray(COLOUR), kind, **options))
    assert (pixels == COLOUR).all()
    assert remarks == ()
    pixels, remarks = decoded(tmp_path, encode(Image.fromarray(GREY), kind, **options), n_channels=1)
    assert (pixels[..., 0] == GREY).all()
    assert remarks == ((decode.TURNED_GREY,) if kind == "WEBP" else ())  # WebP knows no grey


def test_jpeg(tmp_path: Path) -> None:
    flat = Image.new("RGB", (8, 6), (200, 100, 50))
    pixels, remarks = decoded(tmp_path, encode(flat, "JPEG", quality=100))
    assert np.abs(pixels.astype(int) - [200, 100, 50]).max() <= 2
    assert remarks == ()


def test_grey_as_colour_repeats_the_channel(tmp_path: Path) -> None:
    pixels, remarks = decoded(tmp_path, encode(Image.fromarray(GREY), "PNG"))
    assert (pixels == GREY[..., None]).all()
    assert remarks == ()


def test_colour_as_grey_is_the_luma(tmp_path: Path) -> None:
    pixels, remarks = decoded(tmp_path, encode(Image.fromarray(COLOUR), "PNG"), n_channels=1)
    assert np.abs(pixels[..., 0] - COLOUR @ [0.299, 0.587, 0.114]).max() <= 1
    assert remarks == (decode.TURNED_GREY,)


def test_palette(tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 3)
    image.putpalette([255, 0, 0, 0, 128, 0, 1, 2, 3])
    pixels, _ = decoded(tmp_path, encode(image, "PNG"))
    assert pixels[0, :3].tolist() == [[255, 0, 0], [0, 128, 0], [1, 2, 3]]
    assert read_header(tmp_path / "image.jpg") == ((6, 8), False)
    image.putpalette([255, 255, 255, 7, 7, 7, 0, 0, 0])
    pixels, remarks = decoded(tmp_path, encode(image, "PNG"), n_channels=1)
    assert pixels[0, :3, 0].tolist() == [255, 7, 0]
    assert remarks == ()
    assert read_header(tmp_path / "image.jpg") == ((6, 8), True)


def test_transparent_pixels_lie_on_white(tmp_path: Path) -> None:
    layers = np.zeros((6, 8, 4), np.uint8)
    layers[0, 0, 3], layers[0, 1, 3] = 255, 128
    pixels, remarks = decoded(tmp_path, encode(Image.fromarray(layers), "PNG"))
    assert pixels[0, :3, 0].tolist() == [0, 127, 255]
    assert remarks == (decode.ON_WHITE,)
    pixels, _ = decoded(tmp_path, encode(Image.fromarray(layers).convert("LA"), "PNG"), n_channels=1)
    assert pixels[0, :3, 0].tolist() == [0, 127, 255]
    index = Image.fromarray(np.zeros((6, 8), np.uint8)).convert("P")
    pixels, remarks = decoded(tmp_path, encode(index, "PNG", transparency=0))
    assert (pixels == 255).all()


def test_opaque_alpha_changes_nothing(tmp_path: Path) -> None:
    pixels, remarks = decoded(tmp_path, encode(Image.fromarray(COLOUR).convert("RGBA"), "PNG"))
    assert (pixels == COLOUR).all()
    assert remarks == ()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits(tmp_path: Path, kind: str) -> None:
    levels = np.linspace(0, 65535, 48).astype(np.uint16).reshape(6, 8)
    pixels, remarks = decoded(tmp_path, encode(Image.fromarray(levels), kind), n_channels=1)
    assert (pixels[..., 0] == levels // 256).all()
    assert remarks == (decode.SHORTENED,)
    _, remarks = decoded(tmp_path, encode(Image.fromarray(levels // 16), kind), n_channels=3)
    assert remarks == (decode.DARK,)


def test_sixteen_bits_of_colour(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in COLOUR.astype(np.uint16) * 256 + 99)
    header = struct.pack(">IIBBBBB", 8, 6, 16, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    assert (decoded(tmp_path, content)[0] == COLOUR).all()


def test_one_bit(tmp_path: Path) -> None:
    bits = GREY > 128
    pixels, remarks = decoded(tmp_path, encode(Image.fromarray(bits), "PNG"), n_channels=1)
    assert (pixels[..., 0] == 255 * bits).all()
    assert remarks == ()


@pytest.mark.parametrize("n_channels", [1, 3])
def test_cmyk(tmp_path: Path, n_channels: int) -> None:
    image = Image.new("CMYK", (8, 6), (0, 255, 255, 0))  # red
    red = [255, 0, 0] if n_channels == 3 else [76]
    assert (decoded(tmp_path, encode(image, "TIFF"), n_channels)[0] == red).all()
    assert np.abs(decoded(tmp_path, encode(image, "JPEG"), n_channels)[0].astype(int) - red).max() <= 3


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    """The file holds the picture as the camera was held; what is read stands upright."""
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :8] = 255  # a white patch at the upper left
    # Rows and columns of the stored array, by the definition of the EXIF tag.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: upright.T[::-1],
        7: upright.T[::-1, ::-1],
        8: upright.T[:, ::-1],
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(np.ascontiguousarray(stored)), kind, exif=exif)
    pixels, remarks = decoded(tmp_path, content, n_channels=1, size=(16, 32))
    assert np.abs(pixels[..., 0].astype(int) - upright).max() <= 8
    assert remarks == ()
    assert read_header(tmp_path / "image.jpg") == ((16, 32), True)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_first_of_several_frames(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime")]
    content = encode(frames[0], kind, save_all=True, append_images=frames[1:])
    pixels, remarks = decoded(tmp_path, content)
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 3
    assert remarks == (decode.FIRST_FRAME,)


def test_resizing_averages(tmp_path: Path) -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pixels, remarks = decoded(tmp_path, encode(Image.fromarray(board), "PNG"), n_channels=1, size=(8, 4))
    assert np.abs(pixels[2:-2, 1:-1].astype(float) - 127.5).max() <= 8
    assert remarks == (decode.RESIZED,)


def test_large_jpeg_is_shrunk_while_it_is_decoded(tmp_path: Path) -> None:
    ramp = np.repeat(np.linspace(0, 255, 640)[None], 480, axis=0).astype(np.uint8)
    pixels, _ = decoded(tmp_path, encode(Image.fromarray(ramp), "JPEG", quality=95), n_channels=1, size=(32, 32))
    expected = np.asarray(Image.fromarray(ramp).resize((32, 32), Image.Resampling.BILINEAR))
    assert np.abs(pixels[..., 0].astype(int) - expected).max() <= 3


PNG = encode(Image.fromarray(COLOUR), "PNG")
BOMB = PNG[:16] + struct.pack(">II", 30_000, 30_000) + PNG[24:29]
BOMB += struct.pack(">I", zlib.crc32(BOMB[12:29])) + PNG[33:]
LARGE = PNG[:16] + struct.pack(">II", 10_000, 10_000) + PNG[24:29]
LARGE += struct.pack(">I", zlib.crc32(LARGE[12:29])) + PNG[33:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty (0 bytes)"),
        (b"\0" * 100, "is no image, or its first bytes are damaged"),
        (b"hello", "is no image"),
        (PNG[:20], "is"),
        (encode(Image.fromarray(COLOUR).resize((300, 300)), "PNG")[:-5000], "is truncated"),
        (encode(Image.fromarray(COLOUR).resize((300, 300)), "JPEG")[:2000], "is truncated"),
        (encode(Image.fromarray(COLOUR).resize((300, 300)), "BMP")[:2000], "is truncated"),
        (encode(Image.fromarray(COLOUR), "GIF"), "is a GIF; only PNG, JPEG, BMP, TIFF and WebP are read"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC, AVIF or video file"),
        (b"\n <!DOCTYPE html><html>", "is a web page or an SVG drawing"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        (BOMB, "has 900,000,000 pixels, more than the 89,478,485 that are read"),
        (LARGE, "has 10,000 x 10,000 pixels, more than the 89,478,485 that are read"),
        (encode(Image.fromarray(GREY.astype(np.float32)), "TIFF"), "holds numbers of 32 bits"),
        (encode(Image.fromarray(GREY.astype(np.int32)), "TIFF"), "holds numbers of 32 bits"),
        (encode(Image.new("LAB", (8, 6)), "TIFF"), "is in CIELAB colours"),
    ],
)
def test_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    with pytest.raises(DataError) as caught:
        decoded(tmp_path, content)
    assert str(caught.value).startswith(reason), str(caught.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "nothing.png").symlink_to("absent")
    (tmp_path / "itself.png").symlink_to("itself.png")
    for name, reason in (("pipe", "is not a file"), ("nothing", "is a link to nothing"), ("itself", "is a link to")):
        with pytest.raises(DataError, match=reason):
            decode_image(tmp_path / f"{name}.png", (6, 8), 3)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        decode_image(tmp_path / "a.png", (6, 8), 3)


PICTURE = Image.fromarray(COLOUR).resize((40, 30))
FILES = [encode(PICTURE, kind) for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP")] + [
    encode(PICTURE, "TIFF", compression="tiff_lzw"),
    encode(
        PICTURE,
        "JPEG",
        progressive=True,
        exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0",
    ),
    encode(PICTURE.quantize(16), "PNG", transparency=3),
    encode(PICTURE.convert("RGBA"), "WEBP", lossless=True),
    encode(PICTURE, "PNG", save_all=True, append_images=[PICTURE.rotate(90)]),
]


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    content = bytearray(data.draw(st.sampled_from(FILES)))
    content = content[: data.draw(st.integers(1, len(content)) | st.just(len(content)))]
    for _ in range(data.draw(st.integers(0, 4))):
        # Half of the damage goes to the header, where it does most.
        at = data.draw(st.integers(0, min(60, len(content)) - 1) | st.integers(0, len(content) - 1))
        content[at] ^= data.draw(st.integers(1, 255))
    reason = ""
    try:
        decoded(tmp_path, bytes(content), data.draw(st.sampled_from([1, 3])))
    except DataError as error:
        reason = str(error)
    assert reason == "" or reason.startswith(("is ", "has ", "cannot ", "holds ", "needs "))
    with quietly(), suppress(DataError):
        (height, width), _ = read_header(tmp_path / "image.jpg")
        assert min(height, width) > 0


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.sampled_from(
        [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"RIFF\x40\0\0\0WEBPVP8 "]
    ),
    rest=st.binary(max_size=200),
)
def test_random_bytes_are_refused(tmp_path: Path, start: bytes, rest: bytes) -> None:
    with pytest.raises(DataError):
        decoded(tmp_path, start + rest)
