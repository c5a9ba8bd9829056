"""Cross-validations of two folds and two repeats, in this process or one that kills itself."""

import os
import signal
from pathlib import Path

from reliability.faults import At
from reliability.studies import Study, Watcher

import enas
from enas.cross_validation import CrossValidation

RESULTS = ("cv.json", "cv.csv", "cv_predictions.csv")


def cross_validate(
    study: Study, *overrides: str, log: Watcher | None = None, jobs: int = 1, resume: bool | Path = False
) -> CrossValidation:
    """Two folds, two repeats, of a study."""
    auto = enas.auto(study.config, overrides=overrides, progress=log or Watcher())
    return auto.cross_validate(None if resume else 2, None if resume else 2, jobs=jobs, resume=resume)


def results_of(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in RESULTS}


def places(study: Study) -> list[Path]:
    return sorted(study.runs.glob("enas/study/cv_*"))


def run_and_die(config: Path, resume: bool, word: str, n: int) -> None:
    """Up to the n-th event with a word."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    cross_validate(Study(config, config.parent / "runs"), log=Watcher(At(word, die, n)), resume=resume)
