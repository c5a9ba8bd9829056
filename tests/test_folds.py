"""Folds: K networks side by side see what K networks alone would see; every training row comes once an epoch."""

from collections import Counter

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.testing import assert_close

from enas.data.dataset import FloatArray, Target
from enas.data.splits import Split, cross_folds, single_split
from enas.folds import Folds, make_folds
from enas.networks.dense import DenseSupernet
from enas.search_space import Architecture, DenseSpace
from enas.training import network_loss

SPACE = DenseSpace(2, (4, 8))
ONE = Architecture((1, 0, 1))
CLASSES = Target(("y",), np.arange(23) % 3, ("a", "b", "c"))
VALUES = Target(("s", "t"), np.random.default_rng(5).normal(3, 2, (23, 2)).astype(np.float32))


def coordinates(n_folds: int, n: int = 23, width: int = 6) -> list[list[FloatArray]]:
    """One screen; the last fold has a coordinate less."""
    generator = np.random.default_rng(0)
    widths = [width] * (n_folds - 1) + [width - (n_folds > 1)]
    return [[generator.normal(size=(n, r)).astype(np.float32)] for r in widths]


def folds_of(target: Target, splits: tuple[Split, ...], *, balanced: bool = False) -> Folds:
    return make_folds(
        coordinates(len(splits), len(target.values)), target, splits, stem=lambda architecture: 0, balanced=balanced
    )


def test_rows_are_gathered_per_fold_and_padded_with_zeros() -> None:
    folds, raw = folds_of(CLASSES, cross_folds(CLASSES, 5, seed=0)), coordinates(5)
    rows = torch.randint(23, (10, 4), generator=torch.Generator().manual_seed(0))  # two seeds per fold
    seen = folds.gather(ONE, rows)
    assert folds.n_inputs == (6,)
    for m in range(10):
        expected = np.zeros((4, 6), np.float32)
        array = raw[m % 5][0]
        expected[:, : array.shape[1]] = array[rows[m].numpy()]
        assert_array_equal(seen[m].numpy(), expected)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 5, 7, 16, 17, 18, 19, 64])
