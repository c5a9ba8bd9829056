"""Evaluation: rows that were trained on are recognised, counted and kept apart, and the headline says so."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from enas.console import Silent
from enas.data.dataset import Dataset, FloatArray, IntArray, Target
from enas.data.hashing import row_hashes
from enas.evaluate import Evaluation, evaluate
from enas.metrics import ClassificationMetrics, RegressionMetrics
from enas.table_model import TableModel

MakeModel = Callable[..., TableModel]
pytestmark = pytest.mark.usefixtures("one_thread")
X: FloatArray = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
CLASSES = Target(("grade",), np.arange(40) % 2, ("low", "high"))
VALUES = Target(("size",), (10 * X[:, :1]).astype(np.float32))


def rows_of(rows: IntArray, target: Target = CLASSES) -> Dataset:
    part = Target(target.names, target.values[rows], target.classes)
    names = tuple(f"g{i}" for i in range(6))
    return Dataset(X[rows], names, True, tuple(f"s{row}" for row in rows), True, part, "x.tsv")


SEEN = {int(value) for value in row_hashes(X[:20])}
OLD, NEW = np.arange(20), np.arange(20, 40)


def run(make_model: MakeModel, rows: IntArray, folder: Path, target: Target = CLASSES) -> Evaluation:
    return evaluate(make_model(X, target), rows_of(rows, target), SEEN, folder, batch_size=7, progress=Silent())


def accuracy(model: TableModel, rows: IntArray) -> float:
    return float((model.predict(X[rows]).argmax(axis=1) == CLASSES.values[rows]).mean())


def test_only_new_rows(make_model: MakeModel, tmp_path: Path) -> None:
    found = run(make_model, NEW, tmp_path)
    assert (found.n_seen, found.n_rows, found.all_rows) == (0, 20, None)
    assert found.headline.endswith("on 20 rows that the model has not seen")
    assert isinstance(found.metrics, ClassificationMetrics)
    assert found.metrics.accuracy.value == pytest.approx(accuracy(make_model(X, CLASSES), NEW))
    assert found.headline.startswith(f"accuracy {found.metrics.accuracy}")


def test_only_rows_that_were_trained_on(make_model: MakeModel, tmp_path: Path) -> None:
    found = run(make_model, OLD, tmp_path)
    assert (found.n_seen, found.n_rows, found.all_rows) == (20, 20, None)
    assert "TRAINED ON" in found.headline
    assert "says nothing about new samples" in found.headline


def test_a_mixture_gives_the_headline_to_the_new_rows(make_model: MakeModel, tmp_path: Path) -> None:
    rows = np.array([3, 25, 7, 30, 31, 32, 33, 9])
    found, model = run(make_model, rows, tmp_path), make_model(X, CLASSES)
    assert (found.n_seen, found.n_rows) == (3, 8)
    assert "on the 5 rows that the model has not seen (3 others were trained on)" in found.headline
    assert isinstance(found.metrics, ClassificationMetrics)
    assert isinstance(found.all_rows, ClassificationMetrics)
    assert found.metrics.accuracy.value == pytest.approx(accuracy(model, rows[rows >= 20]))
    assert found.all_rows.accuracy.value == pytest.approx(accuracy(model, rows))
    written = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert (written["n_rows"], written["n_rows_seen_in_training"]) == (8, 3)
    assert written["headline"] == found.headline
    assert written["metrics_of_all_rows"] is not None


def test_missing_values_and_negative_zeros_do_not_hide_a_row(make_model: MakeModel, tmp_path: Path) -> None:
    x = X.copy()
    x[0, 0], x[0, 1] = np.nan, 0.0
    seen = {int(value) for value in row_hashes(x[:1])}
    x[0, 1] = -0.0
    table = Dataset(x[:2], tuple("abcdef"), True, ("s0", "s1"), True, Target(("y",), np.array([0, 1]), ("l", "h")), "x")
    model = make_model(X, CLASSES)
    assert evaluate(model, table, seen, tmp_path, batch_size=10, progress=Silent()).n_seen == 1


def test_the_figures_are_there_as_pdf_and_png(make_model: MakeModel, tmp_path: Path) -> None:
    names = {file.name for file in run(make_model, NEW, tmp_path).files}
    assert {"enas_confusion_matrix.pdf", "enas_confusion_matrix.png"} <= names
    assert {"enas_roc_curves.pdf", "enas_roc_curves.png", "evaluation.json"} <= names
    assert names == {file.name for file in tmp_path.iterdir()}


def test_every_metric_comes_with_an_interval(make_model: MakeModel, tmp_path: Path) -> None:
    found = run(make_model, NEW, tmp_path).metrics
    assert isinstance(found, ClassificationMetrics)
    text = found.to_text()
    for name in ("accuracy", "balanced accuracy", "macro F1", "AUROC", "log-loss", "precision", "recall", "support"):
        assert name.lower() in text.lower()
    written = json.dumps(found.to_dict())
    for name in ("low", "high"):
        assert f'"{name}"' in written
    assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high


def test_a_regression_has_its_own_metrics_and_figure(make_model: MakeModel, tmp_path: Path) -> None:
    found = run(make_model, NEW, tmp_path, VALUES)
    assert isinstance(found.metrics, RegressionMetrics)
    assert found.headline.startswith("R²")
    assert {"enas_scatter.pdf", "enas_scatter.png"} <= {file.name for file in found.files}
    for name in ("R²", "RMSE", "MAE", "Spearman"):
        assert name in found.metrics.to_text()


def test_evaluating_changes_nothing_in_the_table(make_model: MakeModel, tmp_path: Path) -> None:
    before = X.copy()
    run(make_model, NEW, tmp_path)
    assert_array_equal(X, before)
