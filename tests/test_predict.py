"""Prediction: the table's columns, what stands in them, and regression."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from enas.console import Silent
from enas.data.dataset import Dataset, FloatArray, Target
from enas.model import probabilities_of
from enas.predict import predict
from enas.table_model import TableModel

MakeModel = Callable[..., TableModel]
pytestmark = pytest.mark.usefixtures("one_thread")
X: FloatArray = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
CLASSES = Target(("grade",), np.arange(24) % 3, ("low", "mid, really", "=high"))
VALUES = Target(("size", "age"), np.random.default_rng(1).normal(40, 9, (24, 2)).astype(np.float32))
TABLE = Dataset(X, tuple("abcdef"), True, tuple(f"s{i}" for i in range(24)), True, None, "x.tsv")


def test_classification(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(X, CLASSES)
    found = predict(model, TABLE, tmp_path, batch_size=5, progress=Silent())
    assert found.file == tmp_path / "enas_predicted_result_data_frame.csv"
    table = pl.read_csv(found.file)
    assert table.columns[:4] == ["sample_id", "predicted_result", "softmax_value", "softmax_low"]
    assert len(table.columns) == 6
    assert table["sample_id"].to_list() == list(TABLE.sample_ids) == list(found.sample_ids)
    softmax = table.select(table.columns[3:]).to_numpy()
    assert_allclose(softmax, probabilities_of(model.predict(X)), rtol=1e-5, atol=1e-7)
    assert_allclose(softmax.sum(axis=1), 1, atol=1e-6)
    assert_allclose([json.loads(cell) for cell in table["softmax_value"]], softmax, rtol=1e-7)
    best = softmax.argmax(axis=1)
    assert found.predicted == tuple(CLASSES.classes[i] for i in best)
    assert [name.lstrip("'") for name in table["predicted_result"]] == list(found.predicted)
    assert found.probabilities is not None
    assert_allclose(found.probabilities, softmax, rtol=1e-5, atol=1e-7)


def test_regression_gives_a_column_per_target(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(X, VALUES)
    found = predict(model, TABLE, tmp_path, batch_size=100, progress=Silent())
    table = pl.read_csv(found.file)
    assert table.columns == ["sample_id", "predicted_size", "predicted_age"]
    assert_allclose(table.drop("sample_id").to_numpy(), model.predict(X), rtol=1e-6)
    assert found.probabilities is None


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_probabilities_do_not_overflow(scale: float) -> None:
    p = probabilities_of(scale * np.random.default_rng(0).normal(size=(50, 4)))
    assert np.isfinite(p).all()
    assert_allclose(p.sum(axis=1), 1)
