"""MLflow's own client reads back what runs have logged to local stores."""

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from reliability.studies import Study, Watcher, image_study, table_study

import enas
from enas.config import load_config
from enas.errors import ConfigError
from enas.run import Run
from enas.trackers.measures import LONGEST_NAME, allowed
from enas.trackers.mlflow_store import _quietly, check_mlflow, log_to_mlflow

pytestmark = pytest.mark.skipif(find_spec("mlflow") is None, reason="needs the extra mlflow")

QUICK = {
    "batch_size": 8,
    "max_search_channel": 64,
    "max_number_of_epoches_in_search": 2,
    "max_number_of_epoches_in_fixed": 3,
}


def quick_study(folder: Path, store: str) -> Study:
    study = table_study(folder)
    config = json.loads(study.config.read_text())
    study.config.write_text(json.dumps(config | {"trainer": config["trainer"] | QUICK, "mlflow": store}))
    return study


def stored(run: Run) -> tuple[Any, dict[str, list[tuple[int, float]]], set[str]]:
    """The only run of the experiment: itself, its metrics by epoch, its files."""
    with _quietly():
        from mlflow import MlflowClient

        client = MlflowClient(json.loads(run.mlflow.read_text())["store"])
        experiment = client.get_experiment_by_name(run.name)
        assert experiment is not None
        (one,) = client.search_runs([experiment.experiment_id])
        curves = {
            name: sorted((point.step, point.value) for point in client.get_metric_history(one.info.run_id, name))
            for name in one.data.metrics
        }
        files = {file.path for file in client.list_artifacts(one.info.run_id)}
        files |= {file.path for file in client.list_artifacts(one.info.run_id, "models")}
    return one, curves, files


def check_is_the_run(run: Run, n_epochs: int) -> None:
    one, curves, files = stored(run)
    assert one.info.status == "FINISHED"
    assert one.info.run_name == run.path.name
    assert one.data.params["trainer.batch_size"] == "8"
    assert one.data.params["seed"] == "0"
    assert "mlflow" not in one.data.params
    for step in ("validation", "evaluation"):
        accuracy = json.loads((run.output_files / f"{step}.json").read_text())["metrics"]["accuracy"]
        ends = [curves[f"{step}/accuracy{end}"] for end in ("", "_low", "_high")]
        assert ends == [[(0, accuracy[key])] for key in ("value", "low", "high")]
        assert f"{step}/per_class/low/recall" in curves
    rows = [row for row in run.read_log() if row["stage"] == "search"]
    assert curves["search/reward"] == [(row["epoch"], row["reward"]) for row in rows]
    rows = [row for row in run.read_log() if row["stage"] == "retrain"]
    assert [epoch for epoch, _ in curves["candidate_1/valid_score"]] == list(range(n_epochs))
    assert curves["candidate_2/child_loss"] == [(row["epoch"], row["child_loss"]) for row in rows[n_epochs:]]
    assert {"report.html", "best_architecture.json", "leaderboard.csv", "models/model.json"} <= files


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite:///stores/of all.db", "file:./mlruns"])
def test_a_run_is_one_run_of_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    """All of its steps, in the store beside its config, wherever it was started; resumed and grown, too."""
    study, elsewhere = quick_study(tmp_path / "study", store), tmp_path / "elsewhere"
    for folder in (elsewhere, tmp_path / "study" / "stores"):
        folder.mkdir()
    monkeypatch.chdir(elsewhere)
    log = Watcher()
    auto = enas.auto(study.config, progress=log)
    auto.run_all()
    assert log.warnings == []
    check_is_the_run(auto.run, 3)
    enas.auto(study.config, run=auto.run.path, progress=log).evaluate()
    check_is_the_run(auto.run, 3)
    assert list(elsewhere.iterdir()) == []
    assert [key for key in os.environ if key.startswith("MLFLOW_")] == []


@pytest.mark.slow
def test_images_are_logged_too(tmp_path: Path) -> None:
    study = image_study(tmp_path / "study", mlflow="mlruns")
    auto = enas.auto(study.config, progress=Watcher())
    auto.search()
    one, curves, files = stored(auto.run)
    assert one.data.params["model.args.search_space"] == "micro"
    assert [epoch for epoch, _ in curves["search/reward"]] == [0, 1]
    assert "leaderboard.csv" in files


def test_a_server_that_is_away_is_a_warning_and_made_up_for(tmp_path: Path) -> None:
    study = quick_study(tmp_path / "study", "http://127.0.0.1:9")
    log = Watcher()
    auto = enas.auto(study.config, progress=log)
    auto.train()
    (warning,) = log.warnings
    assert warning.startswith("not logged to MLflow: ")
    assert "127.0.0.1" in warning
    there = enas.auto(study.config, overrides=["mlflow=sqlite:///there.db"], run=auto.run.path, progress=Watcher())
    there.evaluate()
    there.report()
    check_is_the_run(auto.run, 3)


@pytest.mark.slow
def test_a_parameter_that_grew_is_told_by_a_tag(tmp_path: Path) -> None:
    store = f"sqlite:///{(tmp_path / 'x.db').as_posix()}"
    study = quick_study(tmp_path / "study", store)
    auto = enas.auto(study.config, progress=Watcher())
    auto.run_all()
    more = ["trainer.max_number_of_epoches_in_fixed=4"]
    enas.auto(study.config, overrides=more, progress=Watcher()).run_all(resume=auto.run.path)
    one, curves, _ = stored(auto.run)
    assert one.data.params["trainer.max_number_of_epoches_in_fixed"] == "3"
    assert one.data.tags["resumed.trainer.max_number_of_epoches_in_fixed"] == "4"
    assert {epoch for epoch, _ in curves["candidate_1/valid_score"]} == {0, 1, 2, 3}


def test_without_the_package_nothing_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = quick_study(tmp_path / "study", "mlruns")
    monkeypatch.setattr("enas.trackers.mlflow_store.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'needs mlflow; install it with: pip install "enas\[mlflow\]"'):
        enas.auto(study.config, progress=Watcher()).run_all()
    assert not study.runs.exists()
    check_mlflow(None)


@pytest.mark.parametrize(
    ("given", "absolute"),
    [
        ("sqlite:///a.db", "sqlite:///{here}/a.db"),
        ("sqlite:////a.db", "sqlite:////a.db"),
        ("file:./runs", "file://{here}/runs"),
        ("file:///a%20b/runs", "file:///a%20b/runs"),
        ("runs", "file://{here}/runs"),
        ("https://server:5000/x", "https://server:5000/x"),
        ("", None),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths of POSIX")
def test_places_are_relative_to_the_config(tmp_path: Path, given: str, absolute: str | None) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"name": "x", "mlflow": given}))
    config, _ = load_config(path)
    assert config.mlflow == (absolute.format(here=tmp_path.as_posix()) if absolute else None)
    again, _ = load_config({"name": "x", "mlflow": config.mlflow})
    assert again.mlflow == config.mlflow


@pytest.mark.parametrize(
    ("store", "problem"),
    [
        ("https://me:secret@server", "MLFLOW_TRACKING_PASSWORD"),
        ("ftp://server", "should be sqlite:///FILE"),
        ("sqlite://a.db", "should name a file"),
        ("sqlite:///", "should name a file"),
    ],
)
def test_refused(store: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        load_config({"name": "x", "mlflow": store})


def test_names_of_classes_are_made_fit(tmp_path: Path) -> None:
    """MLflow itself takes every name, and two classes never share one."""
    names = ["../x", "a/b", "..", "", "=cmd()", "Typ β", "Typ γ", " a", "x" * 1000, "x" * 1001, "ok-1", "\n"]
    made = [allowed(f"evaluation/per_class/{name}/f1".replace("a/b", "a∕b")) for name in names]
    assert len(set(made)) == len(names)
    assert max(map(len, made)) <= LONGEST_NAME + 9
    assert made[-2] == "evaluation/per_class/ok-1/f1"
    with _quietly():
        from mlflow import MlflowClient

        for store in (f"sqlite:///{(tmp_path / 'x.db').as_posix()}", (tmp_path / "runs").as_uri()):
            client = MlflowClient(store)
            run_id = client.create_run("0").info.run_id
            for name in made:
                client.log_metric(run_id, name, 1.0)
                client.log_param(run_id, name, "1")
            assert set(client.get_run(run_id).data.metrics) == set(made)


def test_a_damaged_note_is_a_warning(tmp_path: Path) -> None:
    study = quick_study(tmp_path / "study", "mlruns")
    config, _ = load_config(study.config)
    assert config.mlflow is not None
    auto = enas.auto(study.config, overrides=["mlflow=null"], progress=Watcher())
    auto.search()
    auto.run.mlflow.write_text("{")
    log = Watcher()
    log_to_mlflow(auto.run, config.mlflow, log)
    assert "is damaged" in log.warnings[0]
