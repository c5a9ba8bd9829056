"""Classes from arrays, frames and sparse matrices; weights, groups, splits, rewards; what scikit-learn does with it."""

import pickle
import warnings
from typing import Any

import numpy as np
import polars
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy import sparse
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from enas import Architecture, ENASClassifier
from enas.errors import ConfigError, DataError

Settings = dict[str, Any]
Table = tuple[NDArray[np.float64], NDArray[np.str_]]


def test_what_is_there_after_training(quick: Settings, flowers: Table) -> None:
    x, y = flowers
    model = ENASClassifier(**quick | {"top_k": 2}).fit(x, y)
    assert model.score(x, y) > 0.9
    assert model.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    assert model.n_features_in_ == 4
    assert isinstance(model.best_architecture_, Architecture)
    assert [row["rank"] for row in model.leaderboard_] == list(range(1, len(model.leaderboard_) + 1))
    assert sum(row["share_of_model"] or 0 for row in model.leaderboard_) == 1
    stages = [row["stage"] for row in model.history_]
    assert (stages.count("search"), stages.count("retrain")) == (1, 2 * 15)
    assert_allclose(model.predict_proba(x).sum(axis=1), 1)
    assert_array_equal(model.classes_[model.decision_function(x).argmax(axis=1)], model.predict(x))


def test_two_classes_decide_by_the_sign(quick: Settings, flowers: Table) -> None:
    x, y = flowers[0][50:], flowers[1][50:]
    model = ENASClassifier(**quick).fit(x, y)
    decision = model.decision_function(x)
    assert decision.shape == (100,)
    assert_array_equal(decision > 0, model.predict(x) == "virginica")
    assert_allclose(1 / (1 + np.exp(-decision)), model.predict_proba(x)[:, 1])


def test_frames_and_sparse_matrices_are_the_same_table(quick: Settings, flowers: Table) -> None:
    x, y = flowers
    expected = ENASClassifier(**quick).fit(x, y).predict_proba(x)
    for matrix in (sparse.csr_matrix(x), sparse.csc_array(x)):
        assert_array_equal(ENASClassifier(**quick).fit(matrix, y).predict_proba(matrix), expected)
    frame = polars.DataFrame(x, schema=["a", "b", "c", "d"])
    model = ENASClassifier(**quick).fit(frame, polars.Series(y.tolist()))
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert_array_equal(model.predict_proba(frame), expected)


def test_frames_of_pandas_are_matched_by_name(quick: Settings, flowers: Table) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is no dependency")
    x, y = flowers
    frame = pandas.DataFrame(x, columns=["a", "b", "c", "d"])
    model = ENASClassifier(**quick).fit(frame, pandas.Series(y))
    assert model.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[["b", "a", "c", "d"]])


def test_missing_values_are_no_obstacle(quick: Settings, flowers: Table) -> None:
    x, y = flowers[0].copy(), flowers[1]
    x[::7, 1] = np.nan
    assert ENASClassifier(**quick).fit(x, y).score(x, y) > 0.85


def test_pickled_and_unpickled(quick: Settings, flowers: Table) -> None:
    x, y = flowers
    model = ENASClassifier(**quick).fit(x, y)
    expected = model.predict_proba(x)
    written = pickle.dumps(model)
    assert len(written) < 200_000
    assert_array_equal(pickle.loads(written).predict_proba(x), expected)


def test_grids_pipelines_and_frames_as_outputs(quick: Settings, flowers: Table) -> None:
    x, y = flowers
    pipeline = make_pipeline(StandardScaler(), ENASClassifier(**quick)).set_output(transform="polars")
    grid = {"enasclassifier__n_layers": np.array([1, 2]), "enasclassifier__keep_prob": np.array([0.9])}
    search = GridSearchCV(pipeline, grid, cv=2, scoring="neg_log_loss", error_score="raise").fit(x, y)
    assert search.best_score_ > -1.0
    assert search.best_estimator_[-1].feature_names_in_.tolist() == ["x0", "x1", "x2", "x3"]
    assert cross_val_score(ENASClassifier(**quick), x, y, cv=3, error_score="raise").mean() > 0.85


def test_an_explanation_adds_up_to_the_logits(quick: Settings, flowers: Table) -> None:
    x, y = flowers
    model = ENASClassifier(**quick).fit(x, y)
    explained = model.explain(x[:9])
    assert explained.values.shape == (3, 9, 4)
    total = explained.values.sum(axis=2).T + explained.base
    assert_allclose(total, model.decision_function(x[:9]), rtol=1e-4, atol=1e-4)


def test_a_weight_of_two_is_a_row_twice_and_a_weight_of_zero_none(quick: Settings, flowers: Table) -> None:
    x, y = flowers
    weights = np.arange(150) % 3
    folds = np.arange(150) % 2
    split = [(np.flatnonzero(folds == 0), np.flatnonzero(folds == 1))]
    weighted = ENASClassifier(**quick, cv=split).fit(x, y, sample_weight=weights)
    again = np.repeat(np.arange(150), weights)
    split = [(np.flatnonzero(folds[again] == 0), np.flatnonzero(folds[again] == 1))]
    repeated = ENASClassifier(**quick, cv=split).fit(x[again], y[again])
    assert_array_equal(weighted.predict_proba(x), repeated.predict_proba(x))


