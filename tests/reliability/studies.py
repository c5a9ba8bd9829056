"""Runs in processes of their own, which can be killed, and what is left of them."""

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np

OF_THE_MOMENT = {"environment.json", ".lock", "steps.json", "checkpoint", "tensorboard"}
TIMES = {"seconds"}


def start_method() -> Any:
    """Processes that have imported everything already where the system has them, else new ones."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    modules = ["enas.cli", "enas.job", "enas.train", "enas.families.table", "enas.families.image", "enas.report.curves"]
    context.set_forkserver_preload([*modules, "reliability.faults"])
    return context


@dataclass
class Watcher:
    """Keeps what it is told; `at` is called with every line, warning and step of a bar, and with their number."""

    at: Callable[[str, int], None] = lambda text, n: None
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    n_events: int = 0

    def line(self, text: str) -> None:
        self.lines.append(text)
        self._count(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)
        self._count(text)

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        self._count(title)
        yield lambda text: self._count(f"{title}: {text}")

    def _count(self, text: str) -> None:
        self.n_events += 1
        self.at(text, self.n_events)


def run_all(config: Path, resume: bool, fatal: tuple[str, int] | None) -> None:
    """The whole pipeline in this process; it kills itself at the n-th event whose text contains a word."""
    import torch

    import enas

    torch.set_num_threads(1)
    n_seen = 0

    def die(text: str, n_events: int) -> None:
        nonlocal n_seen
        n_seen += fatal is not None and fatal[0] in text
        if fatal is not None and n_seen == fatal[1]:
            os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)

    enas.auto(config, progress=Watcher(die)).run_all(resume=resume)


@dataclass(frozen=True)
class Study:
    """A config and its runs."""

    config: Path
    runs: Path

    def start(self, fatal: tuple[str, int] | None = None) -> BaseProcess:
        """Begin, or go on with what is unfinished."""
        process: BaseProcess = start_method().Process(target=run_all, args=(self.config, self.can_resume, fatal))
        process.start()
        return process

    def finish(self) -> Path:
        """Run to the end; returns the run directory."""
        process = self.start()
        process.join(120)
        assert process.exitcode == 0
        return self.newest

    @property
    def newest(self) -> Path:
        return max(
            (path.parent for path in self.runs.glob("enas/*/*/steps.json")), key=lambda path: path.stat().st_ctime
        )

    @property
    def can_resume(self) -> bool:
        noted = [json.loads(path.read_text()) for path in self.runs.glob("enas/*/*/steps.json")]
        return any(set(one["steps"]) != set(one["done"]) for one in noted)

    def where(self) -> str:
        """What has been done of the unfinished run: a step, or what the newest checkpoint was in."""
        from enas.checkpoint import load_checkpoint
        from enas.console import Silent

        if not self.can_resume:
            return "before the run"
        done = json.loads((self.newest / "steps.json").read_text())["done"]
        if done:
            return f"after {done[-1]}"
        state = load_checkpoint(self.newest / "checkpoint", Silent())
        if state is None:
            return "before the first checkpoint"
        under_way = ("rivals", "chosen")
        stage = next((name for name in under_way if name in state and "current" in state[name]), "after training")
        return "search" if "search" in state else stage


def kill(process: BaseProcess, seconds: float) -> bool:
    """Kill the process after so many seconds; whether it was still there."""
    process.join(seconds)
    alive = process.exitcode is None
    process.kill()
    process.join()
    return alive


def files_of(run: Path) -> dict[str, bytes]:
    """Every file of a run, less what tells the time of day or how often it was saved."""
    files = {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and OF_THE_MOMENT.isdisjoint(path.relative_to(run).parts)
    }
    records = [json.loads(line) for line in files["metrics.jsonl"].splitlines()]
    files["metrics.jsonl"] = json.dumps([{k: v for k, v in row.items() if k not in TIMES} for row in records]).encode()
    return files


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def table_study(folder: Path, **settings: Any) -> Study:
    """40 samples of 12 features, two classes."""
    generator, labels = np.random.default_rng(0), np.arange(40) % 2
    x = generator.normal(size=(40, 12)).round(4)
    x[:, :3] += 2.0 * labels[:, None]
    folder.mkdir(parents=True)
    rows = "\n".join("\t".join(map(str, row)) for row in x)
    (folder / "x.tsv").write_text("\t".join(f"g{i}" for i in range(12)) + "\n" + rows + "\n")
    (folder / "y.tsv").write_text("\n".join(["grade", *("high" if label else "low" for label in labels)]) + "\n")
    data = {"args": {"data_dir": str(folder), "features_file": "x.tsv", "labels_file": "y.tsv"}}
    trainer = {
        "batch_size": 8,
        "max_search_channel": 64,
        "max_number_of_epoches_in_search": 3,
        "max_number_of_epoches_in_fixed": 6,
        "top_k_candidates": 2,
        "ensemble": True,
        "child_keep_prob": 0.9,
        "log_every_n_steps": 1,
        "save_dir": str(folder / "runs"),
    }
    config = {
        "name": "study",
        "data_train": data,
        "data_evaluate": data,
        "data_predict": data,
        "input_fn": {"num_threads": 1},
        "trainer": trainer,
        "controller": {"train_steps": 3},
        "device": "cpu",
        "checkpoint_seconds": 0,
    }
    return write_study(folder, config | settings)


def image_study(folder: Path, **settings: Any) -> Study:
    """Two classes of 8×8 images."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for split, n in (("train", 12), ("val", 6), ("test", 6)):
        for name, bright in (("left", np.s_[:, :4]), ("upper", np.s_[:4])):
            (folder / split / name).mkdir(parents=True)
            for i in range(n):
                pixels = generator.integers(0, 80, (8, 8)).astype(np.uint8)
                pixels[bright] += 120
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")
    shutil.copytree(folder / "test" / "left", folder / "new")
    network = {
        "child_num_layers": 1,
        "child_out_filters": 4,
        "num_epochs": 2,
        "batch_size": 8,
        "child_use_aux_heads": False,
    }
    data = {f"{split}_data_dir": str(folder / split) for split in ("train", "val", "test")}
    search = {
        "child_num_cells": 2,
        "controller_train_steps": 2,
        "n_derived": 25,
        "top_k_candidates": 2,
        "log_every_n_steps": 1,
        "output_dir": str(folder / "runs"),
    }
    config = {
        "name": "study",
        "trainer": {**data, **search, **network},
        "retrain": {**network, "child_drop_path_keep_prob": 0.8, "child_keep_prob": 0.9, "n_aug_img": 2},
        "data_predict": {"args": {"data_dir": str(folder / "new")}},
        "device": "cpu",
        "checkpoint_seconds": 0,
    }
    return write_study(folder, config | settings)


