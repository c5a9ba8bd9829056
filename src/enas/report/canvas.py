"""What all figures share: size in inches, style, the length of texts, and saving as PDF, SVG and PNG.

Figures are laid out by hand: texts are measured first and the page grows with them, so that no label is cut off and
nothing is drawn twice to find its place. The same arrays give the same bytes. pyplot and its global state are not used.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from enas.files import replacing

DPI = 110
TEXT = 9.0
"""Size of ordinary text, points."""
INK, FAINT = "#333333", "#d9d9d9"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B4C2A", "#7F7F7F")
"""For lines, told apart by the colour-blind: after Okabe and Ito (2008), without their yellow, too pale for lines."""
AREA_COLOURS = (*COLOURS, "#003A5C", "#F2C6A0", "#A6DBC8", "#6A3D7C")
"""For areas, which may be paler."""
LINE_HEIGHT = 1.25
WIDE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "Source Han Sans CN",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Hiragino Sans GB",
    "Heiti SC",
    "Droid Sans Fallback",
    "Arial Unicode MS",
)
"""Fonts with Chinese letters, which matplotlib's own lacks; the first that is installed is used."""


@contextmanager
def style() -> Iterator[None]:
    """Draw and save inside this block: our settings, whatever the user's matplotlibrc says, and his back afterwards.

    ``$`` and ``_`` in names are themselves, not mathematics. A letter that no font has becomes a box without a warning.
    """
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")  # scripts such as Bengali
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(
            {
                "font.family": ["DejaVu Sans", *_wide_font()],
                "font.size": TEXT,
                "text.parse_math": False,
                "axes.formatter.use_mathtext": False,
                "axes.unicode_minus": False,  # that letter alone would make a second font in every PDF
                "text.color": INK,
                "axes.edgecolor": INK,
                "axes.labelcolor": INK,
                "axes.linewidth": 0.8,
                "axes.spines.top": False,
                "axes.spines.right": False,
                "axes.titlesize": TEXT + 1,
                "xtick.color": INK,
                "ytick.color": INK,
                "legend.frameon": False,
                "legend.fontsize": TEXT - 1,
                "pdf.fonttype": 42,  # text in the PDF can be searched and edited
                "svg.fonttype": "path",  # looks the same everywhere; as text it would need our font
                "svg.hashsalt": "enas",  # ids that do not change from run to run
            }
        )
        yield


def page(width: float, height: float, *, left: float, right: float, top: float, bottom: float) -> tuple[Figure, Axes]:
    """Make a figure around one pair of axes of the given size; all in inches."""
    figure = Figure(figsize=(left + width + right, bottom + height + top), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure, add_axes(figure, left, bottom, width, height)


def add_axes(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place given in inches from the lower left corner of the figure."""
    total_width, total_height = figure.get_size_inches()
    return figure.add_axes((left / total_width, bottom / total_height, width / total_width, height / total_height))


def save(figure: Figure, stem: Path | str) -> tuple[Path, Path]:
    """Write ``<stem>.pdf`` and ``<stem>.png``, each whole or not at all, without the time of writing.

    Raises:
        RunError: the system refuses to write.
    """
    return write(figure, Path(f"{stem}.pdf")), write(figure, Path(f"{stem}.png"))


def save_vector(figure: Figure, stem: Path | str) -> tuple[Path, Path]:
    """Write ``<stem>.svg`` and ``<stem>.png``, as `save` does: for figures that a page shows and people zoom into.

    Raises:
        RunError: the system refuses to write.
    """
    return write(figure, Path(f"{stem}.svg")), write(figure, Path(f"{stem}.png"))


def write(figure: Figure, path: Path) -> Path:
    """Write one file, PDF, SVG or PNG by its suffix; call inside `style`.

    The letters of an SVG are outlines. A figure's label becomes the SVG's title, so that what it shows can be found and
    read aloud; the gids of its artists become ids.

    Raises:
        RunError: the system refuses to write.
    """
    settings_of: dict[str, dict[str, Any]] = {
        ".pdf": {"metadata": {"CreationDate": None}},
        ".svg": {"metadata": {"Date": None, "Title": str(figure.get_label())}},
        ".png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
    }
    suffix = path.suffix.lower()
    with replacing(path) as partial:
        figure.savefig(partial, format=suffix[1:], **settings_of[suffix])
    return path


def text_size(text: str, size: float = TEXT) -> tuple[float, float]:
    """Width and height of a text in inches; lines are parted by newlines. Call inside `style`."""
    lines = text.split("\n")
    return max(_line_width(line, size) for line in lines), len(lines) * size * LINE_HEIGHT / 72


def round_ticks(n_most: int = 5) -> MaxNLocator:
    """Ticks at multiples of 1, 2, 2.5 or 5 times a power of ten."""
    return MaxNLocator(n_most, steps=[1, 2, 2.5, 5, 10])


def _line_width(line: str, size: float) -> float:
    if not line:
        return 0.0
    properties = font_manager.FontProperties(size=size)
    width, _, _ = _measure().get_text_width_height_descent(line, properties, False)
    return float(width) / 288


@cache
def _measure() -> RendererAgg:
    return RendererAgg(8, 8, 288)


@cache
def _wide_font() -> tuple[str, ...]:
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in WIDE_FONTS if name in installed)[:1]
