"""The run directory: the names of all files in it, how it is made, found again and locked.

``<save_dir>/enas/<name>/<MMDD_HHMMSS>/`` holds everything that one run knows and made; it can be moved as a whole::

    config.json             the configuration with every default filled in
    environment.json        when it began, on what, with which versions
    data.json               hashes of what was read
    steps.json              which command began it, its steps, and which of them are done
    metrics.jsonl           one JSON object a line, appended while the run goes on
    mlflow.json             which run of MLflow it is, where it is logged there
    tensorboard/            the same as event files, where tensorboard is installed
    checkpoint/             where training stands, the last two times that this was kept
    leaderboard.csv         every derived candidate with its scores
    best_architecture.json  the choice; written last, so that a run which has it and a model is finished
    models/                 weights (safetensors) and what goes with them (JSON)
    output_files/           what evaluate, predict and explain made
"""

import importlib.metadata
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from enas.errors import ConfigError, RunError
from enas.files import PARTIAL_PREFIX, append_record, problem_of_name, read_json, read_records, write_json


@dataclass(frozen=True, slots=True)
class Run:
    """One run directory.

    Args:
        path: the directory, absolute.
        created: when it was made, with a time zone.
    """

    path: Path
    created: datetime

    @property
    def name(self) -> str:
        """The project's name, as in the configuration."""
        return self.path.parent.name

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.json"

    @property
    def environment(self) -> Path:
        """Versions, machine, command and time of creation."""
        return self.path / "environment.json"

    @property
    def data(self) -> Path:
        """Hashes of the data that were read."""
        return self.path / "data.json"

    @property
    def metrics(self) -> Path:
        """The log of numbers, one JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        """Directory of TensorBoard's event files."""
        return self.path / "tensorboard"

    @property
    def mlflow(self) -> Path:
        """Which run of MLflow this one is, and what of it is there."""
        return self.path / "mlflow.json"

    @property
    def steps(self) -> Path:
        """The command that began the run, its steps, and which of them are done."""
        return self.path / "steps.json"

    @property
    def checkpoint(self) -> Path:
        """Directory of checkpoints."""
        return self.path / "checkpoint"

    @property
    def leaderboard(self) -> Path:
        """Every derived candidate with its scores."""
        return self.path / "leaderboard.csv"

    @property
    def best_architecture(self) -> Path:
        """The chosen architecture; its presence marks a finished run."""
        return self.path / "best_architecture.json"

    @property
    def models(self) -> Path:
        """Directory of weights."""
        return self.path / "models"

    @property
    def output_files(self) -> Path:
        """Directory of what evaluate, predict and explain make."""
        return self.path / "output_files"

    @property
    def finished(self) -> bool:
        """Whether training came to its end; a search alone leaves an architecture but no model."""
        return self.best_architecture.is_file() and (self.models / "model.json").is_file()

    def begin(self, command: str, steps: Sequence[str], architecture: str | None) -> None:
        """Note what is to be done: ``enas <command>``, in these steps, training this architecture if one is given."""
        noted = {"command": command, "architecture": architecture, "steps": list(steps), "done": []}
        write_json(self.steps, noted)

    def plan(self) -> dict[str, Any]:
        """What `begin` noted, and which steps are done.

        Raises:
            RunError: there is no such note, or it is damaged.
        """
        noted: dict[str, Any] = read_json(self.steps)
        if not _is_plan(noted):
            raise RunError(f"{self.steps} is damaged: it does not say which steps are done")
        return noted

    def done(self, step: str) -> None:
        """Note that a step is done."""
        if self.steps.is_file():
            noted = self.plan()
            if step not in noted["done"]:
                write_json(self.steps, noted | {"done": [*noted["done"], step]})

    @property
    def is_unfinished(self) -> bool:
        """Whether steps are left that can be taken up again."""
        if not self.steps.is_file():
            return False
        noted = self.plan()
        return bool(set(noted["steps"]) - set(noted["done"]))

    def log(self, **record: Any) -> None:
        """Append one record to ``metrics.jsonl``."""
        append_record(self.metrics, record)

    def read_log(self) -> list[dict[str, Any]]:
        """All records of ``metrics.jsonl``."""
        return read_records(self.metrics)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the directory for writing; the system lets go of it when the process ends, however it ends.

        Raises:
            RunError: another process, or another part of this one, holds it; the message names host and process.
        """
        from filelock import FileLock, Timeout

        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise RunError(f"{self.path} is in use by {_describe_holder(self._holder)}; wait for it to end") from None
        except OSError as error:
            raise RunError(f"cannot lock {self.path}: {error.strerror or error}") from error
        try:
            write_json(self._holder, {"host": socket.gethostname(), "pid": os.getpid()})
            _remove_partial_files(self.path)
            yield
        finally:
            with suppress(OSError):  # the directory may have become read-only meanwhile
                self._holder.unlink(missing_ok=True)
            lock.release()

    @property
    def _holder(self) -> Path:
        return self.path / ".lock.json"


@contextmanager
def writing(run: Run, step: str) -> Iterator[None]:
    """Hold the run's lock; at the end note that the step is done, and the seconds that it took."""
    with run.lock():
        start = time.perf_counter()
        yield
        run.log(stage=step, seconds=round(time.perf_counter() - start, 3))
        run.done(step)


