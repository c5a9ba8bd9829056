"""A time limit that stages share."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Deadline:
    """So many seconds from now on.

    Args:
        seconds: None: there is no limit.
        spent: seconds that have passed already, before a run was resumed.
        clock: seconds from any fixed moment; the monotonic one, which nobody sets.

    Example:
        >>> now = 0.0
        >>> whole = Deadline(100, clock=lambda: now)
        >>> half = whole.part(0.5)
        >>> now = 60.0
        >>> half.passed(), whole.passed(), whole.left, whole.part(0.5).left
        (True, False, 40.0, 20.0)
    """

    seconds: float | None
    spent: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _start: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_start", self.clock())

    @property
    def elapsed(self) -> float:
        """Seconds of work, those before a resumption included."""
        return self.spent + self.clock() - self._start

    @property
    def left(self) -> float:
        """Seconds; infinite without a limit."""
        return math.inf if self.seconds is None else self.seconds - self.elapsed

    def passed(self) -> bool:
        """Whether the time is over."""
        return self.left <= 0

    def part(self, share: float) -> "Deadline":
        """A limit of its own for a stage: ``share`` of the time that is left now."""
        return Deadline(None if self.seconds is None else share * self.left, clock=self.clock)
