"""The layout's promises, on random graphs."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enas.report.layers import Box, Edge, in_layers, n_crossings
from enas.report.layout import Floats, Layout, lay_out


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Box], list[Edge]]:
    n = draw(st.integers(1, 9))
    sizes = st.floats(0.3, 3.0)
    boxes = [Box(draw(sizes), draw(sizes), draw(st.sampled_from([0.0, 0.4])), 0.3) for _ in range(n)]
    heads = draw(st.lists(st.integers(1, n - 1), max_size=14)) if n > 1 else []
    return boxes, [Edge(draw(st.integers(0, head - 1)), head, draw(st.booleans())) for head in heads]


def samples(route: Floats, n: int = 25) -> Floats:
    """Points on the Bézier curves of a route, in order."""
    t = np.linspace(0, 1, n)[:, None]
    pieces = [route[k : k + 4] for k in range(0, len(route) - 1, 3)]
    return np.concatenate(
        [(1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d for a, b, c, d in pieces]
    )


def check(boxes: list[Box], edges: list[Edge], layout: Layout) -> None:
    sizes = np.array([(box.width, box.height) for box in boxes])
    low, high = layout.centres - sizes / 2, layout.centres + sizes / 2
    assert low.min() > -1e-3
    assert (high.max(axis=0) < np.array([layout.width, layout.height]) + 1e-3).all()
    for i, j in combinations(range(len(boxes)), 2):
        assert (low[i] > high[j] - 1e-3).any() or (low[j] > high[i] - 1e-3).any(), "boxes overlap"
    for edge, route in zip(edges, layout.routes, strict=True):
        start, end = route[0], route[-1]
        assert start[1] == pytest.approx(high[edge.tail, 1], abs=1e-3)
        assert end[1] == pytest.approx(low[edge.head, 1], abs=1e-3)
        assert abs(start[0] - layout.centres[edge.tail, 0]) < boxes[edge.tail].width / 2
        assert abs(end[0] - layout.centres[edge.head, 0]) < boxes[edge.head].width / 2
        points = samples(route)
        assert (np.diff(points[:, 1]) > -1e-3).all(), "an edge leads upwards"
        inside = ((points[:, None] > low + 1e-3) & (points[:, None] < high - 1e-3)).all(axis=2)
        assert not inside.any(), "an edge runs through a box"


@settings(max_examples=60)
@given(graphs())
def test_boxes_do_not_overlap_and_edges_run_through_none(graph: tuple[list[Box], list[Edge]]) -> None:
    boxes, edges = graph
    check(boxes, edges, lay_out(boxes, edges))


def test_the_layer_is_the_longest_path() -> None:
    boxes = [Box(1, 0.5)] * 4
    layout = lay_out(boxes, [Edge(0, 1), Edge(1, 2), Edge(0, 2), Edge(0, 3)])
    y = layout.centres[:, 1]
    assert y[0] < y[1] == y[3] < y[2]


def test_edges_into_a_box_do_not_cross_in_front_of_it() -> None:
    boxes = [*[Box(1, 0.5)] * 3, Box(3, 0.5, pitch_in=0.5)]
    layout = lay_out(boxes, [Edge(2, 3), Edge(0, 3), Edge(1, 3)])
    x, ends = layout.centres[:3, 0], [route[-1, 0] for route in layout.routes]
    assert np.argsort(x)[np.argsort(np.argsort(ends))].tolist() == [2, 0, 1]
    assert np.diff(sorted(ends)) == pytest.approx([0.5, 0.5], abs=1e-3)


def test_a_box_stands_between_its_two_inputs() -> None:
    layout = lay_out([Box(1, 0.5)] * 3, [Edge(0, 2), Edge(1, 2)])
    assert layout.centres[2, 0] == pytest.approx(layout.centres[:2, 0].mean(), abs=1e-3)


def test_a_chain_with_skips_is_a_straight_column_without_crossings() -> None:
    boxes = [Box(2, 0.5, 0.5, 0.5)] * 8
    edges = [Edge(k, k + 1, is_main=True) for k in range(7)] + [Edge(k, k + 2) for k in range(6)]
    assert n_crossings(in_layers(boxes, edges)) == 0
    layout = lay_out(boxes, edges)
    assert np.ptp(layout.centres[:, 0]) < 0.02
    for route in layout.routes[:7]:
        assert np.ptp(route[:, 0]) < 0.02


def test_swaps_undo_a_crossing_that_barycentres_leave() -> None:
    edges = [Edge(0, 3), Edge(0, 2), Edge(1, 2)]
    assert n_crossings(in_layers([Box(1, 1)] * 4, edges)) == 0


@pytest.mark.parametrize("edge", [Edge(1, 0), Edge(1, 1), Edge(0, 2), Edge(-1, 1)])
def test_edges_lead_to_later_boxes(edge: Edge) -> None:
    with pytest.raises(ValueError, match="from earlier to later"):
        lay_out([Box(1, 1)] * 2, [edge])


def test_a_graph_has_boxes() -> None:
    with pytest.raises(ValueError, match="needs boxes"):
        lay_out([], [])
