"""`ENASClassifier`: classes from a table."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from enas.data.dataset import Target
from enas.estimators.rows import check_groups, check_weights, merge_rows
from enas.estimators.settings import InputError
from enas.estimators.splitting import split_rows
from enas.estimators.table import TableEstimator
from enas.estimators.training import name_classes
from enas.model import probabilities_of


class ENASClassifier(ClassifierMixin, TableEstimator):  # type: ignore[misc]
    """Searches an architecture for a table, trains it, predicts classes.

    ``X`` may be an array, a DataFrame of pandas or polars, or sparse; missing values (NaN) are replaced by the median.

    Args:
        n_layers: searched layers, the fixed first layer not counted.
        max_channels: width of the first layer and the widest choice; the narrowest is a sixteenth.
        search_epochs: epochs of the search.
        epochs: epochs of retraining each candidate.
        controller_steps: updates of the controller per epoch of the search.
        top_k: how many of the best architectures are retrained.
        ensemble: average these instead of taking the best.
        n_seeds: networks with different seeds, averaged, per candidate.
        batch_size: rows per training step.
        learning_rate: of the networks.
        l2: weight of the L2 penalty.
        keep_prob: share of units that dropout keeps; 1: no dropout.
        loss: "cross_entropy" or "focal".
        transformation: of each value before scaling: "none", "log1p", "asinh", or "auto": asinh where values exceed
            1,000.
        scale: "standard", "robust" or "none".
        screen: how many features are kept, the best by univariate score; "all", or "auto": the search chooses; "soft":
            all, weighed by that score, the search chooses how sharply.
        reward: what is maximised on validation rows: "accuracy" (None), "auroc", the name of any scikit-learn scorer,
            or a callable ``scorer(estimator, X, y)`` in which ``X`` are logits.
        cv: which rows judge: None (five folds; from 1,000 rows on one fifth), a number of folds, a splitter, or an
            iterable of (train, test) row numbers.
        class_weight: a dict of weights by class, "balanced" or None; multiplies the weights of the rows, in the loss
            and in the validation scores.
        time_limit: seconds; the search and training are planned to fit.
        random_state: the same integer gives the same estimator.
        n_jobs: threads; None: torch's own number, and one for small networks.
        device: "auto", "cpu", "cuda", …
        verbose: 1 for a log on standard output, 2 for more; at 0 warnings are Python's.

    Attributes:
        classes_: the labels, sorted.
        best_architecture_: the architecture of the chosen candidate.
        leaderboard_: a dict per derived architecture, best first.
        history_: a dict per epoch of search and retraining.
        model_: the trained model.
        n_features_in_, feature_names_in_: as in scikit-learn.
    """

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
        loss: str = "cross_entropy",
        transformation: str = "auto",
        scale: str = "standard",
        screen: int | str = "auto",
        reward: str | Callable[..., float] | None = None,
        cv: Any = None,
        class_weight: Mapping[Any, float] | str | None = None,
        time_limit: float | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        device: str = "auto",
        verbose: int = 0,
    ) -> None:
        super().__init__(
            n_layers=n_layers,
            max_channels=max_channels,
            search_epochs=search_epochs,
            epochs=epochs,
            controller_steps=controller_steps,
            top_k=top_k,
            ensemble=ensemble,
            n_seeds=n_seeds,
            batch_size=batch_size,
            learning_rate=learning_rate,
            l2=l2,
            keep_prob=keep_prob,
            transformation=transformation,
            scale=scale,
            screen=screen,
            reward=reward,
            cv=cv,
            time_limit=time_limit,
            random_state=random_state,
            n_jobs=n_jobs,
            device=device,
            verbose=verbose,
        )
        self.loss = loss
        self.class_weight = class_weight

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        *,
        label_key: str | None = None,
        layer: str | None = None,
        batch_key: str | None = None,
    ) -> Self:
        """Search and train.

        Args:
            X: (n, p), or an AnnData.
            y: (n,) labels of any kind.
            sample_weight: (n,), not negative: a row of weight 2 counts as two.
            groups: (n,); rows of one group are never in training and validation at once.
            label_key: of an AnnData: the column of obs to be predicted, in place of y.
            layer: of an AnnData: a layer, or "raw"; None: X.
            batch_key: of an AnnData: a column of obs, in place of groups.

        Raises:
            ValueError: data or parameters that cannot be used; of ours, it is a DataError or ConfigError, too.
        """
        X, y, groups, names = self._unpack(X, y, groups, label_key, layer, batch_key)
        X, y = validate_data(
            self,
            X,
            y,
            accept_sparse="csr",
            dtype=np.float32,
            ensure_all_finite="allow-nan",
            ensure_min_samples=2,
        )
        self._name_features(names)
        check_classification_targets(y)
        seed, n_rows = self._seed(), X.shape[0]
        weights = check_weights(sample_weight, n_rows)
        groups = check_groups(groups, n_rows)
        kept = weights > 0
        self.classes_, indices = np.unique(y[kept], return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y has a single class, {self.classes_[0]!r}: nothing can be learned from it")
        codes = np.zeros(n_rows, np.int64)
        codes[kept] = indices
        splits = split_rows(self.cv, y, groups, kept, is_classifier=True, seed=seed)
        merged = merge_rows(X, codes, weights * self._class_weights(codes, weights)[codes], splits)
        names = name_classes(self.classes_)
        self._train(X, Target(("y",), codes[merged.rows], names), merged, self.classes_, seed)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each row, (n,)."""
        outputs = self._outputs(X)
        return np.asarray(self.classes_[outputs.argmax(axis=1)])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (n, C), columns in the order of ``classes_``."""
        return probabilities_of(self._outputs(X))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits (n, C); of two classes their difference (n,), positive for the second."""
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if len(self.classes_) == 2 else outputs

    def _class_weights(self, codes: NDArray[np.int64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """(C,) by ``class_weight``; "balanced" counts rows by their weights."""
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            totals = np.bincount(codes, weights)
            return np.asarray(totals.sum() / (len(totals) * totals))
        y = self.classes_[codes[weights > 0]]
        return np.asarray(compute_class_weight(self.class_weight, classes=self.classes_, y=y), np.float64)
