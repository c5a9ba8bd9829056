"""Choosing and weighting candidates; the estimate in which no row has a say in what it is judged by."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.optimize import approx_fprime

from enas.ensemble import (
    _SHRINKAGE,
    Selection,
    _balanced_log_loss,
    _squared_error,
    _stacking_weights,
    _temperature,
    cross_fitted,
    select,
)

LABELS = np.arange(60) % 3


def candidate(quality: float, seed: int, n_epochs: int = 1) -> NDArray[np.float32]:
    """Logits that favour the true class by ``quality``."""
    noise = np.random.default_rng(seed).normal(size=(n_epochs, 60, 3))
    return (noise + quality * np.eye(3)[LABELS]).astype(np.float32)


def accuracy(outputs: NDArray[Any], labels: NDArray[Any] = LABELS) -> float:
    return float((outputs.argmax(axis=-1) == labels).mean())


def test_without_an_ensemble_the_best_candidate_takes_all() -> None:
    selection = select([candidate(0.5, 0), candidate(3, 1), candidate(1, 2)], LABELS, "accuracy", ensemble=False)
    assert_array_equal(selection.shares, [0, 1, 0])


def test_equal_rewards_are_told_apart_by_log_loss_and_then_the_first_wins() -> None:
    right = 1.0 * np.eye(3, dtype=np.float32)[LABELS][None]
    selection = select([right, 2 * right, 2 * right], LABELS, "accuracy", ensemble=False)
    assert_array_equal(selection.shares, [0, 1, 0])


def test_each_candidate_comes_with_its_best_epoch() -> None:
    outputs = np.concatenate([candidate(0, 0), candidate(9, 1), candidate(1, 2)])
    selection = select([outputs, outputs[::-1]], LABELS, "accuracy", ensemble=True)
    assert selection.epochs == (1, 1)
    assert accuracy(selection.combine([outputs, outputs[::-1]])) == 1


def test_combining_is_the_weighted_mean_at_the_epochs() -> None:
    one, two = candidate(1, 0, 3), candidate(1, 1, 3)
    combined = Selection((2, 0), np.array([0.25, 0.75]), np.array([2.0, 1.0])).combine([one, two])
    assert_allclose(combined, 0.5 * one[2] + 0.75 * two[0], rtol=1e-6)


def test_temperatures_make_boasting_logits_modest_within_bounds() -> None:
    """Logits that are log-odds times five come back to the log-odds; certainty is not driven beyond fourfold."""
    generator = np.random.default_rng(0)
    log_odds = generator.normal(0, 1.5, (4000, 1))
    labels = (generator.random(4000) < 1 / (1 + np.exp(-log_odds[:, 0]))).astype(np.int64)
    logits = np.concatenate([-log_odds, log_odds], axis=1) / 2
    assert _temperature(logits, labels) == pytest.approx(1, abs=0.1)
    assert _temperature(3 * logits, labels) == pytest.approx(1 / 3, abs=0.05)
    separable = np.eye(2)[labels]
    assert 1 < _temperature(separable, labels) <= 4
    assert _temperature(1e-9 * logits, labels) == pytest.approx(1, abs=0.01)


def test_regression_values_have_no_temperature() -> None:
    values = np.random.default_rng(0).normal(size=(20, 2))
    assert _temperature(5 * values, values) == 1.0


@pytest.mark.parametrize("k", [1, 2, 5])
def test_stacking_weights_lie_on_the_simplex_and_favour_the_better(k: int) -> None:
    chosen = np.stack([candidate(0.5 * i, i)[0] for i in range(k)])
    weights = _stacking_weights(chosen, LABELS)
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights >= 0).all()
    if k > 1:
        assert weights[-1] == weights.max() > 1 / k


def test_equally_good_candidates_share_equally() -> None:
    weights = _stacking_weights(np.stack([candidate(1, 0)[0]] * 4), LABELS)
    assert_allclose(weights, 0.25, atol=1e-6)


def test_stacking_weights_are_optimal() -> None:
    """No point of a grid over the simplex is better than the minimum found."""
    chosen = np.stack([candidate(q, i)[0] for i, q in enumerate((0.3, 0.8, 1.0))])

    def objective(weights: NDArray[np.float64]) -> float:
        return _balanced_log_loss(np.tensordot(weights, chosen, axes=1), LABELS)[0] + _SHRINKAGE * float(
            weights @ weights
        )

    best = objective(_stacking_weights(chosen, LABELS))
    grid = [(a / 20, b / 20, (20 - a - b) / 20) for a in range(21) for b in range(21 - a)]
    assert best <= min(objective(np.array(point)) for point in grid) + 1e-9


def test_stacking_values_of_a_regression_finds_the_mixture() -> None:
    generator = np.random.default_rng(0)
    parts = generator.normal(size=(2, 200, 1))
    labels = 0.8 * parts[0] + 0.2 * parts[1]
    assert_allclose(_stacking_weights(parts.astype(np.float32), labels), [0.8, 0.2], atol=0.05)


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        (_balanced_log_loss, np.array([0, 0, 0, 1, 2, 2])),
        (_squared_error, np.random.default_rng(1).normal(size=(6, 3))),
    ],
    ids=["log-loss", "squared error"],
)
def test_analytic_gradients_equal_numeric_ones(loss: Callable[..., Any], labels: NDArray[Any]) -> None:
    point = np.random.default_rng(0).normal(size=(6, 3))
    numeric = approx_fprime(point.ravel(), lambda flat: loss(flat.reshape(6, 3), labels)[0], 1e-6)
    assert_allclose(loss(point, labels)[1].ravel(), numeric, atol=1e-6)


def test_balanced_log_loss_weighs_classes_equally() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 2))
    labels = np.array([0, 0, 0, 0, 0, 1])
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert _balanced_log_loss(logits, labels)[0] == pytest.approx(-(log_p[:5, 0].mean() + log_p[5, 1]) / 2)


@pytest.mark.parametrize("ensemble", [False, True])
def test_a_row_has_no_say_in_its_own_outputs(ensemble: bool) -> None:
    """Changing the labels of one fold's rows leaves those rows' combined outputs as they were."""
    outputs = [candidate(0.3, seed, n_epochs=10) for seed in range(3)]
    fold_of_row = np.arange(60) // 20
    before = cross_fitted(outputs, LABELS, fold_of_row, "accuracy", ensemble=ensemble)
    changed = LABELS.copy()
    changed[:20] = (changed[:20] + 1) % 3
    after = cross_fitted(outputs, changed, fold_of_row, "accuracy", ensemble=ensemble)
    assert_array_equal(before[:20], after[:20])
    assert not np.array_equal(before[20:], after[20:])


def test_random_outputs_score_at_chance_where_a_naive_choice_flatters() -> None:
    """200 epochs of noise: the best of them looks good on the rows that chose it, and is worth nothing."""
    naive, honest = [], []
    for seed in range(30):
        outputs = [candidate(0, 1000 + 10 * seed + i, n_epochs=200) for i in range(2)]
        naive.append(accuracy(select(outputs, LABELS, "accuracy", ensemble=False).combine(outputs)))
        fold_of_row = np.random.default_rng(seed).permutation(60) % 5
        honest.append(accuracy(cross_fitted(outputs, LABELS, fold_of_row, "accuracy", ensemble=False)))
    assert np.mean(naive) > 0.45
    assert np.mean(honest) == pytest.approx(1 / 3, abs=0.04)


def test_with_a_single_split_the_rows_that_chose_are_judged() -> None:
    outputs = [candidate(0.5, seed, n_epochs=4) for seed in range(2)]
    chosen = select(outputs, LABELS, "accuracy", ensemble=False).combine(outputs)
    assert_array_equal(cross_fitted(outputs, LABELS, np.zeros(60, np.int64), "accuracy", ensemble=False), chosen)