def _is_plan(noted: Any) -> bool:
    try:
        texts = [noted["command"], noted["architecture"] or "", *noted["steps"], *noted["done"]]
    except (KeyError, TypeError):
        return False
    return all(isinstance(text, str) for text in texts)


def _describe_holder(path: Path) -> str:
    try:
        holder = read_json(path)
        return f"process {holder['pid']} on {holder['host']}"
    except (RunError, KeyError, TypeError):  # it has the lock and has not signed yet, or signs off just now
        return "another process"


def _remove_partial_files(directory: Path) -> None:
    """Clear what a killed process left half written; only the holder of the lock may."""
    for partial in directory.rglob(f"{PARTIAL_PREFIX}*"):
        partial.unlink(missing_ok=True)


def create_run(save_dir: Path, name: str, *, now: datetime, facts: Mapping[str, Any] | None = None) -> Run:
    """Make a new run directory with ``models/``, ``output_files/`` and ``environment.json``.

    Args:
        save_dir: where runs are kept; made if it is missing.
        name: the project's name, one directory.
        now: names the directory; two runs of one second get ``_2``, ``_3``, … A time without a zone is local. Where a
            clock was set back the run counts as made just after the newest one of its name.
        facts: further entries of ``environment.json``: seed, device, number of threads, …

    Raises:
        ConfigError: the name cannot be a directory's.
        RunError: the directory cannot be made.
    """
    parent = runs_of(save_dir, name)
    now = now.astimezone() if now.tzinfo is None else now
    newest = max((run.created for run in _runs_in(parent)), default=None)
    created = max(now, newest + timedelta(microseconds=1)) if newest else now
    return _furnish(Run(make_new_directory(parent, f"{now:%m%d_%H%M%S}"), created), facts or {})


def create_fold(path: Path, *, now: datetime, facts: Mapping[str, Any]) -> Run:
    """Make the run directory of a fold of a cross-validation.

    Args:
        path: the directory; what a killed process left there before it noted what it does is cleared.
        now: when it is made.
        facts: see `create_run`.

    Raises:
        RunError: the directory cannot be made.
    """
    shutil.rmtree(path, ignore_errors=True)
    try:
        path.mkdir()
    except OSError as error:
        raise RunError(f"cannot make the run directory {path}: {error.strerror or error}") from error
    return _furnish(Run(path, now.astimezone()), facts)


def _furnish(run: Run, facts: Mapping[str, Any]) -> Run:
    """What every run directory has from its start; if that cannot be made, the directory goes, too."""
    try:
        run.models.mkdir()
        run.output_files.mkdir()
        write_json(run.environment, describe_environment(run.created) | dict(facts))
    except (OSError, RunError) as error:
        shutil.rmtree(run.path, ignore_errors=True)
        reason = error.strerror if isinstance(error, OSError) else error
        raise RunError(f"cannot make a run in {run.path.parent}: {reason}; choose another trainer.save_dir") from error
    return run


