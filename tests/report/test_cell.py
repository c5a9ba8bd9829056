"""Pictures of cells, measured on the figures themselves."""

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox

from enas.errors import ConfigError
from enas.report.canvas import style
from enas.report.cell import OPERATION_NAMES, cell_pictures, draw_cell, draw_cells
from enas.report.layout import Floats
from enas.search_space import Architecture, MicroSpace
from enas.search_space.micro import Cell, unread_states

MNIST = "1 2 1 3 0 1 0 4 1 1 1 1 0 1 0 1 1 0 0 1 0 1 0 4 1 0 2 0 0 3 1 1 0 0 0 0 4 1 1 0"
SPACE = MicroSpace(5)


@st.composite
def architectures(draw: st.DrawFn) -> tuple[int, Architecture]:
    n = draw(st.integers(1, 7))
    integers = MicroSpace(n).integers
    return n, Architecture(tuple(draw(st.integers(0, integer.n_options - 1)) for integer in integers))


def patches(figure: Figure, pattern: str) -> dict[str, Patch]:
    """The artists whose whole gid matches."""
    return {str(p.get_gid()): p for p in figure.axes[0].patches if re.fullmatch(pattern, str(p.get_gid()))}


def boxes(figure: Figure, pattern: str) -> dict[str, Bbox]:
    """Their extents in pixels, y upwards."""
    return {gid: patch.get_window_extent() for gid, patch in patches(figure, pattern).items()}


def curve(patch: Patch) -> Floats:
    """Points on an edge, at most a pixel apart."""
    corners = np.asarray(patch.get_path().transformed(patch.get_transform()).to_polygons(closed_only=False)[0])
    way = np.append(0, np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1)))
    steps = np.arange(0, way[-1], 1.0)
    return np.stack([np.interp(steps, way, column) for column in corners.T], axis=1)


def check_cell(figure: Figure, cell: Cell, name: str) -> None:
    n, loose = len(cell), unread_states(cell)
    operations = boxes(figure, rf"{name}-node-\d+-operation-\d")
    assert set(operations) == {f"{name}-node-{k}-operation-{b}" for k in range(n) for b in (0, 1)}
    nodes, sums = boxes(figure, rf"{name}-node-\d+"), patches(figure, rf"{name}-node-\d+-add")
    assert len(nodes) == len(sums) == n
    ends = boxes(figure, rf"{name}-(input-\d|concat|output)")
    assert len(ends) == 4
    edges = patches(figure, rf"{name}-edge-\d+-\d+(-again)?")
    expected = [(b.source, k + 2) for k, node in enumerate(cell) for b in node]
    expected += [*((state, n + 2) for state in loose), (n + 2, n + 3)]
    found = [tuple(int(part) for part in gid.split("-edge-")[1].split("-")[:2]) for gid in edges]
    assert sorted(found) == sorted(expected)
    assert len(patches(figure, rf"{name}-edge-.*-head")) == len(expected)
    for one, other in combinations([*nodes.values(), *ends.values()], 2):
        assert not one.overlaps(other), "boxes overlap"
    for k in range(n):
        left, right = operations[f"{name}-node-{k}-operation-0"], operations[f"{name}-node-{k}-operation-1"]
        assert not left.overlaps(right)
        for inner in (left, right):
            outer = nodes[f"{name}-node-{k}"]
            assert outer.x0 < inner.x0 < inner.x1 < outer.x1
            assert outer.y0 < inner.y0 < inner.y1 < outer.y1
    check_edges(edges, [*operations.values(), *ends.values()])
    check_texts(figure, {**operations, **ends})


def check_edges(edges: dict[str, Patch], solid: list[Bbox]) -> None:
    for gid, patch in edges.items():
        points = curve(patch)
        for box in solid:
            x, y = points.T
            inside = (x > box.x0 + 1.5) & (x < box.x1 - 1.5) & (y > box.y0 + 1.5) & (y < box.y1 - 1.5)
            assert not inside.any(), f"{gid} runs through a box"


def check_texts(figure: Figure, around: dict[str, Bbox]) -> None:
    texts = {str(text.get_gid()): text.get_window_extent() for text in figure.axes[0].texts}
    for gid, box in around.items():
        text = texts[f"{gid}-text"]
        assert box.x0 < text.x0 < text.x1 < box.x1
        assert box.y0 < text.y0 < text.y1 < box.y1