def test_weights_of_classes_move_the_decision(quick: Settings) -> None:
    generator = np.random.default_rng(0)
    y = (np.arange(200) % 10 == 0).astype(int)
    x = generator.normal(size=(200, 3)) + 0.8 * y[:, None]
    recalls = [
        (ENASClassifier(**quick, class_weight=weight).fit(x, y).predict(x)[y == 1] == 1).mean()
        for weight in (None, {1: 3.0}, "balanced")
    ]
    assert recalls[0] < recalls[1] < recalls[2]


def test_groups_stay_together(quick: Settings) -> None:
    """Rows of a person are alike, persons are not: only scores that keep persons apart are honest."""
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 5)
    y = np.repeat(generator.permutation(np.arange(20) % 2), 5)
    x = np.repeat(generator.normal(size=(20, 10)), 5, axis=0) + 0.01 * generator.normal(size=(100, 10))
    settings = quick | {"epochs": 30}
    careless, careful = (
        ENASClassifier(**settings).fit(x, y, groups=given).leaderboard_[0]["retrained_score"]
        for given in (None, groups)
    )
    assert careless > 0.95
    assert careful < 0.8


@pytest.mark.parametrize(
    ("cv", "n_judged"),
    [(3, 150), (ShuffleSplit(2, test_size=30, random_state=0), 60), ([(range(0, 150, 2), range(1, 150, 2))], 75)],
    ids=["number", "splitter", "pairs"],
)
def test_splits_are_the_callers(quick: Settings, flowers: Table, cv: Any, n_judged: int) -> None:
    seen = []

    def count(estimator: Any, outputs: NDArray[np.float64], y: NDArray[np.str_]) -> float:
        seen.append(len(y))
        return float((estimator.predict(outputs) == y).mean())

    x = flowers[0] + np.arange(150)[:, None] * 1e-5  # no two rows are the same
    ENASClassifier(**quick | {"batch_size": 200}, cv=cv, reward=count).fit(x, flowers[1])
    assert set(seen[1:]) <= {n_judged, *(n_judged * k // 3 for k in (1, 2)), n_judged // 2}
    assert n_judged in seen


def test_a_splitter_gets_the_groups(quick: Settings, flowers: Table) -> None:
    x, y = flowers
    model = ENASClassifier(**quick, cv=GroupKFold(3)).fit(x, y, groups=np.arange(150) // 5)
    assert model.score(x, y) > 0.85
    with pytest.raises(ValueError, match="groups"):
        ENASClassifier(**quick, cv=GroupKFold(3)).fit(x, y)


def test_the_only_member_of_a_class_trains(quick: Settings, flowers: Table) -> None:
    x, y = flowers
    y = np.where(np.arange(150) == 149, "unique", y)
    model = ENASClassifier(**quick).fit(x, y)
    assert model.classes_.tolist() == ["setosa", "unique", "versicolor", "virginica"]
    assert model.score(x, y) > 0.85


@pytest.mark.parametrize("reward", ["roc_auc", "matthews_corrcoef", "neg_brier_score", "f1_macro", "roc_auc_ovo"])
def test_any_scorer_is_a_reward(quick: Settings, flowers: Table, reward: str) -> None:
    x, y = flowers
    model = ENASClassifier(**quick, reward=reward).fit(x, y)
    assert model.score(x, y) > 0.85
    assert 0.5 < model.leaderboard_[0]["retrained_score"] <= 1.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"reward": "roc_auk"}, 'did you mean "roc_auc"'),
        ({"reward": "r2"}, '"r2" does not fit classification'),
        ({"reward": "f1"}, '"f1" does not fit these targets: Target is multiclass'),
        ({"reward": 3}, "reward is 3"),
        ({"n_layers": 0}, "n_layers: 0 should be at least 1"),
        ({"batch_size": "x", "epochs": -1}, 'batch_size: "x" should be a whole number\nepochs: -1'),
        ({"screen": "some"}, 'screen: "some" should be'),
        ({"n_jobs": 0}, "n_jobs: 0"),
    ],
)
def test_wrong_parameters_are_named(quick: Settings, flowers: Table, parameters: Settings, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        ENASClassifier(**quick | parameters).fit(*flowers)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("weights", "groups", "message"),
    [
        (np.zeros(150), None, "at least one weight must not be zero"),
        (-np.ones(150), None, "negative"),
        (np.ones(3), None, "one weight per row"),
        (None, np.zeros(150), "a single group"),
    ],
)
def test_wrong_weights_and_groups_are_named(
    quick: Settings, flowers: Table, weights: Any, groups: Any, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        ENASClassifier(**quick).fit(*flowers, sample_weight=weights, groups=groups)
    assert isinstance(caught.value, ValueError)


def test_a_time_limit_ends_training_with_a_warning(quick: Settings, flowers: Table) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        model = ENASClassifier(**quick | {"epochs": 100_000, "time_limit": 0.5}).fit(*flowers)
    assert any("time limit" in str(one.message) for one in told)
    assert model.score(*flowers) > 0.5


def test_verbose_is_a_log(quick: Settings, flowers: Table, capsys: pytest.CaptureFixture[str]) -> None:
    ENASClassifier(**quick).fit(*flowers)
    assert capsys.readouterr() == ("", "")
    ENASClassifier(**quick, verbose=1).fit(*flowers)
    assert "valid accuracy" in capsys.readouterr().out
