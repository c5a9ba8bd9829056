"""The picture of a network, measured on the figure itself."""

import re
import xml.etree.ElementTree as ElementTree
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from enas.report.canvas import style
from enas.report.network import Row, draw_network, network_picture


def rows(n_layers: int = 8, auxiliary_after: int | None = 4, names: str = "layer") -> list[Row]:
    """Stem, layers with reductions at 2 and 5, auxiliary head, head."""
    made = [Row("stem", "stem", (32, 32), 48, 540, ())]
    for k in range(n_layers):
        side, channels = 32 >> (k >= 2) + (k >= 5), 16 << (k >= 2) + (k >= 5)
        inputs = (max(k - 1, 0), k)
        made.append(
            Row(f"{names} {k}", "reduction" if k in (2, 5) else "normal", (side, side), channels, 1000 * k, inputs)
        )
    if auxiliary_after is not None:
        made.append(Row("auxiliary head", "auxiliary", (1, 1), 10, 443_648, (auxiliary_after + 1,)))
    return [*made, Row("head", "head", (1, 1), 10, None if names == "bare" else 640, (n_layers,))]


def draw(made: list[Row]) -> Figure:
    with style():
        figure = draw_network(made)
        figure.canvas.draw()
        return figure


def boxes(figure: Figure) -> list[Bbox]:
    found = {str(p.get_gid()): p.get_window_extent() for p in figure.axes[0].patches}
    n = sum(re.fullmatch(r"network-row-\d+", gid) is not None for gid in found)
    return [found[f"network-row-{k}"] for k in range(n)]


def test_every_row_has_a_box_and_every_input_an_edge() -> None:
    made = rows()
    figure = draw(made)
    assert len(boxes(figure)) == len(made)
    gids = {str(p.get_gid()) for p in figure.axes[0].patches}
    edges = {gid for gid in gids if re.fullmatch(r"network-edge-\d+-\d+(-skip)?", gid)}
    assert len(edges) == sum(len(row.inputs) for row in made)
    # Layer 3 is row 4: it reads layer 2 and, past it, layer 1; the auxiliary head hangs on layer 4; the head ends it.
    assert {"network-edge-3-4", "network-edge-2-4-skip", "network-edge-5-9-skip", "network-edge-8-10"} <= edges
    assert {"network-edge-0-1", "network-edge-0-1-skip"} <= edges


def test_layers_stand_in_one_column_from_top_to_bottom() -> None:
    places = boxes(draw(rows()))
    column = [*places[:9], places[10]]
    assert max(box.x0 for box in column) - min(box.x0 for box in column) < 2
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(column))
    assert all(not one.overlaps(other) for one, other in combinations(places, 2))
    assert places[9].x1 < column[0].x0 or places[9].x0 > column[0].x1


def test_texts_say_kind_size_channels_and_parameters_inside_their_boxes() -> None:
    figure = draw(rows(names="a layer with a rather long $name$ <b>"))
    texts = {str(t.get_gid()): t for t in figure.axes[0].texts}
    assert texts["network-row-3-text-0"].get_text() == "a layer with a rather long $name$ <b> 2 · reduction cell"
    assert texts["network-row-3-text-1"].get_text() == "16×16, 32 channels · 2,000 parameters"
    assert texts["network-row-0-text-1"].get_text() == "32×32, 48 channels · 540 parameters"
    assert texts["network-row-10-text-2"].get_text() == "linear → 10 classes · 640 parameters"
    for k, box in enumerate(boxes(figure)):
        for gid, text in texts.items():
            if gid.startswith(f"network-row-{k}-text"):
                extent = text.get_window_extent()
                assert box.x0 < extent.x0 < extent.x1 < box.x1
                assert box.y0 < extent.y0 < extent.y1 < box.y1


def test_the_total_stands_below_the_title_where_all_is_known() -> None:
    assert "29,180 parameters + 443,648 of the auxiliary head" in {t.get_text() for t in draw(rows()).axes[0].texts}
    without = {t.get_text() for t in draw(rows(names="bare")).axes[0].texts}
    assert not any("+" in text for text in without)
    assert "linear → 10 classes" in without


@pytest.mark.parametrize("n_layers", [1, 17])
def test_any_depth_without_an_auxiliary_head(n_layers: int) -> None:
    figure = draw(rows(n_layers, auxiliary_after=None))
    places = boxes(figure)
    assert len(places) == n_layers + 2
    assert all(not one.overlaps(other) for one, other in combinations(places, 2))


def test_files_are_repeatable_and_readable_as_text(tmp_path: Path) -> None:
    svg, png = network_picture(rows(), tmp_path / "network", "Final <script>alert(1)</script> $x$")
    again = network_picture(rows(), tmp_path / "again", "Final <script>alert(1)</script> $x$")
    assert [file.read_bytes() for file in (svg, png)] == [file.read_bytes() for file in again]
    root = ElementTree.fromstring(svg.read_text())
    assert not [one for one in root.iter() if one.tag.endswith("script")]
    title = root.findtext("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.startswith("Final <script>alert(1)</script> $x$: stem · conv 3×3, 32×32, 48 channels")


def test_no_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rows"):
        network_picture([], tmp_path / "network")
    with pytest.raises(ValueError, match="from earlier to later"):
        network_picture([Row("stem", "stem", (8, 8), 3, 1, (0,))], tmp_path / "network")
    assert not list(tmp_path.iterdir())
