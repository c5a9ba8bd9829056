"""Pictures of a run inside the page, as data: an SVG as it is, a PNG made smaller where that shows no difference."""

import base64
import io
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from enas.page.saved import reading

if TYPE_CHECKING:
    from PIL import Image

LARGE = 60_000
"""Bytes; a smaller PNG is taken as it is."""
MOST_PIXELS = 1400
"""Width of a PNG."""
N_COLOURS = 128
BUDGET = 2_000_000
"""Bytes of pictures in one page, as text."""


@dataclass(slots=True)
class Album:
    """Takes pictures in until the page would become too large.

    Args:
        left: bytes that may still be added.
    """

    left: int = BUDGET
    left_out: list[str] = field(default_factory=list)
    """Names of files for which there was no room."""

    def take(self, path: Path, alt: str) -> Markup:
        """The picture as an element, empty if it is not there or there is no room.

        Raises:
            RunError: it is damaged.
        """
        if not path.is_file():
            return Markup("")
        with reading(path):
            kind, content, width, height = _svg(path) if path.suffix == ".svg" else _png(path)
        data = base64.b64encode(content).decode()
        if len(data) > self.left:
            self.left_out.append(path.name)
            return Markup("")
        self.left -= len(data)
        shape = '<img alt="{}" width="{}" height="{}" style="--natural:{}px" src="data:image/{};base64,{}">'
        return Markup(shape).format(alt, width, height, width, kind, data)


_SIZE = re.compile(rb'<svg[^>]*? viewBox="0 0 ([\d.]+) ([\d.]+)"')


def _svg(path: Path) -> tuple[str, bytes, int, int]:
    """As a picture an SVG can neither run anything nor fetch anything, whatever it holds."""
    content = path.read_bytes()
    size = _SIZE.search(content[:4000])
    if size is None:
        raise ValueError("no size")
    return "svg+xml", content, round(float(size[1]) * 4 / 3), round(float(size[2]) * 4 / 3)


def _png(path: Path) -> tuple[str, bytes, int, int]:
    from PIL import Image

    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
        if len(content) > LARGE:
            content = min(content, _reduce(image), key=len)
    return "png", content, width, height


def _reduce(image: "Image.Image") -> bytes:
    """Fewer colours, and not wider than a page can show."""
    from PIL import Image

    small = image.convert("RGB")
    if small.width > MOST_PIXELS:
        small = small.resize((MOST_PIXELS, round(small.height * MOST_PIXELS / small.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.quantize(N_COLOURS, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return stream.getvalue()
