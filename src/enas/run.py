"""The run directory: the names of all files in it, how it is locked, and which of its steps are done.

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

import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from enas.errors import RunError
from enas.files import PARTIAL_PREFIX, append_record, read_json, read_records, write_json


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
