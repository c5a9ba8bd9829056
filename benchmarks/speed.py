"""How fast: ``python benchmarks/speed.py [demo] [step] [table]`` (default: all three).

demo   the whole of ``enas demo`` in a process of its own: wall clock, CPU, peak memory, and the seconds of its stages
step   one training step of the first layer, 23,361 -> 512, 64 rows: as it stands, and in the rows' own space
table  5,000 x 20,000: a step of the search for 1,000, 2,000 and 5,000 rows, and peak memory as a multiple of the table

Each figure stands beside the rates that the machine reaches in the same run.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from machine import best_seconds, measure_machine

if TYPE_CHECKING:
    from enas.config import Config
    from enas.data.dataset import Dataset

N_FEATURES, WIDTH, BATCH = 23_361, 512, 64
N_TRAIN = 80  # rows that train, of the demo's 100
STEP_SETTINGS = {"name": "speed", "trainer": {"folds": 0}, "preprocessing": {"screen": "all"}}
SHORT_SETTINGS = {
    "name": "speed",
    "trainer": {
        "folds": 0,
        "max_number_of_epoches_in_search": 1,
        "max_number_of_epoches_in_fixed": 1,
        "top_k_candidates": 1,
    },
    "controller": {"train_steps": 1},
}


@dataclass(frozen=True)
class DemoRun:
    """Resources of one ``enas demo``: seconds, bytes, and seconds per stage."""

    wall: float
    cpu: float
    peak: int
    stages: dict[str, float]
    log: str


def time_demo() -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = run_demo(Path(folder))  # before torch is imported here: a child's peak includes what it was forked from
    machine = measure_machine()
    rest = run.wall - sum(run.stages[stage] for stage in ("train", "evaluate", "predict", "explain"))
    stages = {
        "whole demo": run.wall,
        "search and retraining": run.stages["search and retraining"],
        "explanation: SHAP values, tables, figures": run.stages["explain"],
        "preprocessing, choosing, writing": run.stages["train"] - run.stages["search and retraining"],
        "evaluation and prediction": run.stages["evaluate"] + run.stages["predict"],
        "start, simulation, reading": rest,
    }
    print(machine)
    for title, seconds in stages.items():
        print(f"  {title:42} {seconds:7.2f} s = {seconds * machine.matrix_rate / 1e9:6.0f} GFLOP of matrix products")
    print(f"  {'CPU':42} {run.cpu:7.2f} s")
    print(f"  {'peak memory':42} {run.peak / 1e9:7.2f} GB = copied in {run.peak / machine.bandwidth:.2f} s")
    print("\n".join(f"  {line}" for line in run.log.splitlines()[-5:-2]))


def run_demo(folder: Path) -> DemoRun:
    """Run it and read the stages' seconds from its log of numbers."""
    with (folder / "log").open("w+") as log:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "enas", "demo", str(folder)], stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        log.seek(0)
        text = log.read()
    if status:
        sys.exit(f"enas demo failed:\n{text}")
    (metrics,) = folder.glob("experiments/enas/*/*/metrics.jsonl")
    records = [json.loads(line) for line in metrics.read_text().splitlines()]
    stages = {record["stage"]: record["seconds"] for record in records if "seconds" in record}
    return DemoRun(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, stages, text)


def time_step() -> None:
    from enas.data.preprocess import row_space

    machine = measure_machine()
    print(machine)
    generator = np.random.default_rng(0)
    rows = generator.standard_normal((N_TRAIN, N_FEATURES), dtype=np.float32)
    start = time.perf_counter()
    coordinates = rows @ row_space(rows, generator)
    once = time.perf_counter() - start
    seconds = []
    for title, x in (("all columns", rows), ("row space", coordinates)):
        seconds.append(best_seconds(layer_step(x[:BATCH], WIDTH), n_runs=50))
        flop = 4 * BATCH * x.shape[1] * WIDTH  # outputs, and the gradient of the weights
        moved = 10 * 4 * x.shape[1] * WIDTH  # the weights: twice read, gradient written, Adam reads four, writes three
        rate = flop / seconds[-1]
        print(
            f"  {title:11} {x.shape[1]:6,} -> {WIDTH}: {1e3 * seconds[-1]:7.2f} ms  {BATCH / seconds[-1]:7,.0f} rows/s "
            f"{rate / 1e9:5.0f} GFLOP/s = {rate / machine.matrix_rate:.2f} x the matrix rate, "
            f"{seconds[-1] / machine.floor(flop, moved):.1f} x the time of products and memory alone"
        )
    print(f"  {seconds[0] / seconds[1]:.0f} times as fast; the change of basis takes {1e3 * once:.0f} ms, once")


