"""The watch over the controller: shares of the options, and one warning for each that takes over too early."""

from typing import Any

import pytest

from enas.policy_watch import PolicyWatch, option_shares
from enas.search_space import Architecture, DenseSpace, MicroSpace

SPACE = MicroSpace(1)
MIXED = Architecture.from_text("0 0 1 1  0 2 1 3")
ALL_MAX = Architecture.from_text("0 3 1 3  1 3 0 3")
ALL_IDENTITY = Architecture.from_text("0 4 1 4  1 4 0 4")


def test_shares_count_every_decision_of_every_sample() -> None:
    (shares,) = option_shares(SPACE, [MIXED, ALL_MAX, ALL_MAX]).values()
    assert shares == pytest.approx([1 / 12, 1 / 12, 1 / 12, 9 / 12, 0])
    assert sum(shares) == pytest.approx(1)


def test_they_are_recorded_by_vocabulary_and_option(log: Any) -> None:
    shares = PolicyWatch(SPACE, 10, log)([MIXED], epoch=0)
    assert shares == {f"operation_{i}": pytest.approx(0.25 if i < 4 else 0) for i in range(5)}
    assert log.warnings == []


def test_a_space_without_labels_is_not_watched(log: Any) -> None:
    assert PolicyWatch(DenseSpace(1, (4, 8)), 10, log)([Architecture((1,))] * 10, epoch=0) == {}
    assert log.warnings == []


def test_an_option_that_takes_over_is_named_once_with_what_to_change(log: Any) -> None:
    watch = PolicyWatch(SPACE, 20, log)
    for epoch in range(4):
        watch([ALL_MAX] * 10, epoch)
    (warning,) = log.warnings
    assert "100% of its choices are max pool 3×3 in epoch 1 of 20" in warning
    assert "raise controller_exploration or lower controller_lr" in warning
    watch([ALL_IDENTITY] * 10, 4)
    watch([ALL_MAX] * 10, 5)
    assert len(log.warnings) == 2
    assert "identity in epoch 5 of 20" in log.warnings[1]


def test_a_share_of_19_in_20_is_not_yet_a_collapse(log: Any) -> None:
    """Of 20 decisions one, and of 40 one, are not max pooling."""
    almost = Architecture.from_text("0 3 1 3  1 3 0 0")
    watch = PolicyWatch(SPACE, 10, log)
    assert watch([ALL_MAX] * 4 + [almost], 0)["operation_3"] == pytest.approx(0.95)
    assert log.warnings == []
    watch([ALL_MAX] * 9 + [almost], 0)
    assert len(log.warnings) == 1


@pytest.mark.parametrize(("epoch", "n_warnings"), [(14, 1), (15, 0), (19, 0)])
def test_in_the_last_quarter_a_policy_may_be_sure(epoch: int, n_warnings: int, log: Any) -> None:
    PolicyWatch(SPACE, 20, log)([ALL_MAX] * 10, epoch)
    assert len(log.warnings) == n_warnings
