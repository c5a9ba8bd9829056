"""A run is taken up again only if it still is the same run; what differs is named."""

import json
import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from reliability.faults import (
    At,
    Command,
    Files,
    copy_of,
    one_thread,
    quick_study,
    same,
    stop_at,
    train_here,
)
from reliability.studies import Study, differing, files_of, image_study

import enas
from enas.errors import DataError, EnasError, RunError
from enas.files import read_json
from enas.runs import create_run, latest_unfinished_run


@contextmanager
def changed(path: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Inside, a file has another content."""
    before = path.read_bytes()
    path.write_bytes(change(before))
    try:
        yield
    finally:
        path.write_bytes(before)


def noting(**values: Any) -> Callable[[bytes], bytes]:
    """Changes entries of a note."""
    return lambda content: json.dumps({**json.loads(content), **values}).encode()


def refusal(study: Study, *overrides: str, resume: bool | Path = True) -> str:
    """The one line by which going on is refused; the run is as it was."""
    run = study.newest
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(EnasError) as caught:
        train_here(study, *overrides, resume=resume)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- config, command, versions


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=1", "seed was 0 and is 1"),
        ("trainer.child_lr=0.5", "trainer.child_lr was 0.003 and is 0.5"),
        ("trainer.ensemble=false", "trainer.ensemble was True and is False"),
        ("trainer.max_number_of_epoches_in_search=1", "trainer.max_number_of_epoches_in_search was 2 and is 1"),
        ("trainer.max_number_of_epoches_in_fixed=2", "trainer.max_number_of_epoches_in_fixed was 3 and is 2"),
        ("trainer.top_k_candidates=1", "trainer.top_k_candidates was 2 and is 1"),
        ("controller.lr=0.1", "controller.lr was 0.0035 and is 0.1"),
        ("preprocessing.scale=none", "preprocessing.scale was 'standard' and is 'none'"),
    ],
)
def test_a_changed_key_is_named_with_both_values(stopped: Study, override: str, words: str) -> None:
    assert f"cannot be resumed with another config: {words}. Only " in refusal(stopped, override)


def test_another_table_in_the_config_is_another_config(stopped: Study, tmp_path: Path) -> None:
    words = refusal(stopped, f"data_train.args.data_dir={stopped.config.parent}/..")
    assert "data_train.args" in words


def test_keys_that_do_not_touch_the_result_may_change(stopped: Study, tmp_path: Path, undisturbed: Files) -> None:
    study = copy_of(stopped, tmp_path)
    free = ("time_limit=600", "checkpoint_seconds=5", "max_memory=64", "predictor.batch_size=3")
    train_here(study, *free, resume=study.newest)
    assert same(study.newest, undisturbed)


def test_another_device_is_named(stopped: Study) -> None:
    with changed(stopped.newest / "environment.json", noting(device="cuda:0")):
        assert "it began with device cuda:0, and this is device cpu; go back to that" in refusal(stopped)


def test_another_torch_is_refused_and_another_scipy_is_not(stopped: Study, tmp_path: Path, undisturbed: Files) -> None:
    study = copy_of(stopped, tmp_path)
    versions = read_json(study.newest / "environment.json")["versions"]
    with changed(study.newest / "environment.json", noting(versions=versions | {"torch": "1.13.0"})):
        assert "it began with torch 1.13.0, and this is torch 2" in refusal(study, resume=study.newest)
    (study.newest / "environment.json").write_bytes(
        noting(versions=versions | {"scipy": "1.0"})((study.newest / "environment.json").read_bytes())
    )
    log = train_here(study, resume=study.newest)
    assert [warning.split(",")[0] for warning in log.warnings] == ["the run began with scipy 1.0"]
    (study.newest / "warnings.json").unlink()  # it tells so, and nothing else differs
    assert same(study.newest, undisturbed)


def test_another_command_is_named(stopped: Study) -> None:
    auto = enas.auto(stopped.config)
    with pytest.raises(RunError, match="was begun by `enas train`; resume it by that command, not by `enas search`"):
        auto.search(resume=True)
    with pytest.raises(RunError, match="not by `enas run`"):
        auto.run_all(resume=stopped.newest)


def test_another_architecture_is_refused(stopped: Study) -> None:
    with pytest.raises(RunError, match=r"was begun with a search, not with \[1 0\]; begin a new run"):
        enas.auto(stopped.config).train("1 0", resume=True)


def test_nothing_to_resume(study: Study, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"no unfinished run of 'study' in .*; leave --resume out to begin one"):
        train_here(study, resume=True)
    train_here(study)
    with pytest.raises(RunError, match="no unfinished run"):
        train_here(study, resume=True)
    with pytest.raises(RunError, match="there is no run directory"):
        train_here(study, resume=tmp_path / "elsewhere")


def test_a_run_without_resume_on_the_command_line(stopped: Study, tmp_path: Path) -> None:
    command = Command.run(tmp_path, "train", stopped.config, stopped.newest)
    assert command.wait() == 2
    assert command.stderr.startswith("error: ")
    assert command.stderr.endswith("a run is named after the config; to go on with it, add --resume\n")


# --- data


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("x.tsv", lambda content: content.replace(b"\n", b"1\n", 2), "x.tsv)"),
        ("x.tsv", lambda content: content.replace(b"\n", b"\r\n"), "x.tsv)"),
        ("y.tsv", lambda content: content.replace(b"low", b"high", 1), "y.tsv)"),
        ("y.tsv", lambda content: content.replace(b"low", b"lower"), "y.tsv)"),
        ("x.tsv", lambda content: content.rstrip().rpartition(b"\n")[0], "39"),
    ],
    ids=["value", "line ends", "label", "name of a class", "row less"],
)
def test_a_changed_table_is_named(stopped: Study, name: str, change: Callable[[bytes], bytes], words: str) -> None:
    with changed(stopped.config.parent / name, change):
        assert words in refusal(stopped)


def test_a_new_row_with_its_label_is_noticed_and_without_them_the_run_goes_on(
    stopped: Study, tmp_path: Path, undisturbed: Files
) -> None:
    study, folder = copy_of(stopped, tmp_path), stopped.config.parent

    def twice(content: bytes) -> bytes:
        return content + content.split(b"\n")[1] + b"\n"

    with changed(folder / "x.tsv", twice), changed(folder / "y.tsv", twice):
        words = refusal(study, resume=study.newest)
        assert "the training data have changed since it began" in words
        assert "x.tsv" in words
        assert "y.tsv" in words
    train_here(study, resume=study.newest)
    assert same(study.newest, undisturbed)


@pytest.fixture(scope="module")
def stopped_images(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = image_study(tmp_path_factory.mktemp("images") / "data", checkpoint_seconds=600, checkpoint_epochs=1)
    stop_at(study)
    return study


def test_a_replaced_image_is_counted(stopped_images: Study) -> None:
    path = stopped_images.config.parent / "train" / "left" / "3.png"
    before = path.stat()
    with changed(path, lambda content: content):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
        assert "the training data have changed since it began (1 sample); put the old" in refusal(stopped_images)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("old", "new"), [("left/9.png", "upper/!.png"), ("left/0.png", "upper/a.png"), ("upper/0.png", "left/z.png")]
)
def test_an_image_in_another_class_is_noticed(stopped_images: Study, old: str, new: str) -> None:
    """Also the last of a class that becomes the first of the next: then the images' order stays the same."""
    folder = stopped_images.config.parent / "train"
    (folder / old).rename(folder / new)
    try:
        words = refusal(stopped_images)
        assert "the training data have changed since it began" in words
        assert str(folder / "left") in words
        assert str(folder / "upper") in words
    finally:
        (folder / new).rename(folder / old)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = quick_study(
        tmp_path_factory.mktemp("trained") / "data", explainer={"args": {"num_samples": 2, "ranked_outputs": 2}}
    )
    train_here(study)
    return study


def test_a_table_that_has_changed_since_training_is_not_explained(trained: Study) -> None:
    table, outputs = trained.config.parent / "x.tsv", trained.newest / "output_files"
    before = {path.name for path in outputs.iterdir()}
    with (
        changed(table, lambda content: content.replace(b"\n", b"1\n", 2)),
        pytest.raises(DataError, match=r"x\.tsv: the samples are not those that .* was trained on; put the old data"),
    ):
        enas.auto(trained.config).explain()
    assert {path.name for path in outputs.iterdir()} == before


def test_a_table_that_has_moved_since_training_is_explained(trained: Study, tmp_path: Path) -> None:
    for name in ("x.tsv", "y.tsv"):
        shutil.copy(trained.config.parent / name, tmp_path / name)
    with one_thread():
        found = enas.auto(trained.config, overrides=[f"data_train.args.data_dir={tmp_path}"]).explain()
    assert found.files


# --- more of the same


GROWTH = {"epochs": "trainer.max_number_of_epoches_in_fixed=5", "candidates": "trainer.top_k_candidates=4"}


@pytest.fixture(scope="module", params=GROWTH)
def growth(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Files]:
    """A larger number, and what it gives from the start."""
    study = quick_study(tmp_path_factory.mktemp("whole") / "data")
    train_here(study, GROWTH[request.param])
    return GROWTH[request.param], files_of(study.newest)


@pytest.mark.parametrize("word", ["step: 4", None], ids=["under way", "finished"])
def test_more_gives_what_it_gives_from_the_start(study: Study, growth: tuple[str, Files], word: str | None) -> None:
    override, whole = growth
    if word:
        stop_at(study, word, 3)
    else:
        train_here(study)
    train_here(study, override, resume=study.newest)
    assert differing(files_of(study.newest), whole) <= {"config.json", "data.json", "metrics.jsonl"}


def test_more_epochs_of_a_search_that_is_under_way(study: Study, tmp_path: Path) -> None:
    override, whole = "trainer.max_number_of_epoches_in_search=4", quick_study(tmp_path / "whole")
    stop_at(study, "controller step")
    train_here(study, override, resume=True)
    train_here(whole, override)
    assert same(study.newest, files_of(whole.newest))


@pytest.mark.parametrize(("word", "n"), [("deriving", 3), ("step: 4", 3)], ids=["deriving", "retraining"])
def test_more_epochs_of_a_search_that_is_over_are_refused(tmp_path: Path, word: str, n: int) -> None:
    study = quick_study(tmp_path / "data", checkpoint_seconds=0)
    stop_at(study, word, n)
    words = refusal(study, "trainer.max_number_of_epoches_in_search=4")
    assert "trainer.max_number_of_epoches_in_search cannot grow any more: the search is over" in words


def test_growth_that_is_interrupted_grows_again(study: Study) -> None:
    """Finished, then told to retrain more, then killed: nothing is taken for done."""
    train_here(study)
    override = "trainer.top_k_candidates=3"
    with pytest.raises(KeyboardInterrupt):
        train_here(
            study, override, at=At("training [", lambda: signal.raise_signal(signal.SIGINT)), resume=study.newest
        )
    train_here(study, override, resume=True)
    assert len([*(study.newest / "models").glob("candidate_*")]) == 3
    assert not study.can_resume


# --- two at once, and clocks


def test_a_second_process_is_refused_until_the_first_is_killed(study: Study, tmp_path: Path) -> None:
    command = Command.start(tmp_path, "train", study.config, "--set", "trainer.max_number_of_epoches_in_search=9999")
    command.wait_for("controller step", 4)
    run = study.newest
    with pytest.raises(RunError) as caught:
        train_here(study, "trainer.max_number_of_epoches_in_search=9999", resume=run)
    assert f"in use by process {command.process.pid} on {socket.gethostname()}; wait for it" in str(caught.value)
    command.process.kill()
    command.wait()
    assert read_json(run / ".lock.json")["pid"] == command.process.pid
    holders: list[int] = []

    def look() -> None:
        holders.append(read_json(run / ".lock.json")["pid"])
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_here(study, "trainer.max_number_of_epoches_in_search=9999", at=At("step: ", look), resume=run)
    assert holders == [os.getpid()]
    assert not (run / ".lock.json").exists()


@pytest.mark.parametrize("set_back", [timedelta(days=1), timedelta(seconds=1), timedelta(), timedelta(days=-1)])
def test_the_run_made_last_is_the_newest_whatever_the_clock_says(tmp_path: Path, set_back: timedelta) -> None:
    now = datetime(2026, 3, 29, 2, 30)
    runs = [create_run(tmp_path, "a", now=now - i * set_back) for i in range(4)]
    for run in runs:
        run.begin("train", ["train"], None)
        assert latest_unfinished_run(tmp_path, "a") == runs[-1] or run is not runs[-1]
    assert latest_unfinished_run(tmp_path, "a") == runs[-1]
    assert [run.created for run in runs] == sorted(run.created for run in runs)
