import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from enas.draw import draw_architecture, infer_space
from enas.errors import ConfigError, RunError
from enas.search_space import Architecture

AUTHORS = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
SMALL = "0 0 1 2 1 4 0 3"


@pytest.mark.parametrize(("suffix", "beginning"), [(".svg", b"<?xml"), (".png", b"\x89PNG"), (".PDF", b"%PDF")])
def test_a_file_holds_both_cells(suffix: str, beginning: bytes, tmp_path: Path) -> None:
    output = tmp_path / f"cell{suffix}"
    assert draw_architecture(AUTHORS, output) == (output,)
    assert [file.name for file in tmp_path.iterdir()] == [output.name]
    assert output.read_bytes().startswith(beginning)


def test_the_svg_tells_both_cells(tmp_path: Path) -> None:
    (file,) = draw_architecture(SMALL, tmp_path / "cell.svg")
    title = ElementTree.fromstring(file.read_text()).findtext("{http://www.w3.org/2000/svg}title")
    assert title == (
        "Normal cell: node 0 = sep conv 3×3 of layer before the previous + avg pool 3×3 of previous layer; "
        "output = concat of node 0. "
        "Reduction cell: node 0 = identity of previous layer + max pool 3×3 of layer before the previous; "
        "output = concat of node 0"
    )


def test_a_directory_or_a_stem_takes_a_picture_per_cell(tmp_path: Path) -> None:
    kinds = ("normal_cell.svg", "normal_cell.png", "reduction_cell.svg", "reduction_cell.png")
    assert [file.name for file in draw_architecture(SMALL, tmp_path)] == [f"architecture_{kind}" for kind in kinds]
    assert [file.name for file in draw_architecture(SMALL, tmp_path / "v1.5")] == [f"v1.5_{kind}" for kind in kinds]
    assert len(list(tmp_path.iterdir())) == 8


@pytest.mark.parametrize("n_nodes", range(1, 8))
def test_the_length_tells_the_number_of_nodes(n_nodes: int) -> None:
    assert infer_space(Architecture((0,) * 8 * n_nodes)).n_nodes == n_nodes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (AUTHORS[:-2], r"has 39 integers, .* 8 a node: 40 for 5 nodes"),
        ("1 2", r"has 2 integers, .* 8 for 1 node$"),
        (f"0 5{AUTHORS[3:]}", r"integer 2 .* is 5, but operation 1 of node 0 of the normal cell must be from 0 to 4"),
        (f"{AUTHORS[:-3]}7 1", r"integer 39 .* is 7, but input 2 of node 4 of the reduction cell must be from 0 to 5"),
        ("1 2 x", "is not an architecture"),
        ("", "at least one integer"),
    ],
)
def test_an_invalid_architecture_says_why(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        draw_architecture(text, tmp_path / "cell.svg")
    assert not list(tmp_path.iterdir())


def test_other_pictures_are_refused_and_missing_directories_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot draw .*cell\.jpg: pictures are written as \.svg, \.png, \.pdf"):
        draw_architecture(SMALL, tmp_path / "cell.jpg")
    with pytest.raises(RunError, match="No such file"):
        draw_architecture(SMALL, tmp_path / "missing" / "cell.svg")
