"""Learning rates and keep probabilities."""

import itertools
import math

import pytest

from enas.schedule import cosine_restarts, drop_path_keep, one_cycle


@pytest.mark.parametrize("n_steps", [1, 2, 3, 10, 57, 1000])
def test_rates_rise_to_the_peak_and_fall_while_staying_positive(n_steps: int) -> None:
    rates = [one_cycle(step, n_steps, 0.3) for step in range(n_steps)]
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(0.3)
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert min(rates) > 0


def test_the_warm_up_is_linear_and_the_fall_half_a_cosine() -> None:
    assert [one_cycle(step, 100, 2.0) for step in (0, 9, 19)] == pytest.approx([0.1, 1.0, 2.0])
    assert one_cycle(60, 100, 2.0) == pytest.approx(1.0)
    assert one_cycle(80, 100, 2.0) == pytest.approx(1 + math.cos(math.pi * 0.75))
    assert one_cycle(4, 100, 2.0, warm_up=0.05) == pytest.approx(2.0)


PERIODS = [(0, 10), (10, 20), (30, 40), (70, 80), (150, 160), (310, 320), (630, 640)]  # first epoch, length


@pytest.mark.parametrize("trough", [5e-4, 1e-5])
def test_the_rate_of_every_epoch(trough: float) -> None:
    for start, length in PERIODS:
        for since in range(length):
            expected = trough + (0.05 - trough) * math.cos(math.pi * since / (2 * length)) ** 2
            assert cosine_restarts(start + since, peak=0.05, trough=trough) == pytest.approx(expected, rel=1e-9)


def test_known_rates_of_the_search() -> None:
    rates = [cosine_restarts(epoch, peak=0.05, trough=5e-4) for epoch in range(311)]
    cosines = [1.0, 0.9510565163, 0.8090169944, 0.5877852523, 0.3090169944, 0.0]  # of 0°, 18°, … 90°
    assert rates[:6] == pytest.approx([0.0005 + 0.02475 * (1 + cosine) for cosine in cosines], rel=1e-9)
    assert rates[9] == pytest.approx(0.001711351, rel=1e-6)
    assert [epoch for epoch, rate in enumerate(rates) if rate == 0.05] == [0, 10, 30, 70, 150, 310]
    assert [rates[epoch] for epoch in (20, 50, 110, 230)] == pytest.approx([0.02525] * 4)
    ends = [0.000804713570, 0.000576295990, 0.000519081353, 0.000504770798]
    assert [rates[epoch] for epoch in (29, 69, 149, 309)] == pytest.approx(ends, rel=1e-8)
    assert all(later < earlier for earlier, later in itertools.pairwise(rates[150:310]))
    assert cosine_restarts(630, peak=0.05, trough=1e-5) == 0.05


def test_periods_of_equal_length() -> None:
    rates = [cosine_restarts(epoch, peak=1.0, trough=0.0, first=4, factor=1) for epoch in range(12)]
    assert rates == pytest.approx([1.0, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125)] * 3)
    assert [cosine_restarts(epoch, peak=1.0, trough=0.0, first=1, factor=1) for epoch in range(3)] == [1.0] * 3


def test_branches_are_kept_less_with_depth_and_with_time() -> None:
    assert drop_path_keep(16, 17, 1.0, 0.6) == pytest.approx(0.6)
    assert drop_path_keep(0, 17, 1.0, 0.6) == pytest.approx(1 - 0.4 / 17)
    for layer in range(17):
        for done in (0.001, 0.3, 0.5, 1.0, 1.7):
            by_depth = 1 - (layer + 1) / 17 * (1 - 0.6)  # the original's two steps
            expected = 1 - min(1.0, done) * (1 - by_depth)
            assert drop_path_keep(layer, 17, done, 0.6) == pytest.approx(expected, rel=1e-12)
    assert drop_path_keep(3, 17, 0.5, 1.0) == 1.0
