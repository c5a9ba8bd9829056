"""The final network as a picture: every layer with its kind, size, channels and parameters, and what it reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from enas.report.canvas import INK, TEXT, save_vector, style, text_size
from enas.report.diagram import MARGIN, TITLE, blank, draw_arrow, draw_box, draw_text, width_of
from enas.report.labels import clean, wrap
from enas.report.layers import Box, Edge
from enas.report.layout import Floats, lay_out

Kind = Literal["stem", "normal", "reduction", "auxiliary", "head"]
FILLS: dict[Kind, str] = {
    "stem": "#FFFFFF",
    "normal": "#D3E6F5",
    "reduction": "#F8D9AE",
    "auxiliary": "#E6DDF0",
    "head": "#D2EBDF",
}
WORDS: dict[Kind, str] = {
    "stem": "conv 3×3",
    "normal": "normal cell",
    "reduction": "reduction cell",
    "auxiliary": "",
    "head": "",
}
HEADS: dict[Kind, tuple[str, ...]] = {
    "auxiliary": ("average pool 5×5, two convolutions", "global average pool"),
    "head": ("global average pool, dropout",),
}
SMALL = TEXT - 0.5
SKIP = "#98A2AB"
FAINT_TEXT = "#7A828A"
NARROWEST = 2.0
PITCH = 0.5
HEADING = 0.42


@dataclass(frozen=True, slots=True)
class Row:
    """One part of a network.

    Args:
        name: such as "layer 3".
        kind: what it is.
        size: height and width of its output, pixels; a head's is not shown.
        n_channels: of its output; of a head the number of classes.
        n_parameters: trained numbers; None: not told.
        inputs: indices of the earlier rows that it reads, for a layer the one before the previous first; a row may
            stand there twice.
    """

    name: str
    kind: Kind
    size: tuple[int, int]
    n_channels: int
    n_parameters: int | None
    inputs: tuple[int, ...]


def network_picture(rows: Sequence[Row], stem: Path | str, title: str = "Final network") -> tuple[Path, Path]:
    """Draw a network from top to bottom, to ``<stem>.svg`` and ``<stem>.png``.

    Args:
        rows: from the stem to the head; the auxiliary head anywhere after what it reads.
        stem: path without suffix.
        title: above the picture.

    Raises:
        ValueError: no rows, or a row that reads itself or a later one.
        RunError: the system refuses to write.
    """
    with style():
        return save_vector(draw_network(rows, title), stem)


def draw_network(rows: Sequence[Row], title: str = "Final network") -> Figure:
    """The figure of `network_picture`; call inside `style`."""
    texts = [_text(row) for row in rows]
    edges = [edge for index, row in enumerate(rows) for edge in _edges(index, row)]
    boxes = _boxes(texts)
    layout, heading, note = lay_out(boxes, edges), clean(title), _note(rows)
    width = max(layout.width, width_of([heading], TITLE), width_of([note]))
    above = HEADING + (0.24 if note else 0.0)
    figure, axes = blank(width + 2 * MARGIN, layout.height + above + 2 * MARGIN)
    figure.set_label(f"{heading}: " + "; ".join(text.replace("\n", ", ") for text in texts))
    draw_text(axes, MARGIN + width / 2, MARGIN + 0.1, heading, size=TITLE, bold=True)
    draw_text(axes, MARGIN + width / 2, MARGIN + 0.36, note, colour=FAINT_TEXT)
    corner = np.array([MARGIN + (width - layout.width) / 2, MARGIN + above])
    for index, (box, row, text) in enumerate(zip(boxes, rows, texts, strict=True)):
        centre, gid = layout.centres[index] + corner, f"network-row-{index}"
        draw_box(axes, centre, box.width, box.height, gid=gid, fill=FILLS[row.kind])
        _lines(axes, centre, text, gid)
    for edge, route in zip(edges, layout.routes, strict=True):
        gid = f"network-edge-{edge.tail}-{edge.head}" + ("" if edge.is_main else "-skip")
        draw_arrow(axes, route + corner, gid=gid, colour=INK if edge.is_main else SKIP)
    return figure


def _edges(index: int, row: Row) -> list[Edge]:
    """The edges into a row: the last input is the main one, but nothing main leads to the auxiliary head."""
    main = len(row.inputs) - 1 if row.kind != "auxiliary" else -1
    return [Edge(tail, index, is_main=k == main) for k, tail in enumerate(row.inputs)]


def _boxes(texts: Sequence[str]) -> list[Box]:
    """All as wide as the widest, so that they stand in a column."""
    if not texts:
        raise ValueError("no rows to draw")
    sizes = [text_size(text, SMALL) for text in texts]
    width = max(NARROWEST, max(1.1 * width for width, _ in sizes) + 0.2)  # the first line is bold
    return [Box(width, height + 0.16, pitch_in=PITCH, pitch_out=PITCH) for _, height in sizes]


def _text(row: Row) -> str:
    """Lines: name and kind; for a head what it does; size and parameters."""
    name, word = wrap(clean(row.name), 3, shortest=40), WORDS[row.kind]
    first = name if not word or word in name else f"{name} · {word}"
    height, width = row.size
    parameters = [] if row.n_parameters is None else [f"{row.n_parameters:,} parameters"]
    if row.kind in HEADS:
        return "\n".join([first, *HEADS[row.kind], " · ".join([f"linear → {row.n_channels:,} classes", *parameters])])
    return "\n".join([first, " · ".join([f"{height}×{width}, {row.n_channels:,} channels", *parameters])])


def _lines(axes: Axes, centre: Floats, text: str, gid: str) -> None:
    """Lines at even distances, the first one bold; matplotlib's own distances change with the letters."""
    lines = text.split("\n")
    step = text_size("", SMALL)[1]
    for k, line in enumerate(lines):
        y = centre[1] + step * (k - (len(lines) - 1) / 2)
        draw_text(axes, centre[0], y, line, gid=f"{gid}-text-{k}", size=SMALL, bold=k == 0)


def _note(rows: Sequence[Row]) -> str:
    """How many parameters there are in all, if every row tells; the auxiliary head only trains and is counted apart."""
    if any(row.n_parameters is None for row in rows):
        return ""
    total, auxiliary = (
        sum(row.n_parameters or 0 for row in rows if (row.kind == "auxiliary") == apart) for apart in (False, True)
    )
    return f"{total:,} parameters" + (f" + {auxiliary:,} of the auxiliary head" if auxiliary else "")
