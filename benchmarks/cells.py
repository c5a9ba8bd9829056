"""Is the search better than chance: ``python benchmarks/cells.py CONFIG [--random 3] [--set KEY=VALUE …]``.

Searches, retrains and evaluates as ``enas run CONFIG`` would, then retrains and evaluates the same network with random
cells, drawn uniformly by the config's seed, on the same data with the same budget of retraining. Prints the test
accuracy of each with its 95 % interval, and the difference between the search's and the mean of the random ones,
whichever way it falls. Another seed: ``--set seed=1``.
"""

import argparse
import math
import time
from dataclasses import dataclass

import numpy as np

from enas.automl import Auto
from enas.config import load_image_config
from enas.console import Console
from enas.metrics import ClassificationMetrics
from enas.search_space import Architecture, MicroSpace


@dataclass(frozen=True)
class Result:
    """One retrained network on the test images: number right of n, text of its accuracy, seconds of the whole run."""

    name: str
    n_right: int
    n: int
    text: str
    seconds: float

    @property
    def accuracy(self) -> float:
        return self.n_right / self.n


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--random", type=int, default=3, metavar="N", help="how many random architectures")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    searched = run("searched", arguments.config, arguments.overrides, None)
    config, _ = load_image_config(arguments.config, arguments.overrides)
    space, generator = MicroSpace(config.trainer.child_num_cells), np.random.default_rng(config.seed)
    drawn = [draw(space, generator) for _ in range(arguments.random)]
    others = [run(f"random {i}", arguments.config, arguments.overrides, one) for i, one in enumerate(drawn, 1)]
    report([searched, *others])


def draw(space: MicroSpace, generator: np.random.Generator) -> Architecture:
    """Every integer uniformly."""
    return Architecture.from_integers(int(generator.integers(integer.n_options)) for integer in space.integers)


def run(name: str, config: str, overrides: list[str], architecture: Architecture | None) -> Result:
    """Train and evaluate once."""
    start = time.perf_counter()
    auto = Auto(config, overrides=overrides, progress=Console())
    auto.train(architecture)
    evaluation = auto.evaluate()
    metrics = evaluation.metrics
    assert isinstance(metrics, ClassificationMetrics), "images have classes"
    confusion = np.asarray(metrics.confusion)
    n_right, n = int(np.trace(confusion)), int(confusion.sum())
    return Result(name, n_right, n, str(metrics.accuracy), time.perf_counter() - start)


def report(results: list[Result]) -> None:
    """A line each, and the difference with its interval (normal approximation of independent shares)."""
    for result in results:
        print(f"{result.name:10s} test accuracy {result.text}  in {result.seconds / 60:.1f} min")
    searched, *others = results
    if not others:
        return
    mean = float(np.mean([other.accuracy for other in others]))
    spread = [searched.accuracy * (1 - searched.accuracy) / searched.n]
    spread += [other.accuracy * (1 - other.accuracy) / other.n / len(others) ** 2 for other in others]
    half = 1.96 * math.sqrt(sum(spread))
    gain = searched.accuracy - mean
    print(f"search minus mean of {len(others)} random: {gain:+.3f} [{gain - half:+.3f}, {gain + half:+.3f}]")


if __name__ == "__main__":
    main()
