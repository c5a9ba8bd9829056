"""What a stage's progress looks like in a log and on a terminal."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from enas.console import Console, PlainStage, Silent
from enas.progress import Progress

SOURCE = Path(__file__).resolve().parents[1] / "src"


class Clock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run_stage(n_steps: int, seconds_per_step: float, *, every_step: bool = False) -> list[str]:
    lines: list[str] = []
    clock = Clock()
    stage = PlainStage("search", n_steps, lines.append, every_step=every_step, clock=clock)
    for step in range(n_steps):
        clock.now += seconds_per_step
        stage.advance(f"step {step}")
    return lines


def test_a_short_stage_is_one_line() -> None:
    assert run_stage(10, 0.1) == ["search: 100 %, in 1.0 s  step 9"]


def test_a_line_per_ten_percent() -> None:
    lines = run_stage(1000, 0.1)
    assert len(lines) == 10
    assert lines[0] == "search: 10 %, 1:30 min left  step 99"
    assert lines[-1] == "search: 100 %, in 1:40 min  step 999"


def test_not_more_than_a_line_in_two_seconds() -> None:
    assert len(run_stage(10, 1.0)) == 5


def test_a_long_stage_is_never_silent_for_long() -> None:
    lines = run_stage(1000, 10.0)
    assert len(lines) == 334
    assert lines[0] == "search: 0 %, 2:46 h left  step 2"


def test_verbose_tells_every_step() -> None:
    assert len(run_stage(10, 0.1, every_step=True)) == 10


def test_lines_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    console: Progress = Console()
    console.line("[3 0 1] 0.5")
    console.warn("odd")
    console.warn("warning: strange")
    with console.stage("search", 2) as advance:
        advance("")
        advance("")
    out, err = capsys.readouterr()
    assert out.startswith("[3 0 1] 0.5\nsearch: 100 %, in 0.0 s\n")
    assert err == "warning: odd\nwarning: strange\n"


def test_quiet_keeps_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(quiet=True)
    console.line("text")
    console.warn("odd")
    with console.stage("search", 1) as advance:
        advance("done")
    assert capsys.readouterr() == ("", "warning: odd\n")


def test_silent(capsys: pytest.CaptureFixture[str]) -> None:
    silent: Progress = Silent()
    silent.line("text")
    silent.warn("odd")
    with silent.stage("search", 1) as advance:
        advance("done")
    assert capsys.readouterr() == ("", "")


TERMINAL_SCRIPT = """
from enas.console import Console
console = Console()
with console.stage("outer [x]", 2) as outer:
    outer("one")
    console.line("a [bold]line[/bold]")
    with console.stage("inner", 3) as inner:
        inner("deep")
        console.warn("odd")
    outer("two")
with console.stage("later", 1) as advance:
    advance("done")
console.line("the end")
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_bars_on_a_terminal() -> None:
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "100", "TERM": "xterm"}
    command = [sys.executable, "-c", TERMINAL_SCRIPT]
    subprocess.run(command, stdout=terminal, stderr=terminal, env=environment, check=True, timeout=60)
    os.close(terminal)
    shown = b""
    while True:
        try:
            block = os.read(controller, 65536)
        except OSError:
            break
        if not block:
            break
        shown += block
    os.close(controller)
    text = shown.decode()
    for expected in ("outer [x]", "2/2", "inner", "a [bold]line[/bold]", "warning: odd", "later", "1/1", "the end"):
        assert expected in text
