"""What a run has saved, as the page takes it."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from enas.errors import RunError
from enas.files import read_json
from enas.run import Run
from enas.warned import FILE as WARNINGS
from enas.warned import read_warnings

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Saved:
    """Files of a run that are small; what is not there is empty.

    Args:
        run: the directory.
        config, environment, data, steps, best: of the files of that name.
        validation, evaluation, explanation, honesty: of the files of that name in ``output_files``.
        leaderboard: rows of the file.
        log: records of ``metrics.jsonl``.
        warnings: what was warned of.
    """

    run: Run
    config: Facts
    environment: Facts
    data: Facts
    steps: Facts
    best: Facts
    validation: Facts
    evaluation: Facts
    explanation: Facts
    honesty: Facts
    leaderboard: tuple[Mapping[str, str], ...]
    log: tuple[Facts, ...]
    warnings: tuple[str, ...]

    @property
    def is_of_images(self) -> bool:
        """Whether the run is one on folders of images."""
        return "data_train" not in self.config

    def output(self, name: str) -> Path:
        """A file in ``output_files``, there or not."""
        return self.run.output_files / name


def read_saved(run: Run) -> Saved:
    """Read them.

    Raises:
        RunError: one is damaged, or the configuration is missing.
    """
    output = run.output_files
    log = run.read_log() if run.metrics.is_file() else []
    return Saved(
        run=run,
        config=_facts(run.config, needed=True),
        environment=_facts(run.environment, needed=True),
        data=_facts(run.data),
        steps=_facts(run.steps),
        best=_facts(run.best_architecture),
        validation=_facts(output / "validation.json"),
        evaluation=_facts(output / "evaluation.json"),
        explanation=_facts(output / "explanation.json"),
        honesty=_facts(output / "honesty.json"),
        leaderboard=tuple(read_rows(run.leaderboard)),
        log=tuple(record for record in log if isinstance(record, dict)),
        warnings=tuple(read_warnings(run.path / WARNINGS)),
    )


def _facts(path: Path, *, needed: bool = False) -> Facts:
    if not needed and not path.is_file():
        return {}
    facts = read_json(path)
    if not isinstance(facts, dict):
        raise RunError(f"{path} is damaged: it does not hold what a run writes there")
    return facts


def read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows of one of our CSV files, none if it is not there.

    Raises:
        RunError: it cannot be read.
    """
    if not path.is_file():
        return
    with reading(path), path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever is not as a run writes it ends in one message with the file's name.

    Raises:
        RunError: it is not.
    """
    try:
        yield
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, csv.Error) as error:
        raise RunError(f"{path} is damaged: it does not hold what a run writes there") from error
