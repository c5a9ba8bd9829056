"""Charts as SVG inside the page: their colours follow the page, light or dark, and their text is text."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

from enas.page.text import compact

WIDTH, HEIGHT = 290, 210
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 26, 36
Point = tuple[float, float]
Range = tuple[float, float]
Look = Literal["main", "second", "faint", "guide"]


@dataclass(frozen=True, slots=True)
class Series:
    """Points of one meaning.

    Args:
        points: (x, y), finite.
        label: in the legend; none: not in it.
        look: main ones have the accent, second ones are dashed, faint ones thin; a guide is no data.
        has_line: whether the points are joined.
        has_dots: whether each is marked.
        bars: per point the interval of its y; none: no intervals.
    """

    points: Sequence[Point]
    label: str = ""
    look: Look = "main"
    has_line: bool = True
    has_dots: bool = False
    bars: Sequence[Range] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """A pair of axes.

    Args:
        title: what it shows, for those who cannot see it too.
        x: name of the axis.
        y: name of the axis.
        series: what is drawn, the last on top.
        x_range: of the axis; None: of the points.
        y_range: the same.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series] = field(default_factory=tuple)
    x_range: Range | None = None
    y_range: Range | None = None

    def svg(self) -> Markup:
        """The chart; empty if there is no point."""
        xs = [x for one in self.series for x, _ in one.points]
        ys = [y for one in self.series for _, y in one.points] + [
            y for one in self.series for bar in one.bars for y in bar
        ]
        if not xs:
            return Markup("")
        frame = Frame(self.x_range or _widen(xs), self.y_range or _widen(ys))
        parts = [frame.axes(self.x, self.y), *(frame.draw(one) for one in self.series), _legend(self.series)]
        return svg(self.title, WIDTH, HEIGHT, Markup("").join(parts))


@dataclass(frozen=True, slots=True)
class Frame:
    """From data to places on the page."""

    x_range: Range
    y_range: Range

    def place(self, x: float, y: float) -> tuple[str, str]:
        """Where a point is drawn, in tenths."""
        across = (x - self.x_range[0]) / (self.x_range[1] - self.x_range[0])
        left = self.left
        up = (y - self.y_range[0]) / (self.y_range[1] - self.y_range[0])
        return short(left + across * (WIDTH - left - RIGHT)), short(HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))

    @property
    def left(self) -> float:
        """Beside the axes, so much that the numbers have room."""
        return max(LEFT, 10 + 6.5 * max((len(compact(value)) for value in ticks(*self.y_range)), default=0))

    def axes(self, x: str, y: str) -> Markup:
        """Grid, ticks and names."""
        left, low, right = self.left, HEIGHT - BOTTOM, WIDTH - RIGHT
        parts = []
        for value in ticks(*self.y_range):
            _, at = self.place(0, value)
            parts.append(Markup('<path class="grid" d="M{} {}H{}"/>').format(short(left), at, right))
            parts.append(text(left - 6, float(at) + 3.5, compact(value), "end"))
        for value in ticks(*self.x_range):
            at, _ = self.place(value, 0)
            parts.append(Markup('<path class="tick" d="M{} {}v4"/>').format(at, low))
            parts.append(text(float(at), low + 15, compact(value), "middle"))
        parts.append(Markup('<path class="axis" d="M{} {}H{}"/>').format(short(left), low, right))
        parts.append(text((left + right) / 2, HEIGHT - 6, x, "middle"))
        parts.append(text(0, 11, y, "start"))
        return Markup("").join(parts)

    def draw(self, one: Series) -> Markup:
        """Intervals, line and dots of a series."""
        places = [self.place(*point) for point in one.points]
        parts = []
        for (x, _), (low, high) in zip(one.points, one.bars, strict=False):
            (at, start), (_, end) = self.place(x, low), self.place(x, high)
            parts.append(Markup('<path class="line {}" d="M{} {}V{}"/>').format("faint", at, start, end))
        if one.has_line and len(places) > 1:
            path = "M" + "L".join(f"{x} {y}" for x, y in places)
            parts.append(Markup('<path class="line {}" d="{}"/>').format(one.look, path))
        if one.has_dots or len(places) == 1:
            dots = "".join(f"M{x} {y}h0" for x, y in places)  # round caps make dots of lines without length
            parts.append(Markup('<path class="dots {}" d="{}"/>').format(one.look, dots))
        return Markup("").join(parts)


def svg(title: str, width: float, height: float, content: Markup) -> Markup:
    """A picture with a title that is read aloud."""
    return Markup('<svg role="img" viewBox="0 0 {} {}" width="{}" height="{}"><title>{}</title>{}</svg>').format(
        short(width), short(height), short(width), short(height), title, content
    )


def text(x: float, y: float, content: str, anchor: str, kind: str = "") -> Markup:
    """A line of text in a picture."""
    shape = '<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>'
    return Markup(shape).format(short(x), short(y), anchor, kind, content)


def short(value: float) -> str:
    """A length with one decimal at most.

    >>> short(12.0), short(3.14)
    ('12', '3.1')
    """
    return f"{value:.1f}".removesuffix(".0")


def ticks(low: float, high: float, n_most: int = 5) -> list[float]:
    """Round numbers inside a range.

    >>> ticks(0, 1), ticks(0, 9)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [0.0, 2.0, 4.0, 6.0, 8.0])
    """
    rough = (high - low) / n_most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) + 0.0 for k in range(first, math.floor(high / step + 1e-9) + 1)]


def _widen(values: Sequence[float]) -> Range:
    """A range with some air, which is never empty."""
    low, high = min(values), max(values)
    air = 0.04 * (high - low) or max(abs(high), 1) * 0.05
    return low - air, high + air


def _legend(series: Sequence[Series]) -> Markup:
    """From the right end of the line above the axes."""
    parts, right = [], WIDTH - RIGHT
    for one in reversed([one for one in series if one.label]):
        width = 6.2 * len(one.label)
        parts.append(text(right, 11, one.label, "end"))
        sample = '<path class="line {}" d="M{} 7.5h16"/>'
        parts.append(Markup(sample).format(one.look, short(right - width - 20)))
        right -= int(width + 32)
    return Markup("").join(parts)
