"""Numbers that are not finite, in batches, losses and weights of real learners, and a policy that has collapsed."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import torch
from reliability.faults import At, Stop, quick_study, stop, train_here
from reliability.studies import Study, Watcher, image_study

import enas
from enas.checkpoint import State, read_state, write_state
from enas.config import load_image_config, load_table_config
from enas.console import Silent
from enas.epochs import Epochs
from enas.errors import RunError
from enas.families.image_source import ImageSource
from enas.families.source import Ready
from enas.families.table_source import TableSource
from enas.family import Family
from enas.journal import Journal
from enas.model_files import load_model
from enas.run import Run
from enas.runs import create_run
from enas.search_space import Architecture
from enas.train import Training, train
from enas.training import Learner

SPLIT = ("trainer.folds=0", "trainer.max_search_channel=16", "trainer.batch_size=8")


@pytest.fixture(autouse=True)
def threads(one_thread: None) -> None: ...


@dataclass
class Poisoned:
    """A study whose rows become NaN at some event; each instance stands for one process."""

    study: Study
    word: str = ""
    rows: slice = field(default_factory=lambda: slice(None))
    n: int = 1
    at: Callable[[str, int], None] = lambda text, n: None

    def ready(self) -> Ready:
        config, _ = load_table_config(self.study.config, SPLIT)
        return TableSource(config, Silent()).prepare()

    def train(self, run: Run, resumed: State | None = None) -> tuple[Watcher, Training]:
        ready = self.ready()
        log = Watcher()
        poison = At(self.word, lambda: self._poison(ready.family), self.n)

        def at(text: str, n_events: int) -> None:
            poison(text, n_events)
            self.at(text, n_events)

        log.at = at
        self.log = log
        with run.lock():
            return log, train(run, ready.family, ready.recipe, progress=log, resumed=resumed)

    def _poison(self, family: Family) -> None:
        for inputs in family.folds.inputs:
            inputs[:, family.folds.train[0][self.rows]] = float("nan")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return create_run(tmp_path / "runs", "study", now=datetime(2026, 1, 1))


def test_a_few_bad_rows_cost_their_steps(study: Study, run: Run) -> None:
    """One row of NaN: of every pass one step is skipped and counted, and the model is of finite weights."""
    log, training = Poisoned(study, "#", slice(0, 1)).train(run)
    n_skipped = training.fitted.search.n_skipped if training.fitted.search else 0
    assert n_skipped > 0
    assert [candidate.n_skipped for candidate in training.fitted.candidates] == [3, 3]
    assert f"{n_skipped + 6} training steps were skipped because their loss was not finite" in log.warnings
    load_model(run.models)


def test_bad_rows_for_good_end_the_search_and_leave_a_model(study: Study, run: Run) -> None:
    poisoned = Poisoned(study, "controller step")
    with pytest.raises(RunError) as caught:
        poisoned.train(run)
    back = [line for line in poisoned.log.warnings if "back to the beginning of epoch 2" in line]
    assert [re.findall(r"with (\S+) times", line) for line in back] == [["0.5"], ["0.25"], ["0.125"]]
    assert str(caught.value).startswith("search: the loss was not finite 5 times in a row in epoch 2, also after going")
    assert "lower trainer.child_lr, or set preprocessing" in str(caught.value)
    assert f"evaluator.checkpoint_path takes the last good state, {run.models}" in str(caught.value)
    load_model(run.models)
    assert not run.best_architecture.exists()


def test_bad_rows_from_the_start_end_with_advice(study: Study, run: Run) -> None:
    with pytest.raises(RunError, match=r"search: .* in epoch 1, also after going back 3 times with half the .* lower"):
        Poisoned(study, "#").train(run)
    assert not run.best_architecture.exists()


def test_bad_rows_in_retraining_leave_the_model_of_its_best_epoch(study: Study, run: Run) -> None:
    with pytest.raises(RunError, match=r"training \[.*: the loss was .*; evaluator\.checkpoint_path takes the"):
        Poisoned(study, "step: 4", n=2).train(run)
    load_model(run.models)


def test_bad_rows_in_the_first_epoch_of_retraining_leave_none(study: Study, run: Run) -> None:
    with pytest.raises(RunError, match=r"training \[.*in epoch 1, also after .*; lower trainer\.child_lr.*begin a new"):
        Poisoned(study, "training [").train(run)
    assert not (run.models / "model.json").exists()


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e38])
def test_weights_that_break_between_epochs_are_left_behind(study: Study, tmp_path: Path, value: float) -> None:
    """Of tables and of images: back to weights that can be computed with, and on from there; also after a restart."""
    tables = Poisoned(study).ready().family
    images = ImageSource(load_image_config(image_study(tmp_path / "images").config)[0], Silent()).prepare().family
    for family in (tables, images):
        learner, log = family.learn_shared(), Watcher()
        sample = family.make_controller(Poisoned(study).ready().recipe.settings).sample
        epochs = epochs_of(family, learner, log)

        def choose(n: int, family: Family = family, sample: Any = sample) -> Sequence[Architecture]:
            return tuple(sample(n, family.generator).architectures)

        epochs.run(choose, 3)
        learner.restore({name: torch.full_like(tensor, value) for name, tensor in learner.weights().items()})
        write_state(tmp_path / "state", epochs.state())
        again = epochs_of(family, learner, log)
        again.load(read_state(tmp_path / "state"))
        again.run(choose, 3)
        assert (again.n_rollbacks, again.slowdown, again.epoch) == (1, 0.5, 2)
        assert all(torch.isfinite(tensor).all() for tensor in learner.weights().values())


def epochs_of(family: Family, learner: Learner, log: Watcher) -> Epochs:
    return Epochs(learner, "search", Journal(log, 1, family.randomness), lambda: None)


RATE = "trainer.child_lr=1e30"


def test_a_rate_far_too_large_ends_with_advice_also_where_it_was_left_on_the_way(tmp_path: Path) -> None:
    """Gone back to the initial weights three times; stopped after each, it ends with the same words and model."""
    study, other = (quick_study(tmp_path / name, checkpoint_seconds=0) for name in ("one", "other"))
    with pytest.raises(RunError) as whole:
        train_here(study, RATE)
    words = "also after going back 3 times with half the learning rate; lower trainer.child_lr"
    assert words in str(whole.value)
    n_left = 0
    for factor in ("0.5", "0.25", "0.125"):
        n_left += left_at(other, f"with {factor} times")
    with pytest.raises(RunError) as resumed:
        train_here(other, RATE, resume=True)
    assert n_left == 3
    assert str(resumed.value).replace(str(other.newest), "") == str(whole.value).replace(str(study.newest), "")
    models = [{path.name: path.read_bytes() for path in one.newest.glob("models/*")} for one in (study, other)]
    assert models[0] == models[1]
    load_model(study.newest / "models")


def left_at(study: Study, words: str) -> bool:
    """Train until a warning, and leave just after it, as if the process had been killed."""
    log = Watcher(At(words, stop))
    with pytest.raises(Stop):
        enas.auto(study.config, overrides=[RATE], progress=log).train(resume=study.can_resume)
    return words in log.warnings[-1]


def test_a_policy_that_collapses_is_told_of_and_the_run_ends_as_others(tmp_path: Path) -> None:
    study = image_study(tmp_path / "data", checkpoint_seconds=600)
    log = train_here(study, "trainer.controller_temperature=0.001", "trainer.controller_tanh_constant=1000")
    assert any("the policy has collapsed" in words for words in log.warnings)
    load_model(study.newest / "models")
    assert (study.newest / "best_architecture.json").is_file()
