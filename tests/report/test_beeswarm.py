import numpy as np
import pytest

from enas.report.beeswarm import SHADES, draw_dots, swarm
from enas.report.canvas import style

VALUES = np.array([[1.0, -4.0, 0.5], [-1.0, 2.0, 0.5]])


def test_every_sample_is_a_dot_of_its_features_colour() -> None:
    features = np.array([[0.0, 5.0, np.nan], [1.0, 5.0, 2.0]])
    with style():
        axes = draw_dots(VALUES, features, ["a", "b", "c"], 3, "").axes[0]
    dots = [line for line in axes.lines if line.get_marker() == "o"]
    x = np.sort(np.concatenate([np.asarray(line.get_xdata(), float) for line in dots]))
    assert x.tolist() == sorted(VALUES.ravel().tolist())
    low = next(line for line in dots if 1.0 in np.asarray(line.get_xdata()))
    high = next(line for line in dots if -1.0 in np.asarray(line.get_xdata()))
    assert low.get_color() == SHADES(0.5 / 32)
    assert high.get_color() == SHADES(31.5 / 32)


def test_swarm_parts_equal_values_and_stays_in_its_row() -> None:
    offsets = swarm(np.array([0.0, 0.0, 0.0, 5.0]), 0.1)
    assert offsets == pytest.approx([0.0, 0.13, -0.13, 0.0])
    assert np.abs(swarm(np.zeros(500), 0.0)).max() == pytest.approx(0.4)
