"""From rows to a model, for every family: search, derive, retrain, combine. Writes no files."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from enas.checkpoint import State, join, taking_up
from enas.ensemble import Selection, cross_fitted, select
from enas.errors import RunError
from enas.family import Family, Recipe
from enas.folds import Folds
from enas.journal import Journal
from enas.model import Member, Model
from enas.retrain import Candidate
from enas.rivals import Rivals, combine_rivals, draw_random
from enas.rounds import Round
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
        rivals: random architectures at the same budget; None where there was no search, no wish or no time.
    """

    model: Model
    space: SearchSpace
    search: SearchResult | None
    candidates: tuple[Candidate, ...]
    selection: Selection
    folds: Folds
    held_out: NDArray[np.float64]
    rivals: Rivals | None = None


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
        keep: takes the model of the candidates so far, after each, and where the process is asked to stop.
    """

    family: Family
    recipe: Recipe
    journal: Journal
    architecture: Architecture | None = None
    keep: Callable[[Model], None] = lambda model: None
    _search: Search | None = field(default=None, init=False)
    _found: SearchResult | None = field(default=None, init=False)
    _chosen: Round = field(init=False)
    _rivals: Round = field(init=False)

    def __post_init__(self) -> None:
        self._chosen, self._rivals = self._make_round("chosen"), self._make_round("rivals")

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
            self._retrain_chosen(resumed)
            rivals = self._retrain_rivals() if self.recipe.compare_with_random else None
        return replace(_combine(self.family, self.recipe, found, tuple(self._chosen.candidates)), rivals=rivals)

    def search(self, resumed: State | None = None) -> SearchResult:
        """Search and derive, in a share of the time."""
        self._search = self._make_search()
        if resumed and "found" in resumed:
            with taking_up():
                self._found = self._search.recall(resumed["found"])
            return self._found
        if resumed:
            with taking_up():
                self._search.load(resumed["search"])
                self.family.randomness.restore(resumed["randomness"].tensors)
        self._found = self._search.run()
        return self._found

    def state(self, **under_way: State) -> State:
        """Where all of it stands: what is done, and beside it what is under way."""
        randomness = State(tensors=self.family.randomness.position())
        if self._found:
            under_way["found"] = self._found.state()
        for name, one in (("chosen", self._chosen), ("rivals", self._rivals)):
            if one.start and name not in under_way:
                under_way[name] = one.state()
        return join({"elapsed": self.journal.deadline.elapsed}, randomness=randomness, **under_way)

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

    def _make_round(self, name: str) -> Round:
        journal = self._journal(name)
        if name == "rivals":
            journal = replace(journal, record=lambda row: self.journal.record({**row, "stage": "retrain_random"}))
        return Round(self.family, self.recipe.n_epochs_fixed, self.recipe.n_parts[1], journal)

    def _journal(self, name: str, share: float | None = None) -> Journal:
        """For a stage: its states become a part of all of it, and it may have a share of the time that is left."""

        def offer(state: Callable[[], State], *, epoch_ended: bool = False) -> None:
            self.journal.offer(lambda: self.state(**{name: state()}), epoch_ended=epoch_ended)

        deadline = self.journal.deadline
        return replace(self.journal, offer=offer, deadline=deadline.part(share) if share else deadline)

    def _retrain_chosen(self, resumed: State | None) -> None:
        """Retrain what the search has chosen."""
        with taking_up():
            for name, one in (("chosen", self._chosen), ("rivals", self._rivals)):
                if resumed and name in resumed:
                    one.load(resumed[name])
        self._chosen.begin(self.family.randomness.position())
        self._chosen.run(self._choose(), self._found, self._keep)

    def _retrain_rivals(self) -> Rivals | None:
        """Retrain as many random architectures, from where the chosen ones began; nothing where there is no time."""
        if not self._search or not self._found or self._chosen.is_broken:
            return None
        progress = self.journal.progress
        if self.journal.deadline.left < self._chosen.seconds:
            progress.warn("time limit: nothing is left for a comparison with random architectures")
            return None
        progress.line("----------Random architectures at the same budget (compare_with_random: false leaves them out)")
        generator = torch.Generator().manual_seed(self.family.generator.initial_seed())
        scored = self._search.rank(draw_random(self.family.space, len(self._found.derived), generator))
        chosen = choose_candidates(scored, len(self._chosen.candidates), self.family.group)
        self._rivals.begin(self._chosen.start)
        try:
            self._rivals.run([one.architecture for one in chosen], self._found)
            return combine_rivals(self.family, self.recipe, len(scored), chosen, self._rivals.candidates)
        except RunError as error:
            progress.warn(f"there is no comparison with random architectures: {error}")
            return None

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
