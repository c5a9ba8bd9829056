"""Folds: every row held out once a repeat, classes in proportion, groups together, too little data refused."""

import numpy as np
import pytest

from enas.cross_validation.division import Fold, check_numbers, divide
from enas.data.dataset import Target
from enas.errors import ConfigError, DataError


def of_classes(*counts: int) -> Target:
    """So many rows of the classes "a", "b", …, mixed."""
    values = np.repeat(np.arange(len(counts)), counts)
    return Target(("y",), np.random.default_rng(0).permutation(values), tuple("abcdef"[: len(counts)]))


def held_out(folds: tuple[Fold, ...], repeat: int) -> list[int]:
    return sorted(row for fold in folds if fold.repeat == repeat for row in fold.split.held_out.tolist())


def test_every_row_is_held_out_once_in_every_repeat_and_classes_stay_in_proportion() -> None:
    target = of_classes(40, 20)
    folds = divide(target, None, folds=5, repeats=3, seed=0)
    assert [(fold.repeat, fold.number) for fold in folds] == [(r, f) for r in (1, 2, 3) for f in range(1, 6)]
    for repeat in (1, 2, 3):
        assert held_out(folds, repeat) == list(range(60))
    for fold in folds:
        assert np.bincount(target.values[fold.split.held_out]).tolist() == [8, 4]
        assert np.intersect1d(fold.split.train, fold.split.held_out).size == 0


def test_repeats_differ_and_all_follows_from_the_seed() -> None:
    def show(seed: int, repeats: int = 2) -> list[tuple[int, list[int]]]:
        folds = divide(of_classes(30, 30), None, folds=3, repeats=repeats, seed=seed)
        return [(fold.seed, fold.split.held_out.tolist()) for fold in folds]

    assert show(0) == show(0)
    assert show(0) == show(0, repeats=5)[:6]
    assert show(0)[:3] != show(0)[3:]
    assert show(0) != show(1)
    assert len({seed for seed, _ in show(0, repeats=5)}) == 15


@pytest.mark.parametrize("regression", [False, True])
def test_groups_are_held_out_as_a_whole(regression: bool) -> None:
    generator = np.random.default_rng(1)
    groups = generator.integers(0, 15, 90)
    labels = Target(("y",), generator.normal(size=(90, 1)).astype(np.float32)) if regression else of_classes(45, 45)
    folds = divide(labels, groups, folds=4, repeats=2, seed=0)
    for fold in folds:
        assert not set(groups[fold.split.train]) & set(groups[fold.split.held_out])
    assert held_out(folds, 1) == held_out(folds, 2) == list(range(90))
    assert [f.split.held_out.tolist() for f in folds[:4]] != [f.split.held_out.tolist() for f in folds[4:]]


@pytest.mark.parametrize(
    ("counts", "n", "words"),
    [
        ((40, 4), 5, 'class "b" has 4 samples, too few for 5 folds: at most 4 folds are possible'),
        ((40, 3), 2, 'class "b" has 3 samples, too few for 2 folds: 3 to 3 folds are possible'),
        ((40, 2), 2, 'class "b" has 2 samples, too few for 2 folds: no number of folds is possible'),
        ((40, 9, 4), 10, 'class "c" has 4 samples, too few for 10 folds: at most 4 folds are possible'),
    ],
)
def test_a_class_too_small_is_named_with_the_largest_number_of_folds(
    counts: tuple[int, ...], n: int, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        divide(of_classes(*counts), None, folds=n, repeats=1, seed=0)
    assert str(caught.value).startswith(words)


def test_the_largest_number_of_folds_works() -> None:
    assert len(divide(of_classes(40, 4), None, folds=4, repeats=1, seed=0)) == 4
    assert len(divide(of_classes(40, 3), None, folds=3, repeats=1, seed=0)) == 3
    assert len(divide(of_classes(40, 2), None, folds=2, repeats=1, seed=0, least=1)) == 2


def test_too_few_rows_of_a_regression() -> None:
    target = Target(("y",), np.zeros((6, 1), np.float32))
    with pytest.raises(DataError, match="there are 6 samples, too few for 7 folds: at most 6 folds"):
        divide(target, None, folds=7, repeats=1, seed=0)


def test_too_few_groups_and_classes_of_a_single_group() -> None:
    with pytest.raises(DataError, match="there are 3 groups, too few for 4 folds: at most 3 are possible"):
        divide(of_classes(30, 30), np.arange(60) % 3, folds=4, repeats=1, seed=0)
    target = Target(("y",), np.repeat([0, 1], [40, 10]), ("a", "b"))
    with pytest.raises(DataError, match='would leave 0 samples of class "b" to train on'):
        divide(target, np.repeat([0, 1, 2, 3, 4], 10), folds=3, repeats=1, seed=0)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [((1, 1, 1), "--folds 1: should be 2"), ((5, 0, 1), "--repeats 0: should be 1"), ((5, 1, 0), "--jobs 0")],
)
def test_numbers_that_are_no_cross_validation(numbers: tuple[int, int, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        check_numbers(*numbers)
