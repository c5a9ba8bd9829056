"""What both estimators share: parameters, training on a table in memory, outputs and explanations."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from enas.attribution import Attribution, attribute
from enas.data.anndata_result import annotate, find_rows
from enas.data.dataset import Dataset, Target
from enas.data.matrix import Matrix
from enas.estimators.anndata_input import is_anndata, match_names, take_column, unpack
from enas.estimators.inference import compute_outputs, computing_threads
from enas.estimators.rows import Merged, dense, dense_blocks, take_features
from enas.estimators.settings import InputError, make_config
from enas.estimators.training import draw_seed, make_leaderboard, make_progress, run_fit, sklearn_errors
from enas.families.table import prepare_table, table_recipe
from enas.fit import Fitted
from enas.metrics.rewards import Reward
from enas.metrics.scorers import make_reward
from enas.model import probabilities_of
from enas.table_model import TableModel

N_EXPLAINED = 80
"""Observations whose Shapley values make the importance that is written into an AnnData."""

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

    def annotate(self, adata: Any) -> None:
        """Write what the model makes of an AnnData into it, features matched by name.

        ``obs["enas_prediction"]``; of a classifier ``obs["enas_probability"]`` of that class; ``obsm["X_enas"]``, what
        the last layer reads (see `TableModel.embeddings`); ``var["enas_importance"]``, mean absolute Shapley values of
        up to 80 observations, summed over the outputs, NaN for variables that the model does not know.

        Raises:
            ValueError: the model was not trained on an AnnData or a DataFrame, or variables are missing.
        """
        features = self._checked(adata)
        n_rows, names = features.shape[0], self.model_.feature_names
        rows = np.unique(np.linspace(0, n_rows - 1, min(n_rows, N_EXPLAINED)).astype(np.int64))
        with computing_threads(self.n_jobs):
            outputs = self._outputs(adata)
            blocks = dense_blocks(features, np.arange(n_rows))
            embeddings = np.concatenate([part for block in blocks for part in self.model_.embeddings(block)])
            values = attribute(self.model_, dense(features, rows), self._background).values
        model = self.model_
        probabilities = probabilities_of(outputs) if model.classes else outputs
        found = find_rows(probabilities, embeddings, model.classes, model.target_names)
        importance = np.abs(values).mean(axis=1, dtype=np.float64).sum(axis=0)
        annotate(adata, replace(found, var=dict(zip(names, importance.tolist(), strict=True))))

    def _unpack(
        self, X: Any, y: Any, groups: Any, label_key: str | list[str] | None, layer: str | None, batch_key: str | None
    ) -> tuple[Any, Any, Any, tuple[str, ...] | None]:
        """Features, labels, groups and the features' names of what may be an AnnData."""
        self._layer = layer
        if not is_anndata(X):
            if label_key is not None or layer is not None or batch_key is not None:
                raise InputError("label_key, layer and batch_key are of AnnData objects, and X is none")
            return X, y, groups, None
        if (label_key is None) == (y is None) or (batch_key is not None and groups is not None):
            raise InputError("labels are named by label_key or given as y, groups by batch_key or as groups")
        unpacked = unpack(X, layer)
        y = y if label_key is None else take_column(X, label_key, "label_key")
        groups = groups if batch_key is None else take_column(X, batch_key, "batch_key")
        return unpacked.features, y, groups, unpacked.names

    def _name_features(self, names: tuple[str, ...] | None) -> None:
        """As scikit-learn keeps them, which knows none of an AnnData."""
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)

    def _train(self, features: Any, target: Target, merged: Merged, labels: NDArray[Any] | None, seed: int) -> None:
        """Search and train on distinct rows; ``target`` is theirs, ``labels`` are the classes."""
        with sklearn_errors():
            config = make_config(self.get_params(deep=False), seed)
            reward = self._reward(target, labels)
            weights = merged.weights * (len(merged.weights) / merged.weights.sum())
            table = self._dataset(take_features(features, merged.rows), target)
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

    def _dataset(self, features: Matrix, target: Target) -> Dataset:
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
        if is_anndata(X):
            if not hasattr(self, "feature_names_in_"):
                raise InputError("the model was trained without names of features, so those of an AnnData say nothing")
            return match_names(unpack(X, self._layer), self.feature_names_in_)
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
