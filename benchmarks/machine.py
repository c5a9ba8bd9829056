"""What this machine can do at this moment: the rates that the other benchmarks divide by.

``python benchmarks/machine.py`` prints them. Both are the best of several tries: others may be using the machine.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

SIZE = 2048
"""Rows and columns of the matrices that are multiplied."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Rates of this machine.

    Args:
        n_threads: torch computes with.
        matrix_rate: float32 matrix products, FLOP/s.
        bandwidth: bytes per second that one thread copies; each is read once and written once.
    """

    n_threads: int
    matrix_rate: float
    bandwidth: float

    def __str__(self) -> str:
        rates = f"{self.matrix_rate / 1e9:.0f} GFLOP/s, copying {self.bandwidth / 1e9:.1f} GB/s"
        return f"machine: {self.n_threads} of {os.cpu_count()} cores, float32 matrix products {rates}"

    def floor(self, flop: float, moved: float) -> float:
        """Seconds that ``flop`` operations of products, and then reading or writing ``moved`` bytes, take at least."""
        return flop / self.matrix_rate + moved / (2 * self.bandwidth)


def measure_machine() -> Machine:
    """Measure, in about a second, with as many threads as torch has now."""
    import torch

    return Machine(torch.get_num_threads(), matrix_rate(), copy_bandwidth())


def matrix_rate() -> float:
    """FLOP per second of a float32 matrix product."""
    import torch

    a, b, c = (torch.ones(SIZE, SIZE) for _ in range(3))
    return 2 * SIZE**3 / best_seconds(lambda: torch.mm(a, b, out=c), n_runs=8)


def copy_bandwidth() -> float:
    """Bytes per second that one thread copies."""
    source = np.ones(1 << 26, dtype=np.uint8)
    target = np.empty_like(source)
    return source.nbytes / best_seconds(lambda: np.copyto(target, source), n_runs=8)


def best_seconds(work: Callable[[], object], n_runs: int) -> float:
    """Seconds of the fastest of ``n_runs``, after one that does not count."""
    work()
    seconds = []
    for _ in range(n_runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    print(measure_machine())
