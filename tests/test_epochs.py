"""What training survives: steps in parts, memory that is short, losses that are not finite, and being left halfway."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from enas.adam import Adam
from enas.checkpoint import State, keep_nothing, read_state, write_state
from enas.deadline import Deadline
from enas.epochs import MAX_ROLLBACKS, Epochs
from enas.errors import RunError
from enas.folds import Folds
from enas.journal import Journal
from enas.randomness import Randomness
from enas.search_space import Architecture

ONE = Architecture((0,))
N_ROWS, N_STEPS = 8, 6


@dataclass
class Line:
    """Least squares on a line, whose slope is to become 3; a learner small enough to be followed by hand."""

    generator: torch.Generator
    most_rows: int = N_ROWS
    bad: Callable[[int], bool] = lambda n_losses: False
    advice: str = "lower the rate"
    weight: nn.Parameter = field(default_factory=lambda: nn.Parameter(torch.zeros(1)))
    n_losses: int = 0

    def __post_init__(self) -> None:
        self.optimizer = Adam([self.weight], lr=0.1)
        self.x = torch.linspace(-1, 1, N_ROWS * N_STEPS)

    def batches(self) -> Sequence[Tensor]:
        return [rows[None] for rows in torch.randperm(len(self.x), generator=self.generator).split(N_ROWS)]

    def schedule(self, epoch: int, step: int, n_steps: int) -> float:
        return 0.1

    def loss(self, rows: Tensor, architecture: Architecture) -> tuple[Tensor, Tensor]:
        if rows.shape[1] > self.most_rows:
            torch.empty(2**60)  # a true failure of the allocator
        self.n_losses += 1
        noise = 0.01 * torch.randn(1, generator=self.generator)
        x = self.x[rows[0]]
        loss = ((self.weight * x - 3 * x) ** 2).mean() + 0 * noise.sum() * self.weight.sum()
        loss = loss * float("nan") if self.bad(self.n_losses) else loss
        return loss, loss

    def judge(self, judges: Folds, architectures: Sequence[Architecture]) -> Tensor:
        return torch.zeros(len(architectures), 0, 1)

    def part(self, architecture: Architecture) -> Mapping[str, Tensor]:
        return self.weights()

    def weights(self) -> Mapping[str, Tensor]:
        return {"weight": self.weight.detach().clone()}

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        self.weight.data.copy_(weights["weight"])


def epochs_of(line: Line, log: Any, offer: Callable[[], None] = lambda: None, **settings: Any) -> Epochs:
    seconds = settings.pop("deadline", Deadline(None))
    journal = Journal(log, 1000, Randomness((line.generator,)), offer=keep_nothing, deadline=seconds)
    return Epochs(line, "training a line", journal, offer, **settings)


def make_line(**settings: Any) -> Line:
    return Line(torch.Generator().manual_seed(0), **settings)


def choose(n: int) -> list[Architecture]:
    return [ONE] * n


@pytest.mark.parametrize("n_parts", [2, 3, 8])
def test_steps_in_parts_have_the_gradient_of_the_whole(log: Any, n_parts: int) -> None:
    whole, divided = make_line(), make_line()
    losses = [epochs_of(whole, log).run(choose, 1), epochs_of(divided, log, n_parts=n_parts).run(choose, 1)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert divided.weight.item() == pytest.approx(whole.weight.item(), rel=1e-5)


def test_steps_that_do_not_fit_into_memory_are_halved_until_they_do(log: Any) -> None:
    line = make_line(most_rows=3)
    epochs = epochs_of(line, log)
    for _ in range(3):
        epochs.run(choose, 3)
    assert epochs.n_parts == 4
    assert [warning[:40] for warning in log.warnings] == ["out of memory: from here on each step tak"[:40]] * 2
    assert "4 parts of up to 2 samples" in log.warnings[1]
    assert line.weight.item() > 1


def test_where_not_one_sample_fits_training_ends(log: Any) -> None:
    with pytest.raises(RunError, match="training a line: out of memory even for one sample at a time"):
        epochs_of(make_line(most_rows=0), log).run(choose, 1)


def test_another_failure_is_not_taken_for_memory(log: Any) -> None:
    line = make_line()
    line.x = torch.linspace(-1, 1, 2 * N_ROWS)
    batches = line.batches()
    line.batches = lambda: [rows + N_ROWS for rows in batches]  # type: ignore[method-assign]
    epochs = epochs_of(line, log)
    with pytest.raises(IndexError):
        epochs.run(choose, 1)
    assert epochs.n_parts == 1


def test_single_bad_losses_cost_their_steps(log: Any) -> None:
    line = make_line(bad=lambda n: n % 4 == 1)
    epochs = epochs_of(line, log)
    epochs.run(choose, 1)
    assert (epochs.n_skipped, epochs.n_rollbacks, log.warnings) == (2, 0, [])
    assert torch.isfinite(line.weight).all()


def test_five_bad_losses_go_back_to_the_beginning_of_the_epoch_with_half_the_rate(log: Any) -> None:
    line = make_line(bad=lambda n: N_STEPS + 2 <= n <= N_STEPS + 6)
    epochs = epochs_of(line, log)
    epochs.run(choose, 3)
    before = line.weight.item()
    epochs.run(choose, 3)
    assert (epochs.n_rollbacks, epochs.slowdown, epochs.epoch) == (1, 0.5, 2)
    assert line.optimizer.lr == 0.05
    assert line.n_losses == N_STEPS + 6 + N_STEPS
    assert line.weight.item() > before
    assert log.warnings == [
        "training a line: the loss was not finite 5 times in a row; back to the beginning of epoch 2, with 0.5 times "
        "the learning rate"
    ]


def test_after_going_back_three_times_training_ends_with_the_last_good_weights(log: Any) -> None:
    line = make_line(bad=lambda n: n > N_STEPS)
    epochs = epochs_of(line, log)
    epochs.run(choose, 3)
    good = line.weight.item()
    with pytest.raises(RunError, match=r"in epoch 2, also after going back 3 times .*; lower the rate, and begin"):
        epochs.run(choose, 3)
    assert (epochs.n_rollbacks, epochs.slowdown) == (MAX_ROLLBACKS, 0.125)
    assert line.weight.item() == good


def test_broken_weights_are_left_behind(log: Any) -> None:
    """Weights that became infinite at the end of an epoch are no good beginning of the next."""
    line = make_line()
    epochs = epochs_of(line, log)
    epochs.run(choose, 3)
    with torch.no_grad():
        line.weight.fill_(float("inf"))
    epochs.run(choose, 3)
    assert epochs.n_rollbacks == 1
    assert torch.isfinite(line.weight).all()


def test_a_deadline_ends_an_epoch_after_a_step(log: Any) -> None:
    line = make_line()
    epochs = epochs_of(line, log, deadline=Deadline(0.5, clock=lambda: float(line.n_losses)))
    epochs.run(choose, 5)
    assert (line.n_losses, epochs.epoch) == (1, 1)


@pytest.mark.parametrize("stop", [1, 4, 8, 9, 11])
def test_what_was_left_after_any_step_goes_on_to_the_same_bits(log: Any, tmp_path: Any, stop: int) -> None:
    """Through skipped steps and going back, too; the state goes through a file."""

    def bad(n: int) -> bool:
        return n == 3 or N_STEPS + 2 <= n <= N_STEPS + 6

    undisturbed = make_line(bad=bad)
    whole = epochs_of(undisturbed, log)
    losses = [whole.run(choose, 3) for _ in range(3)]

    class Left(Exception):
        pass

    line, kept = make_line(bad=bad), dict[str, Any]()

    def keep() -> None:
        if line.n_losses >= stop:
            write_state(tmp_path / "state", epochs.state())
            kept.update(random=line.generator.get_state(), n_losses=line.n_losses)
            raise Left

    epochs = epochs_of(line, log, keep)
    with suppress(Left):
        while True:
            epochs.run(choose, 3)
            keep()
    other = make_line(bad=bad, n_losses=kept["n_losses"])
    resumed = epochs_of(other, log)
    resumed.load(read_state(tmp_path / "state"))
    other.generator.set_state(kept["random"])
    rest = [resumed.run(choose, 3) for _ in range(3 - resumed.epoch)]
    assert rest == losses[len(losses) - len(rest) :]
    assert torch.equal(other.weight, undisturbed.weight)
    assert (resumed.n_rollbacks, resumed.n_skipped) == (whole.n_rollbacks, whole.n_skipped)


def test_a_state_tells_parts_apart() -> None:
    state = State({"a": {"x": 1}}, {"a/w": torch.ones(1), "ab/w": torch.zeros(1)})
    assert state["a"].facts == {"x": 1}
    assert list(state["a"].tensors) == ["w"]
    assert "a" in state
    assert "ab" not in state