@settings(max_examples=12)
@given(architectures())
def test_boxes_edges_and_texts_are_the_architecture_s(drawn: tuple[int, Architecture]) -> None:
    n, architecture = drawn
    cell = MicroSpace(n).cells(architecture)[0]
    with style():
        check_cell(draw_cell(cell, "A cell", "cell"), cell, "cell")


@pytest.mark.parametrize("n", range(1, 8))
def test_chains_of_every_length(n: int) -> None:
    space = MicroSpace(n)
    chain = Architecture(tuple(v for _ in "nr" for k in range(n) for v in (k + 1, k % 5, 0, 4)))
    with style():
        figure = draw_cells(space, chain)
        for name, cell in zip(("normal", "reduction"), space.cells(chain), strict=True):
            check_cell(figure, cell, name)


def test_a_branch_stands_on_the_side_from_which_its_edge_comes() -> None:
    with style():
        figure = draw_cell(SPACE.cells(Architecture.from_text(MNIST))[1], "Reduction cell", "cell")
    operations = boxes(figure, r"cell-node-\d-operation-\d")
    heads = boxes(figure, r"cell-edge-\d-\d(-again)?-head")
    # Node 2 takes max pool of input 0 and a convolution of input 1; node 4 a convolution of node 2 and one of input 1.
    for node, branch, gid in [(2, 0, "0-4"), (2, 1, "1-4"), (4, 0, "4-6"), (4, 1, "1-6")]:
        tip, box = heads[f"cell-edge-{gid}-head"], operations[f"cell-node-{node}-operation-{branch}"]
        assert box.x0 < tip.x0 < tip.x1 < box.x1
        assert tip.y0 == pytest.approx(box.y1, abs=1.0)


def test_an_unread_input_is_concatenated() -> None:
    cell = MicroSpace(1).cells(Architecture.from_text("1 0 1 3 1 0 1 3"))[0]
    with style():
        figure = draw_cell(cell, "A cell", "cell")
    assert set(patches(figure, r"cell-edge-\d-3")) == {"cell-edge-0-3", "cell-edge-2-3"}


def test_two_wide_cells_stand_one_below_the_other() -> None:
    with style():
        wide = draw_cells(SPACE, Architecture.from_text(MNIST))
        narrow = draw_cells(MicroSpace(1), Architecture.from_text("0 0 1 1 0 2 1 3"))
    assert wide.get_figwidth() < 18.5
    titles = {text.get_text(): text.get_window_extent() for text in wide.axes[0].texts}
    assert titles["Normal cell"].y0 > titles["Reduction cell"].y1
    titles = {text.get_text(): text.get_window_extent() for text in narrow.axes[0].texts}
    assert titles["Normal cell"].y0 == titles["Reduction cell"].y0


def test_files_are_repeatable_and_name_the_operations(tmp_path: Path) -> None:
    architecture = Architecture.from_text(MNIST)
    files = cell_pictures(SPACE, architecture, tmp_path / "best")
    again = cell_pictures(SPACE, architecture, tmp_path / "again")
    names = ["best_normal_cell.svg", "best_normal_cell.png", "best_reduction_cell.svg", "best_reduction_cell.png"]
    assert [file.name for file in files] == names
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    text = files[0].read_text()
    title = ElementTree.fromstring(text).findtext("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.startswith(
        "Normal cell: node 0 = avg pool 3×3 of previous layer + max pool 3×3 of previous layer; node 1"
    )
    for name in ("sep conv 3×3", "sep conv 5×5", "avg pool 3×3", "max pool 3×3", "identity"):
        assert name in OPERATION_NAMES
        assert name in text


def test_ids_are_unique_also_where_one_page_holds_both_cells(tmp_path: Path) -> None:
    ids = []
    for file in cell_pictures(SPACE, Architecture.from_text(MNIST), tmp_path / "best")[::2]:
        ids += re.findall(r' id="((?:normal|reduction)-[^"]+)"', file.read_text())
    assert len(ids) > 100
    assert len(set(ids)) == len(ids)


def test_another_space_s_architecture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has 40 integers, but this search space needs 32"):
        cell_pictures(MicroSpace(4), Architecture.from_text(MNIST), tmp_path / "x")
    assert not list(tmp_path.iterdir())
