"""What a stage of training tells while it goes on, and asks: log, curves, checkpoints, time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from enas.checkpoint import Offer, keep_nothing
from enas.deadline import Deadline
from enas.progress import Progress
from enas.randomness import Randomness

Record = Callable[[Mapping[str, object]], None]


def forget(row: Mapping[str, object]) -> None:
    """A `Record` that keeps nothing."""


@dataclass(frozen=True, slots=True)
class Journal:
    """What search and retraining report to.

    Args:
        progress: where the log goes.
        log_every: steps between two lines of it.
        randomness: all generators that a stage draws from.
        record: takes one row of the training curves per epoch.
        offer: is offered the stage's state after every step.
        deadline: when to come to an end.
    """

    progress: Progress
    log_every: int
    randomness: Randomness
    record: Record = forget
    offer: Offer = keep_nothing
    deadline: Deadline = field(default_factory=lambda: Deadline(None))

    def until(self, deadline: Deadline) -> "Journal":
        """The same, with another limit."""
        return replace(self, deadline=deadline)
