"""Tables as a family: the config's numbers, passes over the rows, children on their own features, what is salvaged."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from enas.config import Config, load_table_config
from enas.console import Silent
from enas.data.dataset import Dataset, FloatArray, Target
from enas.families.table import TableFamily, prepare_table, table_recipe
from enas.families.table_learners import SharedDense
from enas.fit import Fit
from enas.journal import Journal
from enas.runs import create_run
from enas.search_space import Architecture

pytestmark = pytest.mark.usefixtures("one_thread")
LABELS = np.arange(40) % 2
X: FloatArray = np.random.default_rng(0).normal(size=(40, 12)).astype(np.float32)
X[:, 0] += 3.0 * LABELS
TABLE = Dataset(
    X,
    tuple(f"g{i}" for i in range(12)),
    True,
    tuple(map(str, range(40))),
    True,
    Target(("y",), LABELS, ("a", "b")),
    "x.tsv",
)
SMALL = ("trainer.child_num_layers=2", "trainer.max_search_channel=64", "trainer.folds=4", "trainer.child_lr=0.02")


def config(*overrides: str) -> Config:
    return load_table_config({"name": "tiny", "device": "cpu"}, (*SMALL, *overrides))[0]


def family(*overrides: str) -> TableFamily:
    return prepare_table(TABLE, config(*overrides), progress=Silent())


def test_the_recipe_is_the_configs() -> None:
    recipe = table_recipe(
        config(
            "trainer.max_number_of_epoches_in_search=3",
            "trainer.max_number_of_epoches_in_fixed=7",
            "trainer.top_k_candidates=4",
            "trainer.batch_size=11",
            "trainer.ensemble=true",
            "trainer.log_every_n_steps=13",
            "controller.train_steps=2",
            "time_limit=90",
        )
    )
    assert (recipe.n_epochs_search, recipe.n_epochs_fixed, recipe.top_k, recipe.n_judges) == (3, 7, 4, 11)
    assert (recipe.ensemble, recipe.log_every, recipe.settings.train_steps, recipe.time_limit) == (True, 13, 2, 90)
    assert (recipe.train_every, recipe.n_derived) == (1, 200)


@pytest.mark.parametrize(("batch_size", "n_batches"), [(30, 3), (15, 6), (6, 10), (3, 10)])
def test_few_minibatches_pass_over_the_rows_once_per_choice_of_features(batch_size: int, n_batches: int) -> None:
    """30 rows train each fold; three choices of features want two minibatches each, in whole passes, at most three."""
    learner = family(f"trainer.batch_size={batch_size}").learn_shared()
    assert len(family().space.screens) == 3
    assert len(learner.batches()) == n_batches


def test_one_choice_of_features_is_one_pass() -> None:
    assert len(family("trainer.batch_size=30", "preprocessing.screen=all").learn_shared().batches()) == 1


def test_without_shuffling_rows_come_in_the_tables_order() -> None:
    section = 'data_train={"args": {"features_file": "x.tsv", "labels_file": "y.tsv", "shuffle": false}}'
    one = family(section, "trainer.batch_size=30", "preprocessing.screen=all")
    (rows,) = one.learn_shared().batches()
    assert rows.tolist() == [train.tolist() for train in one.folds.train]


def test_a_child_reads_the_features_that_its_architecture_names() -> None:
    one = family("trainer.n_seeds=3")
    for screen, n_features in enumerate((5, 10, 12)):
        weight = one.learn_alone(Architecture((screen, 0, 0, 0)), None).weights()["stem_weight"]
        assert weight.shape[:2] == (3 * 4, n_features)
        assert one.group(Architecture((screen, 0, 0, 0))) == screen


def test_what_is_salvaged_answers_as_the_shared_weights_of_the_best_architecture() -> None:
    """Each row gets the mean over the folds' networks."""
    one = family("trainer.max_number_of_epoches_in_search=2", "controller.train_steps=1", "trainer.batch_size=16")
    found = Fit(one, table_recipe(one.config), Journal(Silent(), 10, one.randomness)).search()
    model, best = one.salvage(found), found.derived[0].architecture
    assert [member.architecture for member in model.members] == [best]
    everyone = torch.arange(40).expand(4, -1)
    assert isinstance(found.learner, SharedDense)
    with torch.no_grad():
        outputs = found.learner.supernet(one.folds.gather(best, everyone), best).mean(dim=0).numpy()
    assert np.abs(outputs).max() > 0.1
    assert_allclose(model.predict(X), outputs, rtol=1e-4, atol=1e-5)


def test_curves_are_drawn_where_there_was_a_search(tmp_path: Path) -> None:
    run = create_run(tmp_path, "tiny", now=datetime.now(UTC), facts={})
    one = family()
    with run.lock():
        run.log(stage="retrain", epoch=0, child_loss=0.7, lr=0.02)
        assert one.draw(run, Architecture((0, 0, 0, 0))) == ()
        run.log(stage="search", epoch=0, child_loss=0.7, lr=0.02, reward=0.5, baseline=0.5, entropy=2.0)
        files = one.draw(run, Architecture((0, 0, 0, 0)))
    assert {file.name for file in files} == {"enas_search_curves.pdf", "enas_search_curves.png"}
    assert all(file.stat().st_size > 0 for file in files)
