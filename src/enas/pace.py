"""How fast a long stage goes, and how long the rest of it will take."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from enas.progress import show_seconds


@dataclass(slots=True)
class Pace:
    """Samples per second since the last line of the log, and the time that is left; stages in turns share one.

    Args:
        clock: seconds from any fixed moment.

    Example:
        >>> now = iter([0.0, 2.0])
        >>> pace = Pace(lambda: next(now))
        >>> pace.resume(0.0)
        >>> pace.count(300)
        >>> pace.show(0.25)
        ('sample/sec: 150', 'left: 6.0 s')
    """

    clock: Callable[[], float] = time.perf_counter
    _n_samples: int = field(default=0, init=False)
    _since: float = field(default=0.0, init=False)
    _begun: tuple[float, float] = field(default=(0.0, math.inf), init=False)  # seconds, share of all

    def resume(self, done: float) -> None:
        """Leave out of the rate what happened since the last step; ``done`` is the share of all that came before."""
        self._n_samples, self._since = 0, self.clock()
        if done <= self._begun[1]:  # the first, or gone back behind it
            self._begun = self._since, done

    def count(self, n_samples: int) -> None:
        """That many samples more have been computed."""
        self._n_samples += n_samples

    def show(self, done: float) -> tuple[str, str]:
        """Samples per second since the last time, and how long it will take until the share ``done`` is 1.

        ``done`` is larger than at the beginning, which the first `resume` was told.
        """
        now = self.clock()
        rate = self._n_samples / max(now - self._since, 1e-9)
        begun, before = self._begun
        left = (now - begun) * (1 - done) / (done - before)
        self._n_samples, self._since = 0, now
        return f"sample/sec: {rate:.0f}", f"left: {show_seconds(left)}"
