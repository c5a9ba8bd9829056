"""Boxes, arrows and texts on a page: what pictures of cells and networks are made of. Inches, y downwards."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Curve
from numpy.typing import NDArray

from enas.report.canvas import INK, TEXT, page, text_size

Floats = NDArray[np.float64]
MARGIN = 0.2
"""Around the whole picture."""
HEAD = 0.09
"""Length of an arrow's head."""
EDGE = "#5c6670"
TITLE = TEXT + 2


def blank(width: float, height: float) -> tuple[Figure, Axes]:
    """Make a figure whose one pair of axes covers the page: (0, 0) is the upper left corner, one unit is one inch."""
    figure, axes = page(width, height, left=0, right=0, top=0, bottom=0)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def draw_box(
    axes: Axes,
    centre: Floats,
    width: float,
    height: float,
    *,
    gid: str,
    fill: str,
    outline: str = INK,
    rounding: float = 0.06,
    order: float = 2,
) -> None:
    """Draw a box with round corners."""
    corner = (centre[0] - width / 2, centre[1] - height / 2)
    shape = f"round,pad=0,rounding_size={rounding}"
    patch = FancyBboxPatch(corner, width, height, boxstyle=shape, facecolor=fill, edgecolor=outline, linewidth=0.8)
    patch.set(gid=gid, zorder=order)
    axes.add_patch(patch)


def draw_sum(axes: Axes, centre: Floats, diameter: float, *, gid: str) -> None:
    """Draw a circle with a plus in it."""
    circle = Ellipse((centre[0], centre[1]), diameter, diameter, facecolor="white", edgecolor=INK, linewidth=0.8)
    circle.set(gid=gid, zorder=2)
    axes.add_patch(circle)
    reach = diameter * 0.27
    for dx, dy in ((reach, 0.0), (0.0, reach)):
        xs, ys = [centre[0] - dx, centre[0] + dx], [centre[1] - dy, centre[1] + dy]
        axes.plot(xs, ys, color=INK, linewidth=1.1, zorder=3, solid_capstyle="butt", scalex=False, scaley=False)


def draw_text(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    *,
    size: float = TEXT,
    align: str = "center",
    colour: str = INK,
    bold: bool = False,
    gid: str | None = None,
) -> None:
    """Write text whose middle line is at height y."""
    look: dict[str, Any] = {"fontsize": size, "color": colour, "fontweight": "bold" if bold else "normal", "gid": gid}
    axes.text(x, y, text, ha=align, va="center", linespacing=1.15, zorder=4, **look)


def draw_arrow(
    axes: Axes, route: Floats, *, gid: str, colour: str = EDGE, width: float = 1.1, head: bool = True
) -> None:
    """Draw a route of cubic Bézier curves, shape (3k + 1, 2), that ends downwards, with a head at its end."""
    tip, line = route[-1], route.copy()
    if head:
        line[-1, 1] -= 0.8 * HEAD  # the line would show beside the tip
    curve = Curve(line, [Curve.MOVETO, *[Curve.CURVE4] * (len(line) - 1)])
    axes.add_patch(
        PathPatch(curve, facecolor="none", edgecolor=colour, linewidth=width, capstyle="butt", gid=gid, zorder=1)
    )
    if head:
        corners = tip + HEAD * np.array([[0, 0], [-0.42, -1], [0.42, -1]])
        axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="none", gid=f"{gid}-head", zorder=1.5))


def width_of(texts: Sequence[str], size: float = TEXT) -> float:
    """Width of the widest of some texts, inches; call inside `style`."""
    return max(text_size(text, size)[0] for text in texts)
