"""What search and retraining rely on, asked of every learner: shared weights and children, of tables and of images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from enas.config import load_image_config, load_table_config
from enas.console import Silent
from enas.data.dataset import Dataset, FloatArray, Target
from enas.families.image_source import ImageSource
from enas.families.table import TableFamily, prepare_table
from enas.family import Family
from enas.folds import Folds
from enas.search_space import Architecture
from enas.training import Learner

pytestmark = pytest.mark.usefixtures("one_thread")
DENSE = Architecture.from_text("1 2 1"), Architecture.from_text("0 1 0")
SCREENED = Architecture.from_text("0 1 2 1"), Architecture.from_text("1 0 1 0")
MICRO = (
    Architecture.from_text("0 0 1 3 2 1 0 4  1 2 0 1 1 4 2 0"),
    Architecture.from_text("1 1 1 2 0 4 0 3  0 3 0 4 2 0 1 1"),
)


@dataclass(frozen=True)
class Case:
    """A learner, its family, and architectures that it can judge; all of them new."""

    family: Family
    learner: Learner
    architectures: tuple[Architecture, ...]

    @property
    def folds(self) -> Folds:
        return self.family.folds

    def train(self, n_steps: int) -> list[float]:
        """Losses of as many steps, each on the next minibatch, all of one architecture."""
        optimizer = self.learner.optimizer
        losses: list[float] = []
        while len(losses) < n_steps:
            for rows in self.learner.batches()[: n_steps - len(losses)]:
                optimizer.lr = self.learner.schedule(0, len(losses), n_steps)
                loss, shown = self.learner.loss(rows, self.architectures[0])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(float(shown.detach()))
        return losses

    def judge(self, judges: Folds | None = None) -> Tensor:
        return self.learner.judge(judges or self.folds, self.architectures)


def table_family(*overrides: str) -> TableFamily:
    """40 rows of 2 classes, 12 features, 4 folds."""
    generator, labels = np.random.default_rng(0), np.arange(40) % 2
    x: FloatArray = generator.normal(size=(40, 12)).astype(np.float32)
    x[:, 0] += 3.0 * labels
    names = tuple(f"g{i}" for i in range(12))
    target = Target(("y",), labels, ("a", "b"))
    table = Dataset(x, names, True, tuple(map(str, range(40))), True, target, "x.tsv")
    trainer = {
        "child_num_layers": 2,
        "max_search_channel": 64,
        "batch_size": 8,
        "folds": 4,
        "child_lr": 0.02,
        "n_seeds": 2,
    }
    config, _ = load_table_config({"name": "tiny", "device": "cpu", "trainer": trainer}, overrides)
    return prepare_table(table, config, progress=Silent())


def write_images(folder: Path) -> None:
    """Three classes of 8 noisy grey images: the left half, the upper half or nothing is bright."""
    generator = np.random.default_rng(0)
    for name, bright in (("left", np.s_[:, :6]), ("nothing", np.s_[:0]), ("upper", np.s_[:6])):
        (folder / name).mkdir(parents=True)
        for i in range(8):
            pixels = generator.integers(0, 80, (12, 12)).astype(np.uint8)
            pixels[bright] += 150
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def image_family(folder: Path) -> Family:
    network = {"child_num_layers": 1, "child_out_filters": 4, "batch_size": 8}
    trainer = {
        "train_data_dir": str(folder / "train"),
        "validation_split": 0.25,
        "output_dir": str(folder / "runs"),
        "child_num_cells": 2,
    }
    raw = {"name": "tiny", "device": "cpu", "trainer": trainer | network, "retrain": network}
    return ImageSource(load_image_config(raw)[0], Silent()).prepare().family


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    write_images(folder / "train")
    return folder


@pytest.fixture(params=["dense shared", "dense shared, screened", "dense alone", "micro shared", "micro alone"])
def make_case(request: pytest.FixtureRequest, images: Path) -> Callable[[], Case]:
    """A function that makes the same case anew."""
    kind: str = request.param

    def make() -> Case:
        family: Family
        if kind.startswith("dense"):
            family = table_family("preprocessing.screen=auto" if "screened" in kind else "preprocessing.screen=all")
            architectures = SCREENED if "screened" in kind else DENSE
        else:
            family, architectures = image_family(images), MICRO
        if "shared" in kind:
            return Case(family, family.learn_shared(), architectures)
        return Case(family, family.learn_alone(architectures[0], None), architectures[:1])

    return make


def equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and one.numpy().tobytes() == other.numpy().tobytes()


def same(one: Learner, other: Learner) -> bool:
    """Whether all weights are the same to the bit."""
    weights, others = one.weights(), other.weights()
    return weights.keys() == others.keys() and all(equal(tensor, others[name]) for name, tensor in weights.items())


def test_an_epoch_covers_every_training_row_equally_often(make_case: Callable[[], Case]) -> None:
    case = make_case()
    batches = case.learner.batches()
    assert all(1 < batch.shape[1] <= 8 for batch in batches)
    rows = torch.cat(list(batches), dim=1)
    for network, mine in enumerate(rows):
        train = case.folds.train[network % case.folds.n_folds]
        n_passes = mine.numel() // train.numel()
        assert n_passes >= 1
        for one_pass in mine.split(train.numel()):
            assert one_pass.sort().values.tolist() == train.sort().values.tolist()
        assert not set(mine.tolist()) & set(case.folds.held_out[network % case.folds.n_folds].tolist())


def test_another_epoch_has_another_order(make_case: Callable[[], Case]) -> None:
    learner = make_case().learner
    assert learner.batches()[0].tolist() != learner.batches()[0].tolist()


def test_the_loss_is_finite_and_falls(make_case: Callable[[], Case]) -> None:
    case = make_case()
    losses = case.train(20)
    assert np.isfinite(losses).all()
    assert losses[0] == pytest.approx(np.log(case.folds.n_outputs), rel=0.5)
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])


def test_what_is_shown_is_the_loss_without_penalties(make_case: Callable[[], Case]) -> None:
    """Networks side by side add up in the one, and count on average in the other."""
    case = make_case()
    rows = case.learner.batches()[0]
    case.learner.optimizer.lr = case.learner.schedule(0, 0, 1)
    loss, shown = case.learner.loss(rows, case.architectures[0])
    assert loss.shape == shown.shape == ()
    assert float(loss.detach()) >= len(rows) * float(shown.detach()) * (1 - 1e-6)


def test_outputs_are_one_per_architecture_judged_row_and_class(make_case: Callable[[], Case]) -> None:
    case = make_case()
    case.train(2)
    outputs, n_judged = case.judge(), len(case.folds.judged)
    assert outputs.shape == (len(case.architectures), n_judged, case.folds.n_outputs)
    assert torch.isfinite(outputs).all()
    assert len({one.numpy().tobytes() for one in outputs}) == len(case.architectures)


def test_judging_leaves_no_trace(make_case: Callable[[], Case]) -> None:
    """Of two twins one is asked: weights, optimiser and generator go on as the other's."""
    asked, unasked = make_case(), make_case()
    for case in (asked, unasked):
        case.train(3)
    before = asked.family.generator.get_state()
    first = asked.judge()
    assert equal(asked.judge(), first)
    assert equal(asked.family.generator.get_state(), before)
    assert same(asked.learner, unasked.learner)
    assert asked.train(3) == unasked.train(3)
    assert same(asked.learner, unasked.learner)
    assert not equal(asked.judge(), first)


