"""Where a stage's progress goes: bars on a terminal, plain lines in a log, or nowhere.

Lines go to standard output and warnings to standard error; both are flushed, so that a log can be followed.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from enas.printable import printable
from enas.progress import show_seconds

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

MIN_SECONDS = 2.0
MIN_PERCENT = 10.0
MAX_SILENCE = 30.0


class Silent:
    """Tells nothing; what Python callers get who pass no progress of their own."""

    def line(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        yield lambda text: None


class Console:
    """Tells a person at a terminal, or the reader of a log.

    Args:
        quiet: only warnings.
        verbose: every step of a stage is a line of its own, instead of a bar.
    """

    def __init__(self, quiet: bool = False, verbose: bool = False) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._bars: Bars | None = None

    def line(self, text: str) -> None:
        if self._quiet:
            return
        text = _printable_lines(text)
        if self._bars:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, flush=True)

    def warn(self, text: str) -> None:
        text = text if text.startswith("warning:") else f"warning: {text}"
        print(_printable_lines(text), file=sys.stderr, flush=True)

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        title = printable(title)
        if self._quiet:
            yield lambda text: None
        elif self._verbose or not sys.stdout.isatty():
            yield PlainStage(title, total, self.line, every_step=self._verbose).advance
        else:
            with self._bar(title, total) as advance:
                yield advance

    @contextmanager
    def _bar(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        """A bar, below those of the stages around it."""
        outermost = self._bars is None
        bars = self._bars or _make_bars()
        task = bars.add_task(title, total=total, text="")
        if outermost:
            bars.start()
            self._bars = bars
        try:
            yield lambda text: bars.update(task, advance=1, text=text)
        finally:
            if outermost:
                bars.stop()
                self._bars = None
            else:
                bars.remove_task(task)


def _printable_lines(text: str) -> str:
    """Names from data must not rule the terminal."""
    return "\n".join(map(printable, text.split("\n")))


def _make_bars() -> "Bars":
    from rich.console import Console as Terminal
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(compact=True),
        TextColumn("{task.fields[text]}", markup=False),
        console=Terminal(file=sys.stdout),
        redirect_stdout=False,
        redirect_stderr=sys.stderr.isatty(),  # a terminal shared with the bar; a file gets its warnings directly
    )


class PlainStage:
    """A stage as lines: one per 10 % (not more than one in 2 s) or per 30 s, with the time left.

    Args:
        title: what is done.
        total: how many steps there are.
        write: takes a line.
        every_step: write a line for each step.
        clock: seconds from any fixed moment.
    """

    def __init__(
        self,
        title: str,
        total: int,
        write: Callable[[str], None],
        *,
        every_step: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._title, self._total, self._write, self._every_step, self._clock = title, total, write, every_step, clock
        self._n_done = 0
        self._start = self._written_at = clock()
        self._written_percent = 0.0

    def advance(self, text: str) -> None:
        """One step is done."""
        self._n_done += 1
        now, percent = self._clock(), 100 * self._n_done / max(self._total, 1)
        silence, news = now - self._written_at, percent - self._written_percent
        due = silence >= MAX_SILENCE or (silence >= MIN_SECONDS and news >= MIN_PERCENT)
        last = self._n_done == self._total
        if not (due or last or self._every_step):
            return
        self._written_at, self._written_percent = now, percent
        left = (now - self._start) / self._n_done * max(self._total - self._n_done, 0)
        state = f"in {show_seconds(now - self._start)}" if last else f"{show_seconds(left)} left"
        self._write(f"{self._title}: {percent:.0f} %, {state}{'  ' if text else ''}{text}")
