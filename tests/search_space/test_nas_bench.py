"""The controller on a real landscape: NAS-Bench-201, every architecture of one cell trained on CIFAR-10.

Protocol of Dong and Yang 2020 (2001.00326, section 4): 12,000 simulated seconds, reward = validation accuracy after 12
epochs, one architecture per update; the test accuracy after 200 epochs of the best one seen counts. Published means ±
standard deviations there: REINFORCE 93.85 ± 0.37, random search 93.70 ± 0.36, optimum 94.37.
"""

from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import polars as pl
import pytest
import torch

from enas.controller import Controller
from enas.reinforce import advantages, make_optimizer, policy_loss
from enas.search_space import Architecture
from enas.search_space.base import ChooseOperation, Decision, Integer, Vocabulary, validate_integers

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
N_EDGES = 6
TIME_BUDGET = 12_000.0  # seconds
SHARE_OF_TRAINING = 12 / 200  # epochs of the reward, of those that the table's seconds stand for
N_RUNS = 50
PUBLISHED = 93.85


class CellSpace:
    """Six edges, each with one of five operations."""

    integers = tuple(Integer(f"the operation of edge {edge}", 5, ", ".join(OPERATIONS)) for edge in range(N_EDGES))
    decisions: tuple[Decision, ...] = tuple(ChooseOperation(edge, Vocabulary("edge", 5)) for edge in range(N_EDGES))
    n_architectures = 5**N_EDGES

    def validate(self, architecture: Architecture) -> None:
        validate_integers(architecture, self.integers)

    def describe(self, architecture: Architecture) -> str:
        return " ".join(OPERATIONS[value] for value in architecture.values)


@dataclass(frozen=True, slots=True)
class Trained:
    """What training one architecture would have given."""

    reward: float
    test_accuracy: float
    seconds: float


@pytest.fixture(scope="module")
def landscape(shared: Path) -> dict[Architecture, Trained]:
    table = pl.read_csv(shared / "data/nas/nb201_cifar10.csv.gz")
    columns = ("architecture", "validation_accuracy_12_epochs", "test_accuracy_200_epochs", "training_seconds")
    return {
        read(text): Trained(reward / 100, test, seconds * SHARE_OF_TRAINING)
        for text, reward, test, seconds in table.select(columns).iter_rows()
    }


def read(text: str) -> Architecture:
    """From the benchmark's ``|nor_conv_1x1~0|+|none~0|skip_connect~1|+…``."""
    edges = [edge.split("~")[0] for edge in text.split("|") if "~" in edge]
    return Architecture(tuple(OPERATIONS.index(edge) for edge in edges))


def search(landscape: dict[Architecture, Trained], seed: int, *, learn: bool) -> tuple[float, int]:
    """Test accuracy of the best architecture by reward within the budget, and how many were tried."""
    generator = torch.Generator().manual_seed(seed)
    controller = Controller(CellSpace(), tanh_constant=1.5, generator=generator)
    optimizer = make_optimizer(controller, lr=0.0035)
    baseline, seconds = 0.0, 0.0
    tried: list[Trained] = []
    while seconds < TIME_BUDGET:
        sample = controller.sample(1, generator)
        found = landscape[sample.architectures[0]]
        advantage, baseline = advantages([found.reward], baseline, decay=0.9)
        if learn:
            optimizer.zero_grad()
            policy_loss(sample, advantage).backward()
            optimizer.step()
        tried.append(found)
        seconds += found.seconds
    return max(tried, key=lambda one: one.reward).test_accuracy, len(tried)


def test_the_table_holds_every_architecture(landscape: dict[Architecture, Trained]) -> None:
    assert len(landscape) == CellSpace.n_architectures
    assert max(one.test_accuracy for one in landscape.values()) == pytest.approx(94.37, abs=0.01)


@pytest.mark.slow
def test_reaches_the_published_accuracy_of_reinforce(landscape: dict[Architecture, Trained]) -> None:
    """Mean of fifty runs within two standard errors below the published mean, or above it."""
    results = [search(landscape, seed, learn=True) for seed in range(N_RUNS)]
    random = [search(landscape, seed, learn=False)[0] for seed in range(N_RUNS)]
    accuracies, n_tried = zip(*results, strict=True)
    print(f"\n{N_RUNS} runs of {mean(n_tried):.0f} architectures, test accuracy (published):")
    print(f"REINFORCE            {mean(accuracies):.2f} ± {stdev(accuracies):.2f} (93.85 ± 0.37)")
    print(f"untrained controller {mean(random):.2f} ± {stdev(random):.2f} (93.70 ± 0.36)")
    assert mean(accuracies) >= PUBLISHED - 2 * 0.37 / N_RUNS**0.5
