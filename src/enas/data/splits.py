"""Which rows train and which rows judge: stratified, seeded, refused where a class is too small."""

from dataclasses import dataclass

import numpy as np

from enas.data.dataset import IntArray, Target
from enas.data.source import show
from enas.errors import DataError

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Split:
    """One division of the rows: row numbers that train, and row numbers that are held out to judge."""

    train: IntArray
    held_out: IntArray


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
