"""MLflow: what a run has found, logged to a tracking server or a local store at the end of each step.

A run directory is one run of MLflow, whose id it keeps, in the experiment of its name. Each time only what is new goes
there, so that a step that could not be logged is made up for by the next, and what is resumed is logged once. Nobody
else is told anything: MLflow's own telemetry is off.
"""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enas.errors import ConfigError
from enas.files import read_json, write_json
from enas.progress import Progress
from enas.run import Run
from enas.trackers.measures import Measure, measures_of, settings_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ALLOW_FILE_STORE": "true",  # MLflow asks for it: it prefers databases
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # by default a server that is away is waited for five minutes
    "MLFLOW_LOGGING_LEVEL": "ERROR",
}
_AT_ONCE = 100
"""Parameters that one request may hold; of metrics it may be ten times as many."""


def check_mlflow(store: str | None) -> None:
    """Refuse a store for which a package is missing.

    Raises:
        ConfigError: names it.
    """
    needed = ["mlflow", "sqlalchemy", "alembic"] if store and store.startswith("sqlite:") else ["mlflow"]
    missing = [name for name in needed if find_spec(name) is None]
    if store and missing:
        raise ConfigError(f'mlflow: {store} needs {missing[0]}; install it with: pip install "enas[mlflow]"')


def log_to_mlflow(run: Run, store: str, progress: Progress) -> None:
    """Log what a run has found; if that fails, warn.

    Args:
        run: not locked.
        store: MLflow's tracking URI.
        progress: told where it goes.
    """
    progress.line(f"----------Logging to MLflow: {store}")
    try:
        with _quietly(), run.lock():
            from mlflow import MlflowClient

            _log(MlflowClient(store, registry_uri=store), run, store)
    except Exception as error:  # of servers, databases and their libraries; the run has its own files
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        progress.warn(f"not logged to MLflow: {reason}; the next step, if one follows, logs it, too")


@contextmanager
def _quietly() -> Iterator[None]:
    """What the user has set in the environment stays."""
    before = dict(os.environ)
    os.environ.update({key: value for key, value in _ENVIRONMENT.items() if key not in before})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for key in _ENVIRONMENT.keys() - before.keys():
            os.environ.pop(key, None)


def _log(client: "MlflowClient", run: Run, store: str) -> None:
    noted = _begin(client, run, store)
    known = client.get_run(noted["run_id"]).data
    _log_settings(client, noted["run_id"], settings_of(run), known.params)
    _log_measures(client, noted["run_id"], measures_of(run), known.metrics, int(run.created.timestamp() * 1000))
    for file in _files_of(run):
        name, stamp = file.relative_to(run.path).as_posix(), file.stat().st_mtime_ns
        if noted["files"].get(name) != stamp:
            client.log_artifact(noted["run_id"], str(file), "models" if file.parent == run.models else None)
            noted["files"][name] = stamp
            write_json(run.mlflow, noted)
    client.set_terminated(noted["run_id"])


def _begin(client: "MlflowClient", run: Run, store: str) -> dict[str, Any]:
    """What was noted when this run was logged there before; else a new run of MLflow, noted."""
    if run.mlflow.is_file():
        noted: dict[str, Any] = read_json(run.mlflow)
        if noted["store"] == store:
            return noted
    experiment = client.get_experiment_by_name(run.name)
    number = experiment.experiment_id if experiment else client.create_experiment(run.name, _place_of_files(store))
    began = int(run.created.timestamp() * 1000)
    noted = {"store": store, "files": {}}
    noted["run_id"] = client.create_run(number, began, run_name=run.path.name).info.run_id
    write_json(run.mlflow, noted)
    return noted


def _place_of_files(store: str) -> str | None:
    """Beside a local database; by default MLflow puts files where the process was started."""
    if not store.startswith("sqlite:"):
        return None
    return (Path(store.removeprefix("sqlite:///")).parent / "mlartifacts").as_uri()


def _log_settings(client: "MlflowClient", run_id: str, settings: Mapping[str, str], known: Mapping[str, str]) -> None:
    """MLflow changes no parameter; one that grew when the run was resumed is told by a tag."""
    from mlflow.entities import Param, RunTag

    new = iter([Param(key, value) for key, value in settings.items() if key not in known])
    while some := list(islice(new, _AT_ONCE)):
        client.log_batch(run_id, params=some)
    changed = [key for key, value in known.items() if settings.get(key, value) != value]
    client.log_batch(run_id, tags=[RunTag(f"resumed.{key}", settings[key]) for key in changed])


def _log_measures(
    client: "MlflowClient", run_id: str, measures: Iterable[Measure], known: Mapping[str, float], began: int
) -> None:
    """Those that are new; MLflow wants a time, which is that of the run's beginning and as many seconds as epochs."""
    from mlflow.entities import Metric

    told = {(name, one.step, one.value) for name in known for one in client.get_metric_history(run_id, name)}
    new = iter([Metric(name, value, began + 1000 * epoch, epoch) for name, epoch, value in measures
                if (name, epoch, value) not in told])  # fmt: skip
    while some := list(islice(new, 10 * _AT_ONCE)):
        client.log_batch(run_id, metrics=some)


def _files_of(run: Run) -> list[Path]:
    named = [run.best_architecture, run.leaderboard, run.output_files / "report.html", *sorted(run.models.iterdir())]
    return [file for file in named if file.is_file()]
