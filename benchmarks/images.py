"""How fast micro networks train and score: ``python benchmarks/images.py [step] [score] [retrain] [--threads N]``.

step     one training step of a sampled child of the supernet: 160 images of 32×32, L 6, C 20, reductions {1, 3, 6}
score    one architecture with shared weights on one batch of 160 validation images: alone, and ten on the same batch
retrain  one training step of the seed's MNIST architecture: 128 images of 32×32, L 15, C 16, three reductions

Each runs in a process of its own (peak memory, seconds to the first step) and is the mean over some architectures of
the best of several tries, beside the rates that the machine reaches in the same run. With several threads, tries with
one take turns with them, and what the others gain is told. ``--bfloat16`` sets the precision.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from machine import copy_bandwidth

if TYPE_CHECKING:
    from torch import Tensor

    from enas.networks.blueprint import Blueprint
    from enas.search_space import Architecture

N_CLASSES = 10
ARCHITECTURES = (
    "1 2 1 3 0 1 0 4 1 1 1 1 0 1 0 1 1 0 0 1 0 1 0 4 1 0 2 0 0 3 1 1 0 0 0 0 4 1 1 0",
    "1 0 1 1 1 1 0 0 1 1 0 0 0 3 0 3 1 3 1 1 1 1 0 3 0 3 0 3 1 3 0 1 1 3 0 2 0 3 1 0",
    "1 0 0 1 0 0 1 1 2 2 1 1 1 1 1 2 1 0 0 0 0 0 0 3 2 2 1 0 2 0 2 3 0 3 4 0 1 0 3 2",
    "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1",
)
"""ENAS-Tensorflow's three (MNIST, CIFAR-10, welding defects) and the authors'."""
PASSES = {"conv": (6, 17), "pool": (2, 5), "output": (2, 5), "read": (1, 3)}
"""How often an activation of a layer's size is read or written, forward and forward with backward: by a separable
convolution of two units, by a pool, by the end of a layer once, and there once more for each unread state."""
ORIGINAL = {"step": 11.5, "score": 2.95, "retrain": 4.65}
"""Seconds of the original (TensorFlow 2.15) on one core of the machine that the project was begun on."""


@dataclass(frozen=True)
class Timing:
    """Of one task: seconds per architecture, the same with one thread, images per second, seconds to the end of the
    first one, peak bytes, the rate at which one thread copies, and bytes of activations moved per second
    (`count_bytes`)."""

    seconds: float
    alone: float
    images_per_second: float
    first: float
    peak: int
    bandwidth: float
    moved: float


def count_bytes(plan: "Blueprint", architecture: "Architecture", n_images: int, *, training: bool, size: int) -> float:
    """An estimate of the bytes that one architecture's cells move, in numbers of ``size`` bytes.

    Stem and heads are left out, and nothing is taken for shared with other architectures.
    """
    from enas.networks.cell import IDENTITY, KERNELS
    from enas.search_space import MicroSpace
    from enas.search_space.micro import unread_states

    cells, total = MicroSpace().cells(architecture), 0.0
    for layer in plan.layers:
        cell = cells[layer.is_reduction]
        operations = [branch.operation for node in cell for branch in node if branch.operation != IDENTITY]
        n_convs = sum(operation in KERNELS for operation in operations)
        counts = {"conv": n_convs, "pool": len(operations) - n_convs, "output": 1, "read": len(unread_states(cell))}
        passes = sum(n * PASSES[kind][training] for kind, n in counts.items())
        total += passes * layer.n_channels * layer.size[0] * layer.size[1] * n_images * size
    return total


def train_step(n_tries: int, precision: str) -> Timing:
    import torch

    from enas.nesterov import Nesterov
    from enas.networks.blueprint import Blueprint
    from enas.networks.micro import MicroSupernet
    from enas.search_space import Architecture, MicroSpace

    plan = Blueprint((32, 32), 3, N_CLASSES, 6, 20, (1, 3, 6), 4)
    net = MicroSupernet(space=MicroSpace(), plan=plan, generator=torch.Generator().manual_seed(0))
    optimizer = Nesterov(net.parameters(), lr=0.01, l2=1e-4, clip=5.0)
    images, labels = make_batch(160, 3, precision)

    def step(architecture: Architecture) -> None:
        outputs = net.train_outputs(images, architecture)
        main, auxiliary = (torch.nn.functional.cross_entropy(out[0], labels) for out in outputs)
        optimizer.zero_grad()
        (main + 0.4 * auxiliary).backward()
        optimizer.step()

    named = [Architecture.from_text(text) for text in ARCHITECTURES]
    moved = [count_bytes(plan, one, 160, training=True, size=images.itemsize) for one in named]
    return time_each(step, named, 160, n_tries, moved)


def score(n_tries: int, precision: str, together: int = 1) -> Timing:
    import torch

    from enas.networks.blueprint import Blueprint
    from enas.networks.micro import MicroSupernet
    from enas.search_space import Architecture, MicroSpace

    plan = Blueprint((32, 32), 3, N_CLASSES, 6, 20, (1, 3, 6), 4)
    net = MicroSupernet(space=MicroSpace(), plan=plan, generator=torch.Generator().manual_seed(0))
    images, _ = make_batch(160, 3, precision)

    def judge(architectures: Sequence[Architecture]) -> None:
        with torch.inference_mode():
            net(images, architectures)

    named = [Architecture.from_text(text) for text in ARCHITECTURES]
    groups = [[one] for one in named] if together == 1 else [sample_architectures(together)]
    moved = [
        sum(count_bytes(plan, one, 160, training=False, size=images.itemsize) for one in group) for group in groups
    ]
    timing = time_each(judge, groups, 160 * together, n_tries, moved)
    return replace(timing, seconds=timing.seconds / together, alone=timing.alone / together)


def retrain_step(n_tries: int, precision: str) -> Timing:
    import torch

    from enas.nesterov import Nesterov
    from enas.networks.blueprint import Blueprint
    from enas.networks.micro_child import MicroChild
    from enas.search_space import Architecture, MicroSpace

    architecture = Architecture.from_text(ARCHITECTURES[0])
    plan = Blueprint((32, 32), 1, N_CLASSES, 15, 16, (3, 7, 15), 8)
    generator = torch.Generator().manual_seed(0)
    net = MicroChild(space=MicroSpace(), architecture=architecture, plan=plan, generator=generator)
    optimizer = Nesterov(net.parameters(), lr=0.01, l2=2e-4, clip=5.0)
    images, labels = make_batch(128, 1, precision)

    def step(_: Architecture) -> None:
        main, auxiliary = (torch.nn.functional.cross_entropy(out[0], labels) for out in net.train_outputs(images))
        optimizer.zero_grad()
        (main + 0.4 * auxiliary).backward()
        optimizer.step()

    moved = count_bytes(plan, architecture, 128, training=True, size=images.itemsize)
    return time_each(step, [architecture], 128, n_tries, [moved])


def sample_architectures(n: int) -> "Sequence[Architecture]":
    """From an untrained controller."""
    import torch

    from enas.controller import Controller
    from enas.search_space import MicroSpace

    generator = torch.Generator().manual_seed(0)
    space = MicroSpace(convolution_bias=0.0)
    return (
        Controller(space, tanh_constant=1.1, op_tanh_reduce=2.5, generator=generator).sample(n, generator).architectures
    )


def make_batch(n: int, n_channels: int, precision: str) -> "tuple[Tensor, Tensor]":
    """Noise with labels."""
    import torch

    generator = torch.Generator().manual_seed(1)
    images = torch.randn(n, n_channels, 32, 32, generator=generator).to(memory_format=torch.channels_last)
    images = images.to(getattr(torch, precision))
    return images, torch.randint(N_CLASSES, (n,), generator=generator)


def time_each(
    work: Callable[[Any], None], items: Sequence[Any], n_images: int, n_tries: int, moved: Sequence[float]
) -> Timing:
    """The mean over items of the best of some tries; the first try of all counts the program's start."""
    import torch

    n_threads = torch.get_num_threads()
    compute(work, items[0], n_threads)
    first = time.perf_counter() - START
    counts = dict.fromkeys((n_threads, 1))
    best = []
    for item in items:
        tries = [[compute(work, item, n) for n in counts] for _ in range(n_tries + 1)][1:]
        best.append([min(seconds) for seconds in zip(*tries, strict=True)])
    mean, alone = (sum(seconds[i] for seconds in best) / len(items) for i in (0, -1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return Timing(mean, alone, n_images / mean, first, peak, copy_bandwidth(), sum(moved) / len(moved) / mean)


def compute(work: Callable[[Any], None], item: Any, n_threads: int) -> float:
    """Seconds that it takes, computed as the program computes."""
    import torch

    from enas.networks import native

    torch.set_num_threads(n_threads)
    with native.computing("cpu"):
        start = time.perf_counter()
        work(item)
        return time.perf_counter() - start


TASKS: dict[str, Callable[[int, str], Timing]] = {
    "step": train_step,
    "score": score,
    "score-ten": lambda n, precision: score(n, precision, together=10),
    "retrain": retrain_step,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=list(TASKS), help=f"of {', '.join(TASKS)}")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tries", type=int, default=3)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        import torch

        torch.set_num_threads(arguments.threads)
        precision = "bfloat16" if arguments.bfloat16 else "float32"
        print(json.dumps(asdict(TASKS[arguments.tasks[0]](arguments.tries, precision))))
        return
    for task in arguments.tasks:
        report(task, run_inside(task, arguments), arguments.threads)


def run_inside(task: str, arguments: argparse.Namespace) -> Timing:
    """The task in a process of its own."""
    command = [sys.executable, __file__, task, "--inside", "--threads", str(arguments.threads)]
    command += ["--tries", str(arguments.tries), *(["--bfloat16"] if arguments.bfloat16 else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Timing(**json.loads(done.stdout.splitlines()[-1]))


def report(task: str, timing: Timing, n_threads: int) -> None:
    original = ORIGINAL[task.split("-")[0]]
    gain = f"{n_threads} threads {timing.alone / timing.seconds:.2f} × one  " if n_threads > 1 else ""
    print(
        f"{task:10s} {timing.seconds:6.3f} s  {timing.images_per_second:7.1f} images/s  {gain}"
        f"original {original} s = {original / timing.seconds:4.1f} ×  first step after {timing.first:.1f} s  "
        f"peak {timing.peak / 2**30:.2f} GiB  moving about {timing.moved / 1e9:.1f} GB/s of activations, "
        f"copying {2 * timing.bandwidth / 1e9:.1f} GB/s (read and written)",
        flush=True,
    )


START = time.perf_counter()

if __name__ == "__main__":
    main()
