"""Linear models of the same rows, features and splits: what a network must be ahead of to be worth its trouble.

They are fitted in every fold on standardised features, and the penalty is chosen as a network's epoch is: on held-out
rows, and for the held-out figure without the rows that are then judged (`enas.ensemble`).
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from enas.baselines.linear import Floats, LinearFold, LinearModel, flatten, predict_fold
from enas.baselines.paths import Weights, both_sides, logistic_path, of_all_classes, ridge_path
from enas.data.dataset import FloatArray, IntArray, Target
from enas.data.preprocess import Scale, Transform, fit_scaler
from enas.data.splits import Split
from enas.ensemble import cross_fitted, select
from enas.metrics.rewards import Reward

PENALTIES = (10.0, 1.0, 1e-1, 1e-2, 1e-3)
"""Of L2, per feature, so that a penalty means the same for ten features and for ten thousand; the strongest first."""
L1_FACTORS = (1.5, 4.0, 10.0, 40.0)
"""Times the smallest C at which any weight is not zero."""
L2_CELLS, L1_CELLS = 100_000_000, 20_000_000
"""Rows × features × outputs that are some seconds' work."""
ABSENT = -30.0
"""Logit of a class that a fold's training rows do not have."""

_BATCH = 1000

Fitter = Callable[["Sample"], list[Weights]]
"""Fits one model per penalty."""


class Features(Protocol):
    """Anything of n rows that gives some of them as an array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, …)."""

    def __getitem__(self, rows: IntArray, /) -> NDArray[Any]:
        """These rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What linear models are fitted to.

    Args:
        features: (n, …), all rows, raw.
        target: of them.
        splits: per fold.
        weights: (n,) in the loss.
        transform, scale: as of the networks.
        seed: draws the rows where there are too many.
    """

    features: Features
    target: Target
    splits: Sequence[Split]
    weights: FloatArray
    transform: Transform | Literal["auto"]
    scale: Scale
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One fold's training rows, standardised: (n, p), labels and weights (n,)."""

    inputs: FloatArray
    labels: NDArray[Any]
    weights: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A fitted model and its outputs (n_judged, C) for the held-out rows, in the order of `enas.folds.Folds.judged`."""

    model: LinearModel
    held_out: Floats


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of linear model.

    Args:
        name: as the report calls it.
        fit: one model per penalty.
        max_cells: rows × features × outputs that it is fitted to; of more rows a part is drawn.
    """

    name: str
    fit: Fitter
    max_cells: int


def fit_baselines(rows: Rows, reward: Reward, advance: Callable[[str], None]) -> list[Baseline]:
    """L2 and L1 logistic regression, or ridge regression, on one thread.

    Their products are small: of two threads each waits for the other, on a busy machine ten times as long as it works.

    Args:
        rows: of the run.
        reward: chooses the penalty, as it chooses everything else.
        advance: called after each fold of each kind.
    """
    kinds = [Kind("L2 logistic regression", _fit_l2, L2_CELLS), Kind("L1 logistic regression", _fit_l1, L1_CELLS)]
    if not rows.target.classes:
        kinds = [Kind("ridge regression", _fit_ridge, L2_CELLS)]
    with threadpool_limits(limits=1, user_api="blas"):
        return [_fit(kind, rows, reward, advance) for kind in kinds]


