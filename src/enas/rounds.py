"""A round of retraining: several architectures one after another, each as `retrain` does it.

Every candidate begins with the generators where its predecessor left them, and the round knows where that was. So a
round can be taken up after any step, and one that is asked for more candidates later goes on as if it had been asked
for them from the start, whatever else was drawn meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from enas.checkpoint import State, join, taking_up
from enas.family import Family
from enas.interrupts import Interrupted
from enas.journal import Journal
from enas.retrain import Candidate, Retraining
from enas.search import SearchResult
from enas.search_space import Architecture


@dataclass(slots=True)
class Round:
    """Architectures to be retrained; `run` it once.

    Args:
        family: the rows and the networks.
        n_epochs: of retraining each.
        n_parts: into which steps are divided from the start, to save memory.
        journal: log, curves, checkpoints of the round, and the time that there is.
        candidates: what is retrained so far.
        seconds: that this took.
    """

    family: Family
    n_epochs: int
    n_parts: int
    journal: Journal
    candidates: list[Candidate] = field(default_factory=list)
    seconds: float = 0.0
    _start: Mapping[str, Tensor] = field(default_factory=dict)
    _ended: Mapping[str, Tensor] = field(default_factory=dict)
    _under_way: State | None = None

    @property
    def start(self) -> Mapping[str, Tensor]:
        """Where the generators stood before the first candidate; empty before the round has begun."""
        return self._start

    @property
    def is_broken(self) -> bool:
        """Whether the last candidate's training broke down."""
        return bool(self.candidates and self.candidates[-1].failure)

    def begin(self, start: Mapping[str, Tensor]) -> None:
        """Draw from ``start`` on; a round that was taken up has its own."""
        self._start = self._start or start
        self._ended = self._ended or start
        self.family.randomness.restore(self._ended)

    def run(
        self,
        chosen: Sequence[Architecture],
        found: SearchResult | None,
        keep: Callable[[Sequence[Candidate]], None] = lambda candidates: None,
    ) -> None:
        """Retrain those of ``chosen`` that are left, the first always, the rest while there is time; stop at a failure.

        Args:
            chosen: all of the round, those that are done first.
            found: by the search, to start warm from.
            keep: takes the candidates so far, after each, and where the process is asked to stop.

        Raises:
            RunError: training broke down in a first epoch.
            Interrupted: the process was asked to stop.
        """
        progress, reward = self.journal.progress, self.family.reward
        for architecture in chosen[len(self.candidates) :]:
            if self.is_broken:
                break
            if self.candidates and self.journal.deadline.passed():
                progress.warn(f"time limit: {len(self.candidates)} of {len(chosen)} candidates are retrained")
                break
            progress.line(f"training {architecture}: {self.family.space.describe(architecture)}")
            before = self.journal.deadline.elapsed
            share = 1 / (len(chosen) - len(self.candidates))
            self.candidates.append(self._retrain(architecture, share, found, keep))
            self._ended = self.family.randomness.position()
            self.seconds += self.journal.deadline.elapsed - before
            progress.line(f"training arc: {architecture}, valid {reward}: {self.candidates[-1].reward:.4f}")
            keep(self.candidates)

    def _retrain(
        self,
        architecture: Architecture,
        share: float,
        found: SearchResult | None,
        keep: Callable[[Sequence[Candidate]], None],
    ) -> Candidate:
        retraining = Retraining(
            self.family.learn_alone(architecture, found),
            architecture,
            self.family.folds,
            self.n_epochs,
            self.family.reward,
            self._journal(share),
            self.n_parts,
        )
        if self._under_way:
            with taking_up():
                retraining.load(self._under_way["current"])
                self.family.randomness.restore(self._under_way["now"].tensors)
            self._under_way = None
        try:
            return retraining.run()
        except Interrupted:
            best = retraining.best_so_far()
            keep([*self.candidates, best] if best else self.candidates)
            raise

    def _journal(self, share: float) -> Journal:
        """For one candidate: its states become a part of the round's, and it has a share of the time that is left."""

        def offer(state: Callable[[], State], *, epoch_ended: bool = False) -> None:
            self.journal.offer(lambda: self.state(state()), epoch_ended=epoch_ended)

        return replace(self.journal, offer=offer, deadline=self.journal.deadline.part(share))

    def state(self, current: State | None = None) -> State:
        """All that `load` needs; ``current`` is the state of the candidate that is under way."""
        under_way = {}
        if current:
            under_way = {"current": current, "now": State(tensors=self.family.randomness.position())}
        elif self._under_way:  # loaded, and its turn has not come yet
            under_way = {name: self._under_way[name] for name in ("current", "now")}
        done = {str(i): candidate.state() for i, candidate in enumerate(self.candidates)}
        return join(
            {"n_epochs": self.n_epochs, "seconds": self.seconds},
            start=State(tensors=self._start),
            ended=State(tensors=self._ended),
            candidates=join(**done),
            **under_way,
        )

    def load(self, state: State) -> None:
        """Go on from what `state` gave; with another number of epochs, whose schedule is another, from the start."""
        self._start = self._ended = state["start"].tensors
        if state.facts["n_epochs"] != self.n_epochs:
            self.journal.progress.line(
                f"retraining begins anew, now with {self.n_epochs} epochs: its schedule depends on them"
            )
            return
        candidates = state["candidates"]
        self.candidates = [Candidate.from_state(candidates[name]) for name in candidates.facts]
        self._ended, self.seconds = state["ended"].tensors, state.facts["seconds"]
        self._under_way = state if "current" in state else None
