"""A table of three kinds of flower, and settings that take a quarter of a second."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_iris

Table = tuple[NDArray[np.float64], NDArray[np.str_]]


@pytest.fixture(scope="session")
def flowers() -> Table:
    """Features (150, 4) and the names of kinds."""
    data = load_iris()
    return data.data, data.target_names[data.target].astype(str)


@pytest.fixture
def quick(one_thread: None) -> dict[str, Any]:
    """Parameters for a search of one epoch."""
    return {
        "n_layers": 1,
        "max_channels": 32,
        "search_epochs": 1,
        "epochs": 15,
        "controller_steps": 1,
        "top_k": 1,
        "learning_rate": 0.03,
        "random_state": 0,
    }
