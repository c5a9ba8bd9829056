"""`ENASRegressor`: numbers from a table, one or several per row."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from enas.data.dataset import Target
from enas.estimators.rows import check_groups, check_weights, merge_rows
from enas.estimators.splitting import split_rows
from enas.estimators.table import TableEstimator


class ENASRegressor(RegressorMixin, TableEstimator):  # type: ignore[misc]
    """Searches an architecture for a table, trains it, predicts numbers.

    ``X`` may be an array, a DataFrame of pandas or polars, or sparse; missing values (NaN) are replaced by the median.
    The parameters are those of `ENASClassifier`, less ``loss`` and ``class_weight``; ``reward`` is "r2" unless named.

    Attributes:
        best_architecture_: the architecture of the chosen candidate.
        leaderboard_: a dict per derived architecture, best first.
        history_: a dict per epoch of search and retraining.
        model_: the trained model.
        n_features_in_, feature_names_in_: as in scikit-learn.
    """

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        *,
        label_key: str | list[str] | None = None,
        layer: str | None = None,
        batch_key: str | None = None,
    ) -> Self:
        """Search and train.

        Args:
            X: (n, p), or an AnnData.
            y: (n,) or (n, t).
            sample_weight: (n,), not negative: a row of weight 2 counts as two.
            groups: (n,); rows of one group are never in training and validation at once.
            label_key: of an AnnData: the column, or columns, of obs to be predicted, in place of y.
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
            multi_output=True,
            y_numeric=True,
            ensure_min_samples=2,
        )
        self._name_features(names)
        seed, n_rows = self._seed(), X.shape[0]
        weights = check_weights(sample_weight, n_rows)
        values = y.reshape(n_rows, -1).astype(np.float32)
        groups = check_groups(groups, n_rows)
        splits = split_rows(self.cv, values, groups, weights > 0, is_classifier=False, seed=seed)
        merged = merge_rows(X, values, weights, splits)
        self._is_flat = y.ndim == 1
        names = tuple(f"y{i}" for i in range(values.shape[1]))
        self._train(X, Target(names, values[merged.rows]), merged, None, seed)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Values, shaped as the ``y`` of training."""
        values = self._outputs(X)
        return values[:, 0] if self._is_flat else values

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
