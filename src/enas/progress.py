"""What a long stage tells the user: lines of a log, warnings, and bars with an estimate of the time left."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol


class Progress(Protocol):
    """Where a stage reports to; stages take it as an argument and never print."""

    def line(self, text: str) -> None:
        """One line of the log."""

    def warn(self, text: str) -> None:
        """One line that the user should act on; begins with ``warning:``."""

    def stage(self, title: str, total: int) -> AbstractContextManager[Callable[[str], None]]:
        """A bar of ``total`` steps; the callable that is yielded advances it by one and shows a short text."""
