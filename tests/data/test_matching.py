"""New data brought into the order of the training features."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from enas.data.dataset import Dataset
from enas.data.matching import match_features
from enas.errors import DataError


def make(names: tuple[str, ...], named: bool = True) -> Dataset:
    features = np.arange(2 * len(names), dtype=np.float32).reshape(2, -1)
    return Dataset(features, names, named, ("0", "1"), False, None, "new.tsv")


def test_same_names_change_nothing(log: Any) -> None:
    data = make(("a", "b"))
    assert match_features(data, ("a", "b"), by_name=True, progress=log) is data
    assert log.lines == []


def test_columns_are_reordered_and_others_ignored(log: Any) -> None:
    matched = match_features(make(("x", "b", "a", "y")), ("a", "b"), by_name=True, progress=log)
    assert_array_equal(matched.features, [[2, 1], [6, 5]])
    assert matched.features[:].flags.c_contiguous
    assert matched.feature_names == ("a", "b")
    assert "2 columns that the model does not know are ignored ('x', …)" in log.lines[0]
    assert "order of the training data" in log.lines[1]


def test_missing_names_are_counted(log: Any) -> None:
    wanted = tuple(f"g{i}" for i in range(10))
    with pytest.raises(
        DataError, match=r"lacks 9 of the 10 features.*: 'g1', 'g2', 'g3', 'g4', 'g5', …; its own names begin 'g0', 'b'"
    ):
        match_features(make(("g0", "b")), wanted, by_name=True, progress=log)


@pytest.mark.parametrize(("named", "by_name"), [(False, True), (True, False), (False, False)])
def test_by_count_without_names(log: Any, named: bool, by_name: bool) -> None:
    data = make(("a", "b"), named)
    matched = match_features(data, ("c", "d"), by_name=by_name, progress=log)
    assert matched.features is data.features
    assert matched.feature_names == ("c", "d")
    with pytest.raises(DataError, match="has 2 features, the model was trained on 3"):
        match_features(data, ("c", "d", "e"), by_name=by_name, progress=log)
