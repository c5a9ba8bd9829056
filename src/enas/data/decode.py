"""One image file to an array of 8-bit grey levels, or a reason why not.

Pillow decodes; a file is known by its content, not by its suffix. What differs from what a viewer shows:

- Transparent pixels lie on white, as a page would show them.
- 16 bits a channel become 8, the upper ones. The range is the format's, not the image's, so images stay comparable.
- Of several frames or pages the first is taken.
- Other sizes are brought to the size asked for, each side by itself (no cropping, no borders), by Pillow's bilinear
  filter, which averages where it shrinks; the predecessor's OpenCV filter skips pixels there. JPEGs at least four times
  as large are shrunk by half or more while they are decoded. An image of the right size keeps every pixel as it is.
- Colour profiles are not applied.

Whatever else Pillow finds fault with is refused by a DataError whose message is the reason alone (``is truncated``):
the caller knows the file, and may go on without it.
"""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.BmpImagePlugin import BmpImageFile
from PIL.Image import Transpose
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from enas.errors import DataError
from enas.printable import printable

Pixels = NDArray[np.uint8]

MAX_PIXELS = 89_478_485  # from here on Pillow suspects a decompression bomb: 256 MB of RGB

# A damaged header may declare so many pixels that they fill the memory. More than _SURELY_FIT are decoded only from a
# file that may hold them: PNG holds 8,000 in a byte, and other formats hold more only of an image of one colour.
_SURELY_FIT = 4_000_000
_MOST_PER_BYTE = 10_000

# What happened to an image on its way; the words stand behind "n images".
FIRST_FRAME = "of several frames or pages, of which the first is used"
ON_WHITE = "with transparent pixels, laid on white"
SHORTENED = "of 16 bits, of which the upper 8 are used"
DARK = "of 16 bits that use less than a sixteenth of the range: almost black in 8 bits; convert them yourself"
TURNED_GREY = "of colour, turned grey"
RESIZED = "of another size, resized"

_FORMATS = [kind.format for kind in (PngImageFile, JpegImageFile, BmpImageFile, TiffImageFile, WebPImageFile)]
_GREY_MODES = ("1", "L", "LA", "La", "I", "F")
_FOREIGN = {
    b"GIF8": "a GIF",
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF file",
    b"PK\x03\x04": "a zip file",
    b"\x1f\x8b": "a gzip file",
    b"\x00\x00\x00\x0cjP": "a JPEG 2000 file",
    b"<": "a web page or an SVG drawing",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself (run git lfs pull)",
}
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}

logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it logs about a file is in the exception too


@contextmanager
def quietly() -> Iterator[None]:
    """Inside, Pillow warns of nothing: a suspicious file is either good enough or refused.

    Set around a pool of threads, not within: the filters of warnings belong to the whole process.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def may_pass(reason: str) -> bool:
    """Whether what kept a file from being read may go away without a change of the file."""
    return reason.startswith((_REFUSED, _GONE, _NO_MEMORY))


def read_header(path: Path) -> tuple[tuple[int, int], bool]:
    """(height, width) of the upright image, and whether it is grey; pixels are not decoded.

    Raises:
        DataError: the file is no image that can be read; the message is the reason alone.
    """
    with _opened(path) as image:
        width, height = image.size
        # Pillow turns the size of a TIFF itself, and decodes a PNG to find out.
        may_lie = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
        lies = may_lie and _orientation(image) >= 5
        return (width, height) if lies else (height, width), _is_grey(image)


def decode_image(path: Path, size: tuple[int, int], n_channels: int) -> tuple[Pixels, tuple[str, ...]]:
    """The image as an array, and remarks on what was done to it (the constants above).

    Args:
        path: a PNG, JPEG, BMP, TIFF or WebP file of whatever name.
        size: (height, width) of the result.
        n_channels: 1 (grey) or 3 (red, green, blue).

    Returns:
        pixels, shape (height, width, n_channels), uint8, and remarks.

    Raises:
        DataError: the file cannot be read; the message is the reason alone.
    """
    height, width = size
    remarks: list[str] = []
    with _opened(path) as image:
        if image.format != "MPO" and getattr(image, "is_animated", False):  # MPO is how some cameras write JPEG
            remarks.append(FIRST_FRAME)
        if n_channels == 1 and not _is_grey(image):
            remarks.append(TURNED_GREY)
        if isinstance(image, JpegImageFile):
            image.draft(None, (2 * max(size), 2 * max(size)))
        image.load()
        upright = _turn(_flatten(image, "L" if n_channels == 1 else "RGB", remarks), _orientation(image))
        if upright.size != (width, height):
            remarks.append(RESIZED)
            upright = upright.resize((width, height), Image.Resampling.BILINEAR)
        return np.asarray(upright).reshape(height, width, n_channels), tuple(remarks)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The file as an image whose pixels are not yet decoded; all that goes wrong inside becomes a DataError."""
    head = b""
    try:
        if not path.is_file():  # opening a pipe would wait for ever
            raise DataError(_no_file(path))
        with path.open("rb") as file:
            head = file.read(32)
            if not head:
                raise DataError("is empty (0 bytes)")
            file.seek(0)
            with Image.open(file, formats=_FORMATS) as image:
                _refuse_giant(image, os.fstat(file.fileno()).st_size)
                yield image
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(_name_content(head)) from error
    except Image.DecompressionBombError as error:
        raise DataError(f"has {_pixels_in(error)} pixels, {_TOO_MANY}") from error
    except Exception as error:  # Pillow lets through whatever a damaged file makes its readers meet
        raise DataError(_reason(error)) from error


