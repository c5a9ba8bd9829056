"""scikit-learn's scorers as rewards: the same numbers, in the same order."""

from typing import Any, get_args

import numpy as np
import pytest
from scipy.special import softmax
from sklearn import metrics as reference
from sklearn.metrics import make_scorer

from enas.config.sections import FAST_REWARDS
from enas.errors import ConfigError
from enas.metrics.rewards import FAST, FastReward, WeightedLabels, judge, scores
from enas.metrics.scorers import ScorerReward, check_name, is_of_regression, make_reward

Y = np.array([0, 1, 2] * 20)
LOGITS = np.random.default_rng(0).normal(size=(4, 60, 3)) + 2 * np.eye(3)[Y]
WEIGHTS = np.random.default_rng(1).uniform(0.5, 2.0, 60)
LABELS = np.array(["a", "b", "c"])


def test_classes_and_probabilities_are_read_off_the_logits() -> None:
    reward = make_reward("matthews_corrcoef", Y, LABELS)
    assert isinstance(reward, ScorerReward)
    expected = [reference.matthews_corrcoef(Y, one.argmax(axis=1)) for one in LOGITS]
    assert reward.scores(LOGITS, Y).tolist() == pytest.approx(expected)
    reward = make_reward("roc_auc_ovo", Y, LABELS)
    assert isinstance(reward, ScorerReward)
    expected = [reference.roc_auc_score(Y, softmax(one, axis=1), multi_class="ovo") for one in LOGITS]
    assert reward.scores(LOGITS, Y).tolist() == pytest.approx(expected)


def test_a_callable_sees_the_callers_labels() -> None:
    scorer = make_scorer(reference.f1_score, labels=["b"], average="macro")
    reward = make_reward(scorer, Y, LABELS)
    assert isinstance(reward, ScorerReward)
    expected = [reference.f1_score(Y == 1, one.argmax(axis=1) == 1) for one in LOGITS]
    assert reward.scores(LOGITS, Y).tolist() == pytest.approx(expected)


def test_scorers_that_are_known_here_stay_fast() -> None:
    for name, fast in {"roc_auc": "auroc", "roc_auc_ovr": "auroc", "accuracy": "accuracy"}.items():
        assert make_reward(name, Y, LABELS) == fast
    assert make_reward("r2", np.arange(4.0)[:, None], None) == "r2"


def test_errors_are_told_relative_to_a_constant() -> None:
    y = np.random.default_rng(0).normal(5000, 1000, (50, 1))
    better, worse = y + 100, y + 3000
    reward = make_reward("neg_mean_absolute_error", y, None)
    assert str(reward) == "neg_mean_absolute_error (0: as a constant, 1: perfect)"
    of_constant = np.abs(y - y.mean()).mean()
    score, tie = judge(reward, np.stack([better, worse]), y)
    assert score.tolist() == pytest.approx([1 - 100 / of_constant, 1 - 3000 / of_constant])
    assert tie.tolist() == scores("r2", np.stack([better, worse]), y).tolist()


def test_what_is_undefined_comes_last() -> None:
    reward = make_reward("average_precision", np.array([0, 1, 0, 1]), np.array(["a", "b"]))
    logits = np.array([[[1.0, 0.0]] * 3, [[np.nan, 0.0]] * 3])
    assert judge(reward, logits, np.array([0, 0, 0]))[0][1] == -np.inf
    reward = make_reward("roc_auc_ovo", Y, LABELS)
    assert judge(reward, LOGITS[:, :1], Y[:1])[0].tolist() == [-np.inf] * 4


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "auroc", "neg_log_loss"])
def test_weights_count_as_in_scikit_learn(name: FastReward) -> None:
    for logits, y in ((LOGITS, Y), (LOGITS[:, :, :2], Y % 2)):
        p = softmax(logits[1], axis=1)
        expected = {
            "accuracy": reference.accuracy_score(y, p.argmax(1), sample_weight=WEIGHTS),
            "balanced_accuracy": reference.balanced_accuracy_score(y, p.argmax(1), sample_weight=WEIGHTS),
            "neg_log_loss": -reference.log_loss(y, p, sample_weight=WEIGHTS),
            "auroc": reference.roc_auc_score(
                y, p[:, 1] if p.shape[1] == 2 else p, multi_class="ovr", sample_weight=WEIGHTS
            )
            if p.shape[1] == 2
            else np.mean([reference.roc_auc_score(y == c, p[:, c], sample_weight=WEIGHTS) for c in range(3)]),
        }
        assert scores(name, logits, y, WEIGHTS)[1] == pytest.approx(expected[name], abs=1e-9)


def test_weights_of_regressions_and_of_scorers() -> None:
    y = np.random.default_rng(0).normal(size=(60, 2))
    predictions = y[None] + np.random.default_rng(1).normal(size=(3, 60, 2))
    expected = [reference.r2_score(y, one, sample_weight=WEIGHTS) for one in predictions]
    assert scores("r2", predictions, y, WEIGHTS).tolist() == pytest.approx(expected)
    labels = WeightedLabels(Y, WEIGHTS)
    reward = make_reward("f1_macro", Y, LABELS)
    weighted = [reference.f1_score(Y, one.argmax(1), average="macro", sample_weight=WEIGHTS) for one in LOGITS]
    assert judge(reward, LOGITS, labels)[0].tolist() == pytest.approx(weighted)


def test_labels_take_their_weights_along() -> None:
    labels = WeightedLabels(Y, WEIGHTS)
    chosen = labels[Y > 0]
    assert isinstance(chosen, WeightedLabels)
    assert chosen.weights is not None
    assert chosen.weights.tolist() == WEIGHTS[Y > 0].tolist()
    assert judge("accuracy", LOGITS[:, Y > 0], chosen)[0].tolist() == pytest.approx(
        scores("accuracy", LOGITS[:, Y > 0], Y[Y > 0], WEIGHTS[Y > 0]).tolist()
    )
    assert getattr(labels + 1, "weights", None) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("r2", True), ("neg_mean_squared_log_error", True), ("neg_max_error", True), ("explained_variance", True)]
    + [(name, False) for name in ("auroc", "roc_auc_ovo", "f1", "neg_brier_score", "rand_score", "accuracy")],
)
def test_a_scorer_is_one_of_numbers_or_of_classes(name: str, expected: bool) -> None:
    assert is_of_regression(name) == expected


@pytest.mark.parametrize(
    ("name", "near"), [("roc_auk", "roc_auc"), ("MSE", "any scorer"), ("balanced", "balanced_acc")]
)
def test_unknown_names_are_answered_with_the_nearest(name: str, near: str) -> None:
    with pytest.raises(ConfigError, match=near):
        check_name(name)


@pytest.mark.parametrize(
    ("reward", "message"),
    [("f1", "multiclass"), ("neg_mean_absolute_error", "does not fit classification"), (7, "neither a name nor")],
)
def test_rewards_that_do_not_fit_are_refused(reward: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_reward(reward, Y, LABELS)


def test_the_configuration_knows_the_fast_ones() -> None:
    assert FAST_REWARDS == FAST == get_args(FastReward)
