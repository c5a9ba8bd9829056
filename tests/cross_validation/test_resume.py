"""A cross-validation that is killed or stopped goes on to the same numbers; one that is not the same is refused."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from cross_validation.trials import cross_validate, places, results_of, run_and_die
from reliability.faults import At, advised, quick_study
from reliability.studies import Study, Watcher, start_method

from enas.cross_validation import CrossValidation
from enas.errors import RunError
from enas.interrupts import Interrupted

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

MOMENTS = (
    ("Cross-validation in", 1),
    ("search", 2),
    ("training [", 1),
    ("training [", 3),
    ("computing 20 rows", 1),
    ("repeat 1, fold 2", 1),
    ("search", 1),
    ("repeat 2, fold 2", 1),
)
"""Words of log and bars, and at which of their occurrences the process dies, each time further on."""


@POSIX
def test_killed_again_and_again_it_ends_with_the_same_files(study: Study, undisturbed: CrossValidation) -> None:
    done: dict[Path, int] = {}
    for word, n in MOMENTS:
        arguments = (study.config, bool(places(study)), word, n)
        process = start_method().Process(target=run_and_die, args=arguments)
        process.start()
        process.join(120)
        assert process.exitcode == -signal.SIGKILL, (word, n)
        now = {file: file.stat().st_mtime_ns for file in study.runs.rglob("held_out.json")}
        assert done.items() <= now.items(), "a finished fold was repeated"
        done = now
    assert len(done) == 4
    assert len(places(study)) == 1
    assert results_of(cross_validate(study, resume=True).path) == results_of(undisturbed.path)


@POSIX
def test_stopped_within_a_fold_it_says_how_to_go_on(study: Study, undisturbed: CrossValidation) -> None:
    log = Watcher(At("training [", lambda: signal.raise_signal(signal.SIGINT), 2))
    with pytest.raises(Interrupted) as caught:
        cross_validate(study, log=log)
    assert caught.value.exit_code == 130
    words = advised(str(caught.value))
    assert words == ["cv", str(study.config), "--resume", str(places(study)[0])]
    assert [*places(study)[0].glob("repeat_1_fold_1/checkpoint/*")]
    result = cross_validate(study, resume=Path(words[-1]))
    assert results_of(result.path) == results_of(undisturbed.path)
    assert cross_validate(study, resume=result.path).headline == result.headline


def start_command(study: Study, *words: str) -> "subprocess.Popen[str]":
    """``enas cv`` as the leader of a group, as in a terminal."""
    command = [sys.executable, "-m", "enas", "cv", str(study.config), *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


def wait_for(study: Study, pattern: str) -> None:
    end = time.monotonic() + 120
    while not [*study.runs.rglob(pattern)]:
        assert time.monotonic() < end
        time.sleep(0.02)


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_several_processes_end_together_and_go_on(
    tmp_path: Path, undisturbed: CrossValidation, number: signal.Signals, code: int
) -> None:
    """Ctrl-C reaches the whole group, the others the first process alone."""
    study = quick_study(tmp_path / "data")
    longer = "trainer.max_number_of_epoches_in_search=20"
    process = start_command(study, "--folds", "2", "--repeats", "2", "--jobs", "2", "--set", longer)
    wait_for(study, "checkpoint/*")
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, told = process.communicate(timeout=120)
    assert process.returncode == code, told
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    assert "Traceback" not in told
    if code > 0:
        assert advised(told)[-4:] == ["--resume", str(places(study)[0]), "--jobs", "2"]
    again = start_command(study, "--resume", str(places(study)[0]), "--jobs", "2", "--set", longer)
    again.communicate(timeout=300)
    assert again.returncode == 0
    whole = cross_validate(quick_study(tmp_path / "other"), longer)
    assert results_of(places(study)[0]) == results_of(whole.path)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """After the first fold."""
    study = quick_study(tmp_path_factory.mktemp("stopped") / "data")

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        cross_validate(study, log=Watcher(At("repeat 1, fold 1: ", stop)))
    return study


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("trainer.child_lr=0.5",), "another config: trainer.child_lr was 0.003 and is 0.5"),
        (("seed=3",), "another config: seed was 0 and is 3"),
        (("trainer.top_k_candidates=3",), "trainer.top_k_candidates has grown, and every fold needs the same"),
    ],
)
def test_another_config_is_refused(stopped: Study, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(RunError) as caught:
        cross_validate(stopped, *overrides, resume=True)
    assert words in str(caught.value)


def test_another_number_of_folds_or_repeats_is_refused(stopped: Study) -> None:
    import enas

    auto = enas.auto(stopped.config, progress=Watcher())
    for asked, words in (((3, 2), "folds was 2 and is 3"), ((2, 9), "repeats was 2 and is 9")):
        with pytest.raises(RunError, match=words):
            auto.cross_validate(*asked, resume=True)


def test_other_data_are_refused(stopped: Study) -> None:
    table = stopped.config.parent / "x.tsv"
    before = table.read_text()
    table.write_text(before.replace("0.", "1.", 1))
    try:
        with pytest.raises(RunError, match=r"training data have changed since it began \(.*x\.tsv\)"):
            cross_validate(stopped, resume=True)
    finally:
        table.write_text(before)


def test_what_is_no_cross_validation_is_refused(stopped: Study, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"is no directory of a cross-validation: it has no plan\.json"):
        cross_validate(stopped, resume=tmp_path)
    fresh = quick_study(tmp_path / "fresh")
    with pytest.raises(RunError, match="there is no unfinished cross-validation of 'study'"):
        cross_validate(fresh, resume=True)


def test_two_processes_do_not_work_in_one(stopped: Study) -> None:
    from enas.cross_validation.place import open_place

    place = open_place(places(stopped)[0])
    with place.record.lock(), pytest.raises(RunError, match="is in use by process"):
        cross_validate(stopped, resume=True)
    place.plan.with_name("damaged").mkdir(exist_ok=True)
    damaged = place.plan.with_name("damaged") / "plan.json"
    damaged.write_text("{}")
    with pytest.raises(RunError, match="does not say how many folds"):
        open_place(damaged.parent)