_REFUSED, _GONE, _NO_MEMORY = "cannot be read", "is not there any more", "needs more memory than there is"
_TOO_MANY = f"more than the {MAX_PIXELS:,} that are read; shrink it"


def _no_file(path: Path) -> str:
    if path.exists():
        return "is not a file"
    return "is a link to nothing" if path.is_symlink() else _GONE


def _refuse_giant(image: Image.Image, n_bytes: int) -> None:
    n_pixels, size = image.width * image.height, f"{image.width:,} x {image.height:,} pixels"
    if n_pixels > MAX_PIXELS:
        raise DataError(f"has {size}, {_TOO_MANY}")
    if n_pixels > max(_SURELY_FIT, _MOST_PER_BYTE * n_bytes):
        raise DataError(f"is damaged (its {n_bytes:,} bytes cannot hold {size})")


def _pixels_in(error: Exception) -> str:
    """The number of pixels, which only Pillow's message tells."""
    return next((f"{int(word[1:]):,}" for word in str(error).split() if word[1:].isdigit()), "too many")


def _name_content(head: bytes) -> str:
    only = "; only PNG, JPEG, BMP, TIFF and WebP are read"
    if head[4:8] == b"ftyp":
        return f"is a HEIC, AVIF or video file{only}"
    start = head.lstrip()
    kind = next((kind for magic, kind in _FOREIGN.items() if start.startswith(magic) or head.startswith(magic)), None)
    return f"is {kind}{only}" if kind else f"is no image, or its first bytes are damaged{only}"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{_REFUSED}: {error.strerror}"
    if isinstance(error, MemoryError):
        return _NO_MEMORY
    text = printable(" ".join(str(error).split())[:120]) or type(error).__name__
    return f"is truncated ({text})" if "truncated" in text.lower() else f"is damaged ({text})"


def _is_grey(image: Image.Image) -> bool:
    if image.mode in ("P", "PA") and image.palette is not None:
        return all(red == green == blue for red, green, blue, *_ in image.palette.colors)
    return image.mode in _GREY_MODES or image.mode.startswith("I;16")


def _orientation(image: Image.Image) -> int:
    """1 to 8; damaged metadata spoil no image."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:
        return 1


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _flatten(image: Image.Image, mode: str, remarks: list[str]) -> Image.Image:
    """Any of Pillow's modes as ``L`` or ``RGB``, of the same size."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        levels = np.asarray(image)
        remarks.append(DARK if levels.max() < 4096 else SHORTENED)
        return Image.fromarray((levels >> 8).astype(np.uint8)).convert(mode)
    if image.mode in ("I", "F"):
        raise DataError("holds numbers of 32 bits, whose range is unknown; save it with 8 or 16 bits a channel")
    if image.mode == "LAB":
        raise DataError("is in CIELAB colours; save it as RGB")
    if image.has_transparency_data:
        layers = image if image.mode == "RGBA" else image.convert("RGBA")  # a copy may be large
        if layers.getchannel("A").getextrema()[0] == 255:
            return layers.convert(mode)
        remarks.append(ON_WHITE)
        return Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers).convert(mode)
    if image.mode not in ("1", "L", "P", "RGB"):  # Pillow has no direct way from CMYK to grey
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)
