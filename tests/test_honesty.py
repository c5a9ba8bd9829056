"""What a run says against itself: numbers on planted data, kept and shown."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enas.automl import Auto
from enas.explain import Explanation
from enas.metrics.overlap import overlaps

OpenAuto = Callable[..., Auto]


def facts_of(automl: Auto) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((automl.run.output_files / "honesty.json").read_text(encoding="utf-8"))
    return facts


def write_table(folder: Path, *, is_linear: bool) -> dict[str, Any]:
    """240 rows: the class is a plane, or which quadrants a row lies in (XOR), which no plane tells."""
    chance = np.random.default_rng(0)
    x = chance.normal(size=(240, 4)).round(4)
    labels = (x[:, 0] > 0) if is_linear else (x[:, 0] > 0) != (x[:, 1] > 0)
    for name, rows in (("train", slice(160)), ("test", slice(160, None))):
        lines = [",".join(map(str, [*row, label])) for row, label in zip(x[rows], labels[rows], strict=True)]
        (folder / f"{name}.csv").write_text("\n".join(["a,b,c,d,label", *lines]) + "\n")

    def section(name: str) -> dict[str, Any]:
        return {"args": {"data_dir": str(folder), "features_file": f"{name}.csv", "label_column": "label"}}

    return {"data_train": section("train"), "data_evaluate": section("test"), "data_predict": None}


def run(open_auto: OpenAuto, folder: Path, *, is_linear: bool) -> tuple[Auto, dict[str, Any]]:
    config = write_table(folder, is_linear=is_linear)
    automl = open_auto("trainer.max_number_of_epoches_in_fixed=60", "compare_with_random=true", config=config)
    automl.train()
    before = facts_of(automl)
    automl.evaluate()
    return automl, before


def test_where_a_plane_does_not_suffice_the_networks_are_ahead(open_auto: OpenAuto, tmp_path: Path) -> None:
    automl, before = run(open_auto, tmp_path, is_linear=False)
    facts = facts_of(automl)
    for one in (*before["linear"], *facts["linear"]):
        assert one["figure"]["value"] < 0.7
        assert one["difference"]["low"] > 0.1
    assert before["linear"][0]["figure"] != facts["linear"][0]["figure"]
    assert before["random_difference"] == facts["random_difference"]
    assert abs(before["random_difference"]["value"]) < 0.2
    assert before["random_difference"]["low"] < before["random_difference"]["value"]
    assert -1 <= before["kendall_tau"]["value"] <= 1
    assert "validation_test_gap" not in before
    assert abs(facts["validation_test_gap"]["value"]) < 0.2


def test_where_a_plane_suffices_the_log_and_the_page_compare(open_auto: OpenAuto, tmp_path: Path) -> None:
    automl, _ = run(open_auto, tmp_path, is_linear=True)
    facts = facts_of(automl)
    assert facts["linear"][0]["figure"]["value"] > 0.9
    page = automl.report().read_text(encoding="utf-8")
    assert "Search minus random architectures at the same budget" in page
    ours = json.loads((automl.run.output_files / "evaluation.json").read_text())["metrics"]["accuracy"]["value"]
    assert ("A linear model does better here" in page) == (facts["linear"][0]["figure"]["value"] > ours)


def test_the_ranking_is_compared_over_folds(open_auto: OpenAuto) -> None:
    automl = open_auto()
    automl.train()
    explanation = automl.explain()
    assert isinstance(explanation, Explanation)
    attribution = explanation.attribution
    assert attribution.refits == "folds"
    n_folds, p = attribution.of_refits.shape
    assert n_folds >= 2
    importance = np.abs(attribution.values).mean(axis=1).sum(axis=0)
    assert p == len(importance)
    assert (importance <= attribution.of_refits.sum(axis=0) * (1 + 1e-5)).all()  # a mean is no larger than its parts


def test_of_one_network_the_other_candidates_are_the_refits(open_auto: OpenAuto) -> None:
    automl = open_auto("trainer.folds=0", "trainer.top_k_candidates=3", "trainer.n_seeds=1")
    automl.train()
    explanation = automl.explain()
    assert isinstance(explanation, Explanation)
    assert explanation.attribution.refits == "networks"
    assert len(explanation.attribution.of_refits) == 3
    assert (explanation.attribution.of_refits.max(axis=1) > 0).all()


def test_numbers_are_compared_by_r2(open_auto: OpenAuto, tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    x = chance.normal(size=(80, 3)).round(4)
    lines = [",".join(map(str, [*row, round(2 * row[0] - row[1], 4)])) for row in x]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    section = {"args": {"data_dir": str(tmp_path), "features_file": "t.csv", "label_column": "y"}}
    config = {"model": {"args": {"is_regression": True}}, "data_train": section, "data_evaluate": section}
    automl = open_auto(config={**config, "data_predict": None})
    automl.train()
    (linear,) = facts_of(automl)["linear"]
    assert linear["name"] == "ridge regression"
    assert linear["figure"]["value"] > 0.95
    automl.evaluate()
    assert "validation_test_gap" not in facts_of(automl), "these rows were trained on"


@pytest.mark.parametrize(
    ("n_common", "share"),
    [(20, 1.0), (10, 0.5), (0, 0.0)],
)
def test_overlap(n_common: int, share: float) -> None:
    one, other = np.zeros(60), np.zeros(60)
    one[:20] = other[20 - n_common : 40 - n_common] = 1
    assert overlaps(np.stack([one, other])) == {"top20": share}


def test_features_that_are_not_used_have_nothing_in_common() -> None:
    """Two refits of five features each, of which two are the same."""
    one, other = np.zeros(300), np.zeros(300)
    one[:5], other[3:8] = 1, 1
    assert overlaps(np.stack([one, other])) == {"top20": 0.4, "top100": 0.4}


def test_a_single_refit_tells_nothing() -> None:
    assert overlaps(np.arange(500.0)[None]) == {}
    assert set(overlaps(np.stack([np.arange(500.0)] * 2))) == {"top20", "top100"}
