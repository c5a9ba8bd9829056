"""Runs of models with random weights."""

from collections.abc import Callable
from pathlib import Path

import pytest
from export.models import CLASSES, features, image_model, random_architecture, save_run

from enas.search_space import MicroSpace
from enas.table_model import TableModel


@pytest.fixture
def table_run(make_model: Callable[..., TableModel], tmp_path: Path) -> Path:
    """A run of 2 folds, 2 seeds and 2 candidates that see different numbers of features."""
    model = make_model(features(40), CLASSES, n_seeds=2, shares=(0.7, 0.3), screens=(5, None))
    return save_run(model, tmp_path / "run")


@pytest.fixture
def image_run(tmp_path: Path) -> Path:
    space = MicroSpace(5)
    model = image_model(random_architecture(space, 1), space=space, size=(12, 12), n_channels=1, reductions=(1,))
    return save_run(model, tmp_path / "run")
