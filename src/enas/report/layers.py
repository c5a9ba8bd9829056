"""A directed graph in layers, boxes and lanes ordered for few crossings: the first half of `enas.report.layout`.

The layers are those of the longest path; an edge over several layers has a lane of its own in each that it passes.
Within the layers boxes and lanes are ordered by barycentres, then by swaps of neighbours (Sugiyama, Tagawa and Toda
1981).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

N_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Box:
    """What is placed.

    Args:
        width: inches.
        height: inches.
        pitch_in: distance of the points side by side at which edges enter the upper side; 0 = all in the middle.
        pitch_out: the same for edges that leave the lower side.
    """

    width: float
    height: float
    pitch_in: float = 0.0
    pitch_out: float = 0.0


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow from box `tail` to a later box `head`; a main one begins and ends in the middle and is straight."""

    tail: int
    head: int
    is_main: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of an edge between two neighbouring layers, from point `upper` to point `lower`."""

    edge: int
    upper: int
    lower: int


@dataclass(slots=True, eq=False)
class Graph:
    """Boxes and lanes as points, edges as pieces.

    Args:
        boxes: of the points, first the `n_real` given ones, then the lanes, without size.
        n_real: how many boxes were given.
        edges: as given.
        pieces: of every edge from its tail to its head.
        layers: the points of every layer from left to right.
    """

    boxes: list[Box]
    n_real: int
    edges: Sequence[Edge]
    pieces: list[Piece]
    layers: list[list[int]]


def in_layers(boxes: Sequence[Box], edges: Sequence[Edge]) -> Graph:
    """Put boxes into layers by longest path, and order them; a lane per edge in every layer that it passes.

    Raises:
        ValueError: no boxes, or an edge that leads back.
    """
    if not boxes or any(not 0 <= edge.tail < edge.head < len(boxes) for edge in edges):
        raise ValueError(f"a graph needs boxes, and edges from earlier to later ones: {len(boxes)} boxes, {edges}")
    depth = [0] * len(boxes)
    for edge in sorted(edges, key=lambda edge: edge.head):
        depth[edge.head] = max(depth[edge.head], depth[edge.tail] + 1)
    graph = Graph(list(boxes), len(boxes), edges, [], [[] for _ in range(max(depth) + 1)])
    for point, layer in enumerate(depth):
        graph.layers[layer].append(point)
    for index, edge in enumerate(edges):
        upper = edge.tail
        for layer in range(depth[edge.tail] + 1, depth[edge.head]):
            graph.layers[layer].append(len(graph.boxes))
            graph.pieces.append(Piece(index, upper, len(graph.boxes)))
            upper = len(graph.boxes)
            graph.boxes.append(Box(0.0, 0.0))
        graph.pieces.append(Piece(index, upper, edge.head))
    _order(graph)
    return graph


def _order(graph: Graph) -> None:
    """Order every layer from left to right; the first order met with the fewest crossings stays."""
    above: dict[int, list[int]] = defaultdict(list)
    below: dict[int, list[int]] = defaultdict(list)
    for piece in graph.pieces:
        above[piece.lower].append(piece.upper)
        below[piece.upper].append(piece.lower)
    best, fewest = [list(layer) for layer in graph.layers], n_crossings(graph)
    for sweep in range(N_SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for k in range(1, len(graph.layers)) if down else range(len(graph.layers) - 2, -1, -1):
            _sort(graph.layers[k], graph.layers[k - 1 if down else k + 1], above if down else below)
        _swap(graph)
        crossings = n_crossings(graph)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in graph.layers], crossings
    graph.layers = best


def _sort(layer: list[int], fixed: list[int], neighbours: dict[int, list[int]]) -> None:
    """Sort one layer by the barycentre of each point's neighbours in the fixed one; points without any stay."""
    place = {point: (i + 0.5) / len(fixed) for i, point in enumerate(fixed)}
    own = {point: (i + 0.5) / len(layer) for i, point in enumerate(layer)}
    centre = {p: float(np.mean([place[q] for q in neighbours[p]])) if neighbours[p] else own[p] for p in layer}
    layer.sort(key=lambda point: (round(centre[point], 9), own[point]))


def _swap(graph: Graph) -> None:
    """Swap neighbours as long as that saves a crossing."""
    fewest, before = n_crossings(graph), -1
    while fewest != before:
        before = fewest
        for layer in graph.layers:
            for i in range(len(layer) - 1):
                layer[i], layer[i + 1] = layer[i + 1], layer[i]
                if (now := n_crossings(graph)) < fewest:
                    fewest = now
                else:
                    layer[i], layer[i + 1] = layer[i + 1], layer[i]


def n_crossings(graph: Graph) -> int:
    """How many pairs of edges cross."""
    place = {point: i for layer in graph.layers for i, point in enumerate(layer)}
    layer_of = {point: k for k, layer in enumerate(graph.layers) for point in layer}
    ends = np.array([(layer_of[p.upper], place[p.upper], place[p.lower]) for p in graph.pieces]).reshape(-1, 3)
    layer, upper, lower = (column[:, None] - column[None, :] for column in ends.T)
    return int(np.sum((layer == 0) & (upper < 0) & (lower > 0)))
