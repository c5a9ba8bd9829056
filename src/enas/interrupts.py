"""Signals that ask a process to stop: the first waits for a good moment, the second does not."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_WORD = b"\nstopping after this step, with a checkpoint; once more stops at once, without\n"


class Interrupted(KeyboardInterrupt):
    """The process was asked to stop, and has.

    Args:
        number: of the signal.
        message: what has become of the work.
    """

    def __init__(self, number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.number = number

    @property
    def exit_code(self) -> int:
        """130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.number


@contextmanager
def deferred_signals() -> Iterator[Callable[[], int | None]]:
    """Inside, the first SIGINT or SIGTERM is only noted: the callable gives its number. A second one raises.

    Only the main thread can take signals; in another one nothing changes.
    """
    noted: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if noted:
            raise Interrupted(number)
        noted.append(number)
        os.write(2, _WORD)  # print may be what the signal interrupted

    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: noted[0] if noted else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if noted:  # it came after the last good moment
        raise Interrupted(noted[0])


def raise_on_terminate() -> None:
    """Make SIGTERM an `Interrupted`, so that files and locks are left in order; for the main thread."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    signal.signal(signal.SIGTERM, stop)
