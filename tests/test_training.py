"""Losses by their formulas, the L2 penalty's gradient, and the guard against losses that are not finite."""

import numpy as np
import pytest
import torch
from sklearn.metrics import log_loss
from torch import nn
from torch.testing import assert_close

from enas.data.dataset import Target
from enas.data.splits import cross_folds
from enas.folds import Folds, make_folds
from enas.training import make_optimizer, network_loss

CLASSES = Target(("y",), np.repeat([0, 1, 2], [10, 6, 4]), ("a", "b", "c"))


def folds_of(target: Target, *, balanced: bool = False) -> Folds:
    n = len(target.values)
    return make_folds(
        [[np.zeros((n, 2), np.float32)]] * 2,
        target,
        cross_folds(target, 2, seed=0),
        stem=lambda architecture: 0,
        balanced=balanced,
    )


def logits(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_cross_entropy_is_the_mean_log_loss_of_each_network() -> None:
    folds, rows = folds_of(CLASSES), torch.arange(20).expand(4, -1)
    outputs = logits(4, 20, 3)
    expected = [log_loss(CLASSES.values, one.double().softmax(dim=1).numpy()) for one in outputs]
    assert network_loss(outputs, folds, rows, "cross_entropy").tolist() == pytest.approx(expected, rel=1e-5)


def test_balanced_weights_make_every_class_count_the_same() -> None:
    folds, rows = folds_of(CLASSES, balanced=True), torch.arange(20)[None]
    outputs = logits(1, 20, 3)
    errors = nn.functional.cross_entropy(outputs[0], torch.from_numpy(CLASSES.values), reduction="none")
    expected = torch.stack([errors[:10].mean(), errors[10:16].mean(), errors[16:].mean()]).mean()
    assert_close(network_loss(outputs, folds, rows, "cross_entropy")[0], expected)


def test_focal_loss_lets_easy_rows_count_less() -> None:
    folds, rows = folds_of(CLASSES), torch.arange(20)[None]
    outputs = 3 * logits(1, 20, 3)
    p = outputs[0].softmax(dim=1)[torch.arange(20), torch.from_numpy(CLASSES.values)]
    assert_close(network_loss(outputs, folds, rows, "focal")[0], (-((1 - p) ** 2) * p.log()).mean())


def test_regression_loss_is_the_squared_error_in_deviations_of_the_folds_labels() -> None:
    target = Target(("s", "t"), np.random.default_rng(0).normal(50, 9, (20, 2)).astype(np.float32))
    folds, rows = folds_of(target), torch.arange(20).expand(2, -1)
    zero = network_loss(torch.zeros(2, 20, 2), folds, rows, "cross_entropy")
    for fold in range(2):
        scaled = (target.values - folds.center[fold].numpy()) / folds.factor[fold].numpy()
        assert float(zero[fold]) == pytest.approx(float((scaled**2).mean()), rel=1e-5)


def test_the_l2_penalty_has_the_gradient_of_its_formula() -> None:
    """One step from the same weights equals a step on a loss with the penalty written out."""
    written, built_in = (nn.Parameter(logits(5, 5)) for _ in range(2))
    x = logits(5)
    step = make_optimizer([built_in], lr=0.1, l2=0.03)
    (built_in @ x).sum().backward()
    step.step()
    plain = torch.optim.Adam([written], lr=0.1)
    ((written @ x).sum() + 0.03 * written.square().sum()).backward()
    plain.step()
    assert_close(built_in, written)
