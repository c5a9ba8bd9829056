"""Places for the boxes of a directed graph, and smooth edges between them that run through no box.

Layers and order come from `enas.report.layers`. The x of boxes and lanes minimise the squared horizontal lengths of the
edges, lanes counting more so that long edges run straight: the idea of Gansner et al. 1993, whose program is linear and
puts a box below the one or the other of its two inputs instead of between them. Only between two layers do edges move
sideways, where no box is.

Lengths are in inches, y points downwards, and the same graph gives the same places.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from enas.report.layers import Box, Edge, Graph, in_layers

Floats = NDArray[np.float64]
GAP = 0.34
"""At least so much between two layers."""
SPACING = 0.3
"""At least so much between two boxes side by side; half of it beside a lane."""
STEEPEST = 0.25
"""The gap between layers is at least this times the longest way sideways in it, so that edges are not flat."""
LANE_WEIGHT, MAIN_WEIGHT = 25.0, 200.0
"""How much more a way sideways counts between two lanes, and in a main edge, before it is squared."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """Where everything stands; the upper left corner is (0, 0).

    Args:
        centres: of the boxes, shape (n, 2), inches.
        routes: per edge the control points of its cubic Bézier curves, shape (3k + 1, 2): start, then three a curve.
        width: of the whole, inches.
        height: of the whole, inches.
    """

    centres: Floats
    routes: tuple[Floats, ...]
    width: float
    height: float


def lay_out(boxes: Sequence[Box], edges: Sequence[Edge]) -> Layout:
    """Place boxes in layers and lead the edges between them.

    Edges into a box arrive from left to right in the order in which they come, so that they do not cross there.

    Args:
        boxes: at least one.
        edges: from earlier to later boxes; several may join the same two.

    Raises:
        ValueError: no boxes, or an edge that leads back.

    Example:
        >>> layout = lay_out([Box(1, 0.5), Box(1, 0.5)], [Edge(0, 1)])
        >>> layout.centres.tolist(), layout.routes[0][0].tolist(), layout.routes[0][-1].tolist()
        ([[0.5, 0.25], [0.5, 1.09]], [0.5, 0.5], [0.5, 0.84])
    """
    graph = in_layers(boxes, edges)
    tails, heads = _ports(graph)
    x = _across(graph, tails, heads)
    tops, bottoms = _down(graph, x, tails, heads)
    layer_of = {point: k for k, layer in enumerate(graph.layers) for point in layer}
    middles = (tops + bottoms) / 2
    y = np.array([middles[layer_of[i]] for i in range(graph.n_real)])
    routes = [[start] for start in _starts(graph, x, y, tails)]
    for piece in graph.pieces:
        layer, route = layer_of[piece.upper], routes[piece.edge]
        _lead(route, route[-1][0], bottoms[layer])
        _lead(route, x[piece.lower] + heads[piece.edge] * (piece.lower < graph.n_real), tops[layer + 1])
    for edge, route in zip(edges, routes, strict=True):
        _lead(route, route[-1][0], y[edge.head] - boxes[edge.head].height / 2)
    centres = np.stack([x[: graph.n_real], y], axis=1)
    return Layout(np.round(centres, 4), tuple(np.round(r, 4) for r in routes), _width(graph, x), float(bottoms[-1]))


def _ports(graph: Graph) -> tuple[list[float], list[float]]:
    """Per edge, how far from the middle of its boxes it begins and ends."""
    place = {point: i for layer in graph.layers for i, point in enumerate(layer)}
    leaving, entering = defaultdict(list), defaultdict(list)
    for piece in graph.pieces:
        if piece.upper < graph.n_real:
            leaving[piece.upper].append((place[piece.lower], piece.edge))
        if piece.lower < graph.n_real:
            entering[piece.lower].append((place[piece.upper], piece.edge))
    tails, heads = [0.0] * len(graph.edges), [0.0] * len(graph.edges)
    for offsets, ends, pitches in (
        (tails, leaving, [box.pitch_out for box in graph.boxes]),
        (heads, entering, [box.pitch_in for box in graph.boxes]),
    ):
        for point, arrivals in ends.items():
            order = [edge for _, edge in sorted(arrivals)]
            main = [i for i, edge in enumerate(order) if graph.edges[edge].is_main]
            middle = main[0] if main else (len(order) - 1) / 2
            furthest = max(middle, len(order) - 1 - middle)
            pitch = min(pitches[point], 0.45 * graph.boxes[point].width / furthest) if furthest else 0.0
            for i, edge in enumerate(order):
                offsets[edge] = pitch * (i - middle)
    return tails, heads


def _across(graph: Graph, tails: Sequence[float], heads: Sequence[float]) -> Floats:
    """x of every point: least squares of the edges' ways sideways, with room between neighbours in each layer.

    Per layer the unknowns are the first x and the room to spare before each further point, which is not negative.
    """
    from scipy.optimize import lsq_linear  # takes half a second that other figures need not pay

    n = len(graph.boxes)
    sums, offsets, lowest = np.zeros((n, n)), np.zeros(n), np.zeros(n)
    for layer in graph.layers:
        lowest[layer[0]] = -np.inf
        for i, point in enumerate(layer):
            sums[point, layer[: i + 1]] = 1
        for left, right in pairwise(layer):
            offsets[right] = offsets[left] + _apart(graph, left, right)
    rows, values = [0.03 * sums], [-0.03 * offsets]  # holds the whole, and what no edge holds, near 0
    for piece in graph.pieces:
        n_lanes = (piece.upper >= graph.n_real) + (piece.lower >= graph.n_real)
        weight = MAIN_WEIGHT if graph.edges[piece.edge].is_main else (1.0, 1.5, LANE_WEIGHT)[n_lanes]
        shift = tails[piece.edge] * (piece.upper < graph.n_real) - heads[piece.edge] * (piece.lower < graph.n_real)
        rows.append(weight * (sums[piece.upper] - sums[piece.lower])[None])
        values.append(np.array([-weight * (offsets[piece.upper] - offsets[piece.lower] + shift)]))
    solution = lsq_linear(np.concatenate(rows), np.concatenate(values), (lowest, np.inf), method="bvls")
    x = sums @ solution.x + offsets
    halves = np.array([box.width / 2 for box in graph.boxes])
    return np.asarray(np.round(x - (x - halves).min(), 4))


def _apart(graph: Graph, left: int, right: int) -> float:
    """Least distance of the middles of two neighbours."""
    lanes = (left >= graph.n_real) + (right >= graph.n_real)
    return (graph.boxes[left].width + graph.boxes[right].width) / 2 + SPACING / (1 + (lanes > 0))


def _down(graph: Graph, x: Floats, tails: Sequence[float], heads: Sequence[float]) -> tuple[Floats, Floats]:
    """Top and bottom of every layer; where edges go far sideways, layers are further apart."""
    layer_of = {point: k for k, layer in enumerate(graph.layers) for point in layer}
    heights = np.array([max(graph.boxes[point].height for point in layer) for layer in graph.layers])
    gaps = np.full(len(graph.layers) - 1, GAP)
    for piece in graph.pieces:
        start = x[piece.upper] + tails[piece.edge] * (piece.upper < graph.n_real)
        end = x[piece.lower] + heads[piece.edge] * (piece.lower < graph.n_real)
        gaps[layer_of[piece.upper]] = max(gaps[layer_of[piece.upper]], STEEPEST * abs(end - start))
    bottoms = np.cumsum(heights) + np.append(0, np.cumsum(gaps))
    return bottoms - heights, bottoms


def _starts(graph: Graph, x: Floats, y: Floats, tails: Sequence[float]) -> list[tuple[float, float]]:
    return [
        (float(x[edge.tail] + tails[i]), float(y[edge.tail] + graph.boxes[edge.tail].height / 2))
        for i, edge in enumerate(graph.edges)
    ]


def _lead(route: list[tuple[float, float]], x: float, y: float) -> None:
    """Lead a route on to (x, y) by a curve that is upright at both ends and stays between their heights."""
    start_x, start_y = route[-1]
    if y > start_y:
        middle = (start_y + y) / 2
        route += [(start_x, middle), (float(x), middle), (float(x), float(y))]


def _width(graph: Graph, x: Floats) -> float:
    return float(max(place + box.width / 2 for place, box in zip(x, graph.boxes, strict=True)))
