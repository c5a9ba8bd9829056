"""How good on real tables: ``python benchmarks/genes.py [--quick] [--jobs 2] [--data DIR] [--output FILE] [SET ...]``.

Protocol: ``StratifiedKFold(5, shuffle=True, random_state=s)``, s = 0, 1; everything, the search included, is fitted on
the training fold alone, with one thread. A data set is a folder with ``features.tsv.gz`` and ``labels.tsv``;
``peers.csv`` beside them holds what other methods reach under the same protocol.
"""

import argparse
import csv
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from machine import measure_machine

if TYPE_CHECKING:
    from enas.data.dataset import Dataset, IntArray

SETTINGS: dict[str, Any] = {
    "preprocessing": {"screen": "soft", "transform": "auto"},
    "trainer": {
        "ensemble": True,
        "top_k_candidates": 4,
        "folds": 10,
        "n_seeds": 3,
        "max_search_channel": 64,
        "batch_size": 256,
        "class_weight": "balanced",
        "reward": "neg_log_loss",
    },
}
"""The same for every table."""

N_FOLDS = 5
BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data" / "genes"
Scores = dict[str, dict[str, float]]  # method → set → mean


@dataclass(frozen=True)
class Task:
    """One fold of one set."""

    folder: Path
    seed: int
    fold: int
    overrides: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """One fold's scores; the columns of ``peers.csv``, all between 0 and 1 but for rows and seconds."""

    dataset: str
    method: str
    seed: int
    fold: int
    n_train: int
    n_test: int
    acc: float
    bacc: float
    auroc: float
    fit_s: float
    pred_s: float


def run_fold(task: Task) -> Result:
    """Fit on a training fold, score on its test fold."""
    import torch
    from sklearn.model_selection import StratifiedKFold

    from enas.config import load_table_config
    from enas.console import Silent
    from enas.families.table import prepare_table, table_recipe
    from enas.fit import Fit
    from enas.journal import Journal
    from enas.table_model import TableModel

    torch.set_num_threads(1)
    table = read(task.folder)
    assert table.target is not None
    labels = table.target.values
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=task.seed).split(labels, labels)
    train, test = list(folds)[task.fold]
    config, _ = load_table_config({"name": "genes", "seed": task.seed, **SETTINGS}, task.overrides)
    start = time.perf_counter()
    family = prepare_table(take(table, train), config, progress=Silent())
    model = Fit(family, table_recipe(config), Journal(Silent(), 10, family.randomness)).run().model
    fitted = time.perf_counter()
    assert isinstance(model, TableModel)
    outputs = model.predict(table.features[test])
    seconds = (round(fitted - start, 3), round(time.perf_counter() - fitted, 3))
    place = (task.folder.name, "enas", task.seed, task.fold, len(train), len(test))
    return Result(*place, *score_all(outputs, labels[test]), *seconds)


def score_all(outputs: "np.ndarray[Any, Any]", labels: "np.ndarray[Any, Any]") -> tuple[float, float, float]:
    """Accuracy, balanced accuracy and AUROC (macro, one versus rest) of logits."""
    from enas.metrics.rewards import score
    from enas.model import probabilities_of

    probabilities = probabilities_of(outputs)
    return (
        round(score("accuracy", outputs, labels), 6),
        round(score("balanced_accuracy", outputs, labels), 6),
        round(score("auroc", np.log(np.maximum(probabilities, 1e-300)), labels), 6),
    )


@cache
def read(folder: Path) -> "Dataset":
    from enas.config import DataArgs
    from enas.console import Silent
    from enas.data.tables import read_dataset

    args = DataArgs(features_file=folder / "features.tsv.gz", labels_file=folder / "labels.tsv")
    return read_dataset(args, regression=False, progress=Silent())


def take(table: "Dataset", rows: "IntArray") -> "Dataset":
    assert table.target is not None
    ids = tuple(table.sample_ids[i] for i in rows)
    target = replace(table.target, values=table.target.values[rows])
    return replace(table, features=table.features[rows], sample_ids=ids, target=target)


