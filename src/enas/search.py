"""The search: alternate between the shared weights and the controller, then derive (Pham et al. 2018, section 2.2-2.3).

Each epoch
1. trains the shared weights over the training rows: every minibatch samples a fresh architecture and updates only its
   part;
2. takes ``train_steps`` controller updates; each averages the REINFORCE gradient over ``num_aggregate`` architectures,
   whose reward is their score with shared weights on held-out rows.

Departures from the paper and the originals, with reasons:
- Cross-fitting: where the data are small, K sets of shared weights train side by side, one per fold, under one
  controller, and the reward is the out-of-fold score over all rows: a score on a dozen validation rows is noise.
- A single split rewards on one shuffled minibatch, as in the paper; if the held-out rows fit into one, on all of them.
- Where a choice of features has weights of its own, an epoch of few minibatches passes over the rows once per choice,
  so that each set of weights sees about as many updates as in a space without that choice.
- The shared weights are trained by Adam, at a constant rate: tables need no momentum tuning.
- The policy's entropy also enters its loss, with gradient (``exploration``): without it decisions saturate in the
  squashing and stay there (of six seeds one found a planted optimum, with it eight of eight).
- Deriving scores every distinct sampled architecture on all held-out rows; the originals print ten architectures scored
  on one minibatch and leave the choice to the reader.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from enas.checkpoint import State, join
from enas.config import ControllerSettings
from enas.controller import Controller
from enas.epochs import Epochs, Failure
from enas.folds import Folds
from enas.journal import Journal
from enas.lessons import LESSON_SHARE, Lessons
from enas.memory import in_halves
from enas.metrics.rewards import RewardName, judge
from enas.policy_watch import PolicyWatch
from enas.scored import Scored, by_reward
from enas.search_space import Architecture
from enas.training import Learner

N_DERIVED = 200
"""Architectures that the trained controller samples when deriving; duplicates are scored once."""

_TOGETHER = 10  # architectures scored at once when deriving: more share more, and need more memory

TRAINING_SHARE = 0.8
"""Of a time limit; the rest is for deriving."""

LOWEST_REWARD = -10.0
"""Log-loss and R² have no lower bound: one diverged network must not drown what the others teach."""


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """What a search leaves.

    Args:
        derived: distinct architectures, best first.
        learner: the shared weights that scored them.
        controller: what sampled them.
        n_skipped: steps that were skipped because the loss was not finite.
        failure: why the search stopped before its last epoch; None if it did not, or if its time was over.
    """

    derived: tuple[Scored, ...]
    learner: Learner
    controller: Controller
    n_skipped: int
    failure: str | None

    def state(self) -> State:
        """As a checkpoint keeps it; `Search.recall` is the inverse."""
        derived = [one.to_json() for one in self.derived]
        return join(
            {"derived": derived, "n_skipped": self.n_skipped, "failure": self.failure},
            weights=State(tensors=self.learner.weights()),
            controller=State(tensors=dict(self.controller.state_dict())),
        )


@dataclass(slots=True)
class Search:
    """One search; `run` it once. It can be left after any step and taken up by another object (`state`, `load`).

    Args:
        learner: the shared weights.
        controller: samples architectures of the learner's space.
        folds: which rows train and judge.
        settings: how the controller learns.
        reward: what is maximised.
        n_epochs: epochs over the training rows.
        n_judges: rows of the minibatch that rewards.
        generator: draws architectures and minibatches.
        journal: log, curves, checkpoints and the time that there is.
        train_every: epochs between two lessons of the controller.
        derive_on_minibatch: score them on one minibatch, as the originals.
        n_derived: architectures that the trained controller samples when deriving; duplicates are scored once.
        n_parts: into which steps are divided from the start, to save memory.
    """

    learner: Learner
    controller: Controller
    folds: Folds
    settings: ControllerSettings
    reward: RewardName
    n_epochs: int
    n_judges: int
    generator: torch.Generator
    journal: Journal
    train_every: int = 1
    derive_on_minibatch: bool = False
    n_derived: int = N_DERIVED
    n_parts: int = 1
    _epochs: Epochs = field(init=False)
    _lessons: Lessons = field(init=False)
    _watch: PolicyWatch = field(init=False)
    _loss: float | None = field(default=None, init=False)
    _failure: str | None = field(default=None, init=False)
    _drawn: Mapping[str, Tensor] = field(default_factory=dict, init=False)
    _scored: list[Scored] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        training = self.journal.until(self.journal.deadline.part(TRAINING_SHARE))
        self._epochs = Epochs(
            self.learner, "search", training, self._offer, n_parts=self.n_parts, share=1 - LESSON_SHARE
        )
        self._lessons = Lessons(
            self.controller,
            self.settings,
            self._rewards,
            self.generator,
            training,
            self._offer,
            self._epochs.pace,
        )
        self._watch = PolicyWatch(self.controller.space, self.n_epochs, self.journal.progress)

    def run(self) -> SearchResult:
        """Search, then derive; where training breaks down, derive from what there is and say so (`failure`)."""
        progress = self.journal.progress
        if not self._drawn:
            with progress.stage("search", self.n_epochs) as advance:
                for _ in range(self._n_complete):
                    advance("")
                while self._n_complete < self.n_epochs and not self._failure:
                    advance(self._run_epoch())
                    if self._epochs.journal.deadline.passed():
                        progress.warn(f"time limit: the search stops in epoch {self._epochs.epoch} of {self.n_epochs}")
                        break
        return SearchResult(self.derive(), self.learner, self.controller, self._epochs.n_skipped, self._failure)

    @property
    def _n_complete(self) -> int:
        """Epochs whose lessons are over, too."""
        return self._epochs.epoch - (self._loss is not None)

    def _run_epoch(self) -> str:
        """Train the shared weights, then the controller; returns a word on the rewards."""
        if self._loss is None:
            try:
                self._loss = self._epochs.run(self._sample, self.n_epochs)
            except Failure as error:
                self._failure = str(error)
                return ""
        epoch = self._epochs.epoch - 1
        curves = self._lessons.run(epoch, self.n_epochs) if (epoch + 1) % self.train_every == 0 else {}
        shares = self._watch(self._show_samples(), epoch)
        rate = self.learner.optimizer.lr
        self.journal.record(
            {"stage": "search", "epoch": epoch, "child_loss": self._loss, "lr": rate, **curves, **shares}
        )
        self._loss = None
        self.journal.offer(self.state, epoch_ended=True)
        return f"reward {curves['reward']:.3f}" if curves else ""

    def derive(self) -> tuple[Scored, ...]:
        """Sample, score each distinct architecture on all held-out rows, best first."""
        randomness = self.journal.randomness
        if not self._drawn:
            self._drawn = randomness.position()
            distinct, judges = self._draw()
        else:
            with randomness.at(self._drawn):
                distinct, judges = self._draw()
        groups = [distinct[start : start + _TOGETHER] for start in range(len(self._scored), len(distinct), _TOGETHER)]
        with self.journal.progress.stage(f"deriving from {len(distinct)} architectures", len(groups)) as advance:
            for group in groups:
                if self._scored and self.journal.deadline.passed():
                    words = f"time limit: {len(self._scored)} of {len(distinct)} architectures are scored"
                    self.journal.progress.warn(words)
                    break
                self._scored += self.score(group, judges)
                advance(f"best {max(one.reward for one in self._scored):.3f}")
                self._offer()
        return tuple(sorted(self._scored, key=by_reward, reverse=True))

    def rank(self, architectures: Sequence[Architecture]) -> tuple[Scored, ...]:
        """Score architectures that the policy has not proposed on all held-out rows, best first."""
        scored: list[Scored] = []
        groups = [architectures[start : start + _TOGETHER] for start in range(0, len(architectures), _TOGETHER)]
        with self.journal.progress.stage(f"scoring {len(architectures)} random architectures", len(groups)) as advance:
            for group in groups:
                scored += self.score(group, self.folds)
                advance(f"best {max(one.reward for one in scored):.3f}")
                self.journal.offer(State)  # they are scored anew where the run is taken up
        return tuple(sorted(scored, key=by_reward, reverse=True))

    def _draw(self) -> tuple[list[Architecture], Folds]:
        """What is derived from, and the rows that judge."""
        distinct = list(dict.fromkeys(self._sample(self.n_derived)))
        return distinct, self._judges() if self.derive_on_minibatch else self.folds

    def _offer(self) -> None:
        self.journal.offer(self.state)

    def state(self) -> State:
        """All that `load` needs."""
        facts = {
            "loss": self._loss,
            "failure": self._failure,
            "warned": sorted(self._watch.warned),
            "scored": [one.to_json() for one in self._scored],
        }
        return join(
            facts,
            epochs=self._epochs.state(),
            lessons=self._lessons.state(),
            controller=State(tensors=dict(self.controller.state_dict())),
            drawn=State(tensors=self._drawn),
        )

    def load(self, state: State) -> None:
        """Go on from what `state` gave; the generators go where they stood by themselves."""
        self._loss, self._failure = state.facts["loss"], state.facts["failure"]
        self._watch.warned.update(state.facts["warned"])
        self._scored = [Scored.from_json(one) for one in state.facts["scored"]]
        self._epochs.load(state["epochs"])
        self._lessons.load(state["lessons"])
        self.controller.load_state_dict(dict(state["controller"].tensors))
        self._drawn = state["drawn"].tensors

    def recall(self, state: State) -> SearchResult:
        """What an earlier search of the same kind left (`SearchResult.state`)."""
        self.learner.restore(state["weights"].tensors)
        self.controller.load_state_dict(dict(state["controller"].tensors))
        derived = tuple(Scored.from_json(one) for one in state.facts["derived"])
        return SearchResult(derived, self.learner, self.controller, state.facts["n_skipped"], state.facts["failure"])

    def score(self, architectures: Sequence[Architecture], judges: Folds) -> list[Scored]:
        """Score with shared weights on the rows that ``judges`` hold out."""
        outputs = in_halves(lambda some: self.learner.judge(judges, some), architectures, "scoring architectures")
        predictions = outputs.float().cpu().numpy()
        rewards, ties = judge(self.reward, predictions, judges.judged_labels)
        rewards = np.maximum(rewards, LOWEST_REWARD)
        return [Scored(a, float(r), float(t)) for a, r, t in zip(architectures, rewards, ties, strict=True)]

    def _rewards(self, architectures: Sequence[Architecture]) -> list[float]:
        judges = self._judges()
        self._epochs.pace.count(len(architectures) * len(judges.judged))
        return [one.reward for one in self.score(architectures, judges)]

    def _sample(self, n: int) -> list[Architecture]:
        """Architectures from the policy as it is."""
        with torch.no_grad():
            return self.controller.sample(n, self.generator).architectures

    def _judges(self) -> Folds:
        """Rows for one reward: all out-of-fold rows under cross-fitting; one shuffled minibatch of a single split."""
        if self.folds.n_folds > 1 or self.folds.held_out.shape[1] <= self.n_judges:
            return self.folds
        return self.folds.sample_judges(self.n_judges, self.generator)

    def _show_samples(self) -> list[Architecture]:
        """Ten sampled architectures with their rewards, as both originals print them."""
        sampled = self._sample(10)
        for one in self.score(sampled, self._judges()):
            self.journal.progress.line(f"('{one.architecture}', {one.reward:.6g})")
        return sampled
