"""Faults of disk, folders, data and numbers, made for real: one clear message each, nothing half written under a final
name, and after the fault is mended the same files as without it."""

import ast
import os
import re
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reliability.faults import (
    At,
    Command,
    Files,
    advised,
    copy_of,
    fill,
    litter,
    quick_study,
    read_only,
    same,
    small_disk,
    stop_at,
    train_here,
)
from reliability.studies import Study, Watcher

import enas
from enas.data.images import ImageFormat, ImageSet, read_images
from enas.errors import DataError, RunError
from enas.model_files import load_model


def check_refused(error: RunError, run: Path, what: str) -> None:
    """One line that says what happened and how to go on; nothing is half written, nothing looks finished."""
    message = str(error)
    assert what in message
    assert "\n" not in message
    assert "when that is mended, go on with: enas train " in message
    assert advised(message)[-1] == str(run)
    assert litter(run) == []
    assert not (run / "best_architecture.json").exists()
    if (run / "models" / "model.json").exists():  # of what was trained before
        load_model(run / "models")


MOMENTS = pytest.mark.parametrize(
    ("word", "n"),
    [
        ("controller step", 1),
        ("controller step", 3),
        ("deriving", 1),
        ("step: 2", 3),
        ("training arc", 2),
    ],
    ids=["first metrics line", "checkpoint of the search", "before retraining", "retraining", "last checkpoint"],
)


@MOMENTS
def test_a_disk_that_is_full(tmp_path: Path, undisturbed: Files, word: str, n: int) -> None:
    with small_disk(tmp_path / "disk", "8m") as disk:
        study = quick_study(tmp_path / "data", runs=disk / "runs")
        with pytest.raises(RunError) as caught:
            train_here(study, at=At(word, lambda: fill(disk), n))
        check_refused(caught.value, study.newest, "No space left on device")
        (disk / "ballast").unlink()
        train_here(study, resume=True)
        assert same(study.newest, undisturbed)


def test_a_disk_that_is_full_within_an_epoch(tmp_path: Path, undisturbed: Files) -> None:
    """A checkpoint that cannot be written is no loss that is not finite: the run ends there, and does not go on with
    something else, even if there is room again a moment later."""
    with small_disk(tmp_path / "disk", "8m") as disk:
        study = quick_study(tmp_path / "data", runs=disk / "runs", checkpoint_seconds=0)

        def mend(text: str, n_events: int) -> None:
            fill_once(text, n_events)
            if not text.startswith(fill_once.word):
                (disk / "ballast").unlink(missing_ok=True)

        for word, n in (("step: 3", 1), ("step: 4", 3)):
            fill_once = At(word, lambda: fill(disk), n)
            with pytest.raises(RunError) as caught:
                train_here(study, at=mend, resume=study.can_resume)
            check_refused(caught.value, study.newest, "No space left on device")
            (disk / "ballast").unlink()
        train_here(study, resume=True)
        assert same(study.newest, undisturbed)


def test_no_room_for_the_model(study: Study, undisturbed: Files, faults: ExitStack) -> None:
    with pytest.raises(RunError) as caught:
        train_here(
            study, at=At("training arc", lambda: faults.enter_context(small_disk(study.newest / "models", "16k")), 2)
        )
    check_refused(caught.value, study.newest, "No space left on device")
    faults.close()
    train_here(study, resume=True)
    assert same(study.newest, undisturbed)


def test_no_room_for_a_run_leaves_none_behind(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        study = quick_study(tmp_path / "data", runs=disk)
        (disk / "enas" / "study").mkdir(parents=True)
        fill(disk)
        with pytest.raises(RunError, match=r"No space left on device; choose another trainer\.save_dir"):
            train_here(study)
        assert [*disk.glob("enas/study/*")] == []


def test_a_full_disk_on_the_command_line(tmp_path: Path, undisturbed: Files) -> None:
    with small_disk(tmp_path / "disk", "300k") as disk:
        study = quick_study(tmp_path / "data", runs=disk / "runs")
        command = Command.run(tmp_path, "train", study.config)
        assert command.wait() == 2
        error = command.stderr.splitlines()[-1]
        assert error.startswith("error: cannot write ")
        assert litter(disk) == []
        os.system(f"mount -o remount,size=8m {disk}")
        assert Command.run(tmp_path, *advised(error)).wait() == 0
        assert same(study.newest, undisturbed)


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the size of files")
@pytest.mark.parametrize(("word", "n"), [("controller step", 2), ("training arc", 1)])
def test_files_that_may_not_grow(study: Study, undisturbed: Files, word: str, n: int, faults: ExitStack) -> None:
    """The fault that needs no root."""
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit() -> None:
        faults.callback(resource.setrlimit, resource.RLIMIT_FSIZE, limits)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))

    with pytest.raises(RunError) as caught:
        train_here(study, at=At(word, limit, n))
    faults.close()
    check_refused(caught.value, study.newest, "File too large")
    train_here(study, resume=True)
    assert same(study.newest, undisturbed)


def test_a_folder_for_runs_that_cannot_be_written(study: Study, faults: ExitStack) -> None:
    study.runs.mkdir()
    faults.enter_context(read_only(study.runs))
    with pytest.raises(RunError, match=r"cannot make a run directory in .*; choose another trainer\.save_dir"):
        train_here(study)


