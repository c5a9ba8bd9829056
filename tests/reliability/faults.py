"""Real faults: disks that fill up, folders that cannot be written, and the command line in a process of its own."""

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from reliability.studies import Study, Watcher, differing, files_of, start_method, table_study, write_study

import enas
from enas.files import PARTIAL_PREFIX

Files = dict[str, bytes]

NO_TIMES = {"checkpoint_seconds": 600, "checkpoint_epochs": 1, "compare_with_random": False}


def quick_study(folder: Path, *, runs: Path | None = None, **settings: Any) -> Study:
    """Tables in half a second: two epochs of search, three of retraining, a checkpoint after each."""
    config = json.loads(table_study(folder).config.read_text())
    config["trainer"] |= {
        "child_num_layers": 1,
        "folds": 2,
        "max_number_of_epoches_in_search": 2,
        "max_number_of_epoches_in_fixed": 3,
        "save_dir": str(runs or folder / "runs"),
    }
    config["controller"]["train_steps"] = 2
    study = write_study(folder, config | NO_TIMES | settings)
    return study if runs is None else Study(study.config, runs)


@dataclass
class At:
    """Does something at the n-th line, warning or step of a bar whose text contains a word, and once only."""

    word: str
    act: Callable[[], Any]
    n: int = 1

    def __call__(self, text: str, n_events: int) -> None:
        self.n -= self.word in text
        if self.n == 0 and self.word in text:
            self.act()


def train_here(
    study: Study, *overrides: str, at: Callable[[str, int], None] = lambda text, n: None, resume: bool | Path = False
) -> Watcher:
    """`train` in this process, on one thread; returns its log."""
    log = Watcher(at)
    with one_thread():
        enas.auto(study.config, overrides=overrides, progress=log).train(resume=resume)
    return log


@contextmanager
def one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Stop(Exception):
    """Ends a run as a fault of ours would."""


def stop() -> None:
    raise Stop


def stop_at(study: Study, word: str = "training [", n: int = 1, *, resume: bool = False) -> Path:
    """Train, or go on, up to the n-th event with a word; returns the run."""
    with pytest.raises(Stop):
        train_here(study, at=At(word, stop, n), resume=resume)
    return study.newest


def copy_of(study: Study, folder: Path) -> Study:
    """The same config and data, and runs of its own."""
    return Study(study.config, shutil.copytree(study.runs, folder / "copied"))


def same(run: Path, files: Files) -> bool:
    """Whether a run has given these files, but for the paths of its config and data."""
    return differing(files_of(run), files) <= {"config.json", "data.json"}


def litter(folder: Path) -> list[Path]:
    """What is half written."""
    return [*folder.rglob(f"{PARTIAL_PREFIX}*")]


def _command(words: list[str], out: Path) -> None:
    import torch

    from enas.cli import main

    torch.set_num_threads(1)
    for stream, suffix in ((1, "out"), (2, "err")):
        os.dup2(os.open(out.with_suffix(f".{suffix}"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    sys.argv = ["enas", *words]
    main()


@dataclass
class Command:
    """``enas`` with some words, in a process of its own that has imported everything already."""

    out: Path
    process: BaseProcess

    @classmethod
    def start(cls, folder: Path, *words: str | Path) -> "Command":
        process: BaseProcess = start_method().Process(
            target=_command, args=([*map(str, words)], folder / "log"), daemon=True
        )
        for suffix in ("out", "err"):
            (folder / f"log.{suffix}").write_text("")
        process.start()
        return cls(folder / "log", process)

    @classmethod
    def run(cls, folder: Path, *words: str | Path) -> "Command":
        command = cls.start(folder, *words)
        command.wait()
        return command

    @property
    def stdout(self) -> str:
        return self.out.with_suffix(".out").read_text()

    @property
    def stderr(self) -> str:
        return self.out.with_suffix(".err").read_text()

    def wait(self) -> int | None:
        self.process.join(120)
        return self.process.exitcode

    def wait_for(self, word: str, n: int = 1) -> None:
        """Until a word has been printed n times."""
        end = time.monotonic() + 120
        while self.stdout.count(word) < n:
            assert self.process.is_alive(), self.stderr
            assert time.monotonic() < end, self.stdout
            time.sleep(0.002)


def advised(message: str) -> list[str]:
    """The words of the command that a message ends with, without ``enas``."""
    name, *words = shlex.split(message.strip().split("go on with: ")[-1])
    assert name == "enas"
    return words


def _mount(*words: str | Path) -> bool:
    with suppress(OSError):
        return subprocess.run(["mount", *map(str, words)], capture_output=True).returncode == 0
    return False


@contextmanager
def _mounted(folder: Path, *words: str | Path) -> Iterator[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform != "linux" or os.geteuid() != 0 or not _mount(*words, folder):
        pytest.skip("needs root, and the right to mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of so many bytes at ``folder``."""
    with _mounted(folder, "-t", "tmpfs", "-o", f"size={size}", "tmpfs"):
        yield folder


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Nothing can be written into ``folder``: by permissions, or, for root, whom these do not bind, by a mount."""
    if os.name == "posix" and os.geteuid() != 0:
        modes = {path: path.stat().st_mode for path in [folder, *folder.rglob("*")] if path.is_dir()}
        for path in modes:
            path.chmod(0o500)
        try:
            yield
        finally:
            for path, mode in modes.items():
                path.chmod(mode)
        return
    with _mounted(folder, "--bind", folder):
        assert _mount("-o", "remount,ro,bind", folder)
        yield


def fill(folder: Path) -> Path:
    """Leave no room on the disk of a folder; returns the file that takes it."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast
