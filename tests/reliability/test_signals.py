"""Signals: the first waits for the step that is under way and a checkpoint, the second for nothing; what was saved is
whole, and the command that the message names goes on from there."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from reliability.faults import At, Command, Files, advised, litter, one_thread, quick_study, same, train_here
from reliability.studies import Study, Watcher

import enas
from enas.checkpoint import NEWEST, read_state
from enas.interrupts import Interrupted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

LONG = ("--set", "trainer.max_number_of_epoches_in_search=9999")


def send(number: int = signal.SIGINT) -> Callable[[], None]:
    """Sends this process a signal, which arrives before the next line of Python."""
    return lambda: signal.raise_signal(number)


def interrupted(study: Study, at: At, *overrides: str, resume: bool = False) -> Interrupted:
    """Train until it is interrupted; the handlers are what they were before, and nothing is half written."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(KeyboardInterrupt) as caught:
        train_here(study, *overrides, at=at, resume=resume)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert isinstance(caught.value, Interrupted)
    assert litter(study.runs) == []
    return caught.value


@pytest.mark.parametrize(
    ("word", "n"),
    [("step: 3", 1), ("controller step", 3), ("deriving", 2), ("step: 8", 3)],
)
def test_one_signal_ends_training_after_the_step(
    study: Study, undisturbed: Files, word: str, n: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """No line of the log comes after the one during which it was sent, and no work is lost."""
    log: list[str] = []
    send_once = At(word, send(), n)

    def at(text: str, n_events: int) -> None:
        log.append(text)
        send_once(text, n_events)

    with pytest.raises(Interrupted) as caught:
        train_here(study, at=at)
    assert caught.value.exit_code == 130
    assert "stopped; what is done is kept, go on with: enas train " in str(caught.value)
    assert "stopping after this step, with a checkpoint" in capfd.readouterr().err
    assert word in log[-1] or log[-1].startswith(("('", "deriving", "search:", "training ["))
    read_state(study.newest / "checkpoint" / NEWEST)
    train_here(study, resume=True)
    assert same(study.newest, undisturbed)


def test_termination(study: Study, undisturbed: Files) -> None:
    stop = interrupted(study, At("step: 4", send(signal.SIGTERM), 2))
    assert stop.exit_code == 143
    train_here(study, resume=True)
    assert same(study.newest, undisturbed)


def test_a_second_signal_stops_at_once(study: Study, undisturbed: Files) -> None:
    """In the middle of a step, without a checkpoint; the one before is whole."""

    def twice() -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    stop = interrupted(study, At("step: 8", twice, 2))
    assert stop.exit_code == 130
    assert "go on with: enas train" in str(stop)
    state = read_state(study.newest / "checkpoint" / NEWEST)
    assert state["chosen"]["current"]["epochs"].facts["epoch"] == 2
    train_here(study, resume=True)
    assert same(study.newest, undisturbed)


def test_again_and_again(study: Study, undisturbed: Files) -> None:
    interrupted(study, At("step: 3", send()))
    for word in ("step: 4", "controller step", "deriving", "step: 1", "step: 6", "training arc"):
        interrupted(study, At(word, send()), resume=True)
    train_here(study, resume=True)
    assert same(study.newest, undisturbed)


def test_before_the_run_directory_exists(study: Study) -> None:
    with pytest.raises(KeyboardInterrupt):
        train_here(study, at=At("target grade", send()))
    assert not study.runs.exists()


def test_while_files_are_written_after_training(study: Study, undisturbed: Files, tmp_path: Path) -> None:
    """The last checkpoint is of the end of training; only the files are made again."""
    stop = interrupted(study, At("share: ", send()))
    assert "go on with: enas train" in str(stop)
    assert study.can_resume
    log = train_here(study, resume=True)
    assert not any(line.startswith("step:") for line in log.lines)
    assert same(study.newest, undisturbed)


def test_while_one_file_is_written(study: Study, undisturbed: Files) -> None:
    """From a thread that waits for the model's first file, so that the others are on their way."""
    seen = threading.Event()

    def strike() -> None:
        while not [*study.newest.glob("models/*")]:
            pass
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        seen.set()

    with pytest.raises(Interrupted):
        train_here(study, at=At("training arc", threading.Thread(target=strike, daemon=True).start, 2))
    assert seen.wait(10)
    assert litter(study.runs) == []
    assert not (study.newest / "best_architecture.json").exists()
    train_here(study, resume=True)
    assert same(study.newest, undisturbed)


def test_in_another_thread_training_goes_on(study: Study, undisturbed: Files) -> None:
    """Only the main thread can take signals."""
    problems: list[BaseException] = []

    def work() -> None:
        try:
            train_here(study)
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(120)
    assert problems == []
    assert same(study.newest, undisturbed)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_command_line_ends_with_a_command_that_works(tmp_path: Path, number: signal.Signals, code: int) -> None:
    study = quick_study(tmp_path / "my data")
    command = Command.start(tmp_path, "train", study.config, *LONG)
    command.wait_for("controller step", 2)
    os.kill(command.process.pid or 0, number)
    assert command.wait() == code
    *_, last = command.stderr.splitlines()
    assert last.startswith("stopped; what is done is kept, go on with: enas train '")
    words = advised(last)
    assert words[-1] == str(study.newest)
    again = Command.start(tmp_path, *words)
    again.wait_for("----------Resuming")
    again.wait_for("step: ")
    os.kill(again.process.pid or 0, number)
    assert again.wait() == code


def test_the_command_line_while_data_are_read(tmp_path: Path) -> None:
    study = quick_study(tmp_path / "data")
    command = Command.start(tmp_path, "train", study.config, *LONG)
    command.wait_for("Use the config")
    os.kill(command.process.pid or 0, signal.SIGINT)
    assert command.wait() == 130
    assert command.stderr.splitlines()[-1].startswith(("interrupted", "stopped; "))


def test_the_whole_pipeline_as_a_user_runs_it(tmp_path: Path) -> None:
    """A process of its own, stopped in its evaluation, goes on as it says and ends as one that nobody stopped."""
    study = quick_study(tmp_path / "data")
    log = Watcher(At("Evaluation stage", send()))
    with one_thread(), pytest.raises(Interrupted) as caught:
        enas.auto(study.config, progress=log).run_all()
    assert caught.value.exit_code == 130
    words = advised(str(caught.value))
    done = subprocess.run([sys.executable, "-m", "enas", *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "left: evaluate, predict" in done.stdout
    assert (study.newest / "output_files" / "evaluation.json").is_file()
    assert not study.can_resume
