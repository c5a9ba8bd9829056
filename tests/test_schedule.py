"""Learning rates."""

import math

import pytest

from enas.schedule import one_cycle


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
