"""What a feature tells by itself: the order in which features are kept, and their weights."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.feature_selection import f_classif, f_regression

from enas.data.dataset import FloatArray, Target
from enas.data.scores import rank_features, score_features, weigh_features

TRAIN = np.arange(12)


def make_table(n: int = 20, p: int = 50) -> tuple[FloatArray, Target]:
    labels = np.arange(n) % 2
    features = np.random.default_rng(0).normal(3.0, 2.0, (n, p)).astype(np.float32)
    features[:, 7] += 5 * labels
    return features, Target(("y",), labels, ("a", "b"))


def test_ranking_is_by_f_score_on_the_training_rows() -> None:
    features, target = make_table()
    ranked = rank_features(features, target, TRAIN)
    assert ranked[0] == 7
    assert_array_equal(ranked, np.argsort(-f_classif(features[TRAIN].astype(float), target.values[TRAIN])[0]))


def test_ranking_for_regression_takes_the_best_score_over_the_targets() -> None:
    features, _ = make_table()
    noise = np.random.default_rng(1).normal(size=(2, len(features)))
    values = np.stack([features[:, 4] + noise[0], noise[1] - features[:, 9]], axis=1).astype(np.float32)
    ranked = rank_features(features, Target(("s", "t"), values), TRAIN)
    assert set(ranked[:2]) == {4, 9}
    scores = [f_regression(features[TRAIN].astype(float), column)[0] for column in values[TRAIN].T]
    assert_array_equal(ranked[2:], np.argsort(-np.max(scores, axis=0), kind="stable")[2:])


def test_constant_columns_rank_last() -> None:
    features, target = make_table(p=9)
    features[:, 0] = 1
    assert rank_features(features, target, TRAIN)[-1] == 0


def test_weights_are_powers_of_t_and_keep_the_size_of_the_rows() -> None:
    features, target = make_table()
    scores = score_features(features, target, TRAIN)
    one, two = weigh_features(scores, 1), weigh_features(scores, 2)
    assert_allclose(one / one[7], np.sqrt(scores / scores[7]), rtol=1e-5)
    assert_allclose(two / two[7], scores / scores[7], rtol=1e-5)
    assert_allclose([np.mean(one**2), np.mean(two**2)], 1, rtol=1e-5)
    assert_array_equal(weigh_features(scores, 0), 1)


@pytest.mark.parametrize("sharpness", [0, 1, 3])
def test_weights_are_finite_whatever_the_scores(sharpness: int) -> None:
    """A feature may be the label itself, and none may tell anything."""
    features, target = make_table()
    features[:, 3] = target.values
    for scores in (score_features(features, target, TRAIN), np.zeros(50)):
        weights = weigh_features(scores, sharpness)
        assert np.isfinite(weights).all()
        assert np.mean(weights.astype(float) ** 2) == pytest.approx(1)
