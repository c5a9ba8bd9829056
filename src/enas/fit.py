"""From rows to a model, for every family: search, derive, retrain, combine. Writes no files."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from enas.ensemble import Selection, cross_fitted, select
from enas.errors import RunError
from enas.family import Family, Recipe
from enas.folds import Folds
from enas.model import Member, Model
from enas.progress import Progress
from enas.retrain import Candidate, retrain
from enas.search import Search, SearchResult, choose_candidates
from enas.search_space import Architecture, SearchSpace
from enas.training import StepLog

Record = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What training leaves.

    Args:
        model: the chosen candidate, or the weighted candidates.
        space: of the architectures.
        search: derived architectures and shared weights; None where the architecture was given.
        candidates: the retrained ones, in the order in which `choose_candidates` took them.
        selection: epoch and weight of each.
        folds: the rows as the networks saw them.
        held_out: (n_judged, C) outputs for the rows ``folds.judged``. Under cross-fitting no row had a say in the
            epochs and weights that made its output; with a single split the same rows chose, and their score is
            optimistic.
    """

    model: Model
    space: SearchSpace
    search: SearchResult | None
    candidates: tuple[Candidate, ...]
    selection: Selection
    folds: Folds
    held_out: NDArray[np.float64]


class Breakdown(RunError):
    """Training stopped because its loss was not finite; ``model`` is made of the last good state, if there is one."""

    def __init__(self, message: str, model: Model | None) -> None:
        super().__init__(message)
        self.model = model


class Deadline:
    """A time limit that search and retraining share.

    Args:
        seconds: from now; None = no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._start = time.monotonic()

    def passed(self, share: float = 1.0) -> bool:
        """Whether ``share`` of the time is over."""
        return self._seconds is not None and time.monotonic() - self._start > share * self._seconds


def fit(
    family: Family,
    recipe: Recipe,
    *,
    architecture: Architecture | None = None,
    progress: Progress,
    record: Record,
) -> Fitted:
    """Search and train; where training breaks down, the model made of the last good state goes with the error.

    Args:
        family: the rows and the networks.
        recipe: how long and how.
        architecture: retrain just this one, without a search.
        progress: where the log goes.
        record: takes one row of the training curves per epoch.

    Raises:
        Breakdown: the loss was not finite five times in a row.
    """
    deadline, start = Deadline(recipe.time_limit), time.perf_counter()
    with family.computing():
        found = None if architecture else search(family, recipe, deadline, progress, record)
        if found and found.failure:
            raise Breakdown(found.failure, family.salvage(found))
        chosen = _choose(family, recipe, found, architecture)
        candidates = _retrain_all(family, recipe, chosen, found, deadline, progress, record)
    record({"stage": "search and retraining", "seconds": round(time.perf_counter() - start, 3)})
    return _combine(family, recipe, found, candidates)


def search(family: Family, recipe: Recipe, deadline: Deadline, progress: Progress, record: Record) -> SearchResult:
    """Search and derive; half of a time limit is the search's."""
    controller = family.make_controller(recipe.settings)
    return Search(
        learner=family.learn_shared(),
        controller=controller,
        folds=family.folds,
        settings=recipe.settings,
        reward=family.reward,
        n_epochs=recipe.n_epochs_search,
        n_judges=recipe.n_judges,
        log=StepLog(progress, recipe.log_every),
        generator=family.generator,
        progress=progress,
        record=record,
        train_every=recipe.train_every,
        derive_on_minibatch=recipe.derive_on_minibatch,
        n_derived=recipe.n_derived,
        out_of_time=lambda: deadline.passed(0.5),
    ).run()


def _choose(
    family: Family, recipe: Recipe, found: SearchResult | None, architecture: Architecture | None
) -> tuple[Architecture, ...]:
    if architecture:
        return (architecture,)
    assert found is not None, "without an architecture there was a search"
    return tuple(one.architecture for one in choose_candidates(found.derived, recipe.top_k, family.group))


def _retrain_all(
    family: Family,
    recipe: Recipe,
    chosen: Sequence[Architecture],
    found: SearchResult | None,
    deadline: Deadline,
    progress: Progress,
    record: Record,
) -> tuple[Candidate, ...]:
    """Retrain each chosen architecture, the first always, the rest while there is time; stop at a failure."""
    candidates: list[Candidate] = []
    for architecture in chosen:
        if candidates and candidates[-1].failure:
            break
        if candidates and deadline.passed():
            progress.warn(f"time limit: {len(candidates)} of {len(chosen)} candidates are retrained")
            break
        progress.line(f"training {architecture}: {family.space.describe(architecture)}")
        candidate = retrain(
            family.learn_alone(architecture, found),
            architecture,
            family.folds,
            n_epochs=recipe.n_epochs_fixed,
            reward=family.reward,
            log=StepLog(progress, recipe.log_every),
            progress=progress,
            record=record,
        )
        progress.line(f"training arc: {architecture}, valid {family.reward}: {candidate.reward:.4f}")
        candidates.append(candidate)
    return tuple(candidates)


def _combine(family: Family, recipe: Recipe, found: SearchResult | None, candidates: tuple[Candidate, ...]) -> Fitted:
    """Choose among the candidates, or weigh them, on held-out rows."""
    folds = family.folds
    outputs = [candidate.outputs for candidate in candidates]
    labels, fold_of_row = folds.judged_labels, folds.fold_of_judged.cpu().numpy()
    selection = select(outputs, labels, family.reward, ensemble=recipe.ensemble)
    held_out = cross_fitted(outputs, labels, fold_of_row, family.reward, ensemble=recipe.ensemble)
    model = family.make_model(_members(candidates, selection))
    if candidates[-1].failure:
        raise Breakdown(candidates[-1].failure, model)
    return Fitted(model, family.space, found, candidates, selection, folds, held_out)


def _members(candidates: tuple[Candidate, ...], selection: Selection) -> list[Member]:
    """The members of a model, one per retrained candidate."""
    return [
        Member(
            candidate.architecture,
            float(share),
            float(temperature),
            {name: tensor.cpu() for name, tensor in candidate.tensors.items()},
        )
        for candidate, share, temperature in zip(candidates, selection.shares, selection.temperatures, strict=True)
    ]
