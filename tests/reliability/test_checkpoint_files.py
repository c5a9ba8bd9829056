"""Checkpoints that the disk, or somebody, has damaged: noticed, and the one before takes their place."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from reliability.faults import Files, copy_of, litter, quick_study, same, stop_at, train_here
from reliability.studies import Study, Watcher

from enas.checkpoint import NEWEST, NEXT, PREVIOUS, Checkpoints, State, load_checkpoint, read_state, write_state
from enas.errors import RunError
from enas.tensor_files import read_tensors, write_tensors

N_FLIPS = 60


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A run that stands in its retraining, with two checkpoints; tests leave it as it was."""
    study = quick_study(tmp_path_factory.mktemp("stopped") / "data")
    stop_at(study, "step: 8", 2)
    return study


@pytest.fixture(scope="module")
def content(stopped: Study) -> bytes:
    """Of a checkpoint."""
    return (stopped.newest / "checkpoint" / NEWEST).read_bytes()


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(RunError) as caught:
        read_state(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 300
    return str(caught.value)


def test_the_whole_file_is_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    state = read_state(tmp_path / "state")
    assert "current" in state["chosen"]
    assert state["chosen"]["current"]["kept"].tensors


def test_cut_anywhere(tmp_path: Path, content: bytes) -> None:
    header = 8 + int.from_bytes(content[:8], "little")
    lengths = {0, 1, 7, 8, 9, 100, header - 1, header, header + 1, len(content) // 2, len(content) - 1}
    for length in sorted(lengths):
        refused(tmp_path / "state", content[:length])
    refused(tmp_path / "state", content + b"\0")


def test_one_bit_flipped_anywhere(tmp_path: Path, content: bytes) -> None:
    """In the length and text of the header, in facts and digest, in tensors."""
    header, chance = 8 + int.from_bytes(content[:8], "little"), np.random.default_rng(0)
    marks = [content.index(word) + i for word in (b'"format"', b'"digest"', b'"facts"', b'"dtype"') for i in (1, 11)]
    places = [*range(8), *marks, *chance.integers(8, header, N_FLIPS // 2)]
    places += [*chance.integers(header, len(content), N_FLIPS // 2), len(content) - 1]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(chance.integers(8))
        refused(tmp_path / "state", bytes(damaged))


@pytest.mark.parametrize("other", [b"", b"\0" * 4096, b"PK\x03\x04", b"{}", b"\xff" * 100])
def test_another_file_in_its_place(tmp_path: Path, other: bytes) -> None:
    refused(tmp_path / "state", other)


def test_tensors_of_a_model_in_its_place(tmp_path: Path) -> None:
    write_tensors(tmp_path / "model", {"w": np.zeros(3)})
    assert "has format unknown; this version reads 1" in refused(tmp_path / "s", (tmp_path / "model").read_bytes())


def test_a_directory_in_its_place_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="it is not a file"):
        read_state(tmp_path)
    with pytest.raises(RunError, match="does not exist"):
        read_state(tmp_path / "state")


@pytest.mark.parametrize("version", ["0", "2", "1.0", ""])
def test_another_format(tmp_path: Path, content: bytes, version: str) -> None:
    (tmp_path / "state").write_bytes(content)
    arrays, metadata = read_tensors(tmp_path / "state")
    write_tensors(tmp_path / "other", arrays, metadata | {"format": version})
    assert f"has format {version}; this version reads 1" in refused(
        tmp_path / "state", (tmp_path / "other").read_bytes()
    )


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage",
    [flip, lambda path: path.write_bytes(b""), Path.unlink],
    ids=["flipped", "empty", "gone"],
)
def test_the_one_before_is_taken_and_nothing_is_lost(
    stopped: Study, tmp_path: Path, undisturbed: Files, damage: Callable[[Path], object]
) -> None:
    study = copy_of(stopped, tmp_path)
    damage(study.newest / "checkpoint" / NEWEST)
    gone = not (study.newest / "checkpoint" / NEWEST).exists()
    log = train_here(study, resume=study.newest)
    assert len(log.warnings) == (not gone)
    assert all("newest.safetensors" in words and "going back to the checkpoint" in words for words in log.warnings)
    (study.newest / "warnings.json").unlink(missing_ok=True)  # it tells of the damage, and nothing else differs
    assert same(study.newest, undisturbed)
    assert litter(study.newest) == []


def test_both_damaged_is_the_end(stopped: Study, tmp_path: Path) -> None:
    study = copy_of(stopped, tmp_path)
    flip(study.newest / "checkpoint" / NEWEST)
    flip(study.newest / "checkpoint" / PREVIOUS)
    with pytest.raises(RunError, match=r"no checkpoint in .* is whole; begin a new run, without --resume"):
        train_here(study, resume=study.newest)


def test_none_yet_begins_anew(stopped: Study, tmp_path: Path, undisturbed: Files) -> None:
    study = copy_of(stopped, tmp_path)
    shutil.rmtree(study.newest / "checkpoint")
    log = train_here(study, resume=study.newest)
    assert any("there is no checkpoint yet, so it begins anew" in line for line in log.lines)
    assert same(study.newest, undisturbed)


def write_three(folder: Path, *names: str) -> None:
    """Checkpoints 1, 2, … under these names."""
    folder.mkdir(exist_ok=True)
    for n, name in enumerate(names, start=1):
        write_state(folder / name, State({"n": n}, {"w": torch.full((3,), float(n))}))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((PREVIOUS, NEWEST), 2),
        ((PREVIOUS, NEWEST, NEXT), 3),  # killed before the first renaming
        ((PREVIOUS, NEXT), 2),  # between the two
        ((NEXT,), 1),
        ((NEWEST,), 1),
        ((PREVIOUS,), 1),
    ],
)
def test_killed_while_one_takes_the_place_of_the_other(tmp_path: Path, names: tuple[str, ...], expected: int) -> None:
    write_three(tmp_path, *names)
    log = Watcher()
    state = load_checkpoint(tmp_path, log)
    assert state is not None
    assert state.facts["n"] == expected
    assert torch.equal(state.tensors["w"], torch.full((3,), float(expected)))
    assert log.warnings == []
    Checkpoints(tmp_path, 0, None).save(State({"n": 9}))
    state = load_checkpoint(tmp_path, log)
    assert state is not None
    assert state.facts["n"] == 9
    assert not (tmp_path / NEXT).exists()


def test_the_one_before_a_directory_is_taken(tmp_path: Path) -> None:
    write_three(tmp_path, PREVIOUS)
    (tmp_path / NEWEST).mkdir()
    log = Watcher()
    state = load_checkpoint(tmp_path, log)
    assert state is not None
    assert state.facts["n"] == 1
    assert ["it is not a file; going back to the checkpoint before it" in words for words in log.warnings] == [True]


def test_a_run_goes_on_from_between_two_renamings(stopped: Study, tmp_path: Path, undisturbed: Files) -> None:
    study = copy_of(stopped, tmp_path)
    folder = study.newest / "checkpoint"
    (folder / NEWEST).rename(folder / NEXT)
    train_here(study, resume=study.newest)
    assert same(study.newest, undisturbed)


def test_a_damaged_one_never_drives_out_the_last_that_is_whole(tmp_path: Path) -> None:
    """While the next is being written, the only whole one stays."""
    write_three(tmp_path, PREVIOUS, NEWEST)
    flip(tmp_path / NEWEST)
    checkpoints = Checkpoints(tmp_path, 0, None)

    def fail() -> dict[str, object]:
        raise OSError("no room")

    checkpoints.extra = fail
    with pytest.raises(RunError, match=r"cannot write a checkpoint into .*: no room"):
        checkpoints.save(State({"n": 3}))
    log = Watcher()
    state = load_checkpoint(tmp_path, log)
    assert state is not None
    assert state.facts["n"] == 1
    assert len(log.warnings) == 1
