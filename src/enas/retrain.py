"""Retraining: one architecture from scratch, in every fold and for every seed side by side.

The epoch with the best held-out score is kept; held-out outputs of *every* epoch are kept too (they are small), so that
`ensemble.cross_fitted` can choose epochs without the rows it then judges.

Where there is a time limit, as many epochs are planned as it has room for, and the learning rate comes to its end with
the last of them.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.checkpoint import State, join
from enas.epochs import Epochs, Failure
from enas.errors import RunError
from enas.folds import Folds
from enas.journal import Journal
from enas.metrics.rewards import RewardName, judge
from enas.search_space import Architecture
from enas.training import Learner


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A retrained architecture.

    Args:
        architecture: what was trained.
        outputs: (n_epochs, n_judged, C) float32: held-out logits (regression: values) after each epoch.
        best_epoch: index of the epoch whose weights are kept.
        reward, tie: held-out score of that epoch, and what orders equal ones.
        tensors: weights of that epoch, M networks side by side.
        n_skipped: steps that were skipped because the loss was not finite.
        failure: why training stopped before its last epoch; None if it did not.
    """

    architecture: Architecture
    outputs: NDArray[np.float32]
    best_epoch: int
    reward: float
    tie: float
    tensors: dict[str, Tensor]
    n_skipped: int
    failure: str | None = None

    def state(self) -> State:
        """As a checkpoint keeps it."""
        facts = {
            "architecture": self.architecture.to_json(),
            "best_epoch": self.best_epoch,
            "reward": self.reward,
            "tie": self.tie,
            "n_skipped": self.n_skipped,
            "failure": self.failure,
        }
        return join(
            facts, outputs=State(tensors={"all": torch.from_numpy(self.outputs)}), tensors=State(tensors=self.tensors)
        )

    @classmethod
    def from_state(cls, state: State) -> "Candidate":
        """The inverse of `state`."""
        facts = state.facts
        return cls(
            Architecture.from_json(facts["architecture"]),
            state["outputs"].tensors["all"].numpy(),
            facts["best_epoch"],
            facts["reward"],
            facts["tie"],
            dict(state["tensors"].tensors),
            facts["n_skipped"],
            facts["failure"],
        )


def best_epoch(outputs: NDArray[np.float32], labels: NDArray[Any], reward: RewardName) -> int:
    """The epoch (first axis of ``outputs``) with the best score; ties by log-loss, then the earliest."""
    score, tie = judge(reward, outputs, labels)
    return int(np.lexsort((-np.arange(len(outputs)), tie, score))[-1])


@dataclass(slots=True)
class Retraining:
    """The training of one architecture's networks; `run` it once. It can be left after any step and taken up again.

    Args:
        learner: an untrained child with its rows.
        architecture: of its networks.
        folds: which rows judge.
        n_epochs: epochs over the training rows.
        reward: chooses the epoch.
        journal: log, curves, checkpoints and the time that there is.
        n_parts: into which steps are divided from the start, to save memory.
    """

    learner: Learner
    architecture: Architecture
    folds: Folds
    n_epochs: int
    reward: RewardName
    journal: Journal
    n_parts: int = 1
    _epochs: Epochs = field(init=False)
    _outputs: list[NDArray[np.float32]] = field(default_factory=list, init=False)
    _best: tuple[float, float] = field(default=(-np.inf, -np.inf), init=False)
    _kept: dict[str, Tensor] = field(default_factory=dict, init=False)
    _is_shortened: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        title = f"training {self.architecture}"
        offer = partial(self.journal.offer, self.state)
        self._epochs = Epochs(self.learner, title, self.journal, offer, n_parts=self.n_parts)

    def run(self) -> Candidate:
        """Train and keep the best epoch; where training breaks down after an epoch or more, the best of these.

        Raises:
            RunError: training broke down in the first epoch.
        """
        failure, start, n_before = None, self.journal.deadline.elapsed, self._epochs.epoch
        with self.journal.progress.stage(self._epochs.title, self.n_epochs) as advance:
            for _ in range(n_before):
                advance("")
            while self._epochs.epoch < self.n_epochs:
                try:
                    advance(self._run_epoch())
                except Failure as error:
                    if not self._kept:
                        raise
                    failure = str(error)
                    break
                self._fit_into_time((self.journal.deadline.elapsed - start) / (self._epochs.epoch - n_before))
                self.journal.offer(self.state, epoch_ended=True)
        candidate = self.best_so_far(failure)
        if candidate is None:
            raise RunError(f"{self._epochs.title}: no epoch gave finite outputs; {self.learner.advice}")
        return candidate

    def best_so_far(self, failure: str | None = None) -> Candidate | None:
        """The best epoch so far; None if there is none yet."""
        if not self._kept:
            return None
        outputs = np.stack(self._outputs)
        chosen = best_epoch(outputs, self.folds.judged_labels, self.reward)
        n_skipped = self._epochs.n_skipped
        return Candidate(self.architecture, outputs, chosen, *self._best, self._kept, n_skipped, failure)

    def _run_epoch(self) -> str:
        """Train, judge, keep the weights if they are the best so far; returns a word on the score."""
        loss = self._epochs.run(lambda n: [self.architecture] * n, self.n_epochs)
        self._outputs.append(self.learner.judge(self.folds, [self.architecture])[0].float().cpu().numpy())
        score, tie = (
            float(value[0]) for value in judge(self.reward, self._outputs[-1][None], self.folds.judged_labels)
        )
        if (score, tie) > self._best:
            self._best, self._kept = (score, tie), dict(self.learner.part(self.architecture))
        curves = {"epoch": self._epochs.epoch - 1, "child_loss": loss, "valid_score": score, "valid_tie_break": tie}
        rate = self.learner.optimizer.lr
        self.journal.record({"stage": "retrain", "architecture": str(self.architecture), **curves, "lr": rate})
        return f"valid {score:.3f}"

    def _fit_into_time(self, seconds_per_epoch: float) -> None:
        n_more = max(self.journal.deadline.left, 0.0) / max(seconds_per_epoch, 1e-9)
        if self._epochs.epoch + n_more < self.n_epochs:
            n_fitting = self._epochs.epoch + int(n_more)
            tell = self.journal.progress.line if self._is_shortened else self.journal.progress.warn
            tell(f"time limit: {n_fitting} of {self.n_epochs} epochs of {self._epochs.title}")
            self.n_epochs, self._is_shortened = n_fitting, True

    def state(self) -> State:
        """All that `load` needs."""
        outputs = {"all": torch.from_numpy(np.stack(self._outputs))} if self._outputs else {}
        return join(
            {"best": self._best},
            epochs=self._epochs.state(),
            outputs=State(tensors=outputs),
            kept=State(tensors=self._kept),
        )

    def load(self, state: State) -> None:
        """Go on from what `state` gave; the generators go where they stood by themselves."""
        score, tie = state.facts["best"]
        self._best = (score, tie)
        self._epochs.load(state["epochs"])
        self._outputs = [one.numpy() for one in state["outputs"].tensors.get("all", ())]
        self._kept = dict(state["kept"].tensors)
