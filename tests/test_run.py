import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from enas.errors import ConfigError, RunError
from enas.files import write_json
from enas.runs import check_name, create_run, latest_run, latest_unfinished_run, open_run

NOW = datetime(2019, 12, 25, 10, 37, 54)

HOLD = (
    "import sys; from pathlib import Path; from enas.runs import open_run\n"
    "with open_run(Path(sys.argv[1])).lock(): print('held', flush=True); sys.stdin.read()"
)


@contextmanager
def other_process_holding(path: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process


def test_a_new_run_stands_where_the_seed_put_it(tmp_path: Path) -> None:
    run = create_run(tmp_path, "enas_demo", now=NOW, facts={"seed": 7})
    assert run.path == tmp_path / "enas" / "enas_demo" / "1225_103754"
    assert run.name == "enas_demo"
    assert sorted(path.name for path in run.path.iterdir()) == ["environment.json", "models", "output_files"]
    environment = json.loads(run.environment.read_text())
    assert environment["seed"] == 7
    assert environment["python"] == sys.version.split()[0]
    assert datetime.fromisoformat(environment["created"]) == NOW.astimezone()
    assert open_run(run.path) == run


def test_runs_of_one_second_get_a_suffix_and_keep_their_order(tmp_path: Path) -> None:
    runs = [create_run(tmp_path, "a", now=NOW) for _ in range(11)]
    assert [run.path.name for run in runs[:3]] == ["1225_103754", "1225_103754_2", "1225_103754_3"]
    for run in runs:
        run.begin("train", ["train"], None)
    assert latest_unfinished_run(tmp_path, "a") == runs[-1]


def test_the_latest_run_is_the_newest_finished_one_across_years(tmp_path: Path) -> None:
    december = create_run(tmp_path, "a", now=NOW)
    january = create_run(tmp_path, "a", now=NOW + timedelta(days=30))
    unfinished = create_run(tmp_path, "a", now=NOW + timedelta(days=31))
    other = create_run(tmp_path, "b", now=NOW + timedelta(days=60))
    for run in (december, january, other):
        write_json(run.best_architecture, {})
        write_json(run.models / "model.json", {})
    write_json(unfinished.best_architecture, {})  # a search alone: no model
    assert january.path.name < december.path.name
    assert latest_run(tmp_path, "a") == january
    unfinished.begin("search", ["search"], None)
    assert latest_unfinished_run(tmp_path, "a") == unfinished
    unfinished.done("search")
    with pytest.raises(RunError, match="no unfinished run"):
        latest_unfinished_run(tmp_path, "a")


def test_no_run_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no finished run of 'a' in .*enas.a: call train\(\) first"):
        latest_run(tmp_path, "a")
    create_run(tmp_path, "a", now=NOW)
    with pytest.raises(RunError, match="no finished run"):
        latest_run(tmp_path, "a")


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run directory"):
        open_run(tmp_path / "missing")
    with pytest.raises(RunError, match="is not a run directory"):
        open_run(tmp_path)
    (tmp_path / "environment.json").write_text('{"created": "yesterday"}')
    with pytest.raises(RunError, match="does not say when"):
        open_run(tmp_path)


def test_a_file_in_the_way_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "enas").write_text("")
    with pytest.raises(
        RunError, match=r"cannot make a run directory in .*; choose another trainer\.save_dir"
    ) as caught:
        create_run(tmp_path, "a", now=NOW)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind here")
def test_a_read_only_directory_is_one_clear_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match="Permission denied; choose another"):
            create_run(tmp_path, "a", now=NOW)
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no name"), ("  ", "no name"), (".", "no name"), ("..", "no name"), ("a/b", "contains '/'"),
        ("a\\b", "contains"), ("a\nb", "contains"), ("a:b", "contains ':'"), ("a.", "ends with"), (" a", "begins"),
        ("CON", "Windows"), ("nul.txt", "Windows"), ("lpt9", "Windows"), ("名" * 67, "longer than 200 bytes"),
    ],
)  # fmt: skip
def test_names_that_no_directory_can_have(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        create_run(tmp_path, name, now=NOW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["enas_demo", "演示", "a b", "console", "v1.2", "..a", "名" * 66])
def test_names_that_are_allowed(name: str) -> None:
    check_name(name)


def test_the_log_is_read_back(tmp_path: Path) -> None:
    run = create_run(tmp_path, "a", now=NOW)
    run.log(step=0, reward=0.5)
    run.log(step=1, reward=float("nan"))
    assert run.read_log() == [{"step": 0, "reward": 0.5}, {"step": 1, "reward": None}]


def test_a_second_process_is_refused_by_name(tmp_path: Path) -> None:
    run = create_run(tmp_path, "a", now=NOW)
    with other_process_holding(run.path) as process:
        with pytest.raises(RunError, match=f"in use by process {process.pid} on {socket.gethostname()}"), run.lock():
            pass
        process.communicate()
    with run.lock():
        pass


def test_the_lock_of_a_dead_process_does_not_hold_and_its_litter_goes(tmp_path: Path) -> None:
    run = create_run(tmp_path, "a", now=NOW)
    with other_process_holding(run.path) as process:
        (run.models / ".partial-1-weights.safetensors").write_text("half")
        process.send_signal(signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
        process.wait()
    with run.lock():
        assert json.loads((run.path / ".lock.json").read_text())["pid"] == os.getpid()
    assert list(run.models.iterdir()) == []
    assert not (run.path / ".lock.json").exists()


def test_the_lock_is_let_go_after_an_error(tmp_path: Path) -> None:
    run = create_run(tmp_path, "a", now=NOW)
    with pytest.raises(ZeroDivisionError), run.lock():
        _ = 1 / 0
    with run.lock(), pytest.raises(RunError, match="in use by process"), run.lock():
        pass
