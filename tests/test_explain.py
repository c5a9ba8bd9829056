"""Explanation: files and their names, the ranking, and values that can be read back."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose

from enas.console import Silent
from enas.data.dataset import Dataset, FloatArray, Target
from enas.explain import Explanation, explain, file_names
from enas.table_model import TableModel

pytestmark = pytest.mark.usefixtures("one_thread")
THREE = Target(("grade",), np.arange(30) % 3, ("a", "b/c", "b:c"))
VALUES = Target(("size", "age"), np.random.default_rng(1).normal(40, 9, (30, 2)).astype(np.float32))


NAMES = tuple(f"g{i}" for i in range(9))


def table_of(target: Target | None, names: tuple[str, ...] = NAMES) -> Dataset:
    x: FloatArray = np.random.default_rng(0).normal(size=(30, 9)).astype(np.float32)
    return Dataset(x, names, True, tuple(f"s{i}" for i in range(30)), True, target, "x.tsv")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("explained")


@pytest.fixture(scope="module")
def explained(make_model: Callable[..., TableModel], folder: Path) -> Explanation:
    table = table_of(THREE)
    model = make_model(table.features, THREE)
    return explain(model, table, folder, n_samples=6, n_shown=4, seed=0, progress=Silent())


def test_the_files_have_autogenomes_names_with_the_classes(explained: Explanation, folder: Path) -> None:
    expected = {"_features_orders.csv", "explanation.json"}
    for name in ("a", "b_c", "b_c_2"):
        expected |= {f"_class_{name}shap_values.csv"}
        for kind in ("pdf", "png"):
            expected |= {f"_dot{name}_feature_importance_summary.{kind}"}
            expected |= {f"class_{name}feature_importance_summary.{kind}"}
    expected |= {f"_barTotal_feature_importance_summary.{kind}" for kind in ("pdf", "png")}
    assert {file.name for file in folder.iterdir()} == expected
    assert {file.name for file in explained.files} == expected
    assert all(file.stat().st_size > 0 for file in explained.files)


def test_the_ranking_is_by_mean_absolute_value_over_all_classes(explained: Explanation, folder: Path) -> None:
    importance = np.abs(explained.attribution.values).mean(axis=1).sum(axis=0)
    assert_allclose(explained.importance, importance, rtol=1e-5)
    assert explained.ranking == tuple(f"g{i}" for i in np.argsort(-importance))
    orders = pl.read_csv(folder / "_features_orders.csv")
    assert orders["feature"].to_list() == list(explained.ranking)
    assert orders["rank"].to_list() == list(range(1, 10))
    assert_allclose(orders["importance"].to_numpy(), np.sort(importance)[::-1], rtol=1e-5)
    per_class = orders.select("importance_a", "importance_b/c", "importance_b:c").to_numpy()
    assert_allclose(per_class.sum(axis=1), orders["importance"].to_numpy(), rtol=1e-5)


def test_the_values_can_be_read_back(explained: Explanation, folder: Path) -> None:
    values = pl.read_csv(folder / "_class_b_cshap_values.csv")
    assert values.columns == ["sample_id", *(f"g{i}" for i in range(9))]
    assert_allclose(values.drop("sample_id").to_numpy(), explained.attribution.values[1], rtol=1e-4, atol=1e-6)
    assert len(set(values["sample_id"])) == 6


def test_the_additivity_error_is_written_down(explained: Explanation, folder: Path) -> None:
    summary = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
    assert summary["additivity_error"] == explained.attribution.additivity_error < 1e-4
    assert (summary["n_samples"], summary["outputs"]) == (6, ["a", "b/c", "b:c"])


def test_the_seed_chooses_the_samples(
    explained: Explanation, folder: Path, make_model: Callable[..., TableModel], tmp_path: Path
) -> None:
    table = table_of(THREE)
    explain(make_model(table.features, THREE), table, tmp_path, n_samples=6, n_shown=3, seed=1, progress=Silent())
    one, other = (pl.read_csv(place / "_class_ashap_values.csv")["sample_id"].to_list() for place in (folder, tmp_path))
    assert one != other
    assert len(set(other)) == 6


def test_targets_of_a_regression_take_the_place_of_classes(
    make_model: Callable[..., TableModel], tmp_path: Path
) -> None:
    table = table_of(VALUES, ("=1+1", 'say "x"', "a,b", *(f"g{i}" for i in range(6))))
    model = make_model(table.features, VALUES)
    found = explain(model, table, tmp_path, n_samples=4, n_shown=3, seed=0, progress=Silent())
    names = {file.name for file in found.files}
    assert {"_class_sizeshap_values.csv", "_dotage_feature_importance_summary.pdf"} <= names
    assert_allclose(
        found.attribution.values.sum(axis=2).T + found.attribution.base, found.attribution.outputs, rtol=1e-4
    )
    with (tmp_path / "_class_sizeshap_values.csv").open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    assert not header[1].startswith("="), "a spreadsheet would take it for a formula"
    assert header[2:4] == ['say "x"', "a,b"]


def test_names_that_would_meet_in_one_file_stay_apart() -> None:
    assert file_names(["A", "a", "ä ö", "x" * 300]) == ["A", "a_1", "ä_ö", "x" * 80]
    for names in (["a/b", "a:b", "a_b_1", "a?b"], ["a_1", "A", "a"], ["x", "X", "x_1"], ["b_2", "a", "a"]):
        made = file_names(names)
        assert len({one.lower() for one in made}) == len(names), made
