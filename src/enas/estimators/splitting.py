"""Which rows train and which judge: as ``cv`` says, else folds or one split, stratified, groups kept together."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import check_cv

from enas.data.dataset import IntArray, Target
from enas.data.splits import Split, cross_folds, group_folds, single_split
from enas.estimators.settings import InputError
from enas.plan import SMALL

N_FOLDS = 5


def split_rows(
    cv: Any,
    labels: NDArray[Any],
    groups: NDArray[Any] | None,
    kept: NDArray[np.bool_],
    *,
    is_classifier: bool,
    seed: int,
) -> tuple[Split, ...]:
    """The splits of n rows.

    Args:
        cv: None (five folds, or from 1,000 rows on one fifth that judges), a number of folds, a splitter, or pairs of
            (train, test) row numbers.
        labels: classes (n,), or values (n, t).
        groups: (n,); rows of one group are never on both sides. A splitter that knows no groups ignores them.
        kept: (n,) which rows count; the splits that are made here are of these alone.
        is_classifier: whether labels are classes.
        seed: shuffles folds that are made here.

    Raises:
        InputError: too few rows, groups or members of classes.
        ValueError: what scikit-learn finds wrong with ``cv``.
    """
    if cv is None or isinstance(cv, Integral):
        rows = np.flatnonzero(kept)
        n_folds = (N_FOLDS if len(rows) < SMALL else 0) if cv is None else int(cv)
        splits = _make_splits(n_folds, labels[rows], None if groups is None else groups[rows], is_classifier, seed)
        return tuple(Split(rows[split.train], rows[split.held_out]) for split in splits)
    flat = labels if labels.ndim == 1 or labels.shape[1] > 1 else labels[:, 0]
    pairs = check_cv(cv, flat, classifier=is_classifier).split(np.zeros((len(labels), 1)), flat, groups)
    splits = tuple(Split(_numbers(train, len(labels)), _numbers(test, len(labels))) for train, test in pairs)
    if not splits or not all(len(split.train) and len(split.held_out) for split in splits):
        raise InputError("cv gives no split, or one in which no row trains or none judges")
    return splits


def _make_splits(
    n_folds: int, labels: NDArray[Any], groups: NDArray[Any] | None, is_classifier: bool, seed: int
) -> tuple[Split, ...]:
    """Folds, or for 0 a single split."""
    if groups is not None:
        return _split_groups(n_folds, labels, groups, is_classifier, seed)
    return _split_classes(n_folds, labels, seed) if is_classifier else _split_values(n_folds, labels, seed)


def _numbers(rows: Any, n_rows: int) -> IntArray:
    """Row numbers of what may be a mask, or negative numbers; each once."""
    return np.unique(np.arange(n_rows)[np.asarray(rows)])


def _split_values(n_folds: int, labels: NDArray[Any], seed: int) -> tuple[Split, ...]:
    if len(labels) < 4:
        raise InputError(f"n_samples={len(labels)} are too few to train and judge on: at least 4 are needed")
    target = Target(("y",), labels)
    return cross_folds(target, n_folds, seed=seed) if n_folds else (single_split(target, 0.2, seed=seed),)


def _split_classes(n_folds: int, labels: NDArray[Any], seed: int) -> tuple[Split, ...]:
    """Stratified; the only sample of a class trains in every split, since it cannot judge as well."""
    _, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    judging = np.flatnonzero(counts[codes] > 1)
    classes, indices = np.unique(codes[judging], return_inverse=True)
    if len(classes) < 2:
        raise InputError(
            f"n_samples={len(labels)} with {len(classes)} classes of more than one member: too few to train and judge "
            "on, at least two classes need two members each"
        )
    target = Target(("y",), indices.astype(np.int64), tuple(map(str, classes)))
    usable = min(n_folds, int(np.bincount(indices).min())) if n_folds > 1 else n_folds  # KFold refuses 1
    splits = cross_folds(target, usable, seed=seed) if n_folds else (single_split(target, 0.2, seed=seed),)
    alone = np.setdiff1d(np.arange(len(labels)), judging)
    return tuple(Split(np.sort(np.concatenate([judging[s.train], alone])), judging[s.held_out]) for s in splits)


def _split_groups(
    n_folds: int, labels: NDArray[Any], groups: NDArray[Any], is_classifier: bool, seed: int
) -> tuple[Split, ...]:
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise InputError("groups has a single group: nothing is left to judge on while it trains")
    k = min(n_folds or N_FOLDS, n_groups)
    target = Target(("y",), labels, tuple(map(str, np.unique(labels))) if is_classifier else ())
    splits = group_folds(target, groups, k, seed=seed)
    return splits if n_folds else splits[:1]
