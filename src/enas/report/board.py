"""Images and texts on a page, every pixel placed by hand: images are copied into the page, not drawn.

Small images are enlarged by a whole factor, so that their pixels stay squares; large ones are reduced.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from enas.report.canvas import DPI, INK, TEXT, page, text_size
from enas.report.labels import clean

Pixels = NDArray[np.uint8]
Caption = tuple[str, str]
SIDE = 112
"""Pixels of an image's longer side: enlarged to about this, or reduced to it."""
WIDEST = 1320
"""Pixels of a row of images, unless the number of columns is given."""
WIDEST_CAPTION = 176
GAP, PAIR_GAP, MARGIN = 14, 6, 20
"""Pixels: between images, between those of one tile, around the page."""
FRAME = 217
"""Grey of the line around an image."""
SMALL = TEXT - 1.5
LINE, TITLE = 13, 30
"""Height of a caption's line and of the title, pixels."""
SECOND = "#6b7178"
"""Colour of a caption's second line."""


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """What stands at one place of a sheet: images side by side and two lines of text below, either may be empty."""

    images: tuple[Pixels, ...]
    caption: Caption = ("", "")


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text whose middle (or left end) is at a pixel, counted from the upper left corner."""

    x: int
    y: int
    text: str
    size: float = SMALL
    align: str = "center"
    colour: str = INK


@dataclass(frozen=True, slots=True, eq=False)
class Key:
    """What the colours of images mean: a bar of them, shape (h, w, 3), and the words at its ends."""

    bar: Pixels
    left: str
    right: str


def draw_tiles(tiles: Sequence[Tile], title: str, *, key: Key | None = None, heads: Sequence[str] = ()) -> Figure:
    """Lay tiles out row by row; call inside `style`.

    Args:
        tiles: at least one, all of one size.
        title: above them.
        key: below the title.
        heads: above the columns; none: as many columns as fit, rows about equally long.
    """
    images = [_join([enlarge(image) for image in tile.images]) for tile in tiles]
    captions = [(clean(tile.caption[0]), clean(tile.caption[1])) for tile in tiles]
    height, width = images[0].shape[:2]
    words = [*heads, *(line for caption in captions for line in caption)]
    column = max(width, min(max(pixels_of(word) for word in words), WIDEST_CAPTION))
    n_lines = max(2 * bool(second) or int(bool(first)) for first, second in captions)
    grid = _Grid(column, height + n_lines * LINE, len(heads) or _n_columns(len(tiles), column), len(tiles))
    top = MARGIN + TITLE + (LINE + 8) * (key is not None) + (LINE + 4) * bool(heads)
    texts = [Text(MARGIN, MARGIN + 8, clean(title), TEXT + 1, "left")]
    texts += [Text(MARGIN + grid.place(k)[0] + column // 2, top - 4 - LINE // 2, head) for k, head in enumerate(heads)]
    least = max(pixels_of(clean(title), TEXT + 1), _key_width(key) if key else 0)
    board = np.full((top + grid.size[1] + MARGIN, 2 * MARGIN + max(grid.size[0], least), 3), 255, np.uint8)
    if key:
        texts += _draw_key(board, key, MARGIN + TITLE + LINE // 2)
    for k, (image, caption) in enumerate(zip(images, captions, strict=True)):
        x, y = MARGIN + grid.place(k)[0], top + grid.place(k)[1]
        left = x + (column - width) // 2
        board[y : y + height, left : left + width] = image
        for number, line in enumerate(caption[:n_lines]):
            middle = y + height + 2 + LINE // 2 + number * LINE
            texts.append(Text(x + column // 2, middle, shorten(line, column), colour=(INK, SECOND)[number]))
    return _put(board, texts)


@dataclass(frozen=True, slots=True)
class _Grid:
    """Places of tiles, pixels."""

    width: int
    height: int
    n_columns: int
    n: int

    def place(self, k: int) -> tuple[int, int]:
        return k % self.n_columns * (self.width + GAP), k // self.n_columns * (self.height + GAP)

    @property
    def size(self) -> tuple[int, int]:
        return min(self.n, self.n_columns) * (self.width + GAP) - GAP, self.place(self.n - 1)[1] + self.height


def _n_columns(n: int, width: int) -> int:
    most = max(1, (WIDEST + GAP) // (width + GAP))
    n_rows = -(-n // most)
    return -(-n // n_rows)


def enlarge(image: Pixels, side: int = SIDE) -> Pixels:
    """An image (H, W, C) as RGB, its longer side as near to `side` as a whole factor allows, or reduced to it.

    >>> enlarge(np.zeros((28, 20, 1), np.uint8)).shape, enlarge(np.zeros((300, 600, 3), np.uint8)).shape
    ((112, 80, 3), (56, 112, 3))
    """
    rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else np.asarray(image)
    longest = max(rgb.shape[:2])
    if longest > side:
        height, width = (max(1, round(n * side / longest)) for n in rgb.shape[:2])
        return np.asarray(Image.fromarray(np.ascontiguousarray(rgb)).resize((width, height), Image.Resampling.LANCZOS))
    factor = max(1, round(side / longest))
    return np.repeat(np.repeat(rgb, factor, axis=0), factor, axis=1)


def _put(board: Pixels, texts: Sequence[Text]) -> Figure:
    """A figure that shows a board pixel by pixel, and texts on it."""
    height, width = board.shape[:2]
    # A hundredth more, as the size in inches is rounded down to pixels.
    size = ((width + 0.01) / DPI, (height + 0.01) / DPI)
    figure, axes = page(*size, left=0, right=0, top=0, bottom=0)
    axes.remove()
    figure.figimage(board)
    for text in texts:
        place = (text.x / width, 1 - text.y / height)
        figure.text(*place, text.text, fontsize=text.size, color=text.colour, ha=text.align, va="center_baseline")
    return figure


def _join(images: Sequence[Pixels]) -> Pixels:
    """Images of one height side by side, each with a faint line around it."""
    gap = np.full((images[0].shape[0] + 2, PAIR_GAP, 3), 255, np.uint8)
    framed = [np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=FRAME) for image in images]
    return np.concatenate([part for image in framed for part in (gap, image)][1:], axis=1)


def _key_width(key: Key) -> int:
    return pixels_of(key.left) + 8 + int(key.bar.shape[1]) + 8 + pixels_of(key.right)


def _draw_key(board: Pixels, key: Key, y: int) -> list[Text]:
    """Copy the bar into the board at height y; give the words beside it."""
    height, width = key.bar.shape[:2]
    x = MARGIN + pixels_of(key.left) + 8
    board[y - height // 2 : y - height // 2 + height, x : x + width] = key.bar
    return [Text(MARGIN, y, key.left, align="left"), Text(x + width + 8, y, key.right, align="left")]


def shorten(text: str, width: int) -> str:
    """A text no wider than so many pixels: it loses its middle; at least its first letter stays."""
    if pixels_of(text) <= width:
        return text
    kept = bisect_right(range(2, len(text)), width, key=lambda kept: pixels_of(_ends(text, kept))) + 1
    return _ends(text, kept)


def _ends(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"


def pixels_of(text: str, size: float = SMALL) -> int:
    """Width of a text on the page."""
    return int(np.ceil(text_size(text, size)[0] * DPI))
