"""Which rows train and which judge: stratified, seeded, whole groups together, refused where a class is too small."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.data.dataset import IntArray, Target
from enas.data.source import show
from enas.errors import DataError

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Split:
    """One division of the rows: row numbers that train, and row numbers that are held out to judge."""

    train: IntArray
    held_out: IntArray

    def of(self, rows: IntArray) -> "Split":
        """The same division, made among ``rows``, in the numbers that these have."""
        return Split(rows[self.train], rows[self.held_out])


def class_counts(target: Target) -> dict[str, int]:
    """Samples per class, in class order; empty for regression."""
    counts = np.bincount(target.values, minlength=len(target.classes)) if target.classes else ()
    return dict(zip(target.classes, (int(n) for n in counts), strict=True))


def usable_folds(target: Target, n_folds: int) -> int:
    """The number of folds that the data allow: each class needs a member in every fold's held-out part.

    Raises:
        DataError: a class has fewer than two samples, or there are fewer than four samples.
    """
    if len(target.values) < 4:
        raise DataError(f"{len(target.values)} samples are too few to train and judge on: at least 4 are needed")
    smallest = min(class_counts(target).values(), default=len(target.values))
    _refuse_tiny_classes(target)
    return min(n_folds, smallest)


def cross_folds(target: Target, n_folds: int, *, seed: int) -> tuple[Split, ...]:
    """K folds that hold out every row once; stratified by class, shuffled by ``seed``."""
    from sklearn.model_selection import KFold, StratifiedKFold

    folds = (StratifiedKFold if target.classes else KFold)(n_folds, shuffle=True, random_state=seed)
    rows = np.arange(len(target.values))
    return tuple(Split(train, held_out) for train, held_out in folds.split(rows, target.values))


def group_folds(target: Target, groups: NDArray[Any], n_folds: int, *, seed: int) -> tuple[Split, ...]:
    """At most K folds that hold out whole groups, every row once; classes are spread as evenly as groups allow.

    Args:
        target: of n rows.
        groups: (n,) labels of any kind.
        n_folds: K, at most the number of groups; a fold that would hold out nothing is left out.
        seed: shuffles classification; the groups of a regression are dealt out by size.
    """
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    is_classifier = bool(target.classes)
    folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed) if is_classifier else GroupKFold(n_folds)
    pairs = folds.split(np.zeros((len(groups), 1)), target.values if is_classifier else None, groups)
    return tuple(Split(train, held_out) for train, held_out in pairs if len(held_out))


def group_split(target: Target, groups: NDArray[Any], fraction: float, *, seed: int) -> Split:
    """One held-out part of whole groups: of the folds of about ``fraction`` the one that comes nearest to it."""
    n_folds = min(max(2, round(1 / fraction)), usable_group_folds(target, groups, len(groups)))
    splits = group_folds(target, groups, n_folds, seed=seed)
    return min(splits, key=lambda split: abs(len(split.held_out) - fraction * len(groups)))


def usable_group_folds(target: Target, groups: NDArray[Any], n_folds: int) -> int:
    """The number of folds that groups and classes allow.

    Raises:
        DataError: there is one group alone, or as `usable_folds`.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 2:
        raise DataError("all rows are of one group: nothing is left to judge on while it trains; name other groups")
    return min(usable_folds(target, n_folds), n_groups)


def confined_classes(target: Target, groups: NDArray[Any]) -> tuple[str, ...]:
    """Classes of a single group: whoever holds that group out trains without them."""
    pairs = np.unique(np.stack([target.values, np.unique(groups, return_inverse=True)[1]]), axis=1)
    n_groups = np.bincount(pairs[0].astype(np.int64), minlength=len(target.classes))
    return tuple(name for name, n in zip(target.classes, n_groups, strict=True) if n == 1)


def single_split(target: Target, fraction: float, *, seed: int) -> Split:
    """One held-out part of about ``fraction`` of the rows, with every class on both sides.

    Raises:
        DataError: a class is too small, or the fraction leaves fewer held-out rows than there are classes.
    """
    from sklearn.model_selection import train_test_split

    _refuse_tiny_classes(target)
    n_rows, n_classes = len(target.values), max(len(target.classes), 1)
    n_held_out = round(n_rows * fraction)
    if n_held_out < n_classes or n_rows - n_held_out < max(n_classes, 2):
        raise DataError(
            f"a validation split of {fraction:g} of {n_rows} rows leaves {n_held_out} for validation and "
            f"{n_rows - n_held_out} for training: too few for {n_classes} classes; "
            "change data_train.args.validation_split"
        )
    train, held_out = train_test_split(
        np.arange(n_rows),
        test_size=n_held_out,
        random_state=seed,
        stratify=target.values if target.classes else None,
    )
    if target.classes:  # proportions leave out a class of a few samples
        train, held_out = _lend(train, held_out, target)
        held_out, train = _lend(held_out, train, target)
    return Split(np.sort(train), np.sort(held_out))


def _lend(giver: IntArray, taker: IntArray, target: Target) -> tuple[IntArray, IntArray]:
    """Both parts, after ``taker`` got one row of each class that only ``giver`` has."""
    only = np.setdiff1d(target.values[giver], target.values[taker])
    lent = np.array([giver[target.values[giver] == label][0] for label in only], np.int64)
    return np.setdiff1d(giver, lent), np.concatenate([taker, lent])


def _refuse_tiny_classes(target: Target) -> None:
    tiny = {name: n for name, n in class_counts(target).items() if n < 2}
    if tiny:
        listed = ", ".join(f'"{show(name)[1:-1]}" ({n})' for name, n in list(tiny.items())[:_SHOWN])
        listed += f" and {len(tiny) - _SHOWN:,} more" if len(tiny) > _SHOWN else ""
        raise DataError(
            f"classes with fewer than two samples cannot be both trained on and judged: {listed}; "
            "add samples, merge these classes or leave them out"
        )
