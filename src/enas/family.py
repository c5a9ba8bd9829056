"""What `fit` asks of a family of networks, whatever its data, and the numbers that search and retraining follow."""

from collections.abc import Hashable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from enas.baselines import Rows
from enas.config import ControllerSettings
from enas.controller import Controller
from enas.folds import Folds
from enas.metrics.rewards import RewardName
from enas.model import Member, Model
from enas.randomness import Randomness
from enas.run import Run
from enas.search import SearchResult
from enas.search_space import Architecture, SearchSpace
from enas.training import Learner


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how to search and retrain.

    Args:
        n_epochs_search, n_epochs_fixed: epochs of the search, and of retraining each candidate.
        top_k: how many of the best architectures are retrained.
        n_judges: validation rows of the minibatch that rewards an architecture.
        n_derived: architectures that are sampled when deriving.
        train_every: epochs between two lessons of the controller.
        derive_on_minibatch: score derived architectures on one minibatch, as the originals.
        log_every: steps between two lines of the log.
        settings: how the controller learns.
        ensemble: average the candidates instead of taking the best.
        compare_with_random: retrain as many random architectures, too.
        time_limit: seconds from the start; None: no limit.
        checkpoint_seconds, checkpoint_epochs: between two checkpoints, whichever passes first.
        n_parts: into how many the steps of the search, and of retraining, are divided to save memory.
    """

    n_epochs_search: int
    n_epochs_fixed: int
    top_k: int
    n_judges: int
    n_derived: int
    train_every: int
    derive_on_minibatch: bool
    log_every: int
    settings: ControllerSettings
    ensemble: bool = False
    compare_with_random: bool = False
    time_limit: float | None = None
    checkpoint_seconds: float = 60.0
    checkpoint_epochs: int | None = None
    n_parts: tuple[int, int] = (1, 1)


class Family(Protocol):
    """Tables or images, ready to be searched."""

    @property
    def space(self) -> SearchSpace:
        """What may be chosen."""

    @property
    def folds(self) -> Folds:
        """Which rows train and judge."""

    @property
    def reward(self) -> RewardName:
        """What is maximised."""

    @property
    def device(self) -> str:
        """Where the networks live."""

    @property
    def generator(self) -> torch.Generator:
        """What architectures and minibatches are drawn with."""

    @property
    def randomness(self) -> Randomness:
        """All generators, that one included."""

    def computing(self) -> AbstractContextManager[object]:
        """Threads and precision to compute with."""

    def make_controller(self, settings: ControllerSettings) -> Controller:
        """An untrained policy over the space."""

    def learn_shared(self) -> Learner:
        """Untrained shared weights with their rows."""

    def learn_alone(self, architecture: Architecture, found: SearchResult | None) -> Learner:
        """A child with its rows; untrained, or warm from the shared weights that were found."""

    def linear_rows(self) -> Rows:
        """What linear models are fitted to, for comparison."""

    def group(self, architecture: Architecture) -> Hashable:
        """Of each group the best is retrained before a second one of any; see `search.choose_candidates`."""

    def make_model(self, members: Sequence[Member]) -> Model:
        """What is kept."""

    def draw(self, run: Run, architecture: Architecture) -> tuple[Path, ...]:
        """Pictures of what training found, from the run's log, into the run."""

    def salvage(self, found: SearchResult) -> Model | None:
        """A model of the shared weights, for a search that broke down; None where there cannot be one."""
