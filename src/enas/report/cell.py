"""The cells of the micro space as pictures: what every node reads, which operations it applies, what is concatenated.

A node is a panel with its two operations and the circle in which they are added. States that no node reads are
concatenated; a cell's own inputs are states too, so an input that no node reads goes straight to the concatenation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from enas.report.canvas import INK, save_vector, style
from enas.report.diagram import EDGE, MARGIN, TITLE, blank, draw_arrow, draw_box, draw_sum, draw_text, width_of
from enas.report.layers import Box, Edge
from enas.report.layout import Floats, Layout, lay_out
from enas.search_space import Architecture, MicroSpace
from enas.search_space.micro import CELLS, OPERATIONS, Cell, unread_states

OPERATION_NAMES = tuple(name.replace("separable", "sep").replace("average", "avg") for name in OPERATIONS)
OPERATION_COLOURS = ("#B7D5EE", "#82B4DF", "#B5DFCC", "#F5CD94", "#E4E4E4")
"""Convolutions blue, pools green and orange, identity grey."""
INPUT_NAMES = ("layer before the previous", "previous layer")
INPUT_COLOURS = ("#A0522D", "#2F6F62")
"""Of the two inputs and the edges from them, so that they can be followed where they cross."""
PANEL, PANEL_LINE, CONCAT, FAINT_TEXT = "#F6F7F8", "#D5D9DD", "#DCD3EA", "#7A828A"

PAD, BETWEEN = 0.1, 0.12
"""Inside a node's panel: beside its operations, and between them."""
HEIGHT, DROP, SUM = 0.34, 0.26, 0.22
"""Of a box, from the operations to their sum, diameter of the sum."""
SUM_ABOVE = 0.05
"""From the sum to the lower side of the panel."""
HEADING = 0.42
BETWEEN_CELLS = 0.6
WIDEST = 18.0
"""Inches; two cells that are wider together stand one below the other."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A cell laid out: boxes 0 and 1 are its inputs, then come its nodes, the concatenation and the output.

    Args:
        cell: its nodes' branches.
        name: begins the ids of its parts.
        title: above it.
        edges: two a node, in order; then those into the concatenation; then the one to the output.
        boxes: sizes.
        layout: places.
        pitch: distance of a node's two operations, middle to middle.
    """

    cell: Cell
    name: str
    title: str
    edges: tuple[Edge, ...]
    boxes: tuple[Box, ...]
    layout: Layout
    pitch: float


def cell_pictures(space: MicroSpace, architecture: Architecture, stem: Path | str) -> tuple[Path, ...]:
    """Draw both cells of an architecture, each to ``<stem>_<cell>_cell.svg`` and ``.png``.

    Args:
        space: the architecture's space.
        architecture: of that space.
        stem: path without suffix.

    Returns:
        SVG and PNG of the normal cell, then those of the reduction cell.

    Raises:
        ConfigError: the architecture is not of this space.
        RunError: the system refuses to write.
    """
    space.validate(architecture)
    files: list[Path] = []
    for name, cell in zip(CELLS, space.cells(architecture), strict=True):
        with style():
            files += save_vector(draw_cell(cell, f"{name.capitalize()} cell", name), f"{stem}_{name}_cell")
    return tuple(files)


def draw_cell(cell: Cell, title: str, name: str = "cell") -> Figure:
    """The picture of one cell; call inside `style`.

    Args:
        cell: two branches a node; node k reads states 0 … k+1.
        title: above the picture.
        name: begins the ids of the parts in an SVG, such as ``cell-node-0``.
    """
    return _draw([plan(cell, title, name)])


def draw_cells(space: MicroSpace, architecture: Architecture) -> Figure:
    """The picture of both cells side by side; call inside `style`.

    Raises:
        ConfigError: the architecture is not of this space.
    """
    space.validate(architecture)
    cells = zip(CELLS, space.cells(architecture), strict=True)
    return _draw([plan(cell, f"{name.capitalize()} cell", name) for name, cell in cells])


def plan(cell: Cell, title: str, name: str) -> Plan:
    """Lay out a cell; call inside `style`, as texts are measured."""
    n, loose = len(cell), unread_states(cell)
    operation = width_of(OPERATION_NAMES) + 0.2
    pitch = operation + BETWEEN
    boxes = (
        *(Box(width_of([text]) + 0.3, HEIGHT) for text in INPUT_NAMES),
        *(Box(pitch + operation + 2 * PAD, HEIGHT + DROP + 2 * PAD, pitch_in=pitch) for _ in cell),
        Box(max(1.1, 0.32 * len(loose)), HEIGHT, pitch_in=0.3),
        Box(width_of(["output"]) + 0.4, HEIGHT),
    )
    edges = (
        *(Edge(branch.source, node + 2) for node, branches in enumerate(cell) for branch in branches),
        *(Edge(state, n + 2) for state in loose),
        Edge(n + 2, n + 3, is_main=True),
    )
    return Plan(cell, name, title, edges, boxes, lay_out(boxes, edges), pitch)


