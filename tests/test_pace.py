"""Samples per second, and the time that is left."""

import pytest

from enas.pace import Pace


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock)


def test_stages_in_turns_share_the_time_left_but_not_the_rate(clock: Clock, pace: Pace) -> None:
    """Two epochs: 10 s of training and 30 s of a lesson each, with 5 s of something else before the lesson."""
    pace.resume(0.0)
    clock.now += 10
    pace.count(1000)
    assert pace.show(0.25) == ("sample/sec: 100", "left: 30.0 s")  # as if lessons were as long as epochs
    clock.now += 5
    pace.resume(0.25)
    clock.now += 30
    pace.count(60)
    assert pace.show(0.5) == ("sample/sec: 2", "left: 45.0 s")


def test_a_run_taken_up_does_not_count_what_was_done_before(clock: Clock, pace: Pace) -> None:
    pace.resume(0.8)
    clock.now += 2
    assert pace.show(0.9) == ("sample/sec: 0", "left: 2.0 s")


def test_going_back_to_the_beginning_begins_anew(clock: Clock, pace: Pace) -> None:
    """The minute that was lost would make the rest look long."""
    pace.resume(0.0)
    clock.now += 60
    pace.resume(0.0)
    clock.now += 1
    assert pace.show(0.5)[1] == "left: 1.0 s"
