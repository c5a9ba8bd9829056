"""Where runs are: how a run directory is made, described and found again."""

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from enas.errors import ConfigError, RunError
from enas.files import problem_of_name, read_json, write_json
from enas.run import Run


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