def _runs_in(parent: Path) -> Iterator[Run]:
    """The runs of a name that say when they were made."""
    for environment in parent.glob("*/environment.json"):
        with suppress(RunError):
            yield open_run(environment.parent)


def make_new_directory(parent: Path, stamp: str) -> Path:
    """Make ``parent/stamp``, or ``stamp_2``, ``stamp_3``, … where that exists.

    Raises:
        RunError: the system refuses.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for attempt in count(1):
            path = parent / (stamp if attempt == 1 else f"{stamp}_{attempt}")
            try:
                path.mkdir()  # of two processes in the same second one succeeds and the other goes on to the next name
            except FileExistsError:
                continue
            return path
    except OSError as error:
        message = f"cannot make a run directory in {parent}: {error.strerror or error}; choose another trainer.save_dir"
        raise RunError(message) from error
    raise AssertionError("count() does not end")


def open_run(path: Path) -> Run:
    """Open a run directory, finished or not.

    Raises:
        RunError: there is none at ``path``, or it is damaged.
    """
    path = Path(path).absolute()
    if not path.is_dir():
        raise RunError(f"there is no run directory {path}")
    environment = path / "environment.json"
    if not environment.is_file():
        raise RunError(f"{path} is not a run directory: it has no environment.json")
    try:
        return Run(path, datetime.fromisoformat(read_json(environment)["created"]).astimezone())
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise RunError(f"{environment} is damaged: it does not say when the run was created") from error


def latest_run(save_dir: Path, name: str) -> Run:
    """Find the newest run of a name whose training came to its end.

    Args:
        save_dir: where runs are kept.
        name: the project's name.

    Raises:
        RunError: there is none.
    """
    return _newest(
        save_dir,
        name,
        lambda run: run.finished,
        "there is no finished run of {name!r} in {parent}: call train() first (enas train), or name a run directory",
    )


def latest_unfinished_run(save_dir: Path, name: str) -> Run:
    """Find the newest run of a name that has steps left.

    Raises:
        RunError: there is none.
    """
    return _newest(
        save_dir,
        name,
        lambda run: run.is_unfinished,
        "there is no unfinished run of {name!r} in {parent}, so nothing to resume; leave --resume out to begin one",
    )


def _newest(save_dir: Path, name: str, wanted: Callable[[Run], bool], otherwise: str) -> Run:
    """By time of creation: directory names carry no year."""
    parent = runs_of(save_dir, name)
    runs = [run for path in parent.glob("*/environment.json") if wanted(run := open_run(path.parent))]
    if not runs:
        raise RunError(otherwise.format(name=name, parent=parent))
    # Of two runs of one second the suffix decides: "_10" is longer than "_9" and comes after it.
    return max(runs, key=lambda run: (run.created.timestamp(), len(run.path.name), run.path.name))


def runs_of(save_dir: Path, name: str) -> Path:
    """The folder of all runs of a name.

    Raises:
        ConfigError: the name cannot be a directory's.
    """
    check_name(name)
    return Path(save_dir).absolute() / "enas" / name


def check_name(name: str) -> None:
    """Refuse a name that cannot be a directory's on every system.

    Raises:
        ConfigError: with the reason.
    """
    if problem := problem_of_name(name):
        raise ConfigError(f"name {name!r} {problem}; it becomes a directory, choose another")


def describe_environment(created: datetime) -> dict[str, Any]:
    """What a result may depend on besides configuration and data; imports nothing heavy."""
    return {
        "created": created.isoformat(),
        "command": sys.argv,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "n_cpus": os.cpu_count(),
        "versions": {package: _version(package) for package in ("enas", "torch", "numpy", "scikit-learn", "scipy")},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # run from a source tree that is not installed
        return None
