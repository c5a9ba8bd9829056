"""Attribution: values add up, equal closed forms and an exact oracle, and belong to the features that were used."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from torch import Tensor

from enas.attribution import MAX_PAIRS, attribute, pair_multipliers
from enas.config import load_table_config
from enas.console import Silent
from enas.data.dataset import Dataset, FloatArray, Target
from enas.families.table import prepare_table, table_recipe
from enas.fit import Fit
from enas.journal import Journal
from enas.model import Member
from enas.networks.dense import EPSILON, dense_tail
from enas.table_model import TableModel

MakeModel = Callable[..., TableModel]
pytestmark = pytest.mark.usefixtures("one_thread")
TWO = Target(("grade",), np.arange(30) % 2, ("a", "b"))
THREE = Target(("grade",), np.arange(30) % 3, ("a", "b", "c"))
VALUES = Target(("size", "age"), np.random.default_rng(1).normal(40, 9, (30, 2)).astype(np.float32))

SETTINGS = (
    "trainer.folds=2",
    "trainer.n_seeds=2",
    "trainer.ensemble=true",
    "trainer.batch_size=16",
    "trainer.max_search_channel=64",
    "trainer.max_number_of_epoches_in_search=2",
    "trainer.max_number_of_epoches_in_fixed=30",
    "controller.train_steps=1",
)


def features(p: int, n: int = 30) -> FloatArray:
    return np.random.default_rng(0).normal(2, 3, (n, p)).astype(np.float32)


@pytest.mark.parametrize("target", [TWO, THREE, VALUES], ids=["two classes", "three classes", "regression"])
@pytest.mark.parametrize(
    "shape",
    [
        {"p": 8},
        {"p": 60},
        {"p": 60, "n_folds": 3, "n_seeds": 2, "shares": (0.3, 0.0, 0.7), "screens": (4, 20, None)},
        {"p": 60, "shares": (0.3, 0.7), "sharpness": (0, 2)},
    ],
    ids=["own coordinates", "basis", "folds, seeds, candidates, screens", "weighted features"],
)
def test_values_and_base_add_up_to_the_outputs(target: Target, shape: dict[str, Any], make_model: MakeModel) -> None:
    x = features(shape["p"])
    model = make_model(x, target, **{key: value for key, value in shape.items() if key != "p"})
    steps: list[str] = []
    found = attribute(model, x[:7], x[5:25], steps.append)
    assert found.values.shape == (model.n_outputs, 7, shape["p"])
    assert_allclose(found.outputs, model.predict(x[:7]))
    assert found.additivity_error < 1e-4
    assert len(steps) == model.n_folds
    total = found.values.sum(axis=2).T + found.base
    assert_allclose(total, found.outputs, atol=1e-3 * np.abs(found.outputs - found.base).max())
    if shape.get("n_folds", 2) * shape.get("n_seeds", 1) * 7 * 20 <= MAX_PAIRS:
        assert_allclose(found.base, model.predict(x[5:25]).mean(axis=0), rtol=1e-4, atol=1e-4)


def as_linear(model: TableModel) -> TableModel:
    """The same model with a first layer whose outputs all stay positive and equally spread: normalisation and cuts
    then hardly bend it, so that it is linear around its bias."""
    members = []
    for member in model.members:
        tensors = {name: tensor.clone() for name, tensor in member.tensors.items()}
        tensors["stem_weight"] *= 1e-4
        tensors["stem_bias"] = torch.linspace(1, 2, 16).expand_as(tensors["stem_bias"]).clone()
        members.append(Member(member.architecture, member.share, member.temperature, tensors))
    return replace(model, members=tuple(members))


def test_a_linear_model_gets_its_exact_values(make_model: MakeModel) -> None:
    """Then a value is slope x (feature - background mean), whatever estimates it."""
    x = features(8)
    model = as_linear(make_model(x, VALUES))
    found = attribute(model, x[:5], x)
    middle = x.mean(axis=0, keepdims=True)
    step = 3.0
    for j in range(8):
        bump = np.zeros_like(middle)
        bump[0, j] = step
        slope = (model.predict(middle + bump) - model.predict(middle - bump))[0] / (2 * step)
        expected = slope[:, None] * (x[:5, j] - middle[0, j])
        assert_allclose(found.values[:, :, j], expected, atol=0.01 * np.abs(found.values).max())


def exact_shapley(model: TableModel, row: FloatArray, background: FloatArray) -> NDArray[np.float64]:
    """(p, C) by enumeration of all subsets of features; those left out take each background row's values."""
    p = len(row)
    inside = (np.arange(2**p)[:, None] >> np.arange(p)) & 1 == 1
    mixed = np.where(inside[:, None, :], row, background)  # (subsets, b, p)
    worth = model.predict(mixed.reshape(-1, p).astype(np.float32), batch_size=20_000)
    worth = worth.reshape(2**p, len(background), -1).mean(axis=1)
    sizes = inside.sum(axis=1)
    factorial = np.array([float(np.prod(np.arange(1, k + 1))) for k in range(p + 1)])
    values = np.zeros((p, worth.shape[1]))
    for j in range(p):
        without = np.flatnonzero(~inside[:, j])
        weights = factorial[sizes[without]] * factorial[p - sizes[without] - 1] / factorial[p]
        values[j] = weights @ (worth[without | (1 << j)] - worth[without])
    return values


