"""What the pipeline asks of the data that a config names, tables or folders of images alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from enas.config import Inference
from enas.errors import DataError, RunError
from enas.evaluate import Evaluation
from enas.family import Family, Recipe
from enas.files import read_json
from enas.model import Model
from enas.predict import Prediction
from enas.run import Run


@dataclass(frozen=True, slots=True)
class Ready:
    """Training data, read and prepared.

    Args:
        family: rows and networks.
        recipe: how long and how to search and retrain.
        facts: hashes by which files and samples are known again; goes to ``data.json``.
    """

    family: Family
    recipe: Recipe
    facts: Mapping[str, object]


class Explained(Protocol):
    """What explaining leaves, whatever its kind."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What was written."""

    @property
    def summary(self) -> tuple[str, ...]:
        """Lines of the log."""


class Trains(Protocol):
    """What training asks of data."""

    def prepare(self) -> Ready:
        """Read the training data."""


class Source(Trains, Protocol):
    """The data of one config."""

    def steps(self) -> tuple[str, ...]:
        """Which of evaluate, predict and explain the config asks for."""

    def evaluate(self, model: Model, settings: Inference, run: Run) -> Evaluation:
        """Score the model on the config's test data."""

    def predict(self, model: Model, settings: Inference, run: Run) -> Prediction:
        """Predict what has no labels."""

    def explain(self, model: Model, run: Run) -> Explained:
        """Show what the model goes by."""


def seen_hashes(run: Run) -> set[int]:
    """Hashes of the samples that trained or chose the run's model.

    Raises:
        RunError: ``data.json`` is damaged.
    """
    try:
        return {int(value, 16) for value in read_json(run.data)["data_train"]["row_hashes"]}
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"{run.data} is damaged: it does not say which samples were trained on") from error


def check_samples(run: Run, facts: Mapping[str, Any]) -> None:
    """Refuse samples other than those that the run was trained on; their files may have moved.

    Args:
        run: finished.
        facts: of the data as they are now, see `Ready`.

    Raises:
        DataError: the message names the files that have changed.
        RunError: ``data.json`` is damaged.
    """
    if seen_hashes(run) != {int(value, 16) for value in facts["row_hashes"]}:
        known = read_json(run.data)["data_train"].get("files", {})
        changed = [name for name, digest in facts["files"].items() if known.get(name) != digest]
        raise DataError(
            f"{', '.join(changed)}: the samples are not those that {run.path} was trained on; put the old data back, "
            "or train anew"
        )
