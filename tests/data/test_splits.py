"""Splits: every row judges once, classes stand on both sides, the seed decides, small classes are refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from enas.data.dataset import Target
from enas.data.splits import (
    class_counts,
    confined_classes,
    cross_folds,
    group_folds,
    group_split,
    single_split,
    usable_folds,
    usable_group_folds,
)
from enas.errors import DataError


def classes(*counts: int) -> Target:
    values = np.repeat(np.arange(len(counts)), counts)
    return Target(("y",), np.random.default_rng(0).permutation(values), tuple("abcdefgh"[: len(counts)]))


def numbers(n: int) -> Target:
    return Target(("y",), np.arange(n, dtype=np.float32)[:, None])


def test_counts_name_every_class() -> None:
    assert class_counts(classes(3, 5)) == {"a": 3, "b": 5}
    assert class_counts(numbers(4)) == {}


@pytest.mark.parametrize("target", [classes(13, 7), classes(20, 11, 6), numbers(23)], ids=["2", "3", "regression"])
def test_folds_hold_out_every_row_once_and_train_on_the_others(target: Target) -> None:
    splits, n = cross_folds(target, 5, seed=3), len(target.values)
    assert_array_equal(np.sort(np.concatenate([split.held_out for split in splits])), np.arange(n))
    for split in splits:
        assert_array_equal(np.sort(np.concatenate([split.train, split.held_out])), np.arange(n))


def test_folds_are_stratified() -> None:
    target = classes(50, 25)
    for split in cross_folds(target, 5, seed=0):
        assert_array_equal(np.bincount(target.values[split.held_out]), [10, 5])


def test_the_seed_decides_the_splits() -> None:
    target = classes(20, 20)
    one, same, other = (single_split(target, 0.2, seed=seed) for seed in (1, 1, 2))
    assert_array_equal(one.held_out, same.held_out)
    assert set(one.held_out) != set(other.held_out)
    assert_array_equal(cross_folds(target, 5, seed=1)[0].held_out, cross_folds(target, 5, seed=1)[0].held_out)
    assert set(cross_folds(target, 5, seed=1)[0].held_out) != set(cross_folds(target, 5, seed=2)[0].held_out)


def test_a_single_split_holds_out_the_fraction_of_every_class() -> None:
    target = classes(60, 40)
    split = single_split(target, 0.2, seed=0)
    assert_array_equal(np.bincount(target.values[split.held_out]), [12, 8])
    assert_array_equal(np.sort(np.concatenate([split.train, split.held_out])), np.arange(100))


@pytest.mark.parametrize("counts", [(2, 49, 49), (2, 98), (3, 3, 94)])
@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.9])
def test_a_small_class_stands_on_both_sides_of_a_single_split(counts: tuple[int, ...], fraction: float) -> None:
    target = classes(*counts)
    split = single_split(target, fraction, seed=0)
    for rows in (split.train, split.held_out):
        assert (np.bincount(target.values[rows], minlength=len(counts)) > 0).all()
    assert_array_equal(np.sort(np.concatenate([split.train, split.held_out])), np.arange(len(target.values)))


def test_a_regression_is_split_by_the_fraction() -> None:
    assert len(single_split(numbers(50), 0.3, seed=0).held_out) == 15


@pytest.mark.parametrize(("target", "fraction"), [(classes(3, 3), 0.1), (classes(3, 3), 0.9), (numbers(4), 0.1)])
def test_a_split_that_leaves_too_few_rows_is_refused(target: Target, fraction: float) -> None:
    with pytest.raises(DataError, match="validation_split"):
        single_split(target, fraction, seed=0)


def test_classes_of_one_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r'"b" \(1\)'):
        usable_folds(classes(9, 1), 5)
    with pytest.raises(DataError, match=r'"b" \(1\)'):
        single_split(classes(9, 1), 0.2, seed=0)


def test_the_smallest_class_bounds_the_folds() -> None:
    assert usable_folds(classes(30, 3), 5) == 3
    assert usable_folds(classes(30, 30), 5) == 5
    assert usable_folds(numbers(4), 5) == 4
    with pytest.raises(DataError, match="too few"):
        usable_folds(numbers(3), 5)


def test_groups_are_held_out_as_a_whole_and_every_row_once() -> None:
    target, groups = classes(40, 30, 20), np.repeat(np.arange(9), 10)
    splits = group_folds(target, groups, 3, seed=0)
    assert_array_equal(np.sort(np.concatenate([split.held_out for split in splits])), np.arange(90))
    for split in splits:
        assert set(groups[split.train]).isdisjoint(groups[split.held_out])
        assert_array_equal(np.sort(np.concatenate([split.train, split.held_out])), np.arange(90))


def test_folds_of_groups_are_stratified_where_groups_allow() -> None:
    """Twelve groups, each of one class."""
    groups = np.repeat(np.arange(12), 5)
    target = Target(("y",), (groups % 2).astype(np.int64), ("a", "b"))
    for split in group_folds(target, groups, 3, seed=0):
        assert_array_equal(np.bincount(target.values[split.held_out]), [10, 10])


@pytest.mark.parametrize("target", [classes(60, 60), numbers(120)], ids=["classes", "regression"])
@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
def test_a_single_split_of_groups_comes_near_the_fraction(target: Target, fraction: float) -> None:
    groups = np.repeat(np.arange(20), 6)
    split = group_split(target, groups, fraction, seed=0)
    assert set(groups[split.train]).isdisjoint(groups[split.held_out])
    assert abs(len(split.held_out) - fraction * 120) <= 6


def test_the_number_of_groups_bounds_the_folds() -> None:
    target = classes(30, 30)
    assert usable_group_folds(target, np.arange(60) % 3, 5) == 3
    assert usable_group_folds(target, np.arange(60) % 7, 5) == 5
    with pytest.raises(DataError, match="all rows are of one group"):
        usable_group_folds(target, np.zeros(60), 5)


def test_classes_of_a_single_group_are_known() -> None:
    target = Target(("y",), np.array([0, 0, 1, 1, 2, 2]), ("a", "b", "c"))
    assert confined_classes(target, np.array([5, 7, 7, 7, 5, 5])) == ("b", "c")
