"""What estimators of tables and of images share: one training, what it tells meanwhile, and its errors."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from enas.console import Console, Silent
from enas.deadline import Deadline
from enas.errors import ConfigError, DataError
from enas.estimators.settings import InputError, ParameterError
from enas.family import Family, Recipe
from enas.fit import Fit, Fitted
from enas.journal import Journal
from enas.progress import Progress


class Warnings(Silent):
    """Tells nothing but warnings, as Python's."""

    def warn(self, text: str) -> None:
        warnings.warn(text.removeprefix("warning: "), UserWarning, stacklevel=2)


def make_progress(verbose: int) -> Progress:
    """A log on standard output; 0: Python's warnings alone."""
    return Console(verbose=verbose > 1) if verbose else Warnings()


def draw_seed(random_state: Any) -> int:
    """What an estimator's ``random_state`` means for the pipeline."""
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def name_classes(classes: NDArray[Any]) -> tuple[str, ...]:
    """Distinct names of labels of any kind: 1 and "1" may be two classes."""
    names = tuple(map(str, classes.tolist()))
    return names if len(set(names)) == len(names) else tuple(map(repr, classes.tolist()))


def run_fit(family: Family, recipe: Recipe, progress: Progress) -> tuple[Fitted, list[dict[str, object]]]:
    """Search and train; the second part is a record per epoch."""
    history: list[dict[str, object]] = []

    def record(row: Mapping[str, object]) -> None:
        history.append(dict(row))

    deadline = Deadline(recipe.time_limit)
    journal = Journal(progress, recipe.log_every, family.randomness, record, deadline=deadline)
    return Fit(family, recipe, journal).run(), history


def make_leaderboard(fitted: Fitted) -> list[dict[str, Any]]:
    """Every derived architecture, best first, with its score on shared weights and, where retrained, on its own."""
    shares = fitted.selection.shares.tolist()
    retrained = {c.architecture: (c, share) for c, share in zip(fitted.candidates, shares, strict=True)}
    rows = []
    for rank, one in enumerate(fitted.search.derived if fitted.search else (), start=1):
        candidate, share = retrained.get(one.architecture, (None, None))
        rows.append(
            {
                "rank": rank,
                "architecture": str(one.architecture),
                "description": fitted.space.describe(one.architecture),
                "shared_weight_score": one.reward,
                "retrained_score": candidate.reward if candidate else None,
                "best_epoch": candidate.best_epoch + 1 if candidate else None,
                "share_of_model": share,
            }
        )
    return rows


@contextmanager
def sklearn_errors() -> Iterator[None]:
    """Errors of parameters and data are ValueErrors, too."""
    try:
        yield
    except (ParameterError, InputError):
        raise
    except ConfigError as error:
        raise ParameterError(str(error)) from None
    except DataError as error:
        raise InputError(str(error)) from None
