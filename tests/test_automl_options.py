"""Each kind of target and each setting, end to end on small tables."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import enas
from enas.automl import Auto
from enas.console import Silent
from enas.errors import EnasError, RunError
from enas.explain import Explanation
from enas.metrics import ClassificationMetrics, RegressionMetrics
from enas.model_files import load_model
from enas.table_model import TableModel

OpenAuto = Callable[..., Auto]
ONE_TARGET = tuple(
    f'{name}.args.{key}="{value}"'
    for name in ("data_train", "data_evaluate")
    for key, value in (
        ("labels_file", f"{'train' if name == 'data_train' else 'test'}_z.tsv"),
        ("label_column", "size"),
    )
)
SLOWER = ("trainer.max_number_of_epoches_in_fixed=25",)


def accuracy(auto: Auto) -> float:
    metrics = auto.evaluate().metrics
    assert isinstance(metrics, ClassificationMetrics)
    return metrics.accuracy.value


@pytest.mark.parametrize(
    "options",
    [
        ("trainer.folds=0",),
        ("trainer.folds=3", "trainer.n_seeds=2", "trainer.ensemble=true"),
        ("data_train.args.validation_split=0.25",),
        ("data_train.args.shuffle=false",),
        ("preprocessing.screen=4",),
        ("preprocessing.screen=auto",),
        ("preprocessing.screen=soft",),
        ("preprocessing.scale=robust", "preprocessing.transform=asinh"),
        ("preprocessing.scale=none",),
        ("trainer.class_weight=balanced", "trainer.reward=balanced_accuracy"),
        ("trainer.loss=focal", "trainer.reward=auroc"),
        ("trainer.reward=neg_log_loss", "trainer.top_k_candidates=1"),
        ("trainer.batch_size=1",),
        ("trainer.batch_size=1000",),
        ("trainer.child_num_layers=1", "trainer.child_keep_prob=1.0"),
        ("precision=bfloat16",),
    ],
    ids=lambda options: " ".join(options),
)
def test_every_setting_trains_a_model_that_generalises(open_auto: OpenAuto, options: tuple[str, ...]) -> None:
    auto = open_auto(*SLOWER, *options)
    fitted = auto.train().fitted
    assert accuracy(auto) >= 0.85
    assert all(np.isfinite(candidate.outputs).all() for candidate in fitted.candidates)
    rows = auto.run.read_log()
    assert {row["stage"] for row in rows} >= {"search", "retrain"}
    first, last = (next(row["child_loss"] for row in part if row["stage"] == "retrain") for part in (rows, rows[::-1]))
    assert last < 0.9 * first


def test_regression(open_auto: OpenAuto) -> None:
    auto = open_auto("model.args.is_regression=true", *ONE_TARGET, *SLOWER)
    auto.train()
    evaluation = auto.evaluate()
    assert isinstance(evaluation.metrics, RegressionMetrics)
    assert evaluation.metrics.mean.r2.value > 0.5
    assert {file.name for file in evaluation.files} >= {"enas_scatter.pdf", "enas_scatter.png"}
    predicted = pl.read_csv(auto.predict().file)
    assert predicted.columns == ["sample_id", "predicted_size"]
    assert predicted["predicted_size"].mean() == pytest.approx(107.5, abs=4)
    explanation = auto.explain()
    assert isinstance(explanation, Explanation)
    assert explanation.ranking[0] == "g0"
    assert "_class_sizeshap_values.csv" in {file.name for file in explanation.files}


def test_several_targets_at_once(open_auto: OpenAuto) -> None:
    labels = ('data_train.args.labels_file="train_z.tsv"', 'data_evaluate.args.labels_file="test_z.tsv"')
    options = ("model.args.is_regression=true", "model.args.multi_tasks=true", "model.args.output_classes=2")
    auto = open_auto(*options, *labels, *SLOWER)
    auto.train()
    metrics = auto.evaluate().metrics
    assert isinstance(metrics, RegressionMetrics)
    assert pl.read_csv(auto.predict().file).columns == ["sample_id", "predicted_size", "predicted_age"]
    explanation = auto.explain()
    assert isinstance(explanation, Explanation)
    assert explanation.attribution.values.shape[0] == 2


def test_several_columns_without_multi_tasks_are_refused_or_chosen(open_auto: OpenAuto) -> None:
    """Two columns of numbers are no single regression; whoever means both says multi_tasks."""
    options = ("model.args.is_regression=true", 'data_train.args.labels_file="train_z.tsv"')
    with pytest.raises(EnasError, match=r"multi_tasks|label_column"):
        open_auto(*options).train()


def test_the_target_may_be_a_column_of_the_features(open_auto: OpenAuto, tables: Path) -> None:
    for stem in ("train", "test"):
        x, y = (pl.read_csv(tables / f"{stem}_{kind}.tsv", separator="\t") for kind in "xy")
        x.with_columns(grade=y["grade"]).write_csv(tables / f"{stem}_xy.tsv", separator="\t")
    options = [
        f"{name}.args={json.dumps({'data_dir': str(tables), 'features_file': f'{stem}_xy.tsv'} | column)}"
        for name, stem, column in (
            ("data_train", "train", {"label_column": "grade"}),
            ("data_evaluate", "test", {"label_column": "grade"}),
            ("data_predict", "test", {"label_column": "grade"}),
        )
    ]
    auto = open_auto(*options)
    trained = auto.train().fitted
    assert isinstance(trained.model, TableModel)
    assert trained.model.feature_names == tuple(f"g{i}" for i in range(12))
    assert accuracy(auto) > 0.85
    assert len(auto.predict().sample_ids) == 20


def test_rows_of_a_validation_file_judge_and_count_as_seen(open_auto: OpenAuto) -> None:
    auto = open_auto(
        'data_train.args.validation_features="test_x.tsv"', 'data_train.args.validation_labels="test_y.tsv"'
    )
    trained = auto.train()
    assert trained.fitted.folds.judged.tolist() == list(range(40, 60))
    assert "20 validation rows" in trained.how
    assert auto.evaluate().n_seen == 20
    files = json.loads(auto.run.data.read_text())["data_train"]["files"]
    assert {Path(file).name for file in files} == {"train_x.tsv", "train_y.tsv", "test_x.tsv", "test_y.tsv"}


def test_log_every_n_steps_chooses_how_often_a_line_is_logged(open_auto: OpenAuto, log: Any) -> None:
    def n_lines(every: int) -> int:
        before = len(log.lines)
        open_auto(f"trainer.log_every_n_steps={every}").train()
        return len(log.lines) - before

    assert n_lines(1) > n_lines(1000)


def test_a_tiny_time_limit_still_leaves_a_model(open_auto: OpenAuto) -> None:
    auto = open_auto("time_limit=0.001", "trainer.max_number_of_epoches_in_search=500")
    fitted = auto.train().fitted
    assert len(fitted.candidates) == 1
    assert load_model(auto.run.models).predict(np.zeros((3, 12), np.float32)).shape == (3, 2)
    assert auto.evaluate().n_rows == 20


@pytest.mark.parametrize("folds", [0, 3])
def test_a_breakdown_is_a_clear_error_and_leaves_a_usable_checkpoint(open_auto: OpenAuto, folds: int) -> None:
    """Steps of this size send all weights beyond float32 after a few batches."""
    auto = open_auto("trainer.child_lr=1e37", f"trainer.folds={folds}", "trainer.batch_size=2")
    with pytest.raises(RunError, match=r"not finite 5 times in a row.*child_lr"):
        auto.train()
    model = load_model(auto.run.models)
    assert np.isfinite(model.predict(np.zeros((3, 12), np.float32))).all()


def test_the_seeds_config_with_its_paths_changed(shared: Path, tmp_path: Path, one_thread: None) -> None:
    source = (Path(__file__).resolve().parents[1] / "examples" / "autogenome.json").read_text(encoding="utf-8")
    golub = shared / "data" / "genes" / "golub"
    for old, new in (
        ('"data_test"', f'"{golub}"'),
        ('"./data_test"', f'"{golub}"'),
        ("little_exp.tsv", "features.tsv.gz"),
        ("little_learning_target.tsv", "labels.tsv"),
        ("data_test/names_2.txt", f"{golub / 'names.txt'}"),
        ('"delimiter": " "', '"delimiter": "\\t"'),
        ('"experiments/"', '"runs"'),
    ):
        assert old in source
        source = source.replace(old, new)
    (tmp_path / "golub.json").write_text(source, encoding="utf-8")
    auto = enas.auto(tmp_path / "golub.json", progress=Silent())
    trained = auto.train()
    assert isinstance(trained.metrics, ClassificationMetrics)
    assert trained.metrics.accuracy.value > 0.8
    assert "TRAINED ON" in auto.evaluate().headline
    assert len(auto.predict().sample_ids) == 72
    explanation = auto.explain()
    assert isinstance(explanation, Explanation)
    assert explanation.attribution.values.shape == (2, 72, 7129)
    assert explanation.attribution.additivity_error < 1e-4
    assert auto.run.path.is_relative_to(tmp_path / "runs" / "enas" / "enas_demo")
