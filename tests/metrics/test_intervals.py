import numpy as np
import pytest
from scipy import stats

from enas.metrics.intervals import (
    Estimate,
    auroc,
    bootstrap,
    macro_auroc,
    mean_of,
    of_confusion,
    percentiles,
    rank_correlation,
    wilson,
)
from enas.metrics.rewards import Floats, auroc_by_class


def balanced_accuracy(matrix: Floats) -> float:
    return float((np.diag(matrix) / matrix.sum(axis=1)).mean())


def test_wilson_equals_scipy() -> None:
    for hits, trials in ((0, 5), (3, 7), (12, 12), (95, 100)):
        expected = stats.binomtest(hits, trials).proportion_ci(method="wilson")
        ours = wilson(hits, trials)
        assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high))
    assert np.isnan(wilson(0, 0).value)


def test_an_estimate_reads_as_value_and_interval() -> None:
    assert str(Estimate(0.9312, 0.85, 0.97)) == "0.931 [0.850, 0.970]"
    assert str(wilson(0, 0)) == "undefined"
    assert wilson(0, 0).to_dict() == {"value": None, "low": None, "high": None}


def test_square_and_add_by_hand() -> None:
    mean = mean_of([Estimate(0.5, 0.2, 0.9), Estimate(0.7, 0.3, 1.0)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.6, 0.6 - 0.25, 0.6 + 0.25))
    tied = mean_of([Estimate(0.5, 0.2, 0.9), Estimate(0.7, 0.3, 1.0)], np.ones((2, 2)))
    assert (tied.low, tied.high) == pytest.approx((0.25, 0.95))


def test_nothing_collapses_when_twelve_samples_are_right() -> None:
    perfect = of_confusion(balanced_accuracy, np.diag([6, 6]))
    assert perfect.value == perfect.high == 1.0
    assert 0.6 < perfect.low < 0.8
    assert 0.6 < auroc(1.0, 6, 6).low < 0.75
    y = np.repeat([0, 1, 2], 4)
    scores = np.eye(3)[y]
    area = macro_auroc(scores, y, auroc_by_class(scores, y))
    assert area.value == area.high == 1.0
    assert 0.6 < area.low < 0.9
    order = np.arange(12.0)
    assert 0.7 < rank_correlation(order, order).low < 0.999
    assert -0.7 > rank_correlation(order, -order).high > -0.999


def test_intervals_narrow_with_the_number_of_samples() -> None:
    widths = [of_confusion(balanced_accuracy, np.array([[9, 1], [2, 8]]) * k) for k in (1, 10, 100)]
    assert [round(w.high - w.low, 2) for w in widths] == sorted(
        (round(w.high - w.low, 2) for w in widths), reverse=True
    )
    assert widths[2].high - widths[2].low < 0.05


def test_auroc_limits_solve_the_score_equation() -> None:
    estimate = auroc(0.8, 30, 70)
    spread = 49.0
    for limit in (estimate.low, estimate.high):
        bracket = 1 + spread * ((1 - limit) / (2 - limit) + limit / (1 + limit))
        assert abs(limit - 0.8) == pytest.approx(1.959964 * np.sqrt(limit * (1 - limit) * bracket / 2100), rel=1e-5)


def test_two_classes_have_the_interval_of_one_curve() -> None:
    y = np.repeat([0, 1], [20, 30])
    margin = np.random.default_rng(0).normal(size=50) + y
    both = np.stack([-margin, margin], axis=1)
    areas = auroc_by_class(both, y)
    macro, single = macro_auroc(both, y, areas), auroc(float(areas[1]), 30, 20)
    assert (macro.value, macro.low, macro.high) == pytest.approx((single.value, single.low, single.high))


def test_rank_correlation_equals_scipy() -> None:
    x, y = np.random.default_rng(0).integers(0, 9, (2, 30)).astype(float)
    assert rank_correlation(x, y).value == pytest.approx(stats.spearmanr(x, y).statistic)
    assert np.isnan(rank_correlation(x, np.ones(30)).value)
    assert rank_correlation(x[:3], np.arange(3.0)).low == -1.0


def test_bootstrap_keeps_strata_and_repeats_with_its_seed() -> None:
    strata = np.repeat([0, 1], [3, 7])
    weights = bootstrap(strata, 1)
    assert weights.shape == (1000, 10)
    assert (weights[:, :3].sum(axis=1) == 3).all()
    assert (weights[:, 3:].sum(axis=1) == 7).all()
    assert np.array_equal(weights, bootstrap(strata, 1))
    assert not np.array_equal(weights, bootstrap(strata, 2))


def test_percentiles_hold_the_value() -> None:
    assert percentiles(np.array([1.0, 2.0]), 5.0).high == 5.0
    assert np.isnan(percentiles(np.array([np.nan]), 5.0).low)


@pytest.mark.parametrize(
    ("sizes", "recall"), [((6, 6), 0.8), ((6, 6), 0.97), ((70, 30), 0.9), ((8, 12, 18, 25), 0.95), ((12,) * 10, 0.99)]
)
def test_balanced_accuracy_is_covered(sizes: tuple[int, ...], recall: float) -> None:
    generator, n_classes = np.random.default_rng(0), len(sizes)
    rates = np.full((n_classes, n_classes), (1 - recall) / (n_classes - 1))
    np.fill_diagonal(rates, recall)
    covered = 0
    for _ in range(300):
        matrix = np.stack([generator.multinomial(n, row) for n, row in zip(sizes, rates, strict=True)])
        estimate = of_confusion(balanced_accuracy, matrix)
        covered += estimate.low <= recall <= estimate.high
    assert covered / 300 >= 0.9


@pytest.mark.parametrize(("n_positive", "n_negative", "shift"), [(6, 6, 1.0), (50, 20, 1.0), (15, 60, 3.0)])
def test_auroc_is_covered(n_positive: int, n_negative: int, shift: float) -> None:
    generator = np.random.default_rng(0)
    truth = float(stats.norm.cdf(shift / np.sqrt(2)))
    covered = 0
    for _ in range(300):
        positive = generator.normal(size=n_positive) + shift
        negative = generator.normal(size=n_negative)
        estimate = auroc(float((positive[:, None] > negative).mean()), n_positive, n_negative)
        covered += estimate.low <= truth <= estimate.high
    assert covered / 300 >= 0.9
