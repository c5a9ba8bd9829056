"""Cross-validation of small tables: what it finds, what each fold may see, and that jobs change nothing."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cross_validation.trials import RESULTS, cross_validate, places, results_of
from reliability.studies import Study, Watcher
from sklearn.metrics import accuracy_score, f1_score, log_loss, r2_score, roc_auc_score

from enas.cli import app
from enas.config import load_config
from enas.console import Silent
from enas.cross_validation import CrossValidation
from enas.cross_validation.division import Fold, divide
from enas.cross_validation.fold import Pipeline
from enas.cross_validation.result import read_result
from enas.cross_validation.table_rows import read_table_rows
from enas.cross_validation.validate import Tally
from enas.data.splits import Split
from enas.errors import RunError
from enas.runs import latest_run, latest_unfinished_run


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_metrics_are_those_of_the_predictions(undisturbed: CrossValidation) -> None:
    predictions = read_rows(undisturbed.path / "cv_predictions.csv")
    assert [(row["repeat"], row["sample_id"]) for row in predictions] == [
        (str(repeat), str(row)) for repeat in (1, 2) for row in range(40)
    ]
    for fold in undisturbed.folds:
        mine = [row for row in predictions if (row["repeat"], row["fold"]) == (str(fold.repeat), str(fold.fold))]
        truth = [row["true_result"] for row in mine]
        share = np.array([[float(row["softmax_high"]), float(row["softmax_low"])] for row in mine])
        assert truth == [["low", "high"][int(row["sample_id"]) % 2] for row in mine]
        predicted = [row["predicted_result"] for row in mine]
        assert fold.metrics["accuracy"] == accuracy_score(truth, predicted)
        assert fold.metrics["macro_f1"] == pytest.approx(f1_score(truth, predicted, average="macro"))
        assert fold.metrics["auroc"] == pytest.approx(roc_auc_score(np.array(truth) == "high", share[:, 0]))
        assert fold.metrics["log_loss"] == pytest.approx(log_loss(truth, share, labels=["high", "low"]), rel=1e-5)
        assert (fold.n_train, fold.n_held_out, fold.n_twins) == (20, 20, 0)


def test_the_table_and_the_files_say_the_same(undisturbed: CrossValidation) -> None:
    found = undisturbed.summary["accuracy"]
    values = [fold.metrics["accuracy"] for fold in undisturbed.folds]
    assert found.mean == np.mean(values)
    assert found.sd == pytest.approx(np.std(values, ddof=1))
    lines = read_rows(undisturbed.path / "cv.csv")
    assert [float(line["accuracy"]) for line in lines] == values
    assert [line["architecture"] for line in lines] == [fold.architecture for fold in undisturbed.folds]
    kept = json.loads((undisturbed.path / "cv.json").read_text())
    assert kept["summary"]["accuracy"]["mean"] == found.mean
    assert kept["rows"] == "each of the 40 rows was judged 2 times, by models that had not seen it"
    assert read_result(undisturbed.path).to_text() == undisturbed.to_text()
    for words in (f"accuracy {found.mean:.3f} ± {found.sd:.3f}", "(2 folds × 2 repeats)", kept["rows"]):
        assert words in undisturbed.to_text()


def test_it_is_shown_and_taken_for_no_run(undisturbed: CrossValidation) -> None:
    from typer.testing import CliRunner

    shown = CliRunner().invoke(app, ["show", str(undisturbed.path)])
    assert shown.exit_code == 0
    assert undisturbed.to_text() in shown.stdout
    save_dir = undisturbed.path.parents[2]
    with pytest.raises(RunError, match="no finished run"):
        latest_run(save_dir, "study")
    with pytest.raises(RunError, match="no unfinished run"):
        latest_unfinished_run(save_dir, "study")
    evaluated = CliRunner().invoke(
        app, ["evaluate", str(save_dir.parent / "config.json"), "--run", str(undisturbed.path)]
    )
    assert evaluated.exit_code == 2
    assert "is not a run directory" in evaluated.stderr


def test_jobs_change_nothing_but_the_time(study: Study, undisturbed: CrossValidation) -> None:
    log = Watcher()
    result = cross_validate(study, log=log, jobs=2)
    assert results_of(result.path) == results_of(undisturbed.path)
    assert sum(": accuracy " in line and " held out" in line for line in log.lines) == 4


def test_a_fold_cannot_see_what_is_held_out(study: Study, tmp_path: Path) -> None:
    """Held-out rows that become something else altogether leave every weight as it was."""
    from dataclasses import replace

    config, _ = load_config(study.config)
    data: Any = read_table_rows(config, Silent())  # type: ignore[arg-type]
    fold = divide(data.samples.target, None, folds=2, repeats=1, seed=0)[0]
    features, labels = data.samples.features.copy(), data.samples.target.values.copy()
    features[fold.split.held_out] = np.random.default_rng(9).normal(1e3, 1e3, (20, 12))
    labels[fold.split.held_out] = 0
    target = replace(data.samples.target, values=labels)
    other = replace(data, samples=replace(data.samples, features=features, target=target))
    made = []
    for name, rows in (("one", data), ("other", other)):
        (tmp_path / name).mkdir()
        Pipeline(config, tmp_path / name).run(rows, fold)
        run = tmp_path / name / fold.folder
        files = [*run.glob("models/*"), run / "leaderboard.csv", run / "output_files" / "validation.json"]
        made.append({file.name: file.read_bytes() for file in files})
    assert made[0] == made[1]
    assert (tmp_path / "one" / fold.folder / "held_out.json").read_text() != (
        tmp_path / "other" / fold.folder / "held_out.json"
    ).read_text()


def test_rows_that_occur_twice_are_told(study: Study) -> None:
    table = study.config.parent / "x.tsv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines[:3], lines[1], *lines[4:]]) + "\n")  # the third row equals the first
    result = cross_validate(study)
    n_twins = sum(fold.n_twins for fold in result.folds)
    assert n_twins in (0, 2, 4)  # they may fall into the same fold
    told = f"but {n_twins} of these judgements are of rows that equal one trained on"
    assert (told in result.rows) == bool(n_twins)


def test_numbers_are_predicted_in_their_own_unit(study: Study) -> None:
    generator = np.random.default_rng(0)
    features = [line.split("\t") for line in (study.config.parent / "x.tsv").read_text().splitlines()[1:]]
    size = [50 + 10 * float(row[0]) + generator.normal() for row in features]
    (study.config.parent / "y.tsv").write_text("\n".join(["size", *(f"{value:.3f}" for value in size)]) + "\n")
    result = cross_validate(study, "model.args.is_regression=true")
    assert list(result.folds[0].metrics) == ["r2", "rmse", "mae", "spearman"]
    predictions = read_rows(result.path / "cv_predictions.csv")
    mine = [row for row in predictions if (row["repeat"], row["fold"]) == ("1", "2")]
    truth, predicted = ([float(row[f"{kind}_size"]) for row in mine] for kind in ("true", "predicted"))
    assert result.folds[1].metrics["r2"] == pytest.approx(r2_score(truth, predicted), abs=1e-5)
    assert truth == pytest.approx([round(size[int(row["sample_id"])], 3) for row in mine])


def test_a_validation_file_trains_in_every_fold_and_is_never_held_out(study: Study) -> None:
    folder = study.config.parent
    for name in ("x", "y"):
        lines = (folder / f"{name}.tsv").read_text().splitlines()
        (folder / f"{name}_valid.tsv").write_text("\n".join([lines[0], *lines[31:]]) + "\n")
        (folder / f"{name}.tsv").write_text("\n".join(lines[:31]) + "\n")
    named = [f"data_train.args.validation_{key}={name}_valid.tsv" for key, name in (("features", "x"), ("labels", "y"))]
    result = cross_validate(study, *(f'{key}="{folder / value}"' for key, value in (n.split("=") for n in named)))
    assert {int(row["sample_id"]) for row in read_rows(result.path / "cv_predictions.csv")} == set(range(30))
    judged = json.loads((result.path / "repeat_1_fold_1" / "output_files" / "validation.json").read_text())
    assert judged["rows"].startswith("on 10 validation rows")


def test_a_line_per_fold_with_the_time_left_and_each_warning_once() -> None:
    from enas.cross_validation.fold import Done
    from enas.cross_validation.result import FoldResult

    now, log = [0.0], Watcher()
    tally = Tally(3, log, clock=lambda: now[0])
    for number in (1, 2, 3):
        now[0] += 10
        result = FoldResult(1, number, 0, 8, 4, 0, "[1 2]", "", {"accuracy": 0.75})
        tally.tell(Done(result, 9.5, ("few rows",)))
    assert log.lines == [
        "repeat 1, fold 1: accuracy 0.750 on 4 held out, [1 2], 9.5 s; 1 of 3 done, 20.0 s left",
        "repeat 1, fold 2: accuracy 0.750 on 4 held out, [1 2], 9.5 s; 2 of 3 done, 10.0 s left",
        "repeat 1, fold 3: accuracy 0.750 on 4 held out, [1 2], 9.5 s; 3 of 3 done",
    ]
    assert log.warnings == ["repeat 1, fold 1: few rows"]


def test_an_undefined_metric_is_said_and_a_constant_one_promises_nothing(tmp_path: Path) -> None:
    from enas.cross_validation.result import FoldResult

    figures = [{"r2": math.nan, "rmse": 1.0}, {"r2": 0.5, "rmse": 1.0}]
    folds = tuple(FoldResult(1, i, 0, 8, 1, 0, "[1]", "", values) for i, values in enumerate(figures, start=1))
    result = CrossValidation(tmp_path, 2, 1, 2, "rows", folds)
    assert result.notes == (
        "R² is undefined in 1 of 2 folds, so it has no mean",
        "the same in every fold, so the interval says nothing: RMSE",
    )
    result.write()
    assert read_result(tmp_path).to_text() == result.to_text()
    assert json.loads((tmp_path / "cv.json").read_text())["summary"]["r2"]["mean"] is None


@pytest.mark.parametrize("name", ["folds", "repeats"])
def test_bad_numbers_write_nothing(study: Study, name: str) -> None:
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ["cv", str(study.config), f"--{name}", "0", "--quiet"])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: --{name} 0: should be ")
    many = CliRunner().invoke(app, ["cv", str(study.config), "--folds", "21", "--quiet"])
    assert many.exit_code == 2
    assert 'class "high" has 20 samples, too few for 21 folds: at most 20 folds are possible' in many.stderr
    assert places(study) == []


def test_a_fold_that_fails_is_named_and_nothing_is_left_out(study: Study) -> None:
    """A class of which the inner split has too few is one of the fold's, not of the whole."""
    config, _ = load_config(study.config)
    data = read_table_rows(config, Silent())  # type: ignore[arg-type]
    bad = Fold(2, 3, Split(np.arange(3), np.arange(3, 40)), 0)
    folder = study.config.parent
    with pytest.raises(RunError, match="repeat 2, fold 3: 3 samples are too few"):
        Pipeline(config, folder).run(data, bad)
    assert not (folder / bad.folder / RESULTS[0]).exists()
