"""Estimators on AnnData objects and on sparse matrices: the same model as of the dense table, results written back."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csc_matrix, csr_matrix

from enas import ENASClassifier, ENASRegressor
from enas.errors import DataError

QUICK: dict[str, Any] = {"search_epochs": 1, "epochs": 2, "controller_steps": 2, "max_channels": 16, "random_state": 0}
N, P = 60, 40


def make_counts(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    types = np.array(["B", "NK", "T"])[np.arange(N) % 3]
    x = generator.poisson(0.5, (N, P)).astype(np.float32)
    x[types == "B", :4] += 2
    x[types == "T", 4:8] += 2
    return x, types


def make_adata(x: Any, types: np.ndarray, **obs: Any) -> Any:
    anndata = pytest.importorskip("anndata", reason="AnnData is not tested: anndata is not installed")
    import pandas as pd

    columns = {"type": pd.Categorical(types), "batch": np.arange(N) // 10, **obs}
    names = [f"cell{i}" for i in range(N)]
    adata = anndata.AnnData(x, obs=pd.DataFrame(columns, index=names))
    adata.var_names = [f"G{j}" for j in range(P)]
    return adata


@pytest.mark.parametrize("form", [csr_matrix, csc_matrix], ids=["csr", "csc"])
def test_a_sparse_matrix_gives_the_model_of_its_dense_form_to_the_bit(form: Any) -> None:
    x, types = make_counts()
    dense, sparse = (ENASClassifier(**QUICK).fit(data, types) for data in (x, form(x)))
    assert sparse.best_architecture_ == dense.best_architecture_
    assert_array_equal(sparse.predict_proba(form(x)), dense.predict_proba(x))
    for mine, other in zip(sparse.model_.members, dense.model_.members, strict=True):
        for name, tensor in mine.tensors.items():
            assert_array_equal(tensor.numpy(), other.tensors[name].numpy())


def test_an_anndata_gives_the_model_of_its_parts() -> None:
    x, types = make_counts()
    adata = make_adata(csr_matrix(x), types)
    parts = ENASClassifier(**QUICK).fit(x, types, groups=np.arange(N) // 10)
    whole = ENASClassifier(**QUICK).fit(adata, label_key="type", batch_key="batch")
    assert whole.classes_.tolist() == ["B", "NK", "T"]
    assert whole.feature_names_in_[:2].tolist() == ["G0", "G1"]
    assert_array_equal(whole.predict_proba(adata), parts.predict_proba(x))


def test_features_are_matched_by_name_and_missing_ones_are_named() -> None:
    adata = make_adata(csr_matrix(make_counts()[0]), make_counts()[1])
    model = ENASClassifier(**QUICK).fit(adata, label_key="type")
    assert_array_equal(model.predict_proba(adata[:, ::-1].copy()), model.predict_proba(adata))
    with pytest.raises(DataError, match="lacks 1 of the 40 features: G0"):
        model.predict(adata[:, 1:].copy())


def test_what_the_model_makes_of_an_anndata_is_written_into_it() -> None:
    x, types = make_counts()
    adata = make_adata(csr_matrix(x), types)
    model = ENASClassifier(**QUICK).fit(adata, label_key="type")
    model.annotate(adata)
    assert adata.obs["enas_prediction"].tolist() == model.predict(adata).tolist()
    assert_allclose(adata.obs["enas_probability"], model.predict_proba(adata).max(axis=1), rtol=1e-6)
    assert_array_equal(adata.obsm["X_enas"], np.concatenate(list(model.model_.embeddings(x))))
    importance = np.abs(model.explain(adata).values).mean(axis=1).sum(axis=0)
    assert_allclose(adata.var["enas_importance"], importance, rtol=1e-5)
    model.annotate(adata)  # once more: columns are replaced
    assert list(adata.obs) == ["type", "batch", "enas_prediction", "enas_probability"]


def test_a_regression_reads_and_writes_numbers() -> None:
    x, types = make_counts()
    adata = make_adata(x, types, age=x[:, 0] * 2.0 + x[:, 1])
    adata.layers["counts"] = csr_matrix(x)
    model = ENASRegressor(**QUICK).fit(adata, label_key="age", layer="counts")
    model.annotate(adata)
    assert_allclose(adata.obs["enas_prediction"], model.predict(adata), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "labels are named by label_key or given as y"),
        ({"label_key": "typ"}, "label_key 'typ' is no column of obs; did you mean 'type'"),
        ({"label_key": "type", "batch_key": "lot"}, "batch_key 'lot' is no column"),
        ({"label_key": "type", "layer": "none"}, "no layer 'none'"),
        ({"label_key": "type", "y": np.arange(N)}, "labels are named by label_key or given as y"),
    ],
)
def test_wrong_keys_are_refused_by_name(arguments: dict[str, Any], words: str) -> None:
    x, types = make_counts()
    with pytest.raises(ValueError, match=words):
        ENASClassifier(**QUICK).fit(make_adata(x, types), **arguments)


def test_keys_of_an_anndata_say_nothing_of_an_array() -> None:
    x, types = make_counts()
    with pytest.raises(ValueError, match="are of AnnData objects, and X is none"):
        ENASClassifier(**QUICK).fit(x, types, label_key="type")
