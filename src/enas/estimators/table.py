"""What both estimators share: parameters, training on a table in memory, outputs and explanations."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from enas.attribution import Attribution, attribute
from enas.data.dataset import Dataset, Target
from enas.estimators.inference import compute_outputs, computing_threads
from enas.estimators.rows import Merged, dense, dense_blocks
from enas.estimators.settings import make_config
from enas.estimators.training import draw_seed, make_leaderboard, make_progress, run_fit, sklearn_errors
from enas.families.table import prepare_table, table_recipe
from enas.fit import Fitted
from enas.metrics.rewards import Reward
from enas.metrics.scorers import make_reward
from enas.table_model import TableModel

N_BACKGROUND = 100
"""Training rows that stand for "what is usual" in an explanation."""


class TableEstimator(BaseEstimator):  # type: ignore[misc]
    """The parameters of `ENASRegressor`; `ENASClassifier` adds its own."""

    def __init__(
        self,
        *,
        n_layers: int = 3,
        max_channels: int = 512,
        search_epochs: int = 10,
        epochs: int = 50,
        controller_steps: int = 30,
        top_k: int = 2,
        ensemble: bool = False,
        n_seeds: int = 1,
        batch_size: int = 64,
        learning_rate: float = 3e-3,
        l2: float = 1e-4,
        keep_prob: float = 1.0,
        transformation: str = "auto",
        scale: str = "standard",
        screen: int | str = "auto",
        reward: str | Callable[..., float] | None = None,
        cv: Any = None,
        time_limit: float | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        device: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.n_layers = n_layers
        self.max_channels = max_channels
        self.search_epochs = search_epochs
        self.epochs = epochs
        self.controller_steps = controller_steps
        self.top_k = top_k
        self.ensemble = ensemble
        self.n_seeds = n_seeds
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.l2 = l2
        self.keep_prob = keep_prob
        self.transformation = transformation
        self.scale = scale
        self.screen = screen
        self.reward = reward
        self.cv = cv
        self.time_limit = time_limit
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device
        self.verbose = verbose

    def explain(self, X: Any) -> Attribution:
        """Shapley values (C, n, p) of the logits, or of the predicted values, against up to 100 training rows.

        ``values[c, i].sum() + base[c]`` is the output c of row i; for two classes both logits are explained.
        """
        features = self._checked(X)
        with computing_threads(self.n_jobs):
            return attribute(self.model_, dense(features, np.arange(features.shape[0])), self._background)

    def _train(self, features: Any, target: Target, merged: Merged, labels: NDArray[Any] | None, seed: int) -> None:
        """Search and train on distinct rows; ``target`` is theirs, ``labels`` are the classes."""
        with sklearn_errors():
            config = make_config(self.get_params(deep=False), seed)
            reward = self._reward(target, labels)
            weights = merged.weights * (len(merged.weights) / merged.weights.sum())
            table = self._dataset(dense(features, merged.rows), target)
            with computing_threads(self.n_jobs):
                progress = make_progress(self.verbose)
                family = prepare_table(
                    table,
                    config,
                    splits=merged.splits,
                    weights=None if np.ptp(weights) == 0 else weights.astype(np.float32),
                    reward=reward,
                    progress=progress,
                )
                fitted, history = run_fit(family, table_recipe(config), progress)
        self._keep(fitted, history, table, seed)

    def _reward(self, target: Target, labels: NDArray[Any] | None) -> Reward | None:
        return None if self.reward is None else make_reward(self.reward, target.values, labels)

    def _dataset(self, features: NDArray[np.float32], target: Target) -> Dataset:
        n_rows, n_features = features.shape
        names = getattr(self, "feature_names_in_", None)
        made_up = (f"feature_{i}" for i in range(n_features))
        return Dataset(
            features,
            tuple(made_up if names is None else map(str, names)),
            names is not None,
            tuple(map(str, range(n_rows))),
            False,
            target,
            "X",
        )

    def _keep(self, fitted: Fitted, history: list[dict[str, object]], table: Dataset, seed: int) -> None:
        best = fitted.candidates[int(fitted.selection.shares.argmax())]
        assert isinstance(fitted.model, TableModel), "a table's model"
        self.model_ = fitted.model
        self.best_architecture_ = best.architecture
        self.leaderboard_ = make_leaderboard(fitted)
        self.history_ = history
        rows = np.random.default_rng(seed).permutation(table.n_samples)[:N_BACKGROUND]
        self._background = table.features[np.sort(rows)]

    def _checked(self, X: Any) -> Any:
        """``X`` as at training; sparse stays sparse."""
        check_is_fitted(self)
        return validate_data(self, X, reset=False, accept_sparse="csr", dtype=np.float32, ensure_all_finite="allow-nan")

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        """Logits, or values, (n, C), a block of rows at a time."""
        features = self._checked(X)
        with computing_threads(self.n_jobs):
            blocks = dense_blocks(features, np.arange(features.shape[0]))
            return np.concatenate([compute_outputs(self.model_, block) for block in blocks])

    def _seed(self) -> int:
        return draw_seed(self.random_state)

    def __getstate__(self) -> dict[str, Any]:
        """Without what the model has made ready to compute."""
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = replace(state["model_"])
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags
