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
from torch import Tensor

from enas.adam import Adam
from enas.config import ControllerSettings, Trainer
from enas.controller import Controller
from enas.errors import RunError
from enas.folds import Folds
from enas.metrics.rewards import RewardName, judge
from enas.networks.base import Known, Supernet
from enas.networks.dropout import Dropout
from enas.progress import Progress
from enas.reinforce import add_entropy, advantages, policy_loss
from enas.reinforce import make_optimizer as make_policy_optimizer
from enas.search_space import Architecture
from enas.training import GuardedStep, StepLog, l2_penalty, make_optimizer, network_loss

N_DERIVED = 200
"""Architectures that the trained controller samples when deriving; duplicates are scored once."""

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
        supernet: the shared weights that scored them.
        controller: what sampled them.
        n_skipped: steps that were skipped because the loss was not finite.
        failure: why the search stopped before its last epoch; None if it did not, or if its time was over.
    """

    derived: tuple[Scored, ...]
    supernet: Supernet
    controller: Controller
    n_skipped: int
    failure: str | None


@dataclass(slots=True)
class Search:
    """One search; `run` it once.

    Args:
        supernet: called as ``supernet(x, architecture, dropout)``.
        controller: samples architectures of the supernet's space.
        folds: the rows, and which of them train and judge.
        trainer, settings: the config's sections.
        reward: what is maximised.
        generator: the source of all randomness.
        progress: where the log goes.
        record: takes one row of the training curves per epoch.
        shuffle: draw the order of the rows anew each epoch.
        out_of_time: asked after each epoch; the search ends when it says yes.
    """

    supernet: Supernet
    controller: Controller
    folds: Folds
    trainer: Trainer
    settings: ControllerSettings
    reward: RewardName
    generator: torch.Generator
    progress: Progress
    record: Callable[[Mapping[str, object]], None]
    shuffle: bool = True
    out_of_time: Callable[[], bool] = lambda: False
    _baseline: float = field(default=0.0, init=False)
    _inputs: dict[int, Tensor] = field(default_factory=dict, init=False)

    def run(self) -> SearchResult:
        """Search, then derive; also from what there is when the loss was not finite five times in a row (`failure`)."""
        n_epochs = self.trainer.max_number_of_epoches_in_search
        step = GuardedStep(make_optimizer(self.supernet.parameters(), lr=self.trainer.child_lr, l2=0.0), "search")
        policy = make_policy_optimizer(self.controller, self.settings.lr)
        log = StepLog(self.progress, self.trainer.log_every_n_steps)
        failure, last_good = None, self._weights()
        with self.progress.stage("search", n_epochs) as advance:
            for epoch in range(n_epochs):
                try:
                    loss = self._train_shared_weights(step, epoch, log)
                except RunError as error:
                    failure = str(error)
                    self.supernet.load_state_dict(last_good)
                    break
                last_good = self._weights()
                curves = self._train_controller(policy)
                self.record({"stage": "search", "epoch": epoch, "child_loss": loss, **curves})
                self._show_samples()
                advance(f"reward {curves['reward']:.3f}")
                if self.out_of_time():
                    self.progress.warn(f"time limit: the search stops after epoch {epoch + 1} of {n_epochs}")
                    break
        return SearchResult(self.derive(), self.supernet, self.controller, step.n_skipped, failure)

    def derive(self) -> tuple[Scored, ...]:
        """Sample, score each distinct architecture on all held-out rows, best first."""
        with torch.no_grad():
            sampled = self.controller.sample(N_DERIVED, self.generator).architectures
        return tuple(sorted(self.score(list(dict.fromkeys(sampled)), self.folds), key=_by_reward, reverse=True))

    def score(self, architectures: Sequence[Architecture], judges: Folds, known: Known | None = None) -> list[Scored]:
        """Score with shared weights on the rows that ``judges`` hold out; ``known`` as the supernet's."""
        known = {} if known is None else known
        with torch.inference_mode():
            outputs = [
                judges.collect(self.supernet(self._judged_inputs(judges, a), a, known=known)) for a in architectures
            ]
            predictions = torch.stack(outputs).float().cpu().numpy()
        rewards, ties = judge(self.reward, predictions, judges.judged_labels)
        rewards = np.maximum(rewards, LOWEST_REWARD)
        return [Scored(a, float(r), float(t)) for a, r, t in zip(architectures, rewards, ties, strict=True)]

    def _judged_inputs(self, judges: Folds, architecture: Architecture) -> Tensor:
        """What an architecture sees of the rows that judge; gathered once where these are always the same."""
        if judges is not self.folds:
            return judges.gather(architecture, judges.held_out)
        stem = judges.stem(architecture)
        if stem not in self._inputs:
            self._inputs[stem] = judges.gather(architecture, judges.held_out)
        return self._inputs[stem]

    def _weights(self) -> dict[str, Tensor]:
        """A copy of the shared weights, to go back to."""
        return {name: tensor.clone() for name, tensor in self.supernet.state_dict().items()}

    def _train_shared_weights(self, step: GuardedStep, epoch: int, log: StepLog) -> float:
        """One epoch; returns the mean loss."""
        batches = [rows for _ in range(self._n_passes()) for rows in self._epoch()]
        with torch.no_grad():
            architectures = self.controller.sample(len(batches), self.generator).architectures
        dropout = Dropout(self.trainer.child_keep_prob, self.generator) if self.trainer.child_keep_prob < 1 else None
        losses = []
        for rows, architecture in zip(batches, architectures, strict=True):
            outputs = self.supernet(self.folds.gather(architecture, rows), architecture, dropout)
            loss = network_loss(outputs, self.folds, rows, self.trainer.loss).sum()
            step(loss + l2_penalty(self.supernet.slices(architecture).values(), self.trainer.child_l2_reg))
            losses.append(float(loss.detach()) / self.folds.n_folds)
            log(rows.numel(), epoch, losses[-1])
        return float(np.nanmean(losses)) if np.isfinite(losses).any() else float("nan")

    def _epoch(self) -> list[Tensor]:
        generator = self.generator if self.shuffle else None
        return list(self.folds.batches(self.trainer.batch_size, self.folds.n_folds, generator))

    def _n_passes(self) -> int:
        """Passes over the rows per epoch: up to one per set of first-layer weights while minibatches are few."""
        n_stems = len(self.folds.inputs)
        n_batches = -(-min(len(rows) for rows in self.folds.train) // self.trainer.batch_size)
        return max(1, min(n_stems, -(-2 * n_stems // n_batches))) if n_stems > 1 else 1

    def _train_controller(self, policy: Adam) -> dict[str, float]:
        """``train_steps`` updates; returns means over the epoch."""
        rewards: list[float] = []
        entropies: list[float] = []
        known: Known = {}  # the shared weights rest meanwhile
        for _ in range(self.settings.train_steps):
            sample = self.controller.sample(self.settings.num_aggregate, self.generator)
            judges = self._judges()
            scored = self.score(sample.architectures, judges, known if judges is self.folds else None)
            rewards += [one.reward for one in scored]
            entropies += sample.entropy.tolist()
            bonus = add_entropy(rewards[-len(scored) :], sample.entropy, self.settings.entropy_weight)
            advantage, self._baseline = advantages(bonus, self._baseline, self.settings.baseline_decay)
            policy.zero_grad()
            policy_loss(sample, advantage, self.settings.skip_weight, self.settings.exploration).backward()
            policy.step()
        return {
            "reward": float(np.mean(rewards or [np.nan])),
            "baseline": self._baseline,
            "entropy": float(np.mean(entropies or [np.nan])),
        }

    def _judges(self) -> Folds:
        """All out-of-fold rows under cross-fitting; one shuffled minibatch of a single split."""
        if self.folds.n_folds > 1 or self.folds.held_out.shape[1] <= self.trainer.batch_size:
            return self.folds
        return self.folds.sample_judges(self.trainer.batch_size, self.generator)

    def _show_samples(self) -> None:
        """Ten sampled architectures with their rewards, as AutoGenome prints them."""
        with torch.no_grad():
            sampled = self.controller.sample(10, self.generator).architectures
        for one in self.score(sampled, self.folds):
            self.progress.line(f"('{one.architecture}', {one.reward:.6g})")


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
