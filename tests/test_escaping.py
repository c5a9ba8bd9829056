"""Names out of data (genes, classes, files) are text wherever they appear: in SVG, CSV, figures and names of files."""

import csv
import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_allclose

from enas import report
from enas.console import Silent
from enas.data.dataset import Dataset, Target
from enas.data.images import ImageSet
from enas.evaluate import Evaluation, evaluate
from enas.explain import explain
from enas.files import guard_cell, problem_of_name
from enas.metrics.classification import evaluate_classification
from enas.misclassified import draw_misclassified
from enas.predict import predict
from enas.printable import printable, quoted
from enas.report import beeswarm, confusion, curves, importance
from enas.report.canvas import style, write
from enas.report.labels import clean
from enas.report.network import draw_network
from enas.table_model import TableModel

pytestmark = pytest.mark.usefixtures("one_thread")

NASTY = (
    "<script>alert(1)</script>",
    "</svg>",
    "&amp; &#x41; ]]>",
    "-- > <!-- -",
    "\"' onload='x",
    "$\\frac$",
    "$x",
    "$\\frac{1}{2}$ x_1^2 \\N{DOLLAR}",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "@SUM(A1)",
    "-2+3",
    "two\nlines\r\n, three",
    "\u202egnp.exe\u200f",
    "\x1b[31mred\x07\x00",
    "../../etc/passwd",
    "C:\\nul",
    "con",
    ".",
    "..",
    " ",
    "a/b",
    "a:b",
    "A:B",
    "é",
    "e\u0301",
    "%s%n{0}{}",
    "急性淋巴细胞白血病" * 33,
    "x" * 300,
    "\U0001f9ec",
)
N = len(NASTY)
X = np.random.default_rng(0).normal(size=(2 * N, N)).astype(np.float32)
TABLE = Dataset(X, NASTY, True, NASTY * 2, True, Target(("=1+1",), np.arange(2 * N) % N, NASTY), "x.tsv")
FILE_NAMES = ("a_b_2", "a/b", "a:b", "A:B", "../../etc/x", "con", "..", " ", "<script>", "急性" * 99, "é", "e\u0301")
FEW = Target(("class",), np.arange(2 * N) % len(FILE_NAMES), FILE_NAMES)
MakeModel = Callable[..., TableModel]


def draw_everything(names: Sequence[str]) -> dict[str, Figure]:
    """Each figure that shows names of classes or features."""
    n = len(names)
    y, generator = np.arange(2 * n) % n, np.random.default_rng(1)
    values, scores = generator.normal(size=(2 * n, n)), generator.dirichlet(np.ones(n), 2 * n)
    return {
        "confusion": confusion.draw_matrix(np.eye(n, dtype=int), names),
        "roc": curves.draw_roc(scores, y, names),
        "bar": importance.draw_bar(values, names, n, names[0]),
        "total": importance.draw_total(np.stack([values] * n), names, names, n, names[0]),
        "dots": beeswarm.draw_dots(values, values, names, n, names[0]),
    }


def parse(figure: Figure, path: Path) -> ElementTree.Element:
    """The figure's SVG: one whole document in which nothing can be run and nothing is fetched."""
    root = ElementTree.parse(write(figure, path)).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not {element.tag.rpartition("}")[2] for element in root.iter()} & {"script", "foreignObject", "a", "iframe"}
    for key, value in (pair for element in root.iter() for pair in element.attrib.items()):
        assert not key.startswith("on")
        assert not key.endswith("href") or value.startswith(("#", "data:image/png;"))
    return root


@pytest.mark.parametrize("first", range(5))
def test_names_in_svg(first: int, tmp_path: Path) -> None:
    with warnings.catch_warnings(), style():
        warnings.simplefilter("error", append=True)
        for kind, figure in draw_everything(NASTY[first::5]).items():
            parse(figure, tmp_path / f"{kind}.svg")


@pytest.mark.parametrize("name", NASTY, ids=lambda name: ascii(name)[1:24])
def test_titles_in_svg(name: str, tmp_path: Path) -> None:
    with style():
        figure = draw_network([report.Row("stem", "stem", (4, 4), 3, 9, ())], name)
        title = parse(figure, tmp_path / "network.svg").find(".//{http://purl.org/dc/elements/1.1/}title")
    assert title is not None
    assert (title.text or "").startswith(clean(name))


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def is_formula(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return False


def test_predictions(make_model: MakeModel, tmp_path: Path) -> None:
    found = predict(make_model(X, TABLE.target), TABLE, tmp_path, batch_size=99, progress=Silent())
    header, *rows = rows_of(found.file)
    assert header == ["sample_id", "predicted_result", "softmax_value", *(f"softmax_{name}" for name in NASTY)]
    assert [row[0] for row in rows] == [guard_cell(name) for name in NASTY * 2]
    assert {row[1] for row in rows} <= {guard_cell(name) for name in NASTY}
    assert_allclose([[float(cell) for cell in row[3:]] for row in rows], [json.loads(row[2]) for row in rows])
    assert not any(is_formula(cell) for row in rows for cell in row)


def test_evaluation(make_model: MakeModel, tmp_path: Path) -> None:
    few = replace(TABLE, target=FEW)
    evaluate(make_model(X, FEW), few, set(), tmp_path, batch_size=99, progress=Silent())
    metrics = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))["metrics"]
    assert set(FILE_NAMES) <= set(texts_in(metrics))


def texts_in(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (key, *texts_in(item))]
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    return [value] if isinstance(value, str) else []


def test_explanations(make_model: MakeModel, tmp_path: Path) -> None:
    """Files named after classes: one each, none outside the folder, none that some system cannot have."""
    few = replace(TABLE, target=FEW)
    found = explain(make_model(X, FEW), few, tmp_path, n_samples=3, n_shown=3, seed=0, progress=Silent())
    assert len(found.files) == 2 + 5 * len(FILE_NAMES) + 2
    assert sorted(found.files) == sorted(tmp_path.iterdir())
    assert len({file.name.casefold() for file in found.files}) == len(found.files)
    assert [problem_of_name(file.name) for file in found.files] == [None] * len(found.files)
    for file in (file for file in found.files if file.suffix == ".csv"):
        rows = rows_of(file)
        assert len({len(row) for row in rows}) == 1
        assert not any(is_formula(cell) for row in rows for cell in row)
    assert {row[1] for row in rows_of(tmp_path / "_features_orders.csv")[1:]} == {guard_cell(name) for name in NASTY}


def test_misclassified_images(tmp_path: Path) -> None:
    labels = np.arange(N)
    outputs = np.eye(N)[::-1].astype(np.float64)
    images = ImageSet(np.zeros((N, 4, 4, 1), np.uint8), NASTY, Target(("class",), labels, NASTY), "images")
    metrics = evaluate_classification(outputs, labels, NASTY)
    evaluation = Evaluation(metrics, None, 0, N, "images", np.ones(N, bool), outputs, ())
    done = draw_misclassified(evaluation, images, NASTY, tmp_path)
    rows = rows_of(done.files[0])[1:]
    assert sorted(row[0] for row in rows) == sorted(map(guard_cell, NASTY))
    assert not any(is_formula(cell) for row in rows for cell in row)
    assert done.files[1].stat().st_size > 1_000


@pytest.mark.parametrize("name", NASTY, ids=lambda name: ascii(name)[1:24])
def test_messages_show_them_harmlessly(name: str) -> None:
    assert printable(name).isprintable()
    assert quoted(name).isprintable()
    assert len(quoted(name)) <= 162
    assert printable("TP53 é 急性\t+/-") == "TP53 é 急性\t+/-"
