"""From rows to a model, for every family: search, derive, retrain, combine. Writes no files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from enas.checkpoint import State, join, taking_up
from enas.ensemble import Selection, cross_fitted, select
from enas.errors import RunError
from enas.family import Family, Recipe
from enas.folds import Folds
from enas.interrupts import Interrupted
from enas.journal import Journal
from enas.model import Member, Model
from enas.retrain import Candidate, Retraining
from enas.scored import choose_candidates
from enas.search import Search, SearchResult
from enas.search_space import Architecture, SearchSpace

SEARCH_SHARE = 0.6
"""Of a time limit; the rest is for retraining."""


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


@dataclass(slots=True)
class Fit:
    """Search and retraining of a family; `run` it once. It can be left after any step and taken up by another object.

    Args:
        family: the rows and the networks.
        recipe: how long and how.
        journal: log, curves, checkpoints.
        architecture: retrain just this one, without a search.
        keep: takes the model of the candidates so far, after each but the last, and where the process is asked to stop.
    """

    family: Family
    recipe: Recipe
    journal: Journal
    architecture: Architecture | None = None
    keep: Callable[[Model], None] = lambda model: None
    _found: SearchResult | None = field(default=None, init=False)
    _candidates: list[Candidate] = field(default_factory=list, init=False)
    _begun_at: Mapping[str, Tensor] = field(default_factory=dict, init=False)

    def run(self, resumed: State | None = None) -> Fitted:
        """Search and train; where training breaks down, the model made of the last good state goes with the error.

        Args:
            resumed: a state of the same family and architecture. More candidates, or more epochs of what has not begun,
                give what a run with these numbers gives from its start; with another number of epochs retraining begins
                anew, since its schedule depends on it.

        Raises:
            Breakdown: the loss was not finite, and going back did not help.
            Interrupted: the process was asked to stop; the state is kept.
        """
        with self.family.computing():
            found = None if self.architecture else self.search(resumed)
            if found and found.failure:
                raise Breakdown(found.failure, self.family.salvage(found))
            self._retrain_all(resumed)
        return _combine(self.family, self.recipe, found, tuple(self._candidates))

    def search(self, resumed: State | None = None) -> SearchResult:
        """Search and derive, in a share of the time."""
        search = self._make_search()
        if resumed and "found" in resumed:
            with taking_up():
                self._found = search.recall(resumed["found"])
            return self._found
        if resumed:
            with taking_up():
                search.load(resumed["search"])
                self.family.randomness.restore(resumed["randomness"].tensors)
        self._found = search.run()
        return self._found

    def state(self, **under_way: State) -> State:
        """Where all of it stands: what is done, and beside it what is under way."""
        randomness = State(tensors=self.family.randomness.position())
        if self._found:
            under_way["found"] = self._found.state()
        if self._begun_at:
            candidates = {str(i): candidate.state() for i, candidate in enumerate(self._candidates)}
            under_way["candidates"] = join(**candidates)
            under_way["begun_at"] = State(tensors=self._begun_at)
        facts = {"elapsed": self.journal.deadline.elapsed, "n_epochs_fixed": self.recipe.n_epochs_fixed}
        return join(facts, randomness=randomness, **under_way)

    def _make_search(self) -> Search:
        family, recipe = self.family, self.recipe
        return Search(
            controller=family.make_controller(recipe.settings),
            learner=family.learn_shared(),
            folds=family.folds,
            settings=recipe.settings,
            reward=family.reward,
            n_epochs=recipe.n_epochs_search,
            n_judges=recipe.n_judges,
            generator=family.generator,
            journal=self._journal("search", SEARCH_SHARE),
            train_every=recipe.train_every,
            derive_on_minibatch=recipe.derive_on_minibatch,
            n_derived=recipe.n_derived,
            n_parts=recipe.n_parts[0],
        )

    def _journal(self, name: str, share: float) -> Journal:
        """For a stage: its states become a part of all of it, and it has a share of the time that is left."""

        def offer(state: Callable[[], State], *, epoch_ended: bool = False) -> None:
            self.journal.offer(lambda: self.state(**{name: state()}), epoch_ended=epoch_ended)

        return replace(self.journal, offer=offer, deadline=self.journal.deadline.part(share))

    def _retrain_all(self, resumed: State | None) -> None:
        """Retrain each chosen architecture, the first always, the rest while there is time; stop at a failure."""
        progress, chosen = self.journal.progress, self._choose()
        with taking_up():
            current = self._recall(resumed) if resumed and "begun_at" in resumed else None
        self._begun_at = self._begun_at or self.family.randomness.position()
        for architecture in chosen[len(self._candidates) :]:
            if self._candidates and self._candidates[-1].failure:
                break
            if self._candidates and self.journal.deadline.passed():
                progress.warn(f"time limit: {len(self._candidates)} of {len(chosen)} candidates are retrained")
                break
            progress.line(f"training {architecture}: {self.family.space.describe(architecture)}")
            candidate = self._retrain(architecture, 1 / (len(chosen) - len(self._candidates)), current)
            progress.line(f"training arc: {architecture}, valid {self.family.reward}: {candidate.reward:.4f}")
            self._candidates.append(candidate)
            self._keep(self._candidates if len(self._candidates) < len(chosen) else ())
            current = None

    def _recall(self, resumed: State) -> State | None:
        """Take up what was retrained; returns the state of what is under way and of the generators, if there is one."""
        self._begun_at = resumed["begun_at"].tensors
        if resumed.facts["n_epochs_fixed"] != self.recipe.n_epochs_fixed:
            self.journal.progress.line(
                f"retraining begins anew, now with {self.recipe.n_epochs_fixed} epochs: its schedule depends on them"
            )
            self.family.randomness.restore(self._begun_at)
            return None
        candidates = resumed["candidates"]
        self._candidates = [Candidate.from_state(candidates[name]) for name in candidates.facts]
        self.family.randomness.restore(resumed["randomness"].tensors)
        return resumed if "current" in resumed else None

    def _retrain(self, architecture: Architecture, share: float, resumed: State | None) -> Candidate:
        retraining = Retraining(
            self.family.learn_alone(architecture, self._found),
            architecture,
            self.family.folds,
            self.recipe.n_epochs_fixed,
            self.family.reward,
            self._journal("current", share),
            self.recipe.n_parts[1],
        )
        if resumed:
            with taking_up():
                retraining.load(resumed["current"])
                self.family.randomness.restore(resumed["randomness"].tensors)
        try:
            return retraining.run()
        except Interrupted:
            under_way = retraining.best_so_far()
            self._keep([*self._candidates, under_way] if under_way else self._candidates)
            raise

    def _keep(self, candidates: Sequence[Candidate]) -> None:
        """A model of these, if there are any that did not fail."""
        if candidates and not candidates[-1].failure:
            self.keep(_combine(self.family, self.recipe, self._found, tuple(candidates)).model)

    def _choose(self) -> tuple[Architecture, ...]:
        if self.architecture:
            return (self.architecture,)
        assert self._found is not None, "without an architecture there was a search"
        chosen = choose_candidates(self._found.derived, self.recipe.top_k, self.family.group)
        return tuple(one.architecture for one in chosen)


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
