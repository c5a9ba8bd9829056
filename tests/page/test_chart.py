"""Charts: what is drawn where, and round ticks."""

from xml.etree import ElementTree

import pytest

from enas.page.chart import Chart, Series, ticks
from enas.page.dense import draw_dense
from enas.search_space import Architecture, DenseSpace


def test_points_are_where_they_belong() -> None:
    svg = Chart("<b>", "x", "y", [Series([(0, 0), (1, 1)], label="a & b")], (0, 1), (0, 1)).svg()
    root = ElementTree.fromstring(svg)
    assert root.findtext("title") == "<b>"
    (line,) = (path for path in root.iter("path") if path.attrib["class"] == "line main" and "L" in path.attrib["d"])
    assert line.attrib["d"] == "M44 174L280 26"
    assert "a & b" in [text.text for text in root.iter("text")]


@pytest.mark.parametrize("values", [[(1.0, 2.0)], [(1.0, 0.0), (2.0, 0.0)], [(-1e9, 1e-9), (1e9, 2e-9)]])
def test_any_points_can_be_drawn(values: list[tuple[float, float]]) -> None:
    assert ElementTree.fromstring(Chart("title", "x", "y", [Series(values)]).svg()).tag == "svg"


def test_no_points_no_chart() -> None:
    assert Chart("title", "x", "y", [Series([])]).svg() == ""


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1, 10, [2, 4, 6, 8, 10]),
        (0, 0.031, [0, 0.01, 0.02, 0.03]),
        (-3, 3, [-2, 0, 2]),
        (58.19, 58.31, [58.2, 58.225, 58.25, 58.275, 58.3]),
    ],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_every_description_of_the_space_is_drawn() -> None:
    space = DenseSpace(3, (32, 64), screens=(20, None))
    found = Architecture.from_text("0 1 0 1 1 1 1")
    root = ElementTree.fromstring(draw_dense(space.describe(found), 500, 64, "2 classes"))
    labels = [text.text for text in root.iter("text")]
    assert labels == ["500 features", "20 features kept", "first layer: 64 units", "layer 1: 64", "layer 2: 32",
                      "layer 3: 64", "2 classes", "linear shortcut"]  # fmt: skip
    assert sum(path.attrib["class"] == "edge skip" for path in root.iter("path")) == 3
    all_features = ElementTree.fromstring(draw_dense("all features → 32", 500, 64, "2 classes"))
    assert "all features kept" not in [text.text for text in all_features.iter("text")]
    weighed = DenseSpace(1, (32, 64), sharpness=(0, 2)).describe(Architecture.from_text("1 0"))
    labels = [text.text for text in ElementTree.fromstring(draw_dense(weighed, 500, 64, "")).iter("text")]
    assert labels[:3] == ["500 features", "all features by score^2", "first layer: 64 units"]


def test_other_descriptions_are_not() -> None:
    assert draw_dense("normal: separable conv 5×5(0) + identity(1)", 3, 64, "") == ""