def _fit(kind: Kind, rows: Rows, reward: Reward, advance: Callable[[str], None]) -> Baseline:
    """Every fold with every penalty; then the penalty is chosen."""
    n_outputs = len(rows.target.classes) or rows.target.values.shape[1]
    n_features = int(np.prod(rows.features.shape[1:]))
    n_most = max(50, kind.max_cells // (n_features * n_outputs))
    folds: list[list[LinearFold]] = []
    outputs: list[list[FloatArray]] = []
    for split in rows.splits:
        folds.append(_fit_fold(kind, rows, _some(split.train, rows.target.values, n_most, rows.seed)))
        outputs.append(_judge(folds[-1], rows.features, split.held_out))
        advance("")
    per_penalty = np.stack([np.concatenate(parts) for parts in zip(*outputs, strict=True)]).astype(np.float32)
    labels = rows.target.values[np.concatenate([split.held_out for split in rows.splits])]
    fold_of_row = np.repeat(np.arange(len(rows.splits)), [len(split.held_out) for split in rows.splits])
    chosen = select([per_penalty], labels, reward, ensemble=False)
    model = LinearModel(
        kind.name + _of_part(rows.splits, n_most),
        tuple(_warmer(fold[chosen.epochs[0]], float(chosen.temperatures[0])) for fold in folds),
        rows.target.classes,
        rows.target.names,
    )
    return Baseline(model, cross_fitted([per_penalty], labels, fold_of_row, reward, ensemble=False))


def _judge(folds: Sequence[LinearFold], features: Features, held_out: IntArray) -> list[FloatArray]:
    """Outputs of each penalty's model on the held-out rows."""
    parts = [held_out[start : start + _BATCH] for start in range(0, len(held_out), _BATCH)]
    outputs = [[predict_fold(fold, rows) for fold in folds] for rows in (flatten(features[part]) for part in parts)]
    return [np.concatenate(of_model) for of_model in zip(*outputs, strict=True)]


def _fit_fold(kind: Kind, rows: Rows, train: IntArray) -> list[LinearFold]:
    raw, labels = flatten(rows.features[train]), rows.target.values[train]
    scaler = fit_scaler(raw, np.arange(len(raw)), transform=rows.transform, scale=rows.scale)
    sample = Sample(scaler(raw), labels, rows.weights[train])
    n_outputs = len(rows.target.classes) or labels.shape[1]
    present = np.unique(labels) if rows.target.classes else np.arange(n_outputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a weak penalty may take more steps than it is given; it then has its place
        return [
            LinearFold(scaler, *of_all_classes(weights, present, n_outputs, ABSENT)) for weights in kind.fit(sample)
        ]


def _fit_l2(sample: Sample) -> list[Weights]:
    return logistic_path(sample.inputs, sample.labels, sample.weights, _penalties(sample))


def _fit_l1(sample: Sample) -> list[Weights]:
    """Each class against the rest."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import l1_min_c

    present = np.unique(sample.labels)
    path = []
    for factor in L1_FACTORS:
        sides = []
        for label in present[1:] if len(present) == 2 else present:
            is_of = sample.labels == label
            c = factor * l1_min_c(sample.inputs, is_of, loss="log")
            model = LogisticRegression(C=c, l1_ratio=1.0, solver="liblinear", tol=1e-3, random_state=0)
            model.fit(sample.inputs, is_of, sample.weights)
            sides.append((model.coef_[0], model.intercept_[0]))
        path.append(both_sides(np.stack([w for w, _ in sides], axis=1), np.array([b for _, b in sides])))
    return path


def _fit_ridge(sample: Sample) -> list[Weights]:
    return ridge_path(sample.inputs, sample.labels, sample.weights, _penalties(sample))


def _penalties(sample: Sample) -> list[float]:
    """Of all features together."""
    return [penalty * sample.inputs.shape[1] for penalty in PENALTIES]


def _some(rows: IntArray, labels: NDArray[Any], n_most: int, seed: int) -> IntArray:
    """So many of the rows, drawn; of each class at least one."""
    if len(rows) <= n_most:
        return rows
    drawn = np.random.default_rng(seed).permutation(rows)
    firsts = drawn[np.unique(labels[drawn], return_index=True)[1]] if labels.ndim == 1 else drawn[:0]
    return np.union1d(firsts, drawn[:n_most])


def _of_part(splits: Sequence[Split], n_most: int) -> str:
    n_rows = max(len(split.train) for split in splits)
    return f" on {n_most:,} of {n_rows:,} training rows" if n_rows > n_most else ""


def _warmer(fold: LinearFold, temperature: float) -> LinearFold:
    """Weights times the factor that makes probabilities honest."""
    return LinearFold(fold.scaler, fold.weights * np.float32(temperature), fold.bias * np.float32(temperature))
