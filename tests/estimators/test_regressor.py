"""Numbers, one or several per row."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from enas import ENASRegressor
from enas.errors import ConfigError, DataError


def make_table() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(120, 4))
    return x, np.stack([x[:, 0] - x[:, 1], 1000 * x[:, 2] + 5000], axis=1)


def test_several_numbers_per_row(quick: dict[str, Any]) -> None:
    x, y = make_table()
    model = ENASRegressor(**quick).fit(x, y)
    assert model.predict(x).shape == (120, 2)
    assert model.score(x, y) > 0.8
    assert model.explain(x[:5]).values.shape == (2, 5, 4)
    single = ENASRegressor(**quick).fit(x, y[:, 1])
    assert single.predict(x).shape == (120,)
    assert single.score(x, y[:, 1]) > 0.8


def test_a_row_alone_is_predicted_as_among_others(quick: dict[str, Any]) -> None:
    x, y = make_table()
    model = ENASRegressor(**quick, ensemble=True, n_seeds=2).fit(x, y)
    alone = np.concatenate([model.predict(row[None]) for row in x])
    assert_allclose(alone, model.predict(x), rtol=1e-12)


def test_the_order_of_rows_does_not_matter_where_splits_are_given(quick: dict[str, Any]) -> None:
    x, y = make_table()
    order = np.random.default_rng(1).permutation(120)
    judges = np.arange(120) < 40
    one = ENASRegressor(**quick, cv=[(~judges, judges)]).fit(x, y)
    other = ENASRegressor(**quick, cv=[(~judges[order], judges[order])]).fit(x[order], y[order])
    assert_array_equal(one.predict(x), other.predict(x))


@pytest.mark.parametrize("reward", ["neg_mean_absolute_error", "neg_root_mean_squared_error", "explained_variance"])
def test_errors_of_any_size_are_rewards(quick: dict[str, Any], reward: str) -> None:
    x, y = make_table()
    model = ENASRegressor(**quick, reward=reward).fit(x, y[:, 1])
    assert 0.5 < model.leaderboard_[0]["retrained_score"] < 1
    assert model.score(x, y[:, 1]) > 0.8


def test_what_cannot_be_used_is_refused(quick: dict[str, Any]) -> None:
    x, y = make_table()
    with pytest.raises(ConfigError, match='"accuracy" does not fit regression'):
        ENASRegressor(**quick, reward="accuracy").fit(x, y)
    with pytest.raises(DataError, match="n_samples=3"):
        ENASRegressor(**quick).fit(x[:3], y[:3])
