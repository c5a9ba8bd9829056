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

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from enas.adam import Adam
from enas.config import ControllerSettings
from enas.controller import Controller
from enas.errors import RunError
from enas.folds import Folds
from enas.metrics.rewards import RewardName, judge
from enas.policy_watch import PolicyWatch
from enas.progress import Progress
from enas.reinforce import add_entropy, advantages, policy_loss
from enas.reinforce import make_optimizer as make_policy_optimizer
from enas.search_space import Architecture
from enas.training import GuardedStep, Learner, StepLog, run_epoch

N_DERIVED = 200
"""Architectures that the trained controller samples when deriving; duplicates are scored once."""

_TOGETHER = 10  # architectures scored at once when deriving: more share more, and need more memory

LOWEST_REWARD = -10.0
"""Log-loss and R² have no lower bound: one diverged network must not drown what the others teach."""


@dataclass(frozen=True, slots=True)
class Scored:
    """An architecture and its shared-weight score on held-out rows; ``tie`` orders equal rewards, higher is better."""

    architecture: Architecture
    reward: float
    tie: float


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


@dataclass(slots=True)
class Search:
    """One search; `run` it once.

    Args:
        learner: the shared weights.
        controller: samples architectures of the learner's space.
        folds: which rows train and judge.
        settings: how the controller learns.
        reward: what is maximised.
        n_epochs: epochs over the training rows.
        n_judges: rows of the minibatch that rewards.
        log: told of each step.
        generator: the source of all randomness.
        progress: where the log goes.
        record: takes one row of the training curves per epoch.
        train_every: epochs between two lessons of the controller.
        derive_on_minibatch: score them on one minibatch, as the originals.
        n_derived: architectures that the trained controller samples when deriving; duplicates are scored once.
        out_of_time: asked after each epoch; the search ends when it says yes.
    """

    learner: Learner
    controller: Controller
    folds: Folds
    settings: ControllerSettings
    reward: RewardName
    n_epochs: int
    n_judges: int
    log: StepLog
    generator: torch.Generator
    progress: Progress
    record: Callable[[Mapping[str, object]], None]
    train_every: int = 1
    derive_on_minibatch: bool = False
    n_derived: int = N_DERIVED
    out_of_time: Callable[[], bool] = lambda: False
    _baseline: float = field(default=0.0, init=False)

    def run(self) -> SearchResult:
        """Search, then derive; also from what there is when the loss was not finite five times in a row (`failure`)."""
        step = GuardedStep(self.learner.optimizer, "search", self.learner.advice)
        policy = make_policy_optimizer(self.controller, self.settings.lr)
        watch = PolicyWatch(self.controller.space, self.n_epochs, self.progress)
        failure, last_good = None, self.learner.weights()
        with self.progress.stage("search", self.n_epochs) as advance:
            for epoch in range(self.n_epochs):
                try:
                    loss = run_epoch(self.learner, step, self.log, self._sample, epoch=epoch, n_epochs=self.n_epochs)
                except RunError as error:
                    failure = str(error)
                    self.learner.restore(last_good)
                    break
                last_good = self.learner.weights()
                curves: dict[str, float] = {}
                if (epoch + 1) % self.train_every == 0:
                    curves = self._train_controller(policy)
                shares = watch(self._show_samples(), epoch)
                rate = self.learner.optimizer.lr
                self.record({"stage": "search", "epoch": epoch, "child_loss": loss, "lr": rate, **curves, **shares})
                advance(f"reward {curves['reward']:.3f}" if curves else "")
                if self.out_of_time():
                    self.progress.warn(f"time limit: the search stops after epoch {epoch + 1} of {self.n_epochs}")
                    break
        return SearchResult(self.derive(), self.learner, self.controller, step.n_skipped, failure)

    def derive(self) -> tuple[Scored, ...]:
        """Sample, score each distinct architecture on all held-out rows, best first."""
        distinct = list(dict.fromkeys(self._sample(self.n_derived)))
        groups = [distinct[start : start + _TOGETHER] for start in range(0, len(distinct), _TOGETHER)]
        judges = self._judges() if self.derive_on_minibatch else self.folds
        scored: list[Scored] = []
        with self.progress.stage(f"deriving from {len(distinct)} architectures", len(groups)) as advance:
            for group in groups:
                scored += self.score(group, judges)
                advance(f"best {max(one.reward for one in scored):.3f}")
        return tuple(sorted(scored, key=_by_reward, reverse=True))

    def score(self, architectures: Sequence[Architecture], judges: Folds) -> list[Scored]:
        """Score with shared weights on the rows that ``judges`` hold out."""
        predictions = self.learner.judge(judges, architectures).float().cpu().numpy()
        rewards, ties = judge(self.reward, predictions, judges.judged_labels)
        rewards = np.maximum(rewards, LOWEST_REWARD)
        return [Scored(a, float(r), float(t)) for a, r, t in zip(architectures, rewards, ties, strict=True)]

    def _sample(self, n: int) -> list[Architecture]:
        with torch.no_grad():
            return self.controller.sample(n, self.generator).architectures

    def _train_controller(self, policy: Adam) -> dict[str, float]:
        """``train_steps`` updates; returns means over the epoch."""
        rewards: list[float] = []
        entropies: list[float] = []
        for i in range(self.settings.train_steps):
            sample = self.controller.sample(self.settings.num_aggregate, self.generator)
            scored = self.score(sample.architectures, self._judges())
            rewards += [one.reward for one in scored]
            entropies += sample.entropy.tolist()
            bonus = add_entropy(rewards[-len(scored) :], sample.entropy, self.settings.entropy_weight)
            advantage, self._baseline = advantages(bonus, self._baseline, self.settings.baseline_decay)
            policy.zero_grad()
            policy_loss(sample, advantage, self.settings.skip_weight, self.settings.exploration).backward()
            policy.step()
            if i % self.log.every == self.log.every - 1:
                mean = float(np.mean(rewards[-self.log.every * len(scored) :]))
                self.progress.line(f"controller step: {i + 1}\treward: {mean:.4f}\tbaseline: {self._baseline:.4f}")
        return {
            "reward": float(np.mean(rewards or [np.nan])),
            "baseline": self._baseline,
            "entropy": float(np.mean(entropies or [np.nan])),
        }

    def _judges(self) -> Folds:
        """All out-of-fold rows under cross-fitting; one shuffled minibatch of a single split."""
        if self.folds.n_folds > 1 or self.folds.held_out.shape[1] <= self.n_judges:
            return self.folds
        return self.folds.sample_judges(self.n_judges, self.generator)

    def _show_samples(self) -> list[Architecture]:
        """Ten sampled architectures with their rewards, as both originals print them."""
        sampled = self._sample(10)
        for one in self.score(sampled, self._judges()):
            self.progress.line(f"('{one.architecture}', {one.reward:.6g})")
        return sampled


def choose_candidates(
    derived: Sequence[Scored], k: int, group: Callable[[Architecture], Hashable]
) -> tuple[Scored, ...]:
    """The best ``k``: first the best of each group in turn, then the next best of any.

    A group is a number of features: networks on different features err differently, so they are worth retraining (and
    averaging) before a second network on the same ones.

    Args:
        derived: distinct architectures, best first.
        k: how many to choose.
        group: what an architecture belongs to.
    """
    seen: set[Hashable] = set()
    firsts: list[Scored] = []
    rest: list[Scored] = []
    for one in derived:
        (rest if group(one.architecture) in seen else firsts).append(one)
        seen.add(group(one.architecture))
    return tuple([*firsts, *rest][:k])


def _by_reward(scored: Scored) -> tuple[float, float]:
    return scored.reward, scored.tie