def _draw(plans: Sequence[Plan]) -> Figure:
    widths = [max(plan.layout.width, width_of([plan.title], TITLE)) for plan in plans]
    heights = [HEADING + plan.layout.height for plan in plans]
    beside = sum(widths) + BETWEEN_CELLS * (len(plans) - 1)
    stacked = beside > WIDEST
    width, height = (
        (max(widths), sum(heights) + BETWEEN_CELLS * (len(plans) - 1)) if stacked else (beside, max(heights))
    )
    figure, axes = blank(width + 2 * MARGIN, height + 2 * MARGIN)
    figure.set_label(". ".join(f"{plan.title}: {_words(plan.cell)}" for plan in plans))
    left = top = MARGIN
    for plan, own_width, own_height in zip(plans, widths, heights, strict=True):
        room = width if stacked else own_width
        draw_text(axes, left + room / 2, top + 0.1, plan.title, size=TITLE, bold=True)
        _paint(axes, plan, np.array([left + (room - plan.layout.width) / 2, top + HEADING]))
        left, top = (left, top + own_height + BETWEEN_CELLS) if stacked else (left + room + BETWEEN_CELLS, top)
    return figure


def _words(cell: Cell) -> str:
    """A cell in words, for those who cannot see it."""
    states = (*INPUT_NAMES, *(f"node {k}" for k in range(len(cell))))
    nodes = [
        f"node {k} = " + " + ".join(f"{OPERATION_NAMES[b.operation]} of {states[b.source]}" for b in node)
        for k, node in enumerate(cell)
    ]
    return "; ".join([*nodes, "output = concat of " + ", ".join(states[k] for k in unread_states(cell))])


def _paint(axes: Axes, plan: Plan, corner: Floats) -> None:
    centres, name, n = plan.layout.centres + corner, plan.name, len(plan.cell)
    for state, text in enumerate(INPUT_NAMES):
        look = ("white", INPUT_COLOURS[state])
        _box(axes, centres[state], plan.boxes[state], text, f"{name}-input-{state}", *look)
    for node in range(n):
        _node(axes, plan, node, centres[node + 2])
    _box(axes, centres[n + 2], plan.boxes[n + 2], "concat", f"{name}-concat", CONCAT)
    _box(axes, centres[n + 3], plan.boxes[n + 3], "output", f"{name}-output", "white")
    for index, (edge, route) in enumerate(zip(plan.edges, plan.layout.routes, strict=True)):
        nodes = range(2, n + 2)
        up, down = (SUM_ABOVE if edge.tail in nodes else 0.0), (PAD if edge.head in nodes else 0.0)
        colour = EDGE if edge.tail in (*nodes, n + 2) else INPUT_COLOURS[edge.tail]
        gid = f"{name}-edge-{edge.tail}-{edge.head}"
        if edge in plan.edges[:index]:
            gid += "-again"
        draw_arrow(axes, _lengthen(route + corner, up, down), gid=gid, colour=colour)


def _lengthen(route: Floats, up: float, down: float) -> Floats:
    """Lead a route on straight, above its start and below its end: into the panels of the nodes that it joins."""
    steps = np.array([0.0, 1 / 3, 2 / 3])[:, None]
    above = route[0] + (steps - 1) * [0, up] if up else route[:0]
    below = route[-1] + (steps + 1 / 3) * [0, down] if down else route[:0]
    return np.concatenate([above, route, below])


def _box(axes: Axes, centre: Floats, box: Box, text: str, gid: str, fill: str, outline: str = INK) -> None:
    draw_box(axes, centre, box.width, box.height, gid=gid, fill=fill, outline=outline)
    draw_text(axes, centre[0], centre[1], text, gid=f"{gid}-text")


def _node(axes: Axes, plan: Plan, node: int, centre: Floats) -> None:
    """A panel with two operations above their sum; the branch whose edge arrives on the left stands on the left."""
    box, gid = plan.boxes[node + 2], f"{plan.name}-node-{node}"
    top, bottom = centre[1] - box.height / 2, centre[1] + box.height / 2
    draw_box(axes, centre, box.width, box.height, gid=gid, fill=PANEL, outline=PANEL_LINE, rounding=0.1, order=0.5)
    total = np.array([centre[0], bottom - SUM_ABOVE - SUM / 2])
    ends = [plan.layout.routes[2 * node + k][-1, 0] for k in (0, 1)]
    for k, branch in enumerate(plan.cell[node]):
        side = 1 if (ends[k], k) > (ends[1 - k], 1 - k) else -1
        middle = np.array([centre[0] + side * plan.pitch / 2, top + PAD + HEIGHT / 2])
        width = box.width - 2 * PAD - plan.pitch
        size = Box(width, HEIGHT)
        look = (OPERATION_NAMES[branch.operation], f"{gid}-operation-{k}", OPERATION_COLOURS[branch.operation])
        _box(axes, middle, size, *look)
        foot, reach = middle[1] + HEIGHT / 2, total[0] + side * SUM / 2
        corner = np.array([middle[0], total[1]])
        line = np.array([(middle[0], foot), corner, corner, (reach, total[1])])
        draw_arrow(axes, line, gid=f"{gid}-branch-{k}", head=False)
    draw_sum(axes, total, SUM, gid=f"{gid}-add")
    draw_text(axes, centre[0] - box.width / 2 + PAD, total[1], f"node {node}", size=7, align="left", colour=FAINT_TEXT)
