"""The training of a learner epoch by epoch, left and taken up after any step, and kept alive where that is possible.

- A loss that is not finite is skipped. Five in a row: back to the weights at the beginning of the epoch, with half the
  learning rate and an optimiser that has forgotten; the third time that this does not help, training ends.
- A step that does not fit into memory is taken in halves, whose gradients are added up; so are all later steps.
- Where the time is over, an epoch ends after the step that is being taken.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from enas.checkpoint import State, join
from enas.errors import RunError
from enas.guard import Guard, NotFinite
from enas.journal import Journal
from enas.memory import first_line, is_out_of_memory
from enas.networks.native import release_memory
from enas.pace import Pace
from enas.search_space import Architecture
from enas.training import Learner, StepLog

MAX_ROLLBACKS = 3


class Failure(RunError):
    """Training cannot go on, for its numbers or its memory; the learner has the last good weights."""


@dataclass(slots=True)
class Epochs:
    """All training steps of one learner.

    Args:
        learner: what is trained.
        title: of what is trained, for messages.
        journal: is told of each step and asked for time; states go to ``offer`` instead.
        offer: called after every step.
        epoch: that is next, or under way.
        n_parts: into which each step is divided.
        slowdown: factor of the learning rate.
        n_rollbacks: how often it was gone back.
        pace: counts the rows; what goes on between the epochs may share it.
        share: of an epoch's time that its steps take, to tell how much is left.
    """

    learner: Learner
    title: str
    journal: Journal
    offer: Callable[[], None]
    epoch: int = 0
    n_parts: int = 1
    slowdown: float = 1.0
    n_rollbacks: int = 0
    pace: Pace = field(default_factory=Pace)
    share: float = 1.0
    _guard: Guard = field(init=False)
    _log: StepLog = field(init=False)
    _n_done: int = field(default=0, init=False)
    _losses: list[Tensor] = field(default_factory=list, init=False)
    _good: Mapping[str, Tensor] = field(default_factory=dict, init=False)
    _drawn: Mapping[str, Tensor] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._guard = Guard(self.learner.optimizer.skips_by_itself)
        self._log = StepLog(self.journal.progress, self.journal.log_every, self.pace)

    @property
    def n_skipped(self) -> int:
        """Steps that were skipped because the loss was not finite."""
        return self._guard.n_skipped

    def run(self, choose: Callable[[int], Sequence[Architecture]], n_epochs: int) -> float:
        """Train on every row once, or on those that are left of an epoch under way; returns the mean loss.

        Args:
            choose: gives as many architectures as there are steps.
            n_epochs: of the whole training, for schedules.

        Raises:
            Failure: the loss was not finite five times in a row, or in a whole epoch, also after three times going
                back; or not one sample fits into memory.
            RunError: a checkpoint cannot be written.
        """
        while True:
            try:
                self._pass(choose, n_epochs)
                losses = torch.stack(self._losses).double().cpu().numpy()
                if not np.isfinite(losses).any():
                    raise NotFinite("the loss was not finite even once")
                break
            except NotFinite as error:
                self._roll_back(error)
        self.epoch, self._n_done, self._losses = self.epoch + 1, 0, []
        return float(losses[np.isfinite(losses)].mean())

    def _pass(self, choose: Callable[[int], Sequence[Architecture]], n_epochs: int) -> None:
        batches, architectures = self._draw(choose)
        n_steps = len(batches)

        def done() -> float:
            return (self.epoch + self.share * self._n_done / n_steps) / n_epochs

        self.pace.resume(done())
        for rows, architecture in list(zip(batches, architectures, strict=True))[self._n_done :]:
            i = self.epoch * n_steps + self._n_done
            rate = self.learner.schedule(self.epoch, i, n_epochs * n_steps)
            self.learner.optimizer.lr = self.slowdown * rate
            self._losses.append(self._step(rows, architecture))
            self._n_done += 1
            self._log(rows.numel(), self.epoch, self._losses[-1], done())
            if self.journal.deadline.passed():
                break
            if self._n_done < n_steps:  # after the last step the epoch's owner has more to do first
                self.offer()
        self._guard.settle()

    def _draw(self, choose: Callable[[int], Sequence[Architecture]]) -> tuple[Sequence[Tensor], Sequence[Architecture]]:
        """Minibatches and architectures of an epoch; of one under way the same again."""
        randomness = self.journal.randomness
        if self._n_done == 0:
            weights = self.learner.weights()
            if not self._good or (self._guard.n_in_a_row == 0 and _are_sound(weights)):
                self._good = weights
            self._drawn = randomness.position()
            batches = self.learner.batches()
            return batches, choose(len(batches))
        with randomness.at(self._drawn):
            batches = self.learner.batches()
            return batches, choose(len(batches))

    def _step(self, rows: Tensor, architecture: Architecture) -> Tensor:
        """One step on rows (M, B); returns the mean loss, as it is shown."""
        while True:
            try:
                return self._add_up(rows, architecture)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                self._halve(rows, error)

    def _add_up(self, rows: Tensor, architecture: Architecture) -> Tensor:
        """The gradient of the whole step, part by part, and one update with it."""
        optimizer = self.learner.optimizer
        optimizer.zero_grad()
        shown = []
        for part in rows.tensor_split(self.n_parts, dim=1):
            share = part.shape[1] / rows.shape[1]
            loss, mean = self.learner.loss(part, architecture)
            if not self._guard.passes(loss):
                return mean.detach()
            (share * loss).backward()
            shown.append(share * mean.detach())
        optimizer.step()
        return torch.stack(shown).sum()

    def _halve(self, rows: Tensor, error: Exception) -> None:
        self.learner.optimizer.zero_grad()
        release_memory()
        self.n_parts *= 2
        if self.n_parts > rows.shape[1]:
            words = f"out of memory even for one sample at a time ({first_line(error)})"
            raise Failure(f"{self.title}: {words}; choose a smaller network")
        size = -(-rows.shape[1] // self.n_parts)
        self.journal.progress.warn(
            f"out of memory: from here on each step takes {self.n_parts} parts of up to {size} samples, one after the "
            "other, and adds up their gradients"
        )

    def _roll_back(self, error: NotFinite) -> None:
        self.learner.restore(self._good)
        self.learner.optimizer.load_state({})
        self._n_done, self._losses = 0, []
        if self.n_rollbacks == MAX_ROLLBACKS:
            raise Failure(
                f"{self.title}: {error} in epoch {self.epoch + 1}, also after going back {MAX_ROLLBACKS} times with "
                f"half the learning rate; {self.learner.advice}, and begin a new run"
            )
        self.n_rollbacks += 1
        self.slowdown /= 2
        self.journal.progress.warn(
            f"{self.title}: {error}; back to the beginning of epoch {self.epoch + 1}, with {self.slowdown:g} times the "
            "learning rate"
        )

    def state(self) -> State:
        """All that `load` needs."""
        facts = {
            "epoch": self.epoch,
            "lr": self.learner.optimizer.lr,
            "n_parts": self.n_parts,
            "slowdown": self.slowdown,
            "n_rollbacks": self.n_rollbacks,
            "n_skipped": self._guard.n_skipped,
            "n_in_a_row": self._guard.n_in_a_row,
            "n_logged": self._log.n_steps,
            "n_done": self._n_done,
        }
        under_way = {"losses": torch.stack(self._losses)} if self._n_done else {}
        return join(
            facts,
            weights=State(tensors=self.learner.weights()),
            optimizer=State(tensors=self.learner.optimizer.state()),
            under_way=State(tensors=under_way),
            good=State(tensors=self._good),
            drawn=State(tensors=self._drawn if self._n_done else {}),
        )

    def load(self, state: State) -> None:
        """Go on from what `state` gave."""
        facts = state.facts
        self.epoch, self.n_parts, self._n_done = facts["epoch"], facts["n_parts"], facts["n_done"]
        self.slowdown, self.n_rollbacks = facts["slowdown"], facts["n_rollbacks"]
        self._guard.n_skipped, self._guard.n_in_a_row = facts["n_skipped"], facts["n_in_a_row"]
        self._log.n_steps = facts["n_logged"]
        self.learner.optimizer.lr = facts["lr"]
        self.learner.restore(state["weights"].tensors)
        self.learner.optimizer.load_state(state["optimizer"].tensors)
        self._good = state["good"].tensors
        if self._n_done:
            self._losses = list(state["under_way"].tensors["losses"])
            self._drawn = state["drawn"].tensors


def _are_sound(weights: Mapping[str, Tensor]) -> bool:
    """Whether their squares are finite: weights of 1e20 are numbers yet, but none that can be computed with."""
    return all(bool(torch.isfinite(tensor.float().square().sum())) for tensor in weights.values())
