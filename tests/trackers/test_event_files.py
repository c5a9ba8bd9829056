"""TensorBoard itself reads what a run has written."""

import sys
from pathlib import Path

import numpy as np
import pytest
from reliability.studies import Watcher, table_study

import enas
from enas.errors import RunError
from enas.interrupts import Interrupted
from enas.run import Run
from enas.trackers.event_files import FILE, event_files

pytest.importorskip("tensorboard", reason="needs the extra tensorboard")

ROW = {"stage": "search", "epoch": 0, "reward": 0.5, "child_loss": None}


def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Scalars by tag, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"tensors": 0, "scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def check_is_the_log(run: Run) -> None:
    rows = [row for row in run.read_log() if "epoch" in row]
    retrained = list(dict.fromkeys(row["architecture"] for row in rows if "architecture" in row))
    folders = {f"candidate_{i}" for i in range(1, len(retrained) + 1)} | {"search"}
    assert {path.name for path in run.tensorboard.iterdir()} == folders
    for name, architecture in [("search", None), *zip(sorted(folders - {"search"}), retrained, strict=True)]:
        mine = [row for row in rows if row.get("architecture") == architecture]
        shown = read(run.tensorboard / name)
        numbers = set().union(*mine) - {"stage", "architecture", "epoch"}
        assert set(shown) == {tag for tag in numbers if any(row.get(tag) is not None for row in mine)}
        for tag, points in shown.items():
            told = [(row["epoch"], row[tag]) for row in mine if row.get(tag) is not None]
            assert [epoch for epoch, _ in points] == [epoch for epoch, _ in told]
            np.testing.assert_allclose([value for _, value in points], [value for _, value in told], rtol=1e-6)


def test_a_run_is_watched_while_it_goes_on_and_no_epoch_is_shown_twice(tmp_path: Path) -> None:
    study = table_study(tmp_path / "study")
    seen: list[int] = []

    def stop(text: str, n_events: int) -> None:
        if "training arc" in text:  # the first candidate is done
            seen.append(len(read(study.newest / "tensorboard" / "candidate_1")["valid_score"]))
            raise Interrupted(2, "stopped")

    with pytest.raises(Interrupted):
        enas.auto(study.config, progress=Watcher(stop)).train()
    assert seen == [6]
    auto = enas.auto(study.config, progress=Watcher())
    auto.train(resume=True)
    check_is_the_log(auto.run)


def test_names_of_files_tell_nothing_of_the_machine(tmp_path: Path) -> None:
    event_files(tmp_path / "tensorboard", [ROW], lambda: 1.0)
    (file,) = [path for path in (tmp_path / "tensorboard").rglob("*") if path.is_file()]
    assert file.name == FILE
    assert set(read(file.parent)) == {"reward"}


def test_nothing_is_written_where_tensorboard_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    event_files(tmp_path / "tensorboard", [ROW], lambda: 1.0)(ROW)
    assert not (tmp_path / "tensorboard").exists()


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    record = event_files(tmp_path / "tensorboard", [], lambda: 1.0)
    (tmp_path / "tensorboard").write_text("in the way")
    with pytest.raises(RunError, match=r"cannot write .*tensorboard"):
        record(ROW)
