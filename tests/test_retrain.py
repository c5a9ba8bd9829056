"""Retraining: the best epoch is kept, its weights are those that made its score, folds do not touch one another."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from enas.config import Trainer
from enas.console import Silent
from enas.data.dataset import FloatArray, Target
from enas.data.splits import Split, cross_folds, single_split
from enas.errors import RunError
from enas.families.table_learners import DenseAlone, Lesson
from enas.folds import Folds, make_folds
from enas.journal import Journal
from enas.metrics.rewards import score
from enas.networks.dense import DenseChild, DenseSupernet, skips_of
from enas.networks.dropout import Dropout
from enas.randomness import Randomness
from enas.retrain import Candidate, Retraining, best_epoch
from enas.search_space import Architecture, DenseSpace
from enas.training import make_optimizer

SPACE = DenseSpace(2, (4, 8, 16))
ONE = Architecture((2, 1, 1))
pytestmark = pytest.mark.usefixtures("one_thread")


def make_table(n: int = 40) -> tuple[FloatArray, Target]:
    generator = np.random.default_rng(0)
    labels = np.arange(n) % 2
    x = generator.normal(size=(n, 5)).astype(np.float32)
    x[:, 0] += 2.0 * labels - 1
    return x, Target(("y",), labels, ("a", "b"))


def folds_of(x: FloatArray, target: Target, splits: tuple[Split, ...]) -> Folds:
    return make_folds([[x]] * len(splits), target, splits, stem=lambda architecture: 0)


def child_of(folds: Folds, n_seeds: int = 1, weights: slice = slice(None), n_networks: int | None = None) -> DenseChild:
    net = DenseSupernet(
        space=SPACE,
        n_networks=n_networks or folds.n_folds * n_seeds,
        n_inputs=folds.n_inputs,
        n_outputs=folds.n_outputs,
        generator=torch.Generator().manual_seed(1),
    )
    tensors = {name: tensor[weights] for name, tensor in net.slices(ONE).items()}
    return DenseChild(tensors, skips_of(SPACE, ONE))


def train(child: DenseChild, folds: Folds, *, shuffle: bool = True, **settings: object) -> Candidate:
    trainer = Trainer.model_validate({"max_number_of_epoches_in_fixed": 8, "batch_size": 16} | settings)
    generator = torch.Generator().manual_seed(0)
    lesson = Lesson(
        folds=folds,
        batch_size=trainer.batch_size,
        loss=trainer.loss,
        dropout=Dropout(trainer.child_keep_prob, generator) if trainer.child_keep_prob < 1 else None,
        l2=trainer.child_l2_reg,
        generator=generator if shuffle else None,
    )
    optimizer = make_optimizer(child.parameters(), lr=trainer.child_lr, l2=trainer.child_l2_reg)
    return Retraining(
        DenseAlone(child, lesson, optimizer, trainer.n_seeds, trainer.child_lr),
        ONE,
        folds,
        n_epochs=trainer.max_number_of_epoches_in_fixed,
        reward="r2" if folds.is_regression else "accuracy",
        journal=Journal(Silent(), trainer.log_every_n_steps, Randomness((generator,))),
    ).run()


@pytest.mark.parametrize("n_seeds", [1, 3])
def test_the_kept_weights_are_those_of_the_best_epoch(n_seeds: int) -> None:
    x, target = make_table()
    folds = folds_of(x, target, cross_folds(target, 4, seed=0))
    candidate = train(child_of(folds, n_seeds), folds, n_seeds=n_seeds)
    assert candidate.outputs.shape == (8, 40, 2)
    by_epoch = [score("accuracy", outputs, folds.judged_labels) for outputs in candidate.outputs]
    assert candidate.reward == max(by_epoch) == by_epoch[candidate.best_epoch]
    kept = DenseChild(candidate.tensors, skips_of(SPACE, ONE))
    with torch.no_grad():
        outputs = folds.collect(kept(folds.gather(ONE, folds.held_out.repeat(n_seeds, 1))))
    assert_close(outputs, torch.from_numpy(candidate.outputs[candidate.best_epoch]), rtol=1e-6, atol=1e-6)


def test_retraining_learns() -> None:
    x, target = make_table(80)
    x[:, 0] *= 3
    folds = folds_of(x, target, cross_folds(target, 4, seed=0))
    assert train(child_of(folds), folds, max_number_of_epoches_in_fixed=20).reward > 0.85


def test_regression_learns_in_the_units_of_the_labels() -> None:
    x, _ = make_table(80)
    target = Target(("s", "t"), np.stack([1000 + 50 * x[:, 0], -0.01 * x[:, 1]], axis=1).astype(np.float32))
    folds = folds_of(x, target, (single_split(target, 0.25, seed=0),))
    candidate = train(child_of(folds), folds, max_number_of_epoches_in_fixed=80)
    assert candidate.reward > 0.5
    assert candidate.outputs[-1][:, 0].mean() == pytest.approx(1000, abs=50)


def test_equal_epochs_are_told_apart_by_log_loss_and_then_the_earliest_wins() -> None:
    labels = np.array([0, 1])
    unsure, sure, wrong = (np.array([[a, 0], [0, b]], np.float32) for a, b in ((1, 1), (3, 3), (1, -1)))
    assert best_epoch(np.stack([wrong, unsure, sure, sure]), labels, "accuracy") == 2
    broken = np.full((2, 2), np.nan, np.float32)
    assert best_epoch(np.stack([broken, wrong, broken]), labels, "accuracy") == 1


def test_folds_trained_side_by_side_equal_folds_trained_alone() -> None:
    """A whole retraining: the same initial weights and order of rows give the same held-out outputs every epoch."""
    x, target = make_table()
    splits = cross_folds(target, 4, seed=0)
    together = folds_of(x, target, splits)
    expected = train(child_of(together), together, shuffle=False, child_keep_prob=1.0).outputs
    for k, split in enumerate(splits):
        alone = folds_of(x, target, (split,))
        mine = train(child_of(alone, weights=slice(k, k + 1), n_networks=4), alone, shuffle=False, child_keep_prob=1.0)
        of_fold = expected[:, (together.fold_of_judged == k).numpy()]
        np.testing.assert_allclose(mine.outputs, of_fold, rtol=1e-4, atol=1e-5)


def test_the_same_generator_gives_the_same_weights_to_the_bit() -> None:
    x, target = make_table()
    folds = folds_of(x, target, cross_folds(target, 4, seed=0))
    one, same = (train(child_of(folds), folds) for _ in range(2))
    assert one.outputs.tobytes() == same.outputs.tobytes()
    assert all(torch.equal(tensor, same.tensors[name]) for name, tensor in one.tensors.items())


def test_batches_of_one_train_without_harm() -> None:
    x, target = make_table(12)
    folds = folds_of(x, target, (single_split(target, 0.25, seed=0),))
    candidate = train(child_of(folds), folds, batch_size=1)
    assert np.isfinite(candidate.outputs).all()
    assert candidate.n_skipped == 0


def test_losses_that_stay_not_finite_end_the_retraining() -> None:
    x, target = make_table()
    folds = folds_of(np.full_like(x, np.inf), target, cross_folds(target, 4, seed=0))
    with pytest.raises(RunError, match=r"\[2 1 1\]: the loss was not finite.*after going back 3 times.*child_lr"):
        train(child_of(folds), folds, max_number_of_epoches_in_fixed=20)


def test_a_single_bad_row_costs_its_steps_and_no_more() -> None:
    x, target = make_table(48)
    splits = (single_split(target, 0.25, seed=0),)
    x[splits[0].train[0]] = np.nan
    folds = folds_of(x, target, splits)
    candidate = train(child_of(folds), folds, batch_size=6)
    assert candidate.n_skipped == 8
    assert np.isfinite(candidate.outputs).all()