def test_other_judges_get_outputs_of_their_own(make_case: Callable[[], Case]) -> None:
    """Tables: the same as among all; images share their minibatch's statistics, but only with shared weights."""
    case = make_case()
    case.train(2)
    everyone = case.judge()
    few = case.folds.sample_judges(3, torch.Generator().manual_seed(0))
    outputs = case.judge(few)
    assert outputs.shape == (len(case.architectures), 3 * case.folds.n_folds, case.folds.n_outputs)
    if case.architectures != MICRO:
        rows = case.folds.judged.tolist()
        among = everyone[:, [rows.index(row) for row in few.judged.tolist()]]
        torch.testing.assert_close(outputs, among, rtol=1e-4, atol=1e-5)


def test_weights_come_back_to_the_bit(make_case: Callable[[], Case]) -> None:
    case, untouched = make_case(), make_case()
    for one in (case, untouched):
        one.train(2)  # heads of tables start at zero, and every output with them
    kept, outputs = case.learner.weights(), case.judge()
    case.train(3)
    assert not same(case.learner, untouched.learner)
    assert not equal(case.judge(), outputs)
    case.learner.restore(kept)
    assert same(case.learner, untouched.learner)
    assert equal(case.judge(), outputs)
    case.train(1)
    assert not same(case.learner, untouched.learner)


def test_parts_are_copies(make_case: Callable[[], Case]) -> None:
    case, untouched = make_case(), make_case()
    for tensor in case.learner.part(case.architectures[0]).values():
        tensor.zero_()
    for tensor in case.learner.weights().values():
        tensor.zero_()
    assert same(case.learner, untouched.learner)


def test_the_same_seed_gives_the_same_bits(make_case: Callable[[], Case]) -> None:
    one, other = make_case(), make_case()
    assert one.train(6) == other.train(6)
    assert same(one.learner, other.learner)
    assert equal(one.judge(), other.judge())