@pytest.mark.parametrize("regression", [False, True], ids=["classes", "regression"])
def test_values_of_a_trained_model_agree_with_exact_shapley_values(regression: bool) -> None:
    """Eight features, of which two interact; the estimator sees pairs of rows, the oracle all subsets of features."""
    x = features(8, 120)
    size = (x[:, 0] + x[:, 1] * x[:, 2] / 3 - x[:, 3]).astype(np.float32)
    labels = Target(("y",), (size > np.median(size)).astype(np.int64), ("a", "b"))
    target = Target(("y",), size[:, None]) if regression else labels
    table = Dataset(x, tuple("abcdefgh"), True, tuple(map(str, range(120))), True, target, "x.tsv")
    config, _ = load_table_config({"name": "shapley", "device": "cpu"}, SETTINGS)
    family = prepare_table(table, config, progress=Silent())
    model = Fit(family, table_recipe(config), Journal(Silent(), 10, family.randomness)).run().model
    assert isinstance(model, TableModel)
    found = attribute(model, x[:8], x[10:30])
    exact = np.stack([exact_shapley(model, row, x[10:30]) for row in x[:8]])  # (n, p, C)
    total = exact.sum(axis=1) + model.predict(x[10:30]).mean(axis=0)
    assert_allclose(total, model.predict(x[:8]), rtol=1e-4, atol=1e-3)  # the oracle itself is right
    for output in range(model.n_outputs):
        assert np.corrcoef(found.values[output].ravel(), exact[:, :, output].ravel())[0, 1] > 0.93
    assert found.additivity_error < 1e-4


@pytest.mark.slow
def test_the_enumeration_is_shaps_exact_explainer(make_model: MakeModel) -> None:
    shap = pytest.importorskip("shap")
    x = features(6)
    model = make_model(x, TWO)
    explainer = shap.ExactExplainer(lambda rows: model.predict(np.asarray(rows, np.float32)), x[10:20])
    theirs = explainer(x[:3]).values
    mine = np.stack([exact_shapley(model, row, x[10:20]) for row in x[:3]])
    assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


def test_features_that_are_screened_out_get_nothing(make_model: MakeModel) -> None:
    x = features(60)
    model = make_model(x, TWO, screens=(4, None))
    found = attribute(model, x[:5], x)
    used = {int(column) for one in model.preprocessors for column in np.asarray(one.stems[0].columns)}
    assert len(used) <= 8
    unused = np.setdiff1d(np.arange(60), sorted(used))
    assert_array_equal(found.values[:, :, unused], 0)
    assert (np.abs(found.values[:, :, sorted(used)]).max(axis=(0, 1)) > 0).all()


