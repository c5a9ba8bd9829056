"""What the controller learns from: the REINFORCE gradient of sampled architectures, one update after the other.

Each update averages over ``num_aggregate`` architectures (Pham et al. 2018, section 2.2; `reinforce` has the formulas).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from enas.adam import Adam
from enas.checkpoint import State
from enas.config import ControllerSettings
from enas.controller import Controller
from enas.journal import Journal
from enas.pace import Pace
from enas.reinforce import add_entropy, advantages, policy_loss
from enas.reinforce import make_optimizer as make_policy_optimizer
from enas.search_space import Architecture

LESSON_SHARE = 0.5
"""Of an epoch's time, as a guess; what comes of it is the time left in the log, which whole epochs put right."""


@dataclass(slots=True)
class Lessons:
    """The controller's updates of one epoch after the other.

    Args:
        controller: learns.
        settings: how.
        reward: scores what it samples.
        generator: draws its samples.
        journal: where the log goes, and the time that there is.
        offer: called after every update.
        pace: ``reward`` counts the rows that it scores there.
    """

    controller: Controller
    settings: ControllerSettings
    reward: Callable[[Sequence[Architecture]], list[float]]
    generator: torch.Generator
    journal: Journal
    offer: Callable[[], None]
    pace: Pace
    _policy: Adam = field(init=False)
    _baseline: float = field(default=0.0, init=False)
    _n_done: int = field(default=0, init=False)
    _rewards: list[float] = field(default_factory=list, init=False)
    _entropies: list[float] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._policy = make_policy_optimizer(self.controller, self.settings.lr)

    def run(self, epoch: int, n_epochs: int) -> dict[str, float]:
        """``train_steps`` updates, or those that are left of an epoch under way; returns means over the epoch.

        Args:
            epoch: that they end, from 0.
            n_epochs: of the search, for the time left.
        """
        n_steps = self.settings.train_steps

        def done() -> float:
            return (epoch + 1 - LESSON_SHARE + LESSON_SHARE * self._n_done / max(n_steps, 1)) / n_epochs

        self.pace.resume(done())
        while self._n_done < n_steps and not self.journal.deadline.passed():
            self._update()
            self._n_done += 1
            if self._n_done % self.journal.log_every == 0 or self._n_done == n_steps:
                self._log(done())
            self.offer()
        means = {
            "reward": float(np.mean(self._rewards or [np.nan])),
            "baseline": self._baseline,
            "entropy": float(np.mean(self._entropies or [np.nan])),
        }
        self._n_done, self._rewards, self._entropies = 0, [], []
        return means

    def _log(self, done: float) -> None:
        n_recent = (self._n_done - 1) % self.journal.log_every + 1
        mean = float(np.mean(self._rewards[-n_recent * self.settings.num_aggregate :]))
        rate, left = self.pace.show(done)
        words = f"reward: {mean:.4f}\tbaseline: {self._baseline:.4f}"
        self.journal.progress.line(f"controller step: {self._n_done}\t{rate}\t{words}\t{left}")

    def _update(self) -> None:
        settings = self.settings
        sample = self.controller.sample(settings.num_aggregate, self.generator)
        rewards = self.reward(sample.architectures)
        self._rewards += rewards
        self._entropies += sample.entropy.tolist()
        bonus = add_entropy(rewards, sample.entropy, settings.entropy_weight)
        advantage, self._baseline = advantages(bonus, self._baseline, settings.baseline_decay)
        self._policy.zero_grad()
        policy_loss(sample, advantage, settings.skip_weight, settings.exploration).backward()
        self._policy.step()

    def state(self) -> State:
        """All that `load` needs."""
        facts = {
            "baseline": self._baseline,
            "n_done": self._n_done,
            "rewards": self._rewards,
            "entropies": self._entropies,
        }
        return State(facts, self._policy.state())

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        self._baseline, self._n_done = state.facts["baseline"], state.facts["n_done"]
        self._rewards, self._entropies = list(state.facts["rewards"]), list(state.facts["entropies"])
        self._policy.load_state(state.tensors)