def run_all(tasks: Sequence[Task], n_jobs: int) -> Iterator[Result]:
    """Results in the order of the tasks."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    with ProcessPoolExecutor(n_jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run_fold, tasks)


def report_set(results: Sequence[Result]) -> None:
    mean = {key: np.mean([getattr(one, key) for one in results]) for key in ("bacc", "acc", "auroc", "fit_s")}
    longest = max(one.fit_s for one in results)
    print(
        f"{results[0].dataset:10} balanced accuracy {mean['bacc']:.3f}  accuracy {mean['acc']:.3f}  "
        f"AUROC {mean['auroc']:.3f}  {mean['fit_s']:5.1f} s per fold, the longest {longest:.1f} s",
        flush=True,
    )


def read_peers(path: Path, sets: Iterable[str], seeds: Sequence[int]) -> Scores:
    """Mean balanced accuracy of the methods that have every fold of every set."""
    folds: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if int(row["seed"]) in seeds:
                folds[row["method"]][row["dataset"]].append(float(row["bacc"]))
    n_folds, names = N_FOLDS * len(seeds), tuple(sets)
    complete = {m: by_set for m, by_set in folds.items() if all(len(by_set[name]) == n_folds for name in names)}
    if partial := sorted(set(folds) - set(complete)):
        print(f"\nwithout results on every fold of these sets, so left out: {', '.join(partial)}")
    return {m: {name: float(np.mean(by_set[name])) for name in names} for m, by_set in complete.items()}


def report_beside(scores: Scores, sets: Sequence[str]) -> None:
    """Balanced accuracy of every method on every set, mean and mean rank (equal scores share their ranks' mean)."""
    table = np.array([[by_set[name] for name in sets] for by_set in scores.values()])
    ranks = rankdata(-table.round(6), axis=0).mean(axis=1)
    print(f"\n{'balanced accuracy':18}", *(f"{name:>8}" for name in sets), f"{'mean':>8} {'rank':>6}")
    for i in np.argsort(ranks, kind="stable"):
        row = (*table[i], table[i].mean())
        print(f"{list(scores)[i]:18}", *(f"{value:8.3f}" for value in row), f"{ranks[i]:6.2f}")


def write_results(path: Path, results: Sequence[Result]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Result)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, results))


def find_sets(data: Path, names: Sequence[str]) -> list[Path]:
    folders = [data / name for name in names] or sorted(path.parent for path in data.glob("*/features.tsv.gz"))
    for folder in folders or [data / "<set>"]:
        for file in ("features.tsv.gz", "labels.tsv"):
            if not (folder / file).is_file():
                sys.exit(f"{folder / file}: no such file; name the folder that holds the sets with --data")
    return folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="*", metavar="SET", help="default: all in the folder")
    parser.add_argument("--data", type=Path, default=BESIDE, help=f"folder of the sets, default {BESIDE}")
    parser.add_argument("--quick", action="store_true", help="seed 0 only")
    parser.add_argument("--jobs", type=int, default=1, help="folds at a time")
    parser.add_argument("--output", type=Path, help="write every fold's scores to this CSV file")
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    folders, seeds = find_sets(options.data, options.sets), [0] if options.quick else [0, 1]
    folds = [(seed, fold) for seed in seeds for fold in range(N_FOLDS)]
    tasks = [Task(folder, *place, tuple(options.overrides)) for folder in folders for place in folds]
    print(measure_machine())
    results: list[Result] = []
    for result in run_all(tasks, options.jobs):
        results.append(result)
        if len(results) % len(folds) == 0:
            report_set(results[-len(folds) :])
    if options.output:
        write_results(options.output, results)
    sets = [folder.name for folder in folders]
    ours = {name: float(np.mean([one.bacc for one in results if one.dataset == name])) for name in sets}
    peers = options.data / "peers.csv"
    report_beside({"enas": ours} | (read_peers(peers, sets, seeds) if peers.is_file() else {}), sets)


if __name__ == "__main__":
    main()
