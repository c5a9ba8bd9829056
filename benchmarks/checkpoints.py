"""What checkpoints cost: ``python benchmarks/checkpoints.py``.

The state of a training halfway through an epoch (weights, momenta, the weights that may be gone back to) is written as
a run writes it, for the networks of the paper's CIFAR-10 and for a wide table. The cost is the time that one takes as a
share of the 60 seconds between two, beside what bringing its bytes to the disk takes here.
"""

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from machine import best_seconds, copy_bandwidth

if TYPE_CHECKING:
    from enas.family import Family
    from enas.search_space import Architecture
    from enas.training import Learner

INTERVAL = 60.0
"""Seconds between two checkpoints, by default."""


@dataclass(frozen=True)
class Case:
    title: str
    save: Callable[[Path], None]


def image_cases(folder: Path) -> Sequence[Case]:
    from PIL import Image

    from enas.config import load_image_config
    from enas.console import Silent
    from enas.families.image_source import ImageSource
    from enas.search_space import Architecture

    generator = np.random.default_rng(0)
    for split in ("train", "val"):
        for name in ("one", "other"):
            (folder / split / name).mkdir(parents=True)
            for i in range(8):
                pixels = generator.integers(0, 255, (32, 32, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")
    data = {f"{split}_data_dir": str(folder / split) for split in ("train", "val")}
    stage = {"batch_size": 4, "num_epochs": 1}
    raw = {"name": "cost", "preset": "micro-cifar10", "trainer": {**data, **stage, "output_dir": str(folder)}}
    config, _ = load_image_config({**raw, "retrain": stage, "device": "cpu"}, ())
    family = ImageSource(config, Silent()).prepare().family
    one = Architecture.from_text("0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1")
    shared, alone = family.learn_shared(), family.learn_alone(one, None)
    return [
        make_case("search on CIFAR-10 (L 6, C 20)", shared, one, family),
        make_case("retraining on CIFAR-10 (L 15, C 36)", alone, one, family),
    ]


def table_case() -> Case:
    from enas.config import load_table_config
    from enas.console import Silent
    from enas.data.dataset import Dataset, Target
    from enas.families.table import prepare_table
    from enas.search_space import Architecture

    n, p = 5_000, 20_000
    x = np.random.default_rng(0).normal(size=(n, p)).astype(np.float32)
    target = Target(("y",), np.arange(n) % 2, ("a", "b"))
    table = Dataset(x, tuple(f"g{i}" for i in range(p)), True, tuple(map(str, range(n))), True, target, "x")
    trainer = {"max_search_channel": 512, "batch_size": 64}
    config, _ = load_table_config({"name": "cost", "trainer": trainer, "device": "cpu"}, ("preprocessing.screen=all",))
    family = prepare_table(table, config, progress=Silent())
    learner = family.learn_shared()
    return make_case(
        f"search on a table of {n:,} x {p:,}, 512 units", learner, Architecture((4, 4, 1, 4, 1, 1)), family
    )


class Halfway(Exception):
    """The state is the one that is wanted."""


def make_case(title: str, learner: "Learner", architecture: "Architecture", family: "Family") -> Case:
    """The state after the first step of an epoch."""
    from enas.checkpoint import Checkpoints
    from enas.console import Silent
    from enas.epochs import Epochs
    from enas.journal import Journal

    def stop() -> None:
        raise Halfway

    epochs = Epochs(learner, title, Journal(Silent(), 1000, family.randomness), stop)
    with suppress(Halfway):
        epochs.run(lambda n: [architecture] * n, 1)
    return Case(title, lambda folder: Checkpoints(folder, 0, None).save(epochs.state()))


def flush_bandwidth(folder: Path) -> float:
    """Bytes per second that reach the disk, written and flushed."""
    content = np.ones(1 << 26, np.uint8).tobytes()

    def write() -> None:
        with (folder / "probe").open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    return len(content) / best_seconds(write, n_runs=3)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        to_disk, copying = flush_bandwidth(folder), copy_bandwidth()
        print(f"machine: copying {copying / 1e9:.1f} GB/s, to the disk {to_disk / 1e9:.2f} GB/s")
        for case in [*image_cases(folder / "images"), table_case()]:
            kept = folder / case.title.replace(" ", "_").replace(",", "")
            kept.mkdir()
            seconds = best_seconds(lambda: case.save(kept / "checkpoint"), n_runs=5)  # noqa: B023
            size = (kept / "checkpoint" / "newest.safetensors").stat().st_size
            floor = size / to_disk
            print(
                f"{case.title}: {size / 1e6:.0f} MB in {seconds:.2f} s = {100 * seconds / INTERVAL:.1f} % of "
                f"{INTERVAL:.0f} s, {seconds / floor:.1f} x bringing the bytes to the disk"
            )


if __name__ == "__main__":
    main()