def write_study(folder: Path, config: dict[str, Any]) -> Study:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return Study(path, folder / "runs")


@dataclass(frozen=True)
class Reference:
    """A study, and what a run of it gives that nobody disturbs."""

    study: Study
    files: dict[str, bytes]
    seconds: float


def make_reference(study: Study) -> Reference:
    study.finish()  # whatever is made once, such as the cache of images, is made before the clock runs
    start = time.monotonic()
    run = study.finish()
    return Reference(study, files_of(run), time.monotonic() - start)


def train_short_of_memory(config: Path, mebibytes: int) -> None:
    """`train` in this process, which is given only so much more address space than it has, until it says what it does
    about that: what comes later may need more than a step."""
    import resource

    import psutil
    import torch

    import enas

    torch.set_num_threads(1)

    _, most = before = resource.getrlimit(resource.RLIMIT_AS)

    def starve(text: str, n_events: int) -> None:
        if text.startswith("out of memory"):
            resource.setrlimit(resource.RLIMIT_AS, before)
        elif text.startswith("#") and not log.warnings:  # the header: data are read, training begins
            limit = psutil.Process().memory_info().vms + mebibytes * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, most))

    log = Watcher(starve)
    auto = enas.auto(config, progress=log)
    auto.train()
    (auto.run.path / "warnings.txt").write_text("\n".join(log.warnings))
