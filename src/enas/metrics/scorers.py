"""Any scikit-learn scorer as a reward, by name or as a callable ``scorer(estimator, X, y)``.

A scorer asks an estimator for what it needs: classes, probabilities or decisions. Here that estimator reads them off
the logits that a network gave. That costs a call per architecture (some 0.3 to 1 ms), so the rewards of
`enas.metrics.rewards` stay what they are, and the names that mean one of those lead there.

Errors such as ``neg_mean_absolute_error`` have the labels' units and no lower bound: a controller learns nothing from
rewards of minus a thousand. They are told relative to a constant prediction, as R² is: 1 is perfect, 0 no better than a
constant. The order of architectures does not change.
"""

import difflib
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import get_scorer, get_scorer_names

from enas.errors import ConfigError
from enas.metrics.rewards import FAST, FastReward, Floats, Reward

Scorer = Callable[..., Any]

SAME: dict[str, FastReward] = {name: name for name in FAST} | {"roc_auc": "auroc", "roc_auc_ovr": "auroc"}
"""scikit-learn's names of rewards that are computed here, for all architectures at once."""

_SURE = 50.0  # a logit whose probability is 1 in double precision
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True, eq=False)
class ScorerReward:
    """A scorer, ready for one task.

    Args:
        name: what it is called in the log.
        scorer: called as ``scorer(estimator, X, y)``; ``X`` are the network's outputs, not the features.
        labels: (C,) what the scorer takes for the classes; None: a regression.
        relative: whether scores are told relative to a constant prediction.
    """

    name: str
    scorer: Scorer
    labels: NDArray[Any] | None
    relative: bool = False

    def __str__(self) -> str:
        return f"{self.name} (0: as a constant, 1: perfect)" if self.relative else self.name

    @property
    def tie_break(self) -> FastReward:
        """The reward that orders architectures of equal score."""
        return "r2" if self.labels is None else "neg_log_loss"

    def scores(self, predictions: NDArray[Any], targets: NDArray[Any], weights: Floats | None = None) -> Floats:
        """Scores (A,) of outputs (A, n, C) or (A, n, t); NaN where one is undefined.

        ``weights`` (n,) of the rows are used if the scorer takes them.
        """
        values = np.array([self._score_or_nan(outputs, targets, weights) for outputs in predictions])
        if not self.relative:
            return values
        perfect, constant = (
            self._score_or_nan(outputs, targets, weights)
            for outputs in (self._perfect(targets), self._constant(targets, weights))
        )
        return (values - constant) / (perfect - constant) if perfect > constant else np.full(len(values), np.nan)

    def score(self, outputs: NDArray[Any], targets: NDArray[Any], weights: Floats | None = None) -> float:
        """What the scorer itself says of outputs (n, C) or (n, t), shape and labels as it expects them.

        Raises:
            ValueError: whatever it does not like.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of undefined scores, which are NaN here
            if weights is not None and _takes_weights(self.scorer):
                with suppress(ValueError):  # some take weights of two classes only, such as roc_auc_ovo
                    return self._call(outputs, targets, sample_weight=weights)
            return self._call(outputs, targets)

    def _call(self, outputs: NDArray[Any], targets: NDArray[Any], **extra: Floats) -> float:
        if self.labels is not None:
            return float(self.scorer(_Classifier(self.labels), outputs, self.labels[targets], **extra))
        flat = targets.ndim == 1 or targets.shape[1] == 1
        given, true = (outputs.reshape(-1), targets.reshape(-1)) if flat else (outputs, targets)
        return float(self.scorer(_Regressor(), given, true, **extra))

    def _score_or_nan(self, outputs: NDArray[Any], targets: NDArray[Any], weights: Floats | None) -> float:
        if not np.isfinite(outputs).all():
            return np.nan
        try:
            return self.score(outputs.astype(np.float64), targets, weights)
        except ValueError:  # undefined on these rows, such as an area under a curve with one class
            return np.nan

    def _perfect(self, targets: NDArray[Any]) -> NDArray[np.float64]:
        if self.labels is None:
            return np.asarray(targets, np.float64)
        return np.asarray(_SURE * np.eye(len(self.labels))[targets])

    def _constant(self, targets: NDArray[Any], weights: Floats | None) -> NDArray[np.float64]:
        """The mean, or the classes' shares as logits."""
        if self.labels is None:
            mean = np.average(targets.astype(np.float64), axis=0, weights=weights)
            return np.broadcast_to(mean, targets.shape)
        shares = np.average(np.eye(len(self.labels))[targets], axis=0, weights=weights)
        return np.broadcast_to(np.log(np.maximum(shares, 1e-12)), (len(targets), len(shares)))


