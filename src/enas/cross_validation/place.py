"""The directory of a cross-validation: made, found again, and refused where it is of something else.

``<save_dir>/enas/<name>/cv_<MMDD_HHMMSS>/`` lies among the runs of its name and is none: it has no
``environment.json``, by which runs are known. Its folds are runs::

    config.json             the configuration with every default filled in
    data.json               hashes of what was read
    plan.json               folds, repeats, and what `environment.json` says of a run
    repeat_1_fold_1/        the run of a fold, and what became of its held-out rows
    cv.json, cv.csv         the result: every fold, and all of them together
    cv_predictions.csv      what was predicted of every row while it was held out
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from enas.config import Config, ImageConfig
from enas.errors import RunError
from enas.files import read_json, write_json
from enas.run import Run
from enas.runs import describe_environment, make_new_directory, runs_of

PLAN = "plan.json"
RESULT = "cv.json"
FOLDS, REPEATS = 5, 3
"""Unless told otherwise."""


@dataclass(frozen=True, slots=True)
class Place:
    """A cross-validation on the disk.

    Args:
        path: its directory, absolute.
        created: when it was begun.
        folds, repeats: how many.
    """

    path: Path
    created: datetime
    folds: int
    repeats: int

    @property
    def plan(self) -> Path:
        """What marks the directory."""
        return self.path / PLAN

    @property
    def result(self) -> Path:
        """Written last; a cross-validation that has it is finished."""
        return self.path / RESULT

    @property
    def record(self) -> Run:
        """For its lock, its config and its data, which are those of a run."""
        return Run(self.path, self.created)


def create_place(
    config: Config | ImageConfig, folds: int, repeats: int, facts: Mapping[str, Any], data: Mapping[str, Any]
) -> Place:
    """Make the directory of a new cross-validation.

    Args:
        config: all settings.
        folds, repeats: how many.
        facts: seed, device, number of threads.
        data: see `enas.families.source.Ready`.

    Raises:
        ConfigError: the name cannot be a directory's.
        RunError: the directory cannot be made.
    """
    now = datetime.now().astimezone()
    path = make_new_directory(runs_of(config.trainer.save_dir, config.name), f"cv_{now:%m%d_%H%M%S}")
    place = Place(path, now, folds, repeats)
    try:
        write_json(place.record.config, config.model_dump(mode="json"))
        write_json(place.record.data, {"data_train": data})
        write_json(place.plan, {"folds": folds, "repeats": repeats, **describe_environment(now), **facts})
    except RunError:
        shutil.rmtree(path, ignore_errors=True)
        raise
    return place


def is_place(path: Path) -> bool:
    """Whether a directory is one of a cross-validation."""
    return (path / PLAN).is_file()


def open_place(path: Path) -> Place:
    """Open the directory of a cross-validation, finished or not.

    Raises:
        RunError: there is none at ``path``, or it is damaged.
    """
    path = Path(path).absolute()
    if not is_place(path):
        raise RunError(f"{path} is no directory of a cross-validation: it has no {PLAN}")
    noted = read_json(path / PLAN)
    try:
        created = datetime.fromisoformat(noted["created"]).astimezone()
        return Place(path, created, int(noted["folds"]), int(noted["repeats"]))
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise RunError(f"{path / PLAN} is damaged: it does not say how many folds there are") from error


def find_place(config: Config | ImageConfig, resume: bool | str | Path) -> Place:
    """The cross-validation to go on with.

    Args:
        config: names it.
        resume: its directory; True: the newest unfinished one of that name.

    Raises:
        RunError: there is none.
    """
    if not isinstance(resume, bool):
        return open_place(Path(resume))
    parent = runs_of(config.trainer.save_dir, config.name)
    places = [open_place(path.parent) for path in parent.glob(f"cv_*/{PLAN}") if not (path.parent / RESULT).is_file()]
    if not places:
        raise RunError(
            f"there is no unfinished cross-validation of {config.name!r} in {parent}, so nothing to resume; leave "
            "--resume out to begin one"
        )
    return max(places, key=lambda place: (place.created, place.path.name))