def test_every_training_row_comes_once_an_epoch(batch_size: int) -> None:
    folds = folds_of(CLASSES, (single_split(CLASSES, 0.2, seed=0),))
    batches = list(folds.batches(batch_size, 1, torch.Generator().manual_seed(0)))
    assert len(batches) == -(-18 // batch_size)
    assert_array_equal(np.sort(torch.cat(batches, dim=1)[0].numpy()), folds.train[0].numpy())
    assert {batch.shape[1] for batch in batches} <= {18 // len(batches), -(-18 // len(batches))}
    assert max(batch.shape[1] for batch in batches) <= batch_size


@pytest.mark.parametrize("n_rows", range(4, 40))
def test_no_batch_is_of_one_row_where_batches_may_hold_three(n_rows: int) -> None:
    target = Target(("y",), np.zeros((n_rows + 1, 1), np.float32))
    folds = folds_of(target, (Split(np.arange(n_rows), np.array([n_rows])),))
    for batch_size in range(3, n_rows + 2):
        assert min(batch.shape[1] for batch in folds.batches(batch_size, 1, None)) >= 2


def test_folds_of_unequal_size_leave_out_another_row_each_epoch() -> None:
    folds = folds_of(CLASSES, cross_folds(CLASSES, 5, seed=0))
    generator = torch.Generator().manual_seed(0)
    sizes = [len(rows) for rows in folds.train]
    assert min(sizes) < max(sizes)
    seen: list[Counter[int]] = [Counter() for _ in sizes]
    for _ in range(60):
        epoch = torch.cat(list(folds.batches(8, 5, generator)), dim=1)
        for fold, rows in enumerate(epoch.tolist()):
            assert len(set(rows)) == len(rows) == min(sizes)
            seen[fold].update(rows)
    for counts, rows in zip(seen, folds.train, strict=True):
        assert set(counts) == set(rows.tolist())


def test_without_shuffling_rows_keep_their_order() -> None:
    folds = folds_of(CLASSES, (single_split(CLASSES, 0.2, seed=0),))
    assert_array_equal(torch.cat(list(folds.batches(5, 1, None)), dim=1)[0].numpy(), folds.train[0].numpy())


def test_collect_gives_one_row_per_judged_row_averaged_over_seeds() -> None:
    folds = folds_of(CLASSES, cross_folds(CLASSES, 5, seed=0))
    assert_array_equal(np.sort(folds.judged.numpy()), np.arange(23))
    for fold, row in zip(folds.fold_of_judged.tolist(), folds.judged.tolist(), strict=True):
        assert row not in folds.train[fold].tolist()
    assert_array_equal(folds.judged_labels, CLASSES.values[folds.judged.numpy()])
    # network m outputs its rows' numbers plus 100 for every seed after the first
    outputs = torch.cat([folds.held_out + 100.0 * seed for seed in range(3)])[..., None]
    assert_allclose(folds.collect(outputs)[:, 0].numpy(), folds.judged.numpy() + 100.0)


def test_regression_outputs_and_labels_are_scaled_by_each_folds_training_rows() -> None:
    splits = cross_folds(VALUES, 4, seed=0)
    folds = folds_of(VALUES, splits)
    for fold, split in enumerate(splits):
        assert_allclose(folds.center[fold, 0], VALUES.values[split.train].mean(axis=0), rtol=1e-5)
        assert_allclose(folds.factor[fold, 0], VALUES.values[split.train].std(axis=0), rtol=1e-5)
    scaled = folds.scaled_labels(folds.held_out)
    assert_allclose(folds.collect(scaled).numpy(), VALUES.values[folds.judged.numpy()], rtol=1e-5)


def test_a_constant_target_is_not_divided_by_zero() -> None:
    constant = Target(("y",), np.full((8, 1), 5, np.float32))
    folds = folds_of(constant, cross_folds(constant, 2, seed=0))
    assert_array_equal(folds.scaled_labels(folds.held_out).numpy(), 0)


def test_balanced_weights_give_each_class_the_same_total() -> None:
    target = Target(("y",), np.repeat([0, 1, 2], [12, 8, 3]), ("a", "b", "c"))
    weights = folds_of(target, cross_folds(target, 3, seed=0), balanced=True).row_weights.numpy()
    assert_allclose([weights[target.values == k].sum() for k in range(3)], 23 / 3, rtol=1e-5)


def test_a_minibatch_of_judges_holds_rows_of_the_held_out_part() -> None:
    folds = folds_of(CLASSES, (single_split(CLASSES, 0.4, seed=0),))
    judges = folds.sample_judges(4, torch.Generator().manual_seed(0))
    assert len(judges.judged) == 4
    assert set(judges.judged.tolist()) < set(folds.judged.tolist())


@pytest.mark.parametrize("target", [CLASSES, VALUES], ids=["classes", "regression"])
def test_folds_side_by_side_equal_runs_of_single_folds(target: Target) -> None:
    """The same weights give the same outputs, losses and gradients."""
    splits, raw = cross_folds(target, 5, seed=1), coordinates(5)
    together = folds_of(target, splits)
    rows = next(together.batches(7, 5, torch.Generator().manual_seed(2)))

    def outcome(folds: Folds, weights: dict[str, torch.Tensor], rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
        generator = torch.Generator().manual_seed(0)
        net = DenseSupernet(
            space=SPACE, n_networks=len(rows), n_inputs=(6,), n_outputs=folds.n_outputs, generator=generator
        )
        if weights:
            net.load_state_dict(weights)
        else:
            torch.nn.init.normal_(net.head_weight, generator=generator)
            weights.update({name: tensor.clone() for name, tensor in net.state_dict().items()})
        outputs = net(folds.gather(ONE, rows), ONE)
        loss = network_loss(outputs, folds, rows, "cross_entropy")
        loss.sum().backward()
        return outputs, loss, *(w.grad for w in net.parameters() if w.grad is not None)

    weights: dict[str, torch.Tensor] = {}
    expected = outcome(together, weights, rows)
    for k, split in enumerate(splits):
        padded = np.zeros((23, 6), np.float32)
        padded[:, : raw[k][0].shape[1]] = raw[k][0]
        alone = make_folds([[padded]], target, (split,), stem=lambda architecture: 0)
        mine = outcome(alone, {name: tensor[k : k + 1] for name, tensor in weights.items()}, rows[k : k + 1])
        for one, all_of_them in zip(mine, expected, strict=True):
            assert_close(one[0], all_of_them[k], rtol=1e-5, atol=1e-6)