def layer_step(x: np.ndarray, width: int) -> Callable[[], object]:
    """Forward, backward and Adam of a linear layer on the rows ``x`` (B, p), as a function to be timed."""
    import torch

    inputs, weight = torch.from_numpy(x), torch.zeros(x.shape[1], width, requires_grad=True)
    bias = torch.zeros(width, requires_grad=True)
    optimizer = torch.optim.Adam([weight, bias], fused=True)

    def step() -> None:
        optimizer.zero_grad()
        torch.addmm(bias, inputs, weight).square().sum().backward()
        optimizer.step()

    return step


def time_table(n_features: int = 20_000) -> None:
    machine = measure_machine()
    print(machine)
    for n_rows in (1_000, 2_000, 5_000):
        seconds, n_inputs = in_new_process(search_step, n_rows, n_features)
        rate = 4 * BATCH * n_inputs * WIDTH / seconds
        print(
            f"  {n_rows:5,} x {n_features:,}: {1e3 * seconds:7.2f} ms per search step on {n_inputs:,} coordinates, "
            f"first layer {rate / 1e9:.0f} GFLOP/s = {rate / machine.matrix_rate:.2f} x the matrix rate"
        )
    seconds, ratio = in_new_process(fit_once, 5_000, n_features)
    size = 4 * 5_000 * n_features
    print(
        f"  5,000 x {n_features:,}: one epoch each of search and retraining {seconds:.1f} s = copying the table "
        f"{seconds * machine.bandwidth / size:.0f} times; peak {ratio:.2f} x the table, itself included"
    )


def in_new_process(work: Callable[[int, int], tuple[float, float]], *arguments: int) -> tuple[float, float]:
    """Call in a fresh process, so that its peak memory is its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def search_step(n_rows: int, n_features: int) -> tuple[float, int]:
    """Seconds of a step of the shared weights, and the inputs of the first layer."""
    import torch

    from enas.console import Silent
    from enas.networks.dense import DenseSupernet
    from enas.plan import choose_splits, make_space, prepare
    from enas.search_space import Architecture
    from enas.training import make_optimizer, network_loss

    config, table = make_config(STEP_SETTINGS), random_table(n_rows, n_features)
    assert table.target is not None
    space = make_space(config, n_features)
    splits = choose_splits(table.target, config, None, Silent())
    _, folds = prepare(table, table.target, space, splits, config, "cpu", Silent())
    generator = torch.Generator().manual_seed(0)
    supernet = DenseSupernet(space=space, n_networks=1, n_inputs=folds.n_inputs, n_outputs=2, generator=generator)
    optimizer = make_optimizer(supernet.parameters(), lr=1e-3, l2=1e-4)
    widest = Architecture.from_text("[4 4 1 4 1 1]")

    def once() -> None:
        rows = next(folds.batches(BATCH, 1, generator))
        optimizer.zero_grad()
        network_loss(supernet(folds.gather(widest, rows), widest), folds, rows, "cross_entropy").sum().backward()
        optimizer.step()

    return best_seconds(once, n_runs=10), folds.n_inputs[0]


def fit_once(n_rows: int, n_features: int) -> tuple[float, float]:
    """Seconds of a short `fit`, and its peak memory as a multiple of the table."""
    from enas.console import Silent
    from enas.families.table import prepare_table, table_recipe
    from enas.fit import Fit
    from enas.journal import Journal

    config = make_config(SHORT_SETTINGS)
    before = peak()
    table = random_table(n_rows, n_features)
    start = time.perf_counter()
    family = prepare_table(table, config, progress=Silent())
    Fit(family, table_recipe(config), Journal(Silent(), 10, family.randomness)).run()
    return time.perf_counter() - start, (peak() - before) / (4 * n_rows * n_features)


def make_config(settings: Mapping[str, object]) -> "Config":
    from enas.config import load_table_config

    return load_table_config(settings)[0]


def random_table(n_rows: int, n_features: int) -> "Dataset":
    from enas.data.dataset import Dataset, Target

    generator = np.random.default_rng(0)
    features = generator.standard_normal((n_rows, n_features), dtype=np.float32)
    names = tuple(f"f{i}" for i in range(n_features))
    labels = Target(("label",), generator.integers(0, 2, n_rows), ("0", "1"))
    return Dataset(features, names, False, tuple(map(str, range(n_rows))), False, labels, "random")


def peak() -> int:
    """Bytes that this process has held at most."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


PARTS = {"demo": time_demo, "step": time_step, "table": time_table}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], metavar="PART")
    for part in parser.parse_args().parts or PARTS:
        print(part)
        PARTS[part]()


if __name__ == "__main__":
    main()
