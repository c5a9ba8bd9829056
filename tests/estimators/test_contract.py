"""scikit-learn's own checks of its contract, none of them expected to fail."""

from collections.abc import Callable
from typing import Any

import pytest
from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from enas import ENASClassifier, ENASRegressor

SMALL: dict[str, Any] = {
    "n_layers": 1,
    "max_channels": 16,
    "search_epochs": 1,
    "epochs": 20,
    "controller_steps": 1,
    "top_k": 1,
    "learning_rate": 0.03,
}


@pytest.mark.usefixtures("one_thread")
@parametrize_with_checks([ENASClassifier(**SMALL), ENASRegressor(**SMALL)])  # type: ignore[untyped-decorator]
def test_scikit_learns_checks(estimator: BaseEstimator, check: Callable[[BaseEstimator], None]) -> None:
    check(estimator)
