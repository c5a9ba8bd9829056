"""What all figures have in common: files, determinism, names, speed."""

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread

from enas import report

NAMES = ["ACTB", "HLA-DRB1 $beta$_chain $x", "急性白血病", "naïve\tT\ncells", "a very long name, " * 9, "", "%s{}\\"]
N = len(NAMES)
GENERATOR = np.random.default_rng(0)
VALUES = GENERATOR.normal(size=(30, N))
CLASS_VALUES = GENERATOR.normal(size=(N, 30, N))
PROBABILITIES, Y = GENERATOR.dirichlet(np.ones(N), 60), GENERATOR.integers(0, N, 60)
RECORDS = [
    {"epoch": k, "reward": 0.5 + k / 20, "baseline": k / 20, "entropy": 8 - k, "loss": 1 / k} for k in range(1, 6)
]
Draw = Callable[[Path], tuple[Path, Path]]
DRAWINGS: dict[str, Draw] = {
    "confusion": lambda stem: report.confusion_matrix(np.eye(N, dtype=int), NAMES, stem),
    "roc": lambda stem: report.roc_curves(PROBABILITIES, Y, NAMES, stem),
    "scatter": lambda stem: report.scatter(VALUES, VALUES * 1.1, NAMES, stem),
    "search": lambda stem: report.search_curves(RECORDS, stem),
    "bar": lambda stem: report.importance_bar(VALUES, NAMES, stem, title=NAMES[1]),
    "total": lambda stem: report.importance_bar_total(CLASS_VALUES, NAMES, NAMES, stem),
    "dots": lambda stem: report.importance_dots(VALUES, VALUES, NAMES, stem, title=NAMES[4]),
}


@pytest.mark.parametrize("kind", DRAWINGS)
def test_odd_names_give_whole_repeatable_pictures_without_warnings(kind: str, tmp_path: Path) -> None:
    settings = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pdf, png = DRAWINGS[kind](tmp_path / "v1.5_first")
        again = DRAWINGS[kind](tmp_path / "again")
    assert (pdf.name, png.name) == ("v1.5_first.pdf", "v1.5_first.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.pdf", "again.png", "v1.5_first.pdf", "v1.5_first.png"]
    assert pdf.read_bytes().startswith(b"%PDF")
    assert b"CreationDate" not in pdf.read_bytes()
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in (pdf, png)]
    assert dict(matplotlib.rcParams) == settings
    picture = imread(png)[..., :3]
    border = np.concatenate(
        [picture[:2].ravel(), picture[-2:].ravel(), picture[:, :2].ravel(), picture[:, -2:].ravel()]
    )
    assert (border == 1).all()  # nothing is cut off


def test_zeros_and_single_samples_are_drawn(tmp_path: Path) -> None:
    report.importance_bar(np.zeros((1, 1)), ["a"], tmp_path / "bar")
    report.importance_dots(np.zeros((1, 1)), np.zeros((1, 1)), ["a"], tmp_path / "dots")
    report.scatter(np.zeros(1), np.zeros(1), ["a"], tmp_path / "scatter")
    assert len(list(tmp_path.iterdir())) == 6


def test_a_user_style_changes_nothing(tmp_path: Path) -> None:
    plain = report.search_curves(RECORDS, tmp_path / "plain")
    with matplotlib.rc_context(
        {"font.size": 30, "savefig.bbox": "tight", "axes.facecolor": "red", "text.usetex": True}
    ):
        styled = report.search_curves(RECORDS, tmp_path / "styled")
    assert [p.read_bytes() for p in plain] == [p.read_bytes() for p in styled]


def test_pyplot_is_not_imported() -> None:
    code = "import sys, enas.report; sys.exit('matplotlib.pyplot' in sys.modules or 'shap' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    assert subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0


@pytest.mark.parametrize(
    "draw",
    [
        lambda stem: report.confusion_matrix(np.eye(3), ["a", "b"], stem),
        lambda stem: report.confusion_matrix(np.zeros((0, 0)), [], stem),
        lambda stem: report.roc_curves(np.eye(3), np.arange(3), ["a", "b"], stem),
        lambda stem: report.scatter(np.ones((3, 2)), np.ones((3, 1)), ["a"], stem),
        lambda stem: report.search_curves([], stem),
        lambda stem: report.importance_bar(np.ones((3, 2)), ["a"], stem),
        lambda stem: report.importance_bar(np.full((3, 1), np.nan), ["a"], stem),
        lambda stem: report.importance_bar_total(np.ones((2, 3, 1)), ["a"], ["x"], stem),
        lambda stem: report.importance_dots(np.ones((3, 1)), np.ones((2, 1)), ["a"], stem),
    ],
)
def test_bad_input_writes_nothing(draw: Draw, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"shapes do not match|no records|not finite"):
        draw(tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_the_figures_of_a_run_take_seconds(tmp_path: Path) -> None:
    names, values = [f"GENE{i}" for i in range(23_361)], GENERATOR.normal(size=(2, 80, 23_361)).astype(np.float32)
    start = time.process_time()
    report.confusion_matrix(np.array([[60, 10], [3, 27]]), ["0", "1"], tmp_path / "matrix")
    report.roc_curves(PROBABILITIES[:, :2], Y % 2, ["0", "1"], tmp_path / "roc")
    for k in (0, 1):
        report.importance_dots(values[k], values[1 - k], names, tmp_path / f"dots{k}")
        report.importance_bar(values[k], names, tmp_path / f"bar{k}")
    report.importance_bar_total(values, names, ["0", "1"], tmp_path / "total")
    assert time.process_time() - start < 8  # 2 s on a quiet machine