def test_constant_and_missing_features_get_nothing(make_model: MakeModel) -> None:
    x = features(8)
    x[:, 2] = 5
    model = make_model(x, TWO)
    x[0, 2] = 9  # constant in training: the model cannot see it
    assert_array_equal(attribute(model, x[:3], x).values[:, :, 2], 0)
    hidden = x.copy()
    hidden[:, 4] = np.nan
    assert_array_equal(attribute(model, hidden[:3], hidden).values[:, :, 4], 0)


def test_a_row_explained_against_itself_gets_zeros(make_model: MakeModel) -> None:
    x = features(8)
    found = attribute(make_model(x, TWO), x[:1], x[:1])
    assert_allclose(found.values, 0, atol=1e-6)


def test_a_model_that_says_the_same_of_all_rows_has_no_additivity_error(make_model: MakeModel) -> None:
    x = features(8)
    model = make_model(x, VALUES)
    for member in model.members:
        member.tensors["head_weight"].zero_()
        member.tensors["shortcut"].zero_()
    found = attribute(model, x[:5], x)
    assert_array_equal(found.values, 0)
    assert found.additivity_error < 1e-2


def test_many_networks_share_the_background(make_model: MakeModel) -> None:
    """Work is bounded, and the values still add up to the outputs."""
    x = np.repeat(features(8), 10, axis=0)
    model = make_model(x, Target(("y",), np.arange(300) % 2, ("a", "b")), n_folds=5, n_seeds=3)
    found = attribute(model, x[:100], x)
    assert found.additivity_error < 1e-4


def tail(tensors: dict[str, Tensor], x: Tensor) -> Tensor:
    return dense_tail(x[None], tensors, ((), (0,)))[0]


def test_multipliers_times_differences_are_differences_of_outputs(make_model: MakeModel) -> None:
    """Pair by pair, units that do not differ included."""
    member = make_model(features(8), THREE, n_folds=2).members[0]
    tensors = {name: tensor[:1] for name, tensor in member.tensors.items()}
    x, y = torch.randn(2, 20, 16, generator=torch.Generator().manual_seed(0))
    y[:5, :8] = x[:5, :8]
    multipliers = pair_multipliers(x, y, tensors, ((), (0,)))
    gaps = tail(tensors, x) - tail(tensors, y)
    assert_allclose((multipliers * (x - y)).sum(dim=2).T.detach(), gaps.detach(), atol=1e-5)


def test_close_pairs_have_the_gradient_as_multiplier(make_model: MakeModel) -> None:
    member = make_model(features(8), THREE, n_folds=2).members[0]
    tensors = {name: tensor[:1] for name, tensor in member.tensors.items()}
    x = torch.randn(6, 16, generator=torch.Generator().manual_seed(0)) * 3
    multipliers = pair_multipliers(x, x.clone(), tensors, ((), (0,)))
    x.requires_grad_()
    outputs = tail(tensors, x)
    for output in range(3):
        (slope,) = torch.autograd.grad(outputs[:, output].sum(), x, retain_graph=True)
        assert_allclose(multipliers[output], slope, rtol=1e-3, atol=1e-5)


def test_the_rule_of_layer_normalisation_is_exact() -> None:
    """The formula in the module's docstring, in double precision."""
    x, y = np.random.default_rng(0).normal(size=(2, 9))
    c, d = x - x.mean(), y - y.mean()
    s, t = np.sqrt((c**2).mean() + EPSILON), np.sqrt((d**2).mean() + EPSILON)
    rule = (c - d) * (1 / s + 1 / t) / 2 - (c + d) * ((c + d) * (c - d)).mean() / (2 * s * t * (s + t))
    assert_allclose(c / s - d / t, rule, atol=1e-14)