def reward_names() -> tuple[str, ...]:
    """All names that a reward may have."""
    return (*FAST, *sorted(set(get_scorer_names()) - set(FAST)))


def check_name(name: str) -> str:
    """The name, if there is such a reward.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    if name in reward_names():
        return name
    near = difflib.get_close_matches(name[:60].lower(), reward_names(), n=1, cutoff=0.5)
    hint = f'did you mean "{near[0]}"?' if near else f"one of {', '.join(FAST)}, or any scorer of scikit-learn"
    raise ConfigError(f'"{name[:60]}" is no reward; {hint}')


def is_of_regression(name: str) -> bool:
    """Whether this reward judges numbers; scorers of classes refuse numbers that are none."""
    if name in SAME:
        return name == "r2"
    values = np.array([0.5, 1.25, 2.75, 4.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            get_scorer(name)(_Regressor(), values[::-1], values)
        except (ValueError, AttributeError, UserWarning):  # it asks for probabilities, or for classes
            return False
    return True


def make_reward(reward: str | Scorer, targets: NDArray[Any], labels: NDArray[Any] | None) -> Reward:
    """A reward for one task: a name of `enas.metrics.rewards`, or a scorer tried on perfect predictions.

    Args:
        reward: a name, or a scorer.
        targets: of all rows: class indices (n,), or values (n, t).
        labels: (C,) the classes as the caller knows them; None: a regression. A named scorer sees class indices.

    Raises:
        ConfigError: no such name, or it does not fit the task.
    """
    if isinstance(reward, str):
        if is_of_regression(check_name(reward)) == (labels is not None):
            raise ConfigError(f'reward "{reward}" does not fit {"regression" if labels is None else "classification"}')
        if reward in SAME:
            return SAME[reward]
        labels = None if labels is None else np.arange(len(labels))
    scorer = get_scorer(reward) if isinstance(reward, str) else reward
    if not callable(scorer):
        raise ConfigError(f"reward is {str(scorer)[:60]}: neither a name nor a callable(estimator, X, y)")
    name = reward if isinstance(reward, str) else getattr(scorer, "__name__", None) or repr(scorer)[:60]
    made = ScorerReward(name, scorer, labels)
    try:
        best = made.score(made._perfect(targets), targets)
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f'reward "{name}" does not fit these targets: {str(error)[:_MAX_TEXT]}') from None
    if not np.isfinite(best):
        raise ConfigError(
            f'reward "{name}" is {best:g} on perfect predictions of these targets: nothing can be chosen by it'
        )
    return made if np.isclose(best, 1.0) else ScorerReward(name, scorer, labels, relative=True)


def _takes_weights(scorer: Scorer) -> bool:
    """Whether the function underneath has the parameter; scorers themselves take it always."""
    return "sample_weight" in signature(getattr(scorer, "_score_func", scorer)).parameters


class _Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Its "features" are logits (n, C)."""

    def __init__(self, classes: NDArray[Any]) -> None:
        self.classes_ = classes

    def decision_function(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(X[:, 1] - X[:, 0]) if len(self.classes_) == 2 else X

    def predict_proba(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        shifted = np.exp(X - X.max(axis=1, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))

    def predict(self, X: NDArray[np.float64]) -> NDArray[Any]:
        return np.asarray(self.classes_[X.argmax(axis=1)])


class _Regressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Its "features" are predicted values."""

    def predict(self, X: NDArray[np.float64]) -> NDArray[np.float64]:
        return X
