"""What a long stage tells the user: lines of a log, warnings, and bars with an estimate of the time left."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


def show_seconds(seconds: float) -> str:
    """``4.2 s``, ``1:05 min`` or ``2:03 h``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds) // 60
    return f"{minutes}:{round(seconds) % 60:02d} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02d} h"


class Progress(Protocol):
    """Where a stage reports to; stages take it as an argument and never print."""

    def line(self, text: str) -> None:
        """One line of the log."""

    def warn(self, text: str) -> None:
        """One line that the user should act on; begins with ``warning:``."""

    def stage(self, title: str, total: int) -> AbstractContextManager[Callable[[str], None]]:
        """A bar of ``total`` steps; the callable that is yielded advances it by one and shows a short text."""
