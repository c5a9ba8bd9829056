"""Networks on weighted features: they begin as the linear model of their fold, and are a model as all others."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.linear_model import LogisticRegression, Ridge

from enas.config import load_table_config
from enas.console import Silent
from enas.data.dataset import Dataset, FloatArray, Target
from enas.data.splits import Split
from enas.families.linear_start import PENALTIES, linear_start
from enas.families.table import TableFamily, prepare_table, table_recipe
from enas.fit import Fit
from enas.folds import Folds
from enas.journal import Journal
from enas.metrics.rewards import RewardName
from enas.model_files import load_model, save_model
from enas.search_space import Architecture
from enas.table_model import TableModel

pytestmark = pytest.mark.usefixtures("one_thread")
X: FloatArray = np.random.default_rng(0).normal(size=(40, 60)).astype(np.float32)
VALUES = (X[:, :2] @ np.array([[1.0, 2.0], [3.0, -1.0]]) + 7).astype(np.float32)
TWO = Target(("y",), (X[:, 0] > 0).astype(np.int64), ("a", "b"))
THREE = Target(("y",), np.digitize(X[:, 0], [-0.5, 0.5]), ("a", "b", "c"))
NOISE = Target(("y",), np.random.default_rng(1).permutation(np.arange(40) % 2), ("a", "b"))
VALUES_OF_ALL = Target(("s",), X.sum(axis=1, keepdims=True))
NUMBERS = Target(("s", "t"), VALUES)
SMALL = (
    "preprocessing.screen=soft",
    "trainer.child_num_layers=2",
    "trainer.max_search_channel=64",
    "trainer.folds=4",
    "trainer.n_seeds=2",
    "trainer.max_number_of_epoches_in_search=2",
    "trainer.max_number_of_epoches_in_fixed=3",
    "trainer.top_k_candidates=4",
    "trainer.ensemble=true",
    "controller.train_steps=1",
    "compare_with_random=false",
)


def family(target: Target, *, splits: tuple[Split, ...] | None = None) -> TableFamily:
    kind = () if target.classes else ("model.args.is_regression=true",)
    config, _ = load_table_config({"name": "tiny", "device": "cpu"}, (*SMALL, *kind))
    names = tuple(f"g{i}" for i in range(60))
    table = Dataset(X, names, True, tuple(map(str, range(40))), True, target, "x.tsv")
    return prepare_table(table, config, splits=splits, progress=Silent())


def expected(folds: Folds, stem: int, fold: int, penalty: float) -> FloatArray:
    """Outputs of scikit-learn's model for all rows, of two classes as the logarithm of their odds."""
    rows, x = folds.train[fold].numpy(), folds.inputs[stem][fold].numpy()
    if folds.is_regression:
        y = folds.scaled_labels(torch.arange(40).expand(folds.n_folds, -1))[fold].numpy()
        return np.asarray(Ridge(alpha=penalty).fit(x[rows], y[rows]).predict(x))
    model = LogisticRegression(C=1 / penalty, max_iter=1000).fit(x[rows], folds.labels.numpy()[rows])
    return np.asarray(model.decision_function(x))


@pytest.mark.parametrize("target", [TWO, THREE, NUMBERS], ids=["two classes", "three classes", "regression"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_an_untrained_network_is_the_penalised_linear_model_of_its_fold(
    target: Target, penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("enas.families.linear_start.PENALTIES", (penalty,))
    one = family(target)
    for stem in range(4):
        learner = one.learn_alone(Architecture((stem, 0, 1, 0)), None)
        with torch.no_grad():
            outputs = learner.child(one.folds.inputs[stem].repeat(2, 1, 1)).numpy()
        outputs = outputs[..., 1] - outputs[..., 0] if target is TWO else outputs
        for network in range(8):
            right = expected(one.folds, stem, network % 4, penalty)
            assert_allclose(outputs[network], right, atol=4e-3 * max(1, np.abs(right).max()))


@pytest.mark.parametrize(("target", "reward", "chosen"), [(NOISE, "neg_log_loss", 0), (VALUES_OF_ALL, "r2", -1)])
def test_the_penalty_is_chosen_on_held_out_rows(
    target: Target, reward: RewardName, chosen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of noise the strongest; of numbers without noise the weakest."""
    folds = family(target).folds
    found = linear_start(folds, 0, reward)["shortcut"]
    monkeypatch.setattr("enas.families.linear_start.PENALTIES", (PENALTIES[chosen],))
    torch.testing.assert_close(found, linear_start(folds, 0, reward)["shortcut"], rtol=0.02, atol=0.01)


def test_a_class_that_a_fold_does_not_have_begins_as_a_rare_one() -> None:
    absent = np.flatnonzero(THREE.values == 2)
    splits = (Split(np.flatnonzero(THREE.values != 2), absent), Split(np.arange(30), np.arange(30, 40)))
    start = linear_start(family(THREE, splits=splits).folds, 1, "neg_log_loss")
    n = len(splits[0].train)
    assert float(start["head_bias"][0, 0, 2]) == pytest.approx(float(start["head_bias"][0, 0, :2].min()) - np.log(n))
    assert not start["shortcut"][0, :, 2].any()
    assert start["shortcut"][1, :, 2].any()


@pytest.mark.parametrize("target", [THREE, NUMBERS], ids=["classes", "regression"])
def test_search_and_retraining_end_in_a_model_that_is_saved_and_loaded(target: Target, tmp_path: Path) -> None:
    one = family(target)
    model = Fit(one, table_recipe(one.config), Journal(Silent(), 10, one.randomness)).run().model
    assert isinstance(model, TableModel)
    assert {member.architecture.values[0] for member in model.members} == {0, 1, 2, 3}
    save_model(model, tmp_path)
    assert load_model(tmp_path).predict(X).tobytes() == model.predict(X).tobytes()