@pytest.mark.parametrize(("word", "n"), [("step: 4", 2), ("training arc", 2)])
def test_a_run_that_becomes_read_only(study: Study, undisturbed: Files, word: str, n: int, faults: ExitStack) -> None:
    with pytest.raises(RunError) as caught:
        train_here(study, at=At(word, lambda: faults.enter_context(read_only(study.newest)), n))
    faults.close()
    check_refused(caught.value, study.newest, "cannot write ")
    train_here(study, resume=True)
    assert same(study.newest, undisturbed)


def test_a_run_that_is_read_only_from_the_start_of_resuming(study: Study, faults: ExitStack) -> None:
    stop_at(study)
    faults.enter_context(read_only(study.newest))
    with pytest.raises(RunError, match="cannot lock "):
        train_here(study, resume=True)


@pytest.mark.parametrize(("word", "n"), [("controller step", 2), ("step: 4", 2)])
def test_a_run_that_is_deleted_meanwhile(study: Study, word: str, n: int) -> None:
    gone: list[Path] = []

    def delete() -> None:
        gone.append(study.newest)
        shutil.rmtree(study.newest)

    with pytest.raises(RunError, match="No such file or directory; nothing is left to go on with; begin a new run"):
        train_here(study, at=At(word, delete, n))
    assert not gone[0].exists()


NOTES = ("config.json", "data.json", "steps.json", "environment.json")


@pytest.mark.parametrize("name", NOTES)
@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", "null", '{"data_train": 3, "steps": 3, "created": 3}'])
def test_notes_that_are_gone_or_damaged(stopped: Study, name: str, content: str | None) -> None:
    """Named in one line; put back, the run goes on as if nothing had been."""
    path = stopped.newest / name
    before = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    try:
        with pytest.raises(RunError) as caught:
            train_here(stopped, resume=path.parent)
        assert re.search(f"{name}|with another config", str(caught.value))
        assert "\n" not in str(caught.value)
    finally:
        path.write_bytes(before)


def test_notes_that_are_put_back(stopped: Study, undisturbed: Files, tmp_path: Path) -> None:
    study = copy_of(stopped, tmp_path)
    train_here(study, resume=study.newest)
    assert same(study.newest, undisturbed)


def write_images(folder: Path, n: int) -> list[Path]:
    """Two classes of noise, each file larger than what one thread decodes alone."""
    generator, files = np.random.default_rng(0), []
    for i in range(n):
        files.append(folder / "ab"[i % 2] / f"{i:04}.bmp")
        files[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 255, (64, 64, 3)).astype(np.uint8)).save(files[-1])
    return files


@pytest.mark.parametrize("skip", [False, True])
def test_images_that_vanish_between_listing_and_decoding(tmp_path: Path, skip: bool) -> None:
    """Threads decode; what one of them meets ends in a message that names the files, or a warning for each."""
    files = write_images(tmp_path / "train", 900)
    gone = [file for file in files if file.name > "0850"]

    def vanish() -> None:
        for file in gone:
            file.unlink()

    log = Watcher(At("decoding train", vanish))

    def read() -> ImageSet:
        return read_images(
            tmp_path / "train", ImageFormat((64, 64), 3), classes=None, labelled=True, cache=tmp_path / "cache",
            skip_unreadable=skip, progress=log, n_threads=3,
        )  # fmt: skip

    if skip:
        assert len(read().pixels) == len(files) - len(gone)
        assert f"{len(gone)} of 900 images" in log.warnings[-1]
    else:
        with pytest.raises(
            DataError, match=rf"{len(gone)} of 900 images of .* cannot be read: '.*0852\.bmp' "
        ) as caught:
            read()
        assert "\n" not in str(caught.value)
    assert litter(tmp_path) == []


def test_a_folder_of_images_that_vanishes_while_it_is_decoded(tmp_path: Path) -> None:
    write_images(tmp_path / "train", 600)
    log = Watcher(At("images/s", lambda: shutil.rmtree(tmp_path / "train")))
    with pytest.raises(DataError, match=r"images of .* cannot be read"):
        read_images(
            tmp_path / "train", ImageFormat((64, 64), 3), classes=None, labelled=True, cache=tmp_path / "cache",
            skip_unreadable=False, progress=log, n_threads=2,
        )  # fmt: skip


def test_a_full_disk_under_the_cache_of_images(tmp_path: Path) -> None:
    files = write_images(tmp_path / "train", 300)
    with small_disk(tmp_path / "disk", "16m") as disk:
        log = Watcher(At("decoding train", lambda: fill(disk)))
        with pytest.raises(RunError, match=r"cannot write .*\.npy: No space left on device"):
            read_images(
                tmp_path / "train", ImageFormat((64, 64), 3), classes=None, labelled=True, cache=disk / "cache",
                skip_unreadable=False, progress=log, n_threads=2,
            )  # fmt: skip
        assert litter(disk) == []
    assert len(files) == 300


CALENDAR = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}


def test_nothing_is_measured_by_a_clock_that_can_be_set() -> None:
    """The time of day names a run or a cross-validation, and nothing else; durations are of monotonic clocks."""
    used = []
    for path in Path(enas.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node).split("enas.")[-1] in CALENDAR:
                used.append((path.name, ast.unparse(node)))
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                used += [(path.name, f"time.{alias.name}") for alias in node.names if f"time.{alias.name}" in CALENDAR]
    assert sorted(used) == [("job.py", "datetime.now"), ("place.py", "datetime.now")]
