"""Search and retraining together: fitted into a time limit, left and grown."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from enas.automl import Auto
from enas.checkpoint import State
from enas.console import Silent
from enas.deadline import Deadline
from enas.families.source import Ready
from enas.fit import Fit, Fitted
from enas.interrupts import Interrupted
from enas.journal import Journal
from enas.model import Model
from enas.table_model import TableModel

OpenAuto = Callable[..., Auto]
SETTINGS = (
    "trainer.top_k_candidates=3",
    "trainer.max_number_of_epoches_in_search=4",
    "controller.train_steps=3",
    "compare_with_random=true",
)


@dataclass
class Course:
    """A clock that tells one second per step, and what was seen on the way."""

    n_steps: int = 0
    stop_at: float = np.inf
    last: State | None = None

    def offer(self, state: Callable[[], State], *, epoch_ended: bool = False) -> None:
        self.n_steps += 1
        if self.n_steps >= self.stop_at:
            self.last = state()
            raise Interrupted(2)

    def now(self) -> float:
        return float(self.n_steps)


def ready_for(open_auto: OpenAuto, *overrides: str) -> Ready:
    return open_auto(*SETTINGS, *overrides)._source.prepare()


def run(
    ready: Ready,
    course: Course | None = None,
    *,
    seconds: float | None = None,
    resumed: State | None = None,
    keep: Callable[[Model], None] = lambda model: None,
) -> Fitted:
    course = course or Course()
    deadline = Deadline(seconds, clock=course.now)
    journal = Journal(Silent(), 1000, ready.family.randomness, offer=course.offer, deadline=deadline)
    return Fit(ready.family, ready.recipe, journal, keep=keep).run(resumed)


def weights_of(fitted: Fitted) -> dict[str, bytes]:
    return {
        f"{candidate.architecture} {name}": tensor.numpy().tobytes()
        for candidate in fitted.candidates
        for name, tensor in candidate.tensors.items()
    }


def interrupted(ready: Ready, after: int, keep: Callable[[Model], None] = lambda model: None) -> State:
    course = Course(stop_at=after)
    with pytest.raises(Interrupted):
        run(ready, course, keep=keep)
    assert course.last is not None
    return course.last


@pytest.mark.parametrize("seconds", [1, 10, 30, 60, 90, 120])
def test_the_work_is_fitted_into_the_time(open_auto: OpenAuto, seconds: int) -> None:
    """What is finished last is an epoch of a candidate, which is judged as a whole; there is a model in any case."""
    course = Course()
    fitted = run(ready_for(open_auto), course, seconds=seconds)
    assert course.n_steps <= 1.1 * seconds + 6
    assert 1 <= len(fitted.candidates) <= 3
    assert isinstance(fitted.model, TableModel)
    assert np.isfinite(fitted.model.predict(np.zeros((2, 12), np.float32))).all()


def test_enough_time_changes_nothing(open_auto: OpenAuto) -> None:
    free, limited = run(ready_for(open_auto)), run(ready_for(open_auto), seconds=10_000)
    assert weights_of(free) == weights_of(limited)


def test_little_time_means_fewer_epochs_with_the_whole_schedule(open_auto: OpenAuto) -> None:
    """The learning rate of every candidate comes down to its end, whatever the number of epochs."""
    records: list[dict[str, object]] = []
    ready, course = ready_for(open_auto, "trainer.max_number_of_epoches_in_fixed=40"), Course()
    deadline = Deadline(150, clock=course.now)
    journal = Journal(
        Silent(), 1000, ready.family.randomness, lambda row: records.append(dict(row)), course.offer, deadline
    )
    fitted = Fit(ready.family, ready.recipe, journal).run()
    assert all(len(candidate.outputs) < 40 for candidate in fitted.candidates)
    last = {str(row["architecture"]): float(str(row["lr"])) for row in records if row["stage"] == "retrain"}
    assert max(last.values()) < 0.02 / 10


def test_every_moment_can_be_left(open_auto: OpenAuto) -> None:
    whole = run(ready_for(open_auto))
    for after in (1, 7, 12, 25, 40, 55, 70, 85):
        state = interrupted(ready_for(open_auto), after)
        assert weights_of(run(ready_for(open_auto), resumed=state)) == weights_of(whole), after


def test_more_candidates_and_more_epochs_give_what_they_give_from_the_start(open_auto: OpenAuto) -> None:
    fewer = ("trainer.top_k_candidates=1", "trainer.max_number_of_epoches_in_fixed=2")
    more = ready_for(open_auto, "trainer.top_k_candidates=2", "trainer.max_number_of_epoches_in_fixed=2")
    longer = ready_for(open_auto, "trainer.top_k_candidates=1", "trainer.max_number_of_epoches_in_fixed=3")
    ready = ready_for(open_auto, *fewer)
    fit = Fit(ready.family, ready.recipe, Journal(Silent(), 1000, ready.family.randomness))
    fit.run()
    for grown in (more, longer):
        again = replace(ready_for(open_auto, *fewer), recipe=grown.recipe)
        assert weights_of(run(again, resumed=fit.state())) == weights_of(run(grown))


def test_the_best_so_far_is_a_model_where_the_process_is_stopped(open_auto: OpenAuto) -> None:
    kept: list[Model] = []
    n_steps = Course()
    run(ready_for(open_auto), n_steps)
    interrupted(ready_for(open_auto), n_steps.n_steps - 1, kept.append)
    assert [len(model.members) for model in kept if isinstance(model, TableModel)] == [1, 2, 3]
    interrupted(ready_for(open_auto), 3, kept.append)
    assert len(kept) == 3
