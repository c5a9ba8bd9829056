"""Which rows each fold of each repeat holds out: stratified by class, whole groups together, seeded."""

from dataclasses import dataclass

import numpy as np

from enas.data.dataset import IntArray, Target
from enas.data.source import show
from enas.data.splits import Split, class_counts, group_folds
from enas.errors import ConfigError, DataError

INNER = 2
"""Rows of a class that a fold must leave to train on, of which one can judge there."""


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """One fold of one repeat.

    Args:
        repeat, number: from 1.
        split: row numbers that the pipeline sees, and those that judge what it made.
        seed: of the pipeline in this fold.
    """

    repeat: int
    number: int
    split: Split
    seed: int

    def __str__(self) -> str:
        return f"repeat {self.repeat}, fold {self.number}"

    @property
    def folder(self) -> str:
        """Name of its run directory."""
        return f"repeat_{self.repeat}_fold_{self.number}"


def check_numbers(folds: int, repeats: int, jobs: int) -> None:
    """Refuse numbers that are no cross-validation.

    Raises:
        ConfigError: the message names the number.
    """
    for name, value, least in (("folds", folds, 2), ("repeats", repeats, 1), ("jobs", jobs, 1)):
        if value < least:
            raise ConfigError(f"--{name} {value}: should be {least} or more")


def divide(
    target: Target,
    groups: IntArray | None,
    *,
    folds: int,
    repeats: int,
    seed: int,
    least: int = INNER,
) -> tuple[Fold, ...]:
    """All folds of all repeats; in each repeat every row is held out once.

    Args:
        target: of n rows.
        groups: (n,) whole numbers; rows of one group are held out together. None: every row for itself.
        folds, repeats: how many.
        seed: of the division; each fold's own seed derives from it, the repeat and the fold.
        least: rows of each class that must be left to train on; 1 where a validation file judges inside the folds.

    Raises:
        DataError: too few rows, groups or rows of a class; the message names the class and the largest number of folds.
    """
    _check_rows(target, folds, least)
    if groups is not None:
        _check_groups(groups, folds)
    made = [
        Fold(repeat, number, split, _seed(seed, repeat, number))
        for repeat in range(1, repeats + 1)
        for number, split in enumerate(_split(target, groups, folds, _seed(seed, repeat, 0)), start=1)
    ]
    for fold in made:
        _check_fold(target, fold, least)
    return tuple(made)


def _seed(seed: int, repeat: int, number: int) -> int:
    """A 32-bit number; number 0 divides the rows."""
    return int(np.random.SeedSequence((seed, repeat, number)).generate_state(1)[0])


def _split(target: Target, groups: IntArray | None, folds: int, seed: int) -> tuple[Split, ...]:
    from sklearn.model_selection import KFold, StratifiedKFold

    rows = np.arange(len(target.values))
    if groups is None:
        kind = StratifiedKFold if target.classes else KFold
        pairs = kind(folds, shuffle=True, random_state=seed).split(rows, target.values)
        return tuple(Split(train, held_out) for train, held_out in pairs)
    if target.classes:
        return group_folds(target, groups, folds, seed=seed)
    names, group_of_row = np.unique(groups, return_inverse=True)  # scikit-learn's groups of a regression stay in place
    held = [held_out for _, held_out in KFold(folds, shuffle=True, random_state=seed).split(names)]
    return tuple(Split(rows[~(out := np.isin(group_of_row, part))], rows[out]) for part in held)


def _check_rows(target: Target, folds: int, least: int) -> None:
    """Each class, or the rows of a regression, must be enough for so many folds."""
    sizes = class_counts(target) or {"": len(target.values)}
    least = least if target.classes else 4
    if bad := [name for name, n in sizes.items() if not _suffice(n, folds, least)]:
        name = min(bad, key=lambda name: sizes[name])
        what = f'class "{show(name)[1:-1]}" has {sizes[name]}' if target.classes else f"there are {sizes[name]}"
        possible = [k for k in range(2, min(sizes.values()) + 1) if all(_suffice(n, k, least) for n in sizes.values())]
        advice = f"at most {possible[-1]} folds are possible" if possible else "no number of folds is possible"
        if possible and possible[-1] > folds:  # of three samples two folds would leave a single one
            advice = f"{possible[0]} to {possible[-1]} folds are possible"
        raise DataError(f"{what} samples, too few for {folds} folds: {advice}; add samples" + _merge(target))


def _suffice(n: int, folds: int, least: int) -> bool:
    """Whether each of so many folds can hold one out and leave enough to train on."""
    return n >= folds and n - -(-n // folds) >= least


def _merge(target: Target) -> str:
    return ", merge classes or leave this one out" if target.classes else ""


def _check_groups(groups: IntArray, folds: int) -> None:
    n_groups = len(np.unique(groups))
    if n_groups < folds:
        raise DataError(f"there are {n_groups} groups, too few for {folds} folds: at most {n_groups} are possible")


def _check_fold(target: Target, fold: Fold, least: int) -> None:
    """Whole groups may take a class out of training altogether."""
    for name, n in class_counts(target.take(fold.split.train)).items():
        if n < least:
            raise DataError(
                f'{fold}, would leave {n} samples of class "{show(name)[1:-1]}" to train on, because groups are held '
                "out as a whole; take fewer folds or another seed, merge classes or name other groups"
            )
