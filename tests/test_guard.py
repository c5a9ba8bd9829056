import pytest
import torch
from torch import Tensor

from enas.guard import Guard, NotFinite


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_loss_that_is_not_finite_does_not_pass_and_is_counted(bad: float) -> None:
    guard = Guard(optimizer_skips=True)
    assert not guard.passes(torch.tensor(bad))
    assert guard.passes(torch.tensor(1.0))
    assert guard.n_skipped == 1


def test_five_in_a_row_are_an_error() -> None:
    guard, bad = Guard(optimizer_skips=False), torch.tensor(float("nan"))
    assert not any(guard.passes(bad) for _ in range(4))
    with pytest.raises(NotFinite, match="5 times in a row"):
        guard.passes(bad)


def test_a_good_loss_starts_the_count_anew() -> None:
    guard = Guard(optimizer_skips=False)
    losses: list[Tensor] = [torch.tensor(float("nan"))] * 4 + [torch.tensor(0.0)]
    assert [guard.passes(loss) for loss in losses * 3] == [False, False, False, False, True] * 3
    assert guard.n_skipped == 12
