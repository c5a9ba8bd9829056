import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special, stats
from sklearn import metrics as reference

from enas.metrics import score, scores, tie_break
from enas.metrics.rewards import FastReward, auroc_by_class, midranks


def draw(n_architectures: int, n: int, n_classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    generator = np.random.default_rng(n + n_classes)
    targets = np.concatenate([np.arange(n_classes), generator.integers(0, n_classes, n - n_classes)])
    logits = generator.normal(size=(n_architectures, n, n_classes)).astype(np.float32)
    return np.round(logits, 1), targets  # rounding makes ties


@pytest.mark.parametrize(("n", "n_classes"), [(20, 2), (200, 2), (50, 5)])
def test_scores_equal_scikit_learn(n: int, n_classes: int) -> None:
    logits, y = draw(4, n, n_classes)
    probabilities = special.softmax(logits.astype(np.float64), axis=-1)
    for index, p in enumerate(probabilities):
        expected = {
            "accuracy": reference.accuracy_score(y, p.argmax(1)),
            "balanced_accuracy": reference.balanced_accuracy_score(y, p.argmax(1)),
            "neg_log_loss": -reference.log_loss(y, p),
            "auroc": reference.roc_auc_score(y, p[:, 1] if n_classes == 2 else p, multi_class="ovr"),
        }
        for name, value in expected.items():
            assert scores(name, logits, y)[index] == pytest.approx(value, abs=1e-6), name  # type: ignore[arg-type]


def test_r2_equals_scikit_learn_and_skips_constant_targets() -> None:
    generator = np.random.default_rng(0)
    targets, predictions = generator.normal(size=(30, 3)), generator.normal(size=(2, 30, 3))
    expected = [reference.r2_score(targets, p) for p in predictions]
    assert scores("r2", predictions, targets) == pytest.approx(expected)
    assert score("r2", predictions[0, :, 0], targets[:, 0]) == pytest.approx(
        reference.r2_score(targets[:, 0], predictions[0, :, 0])
    )
    targets[:, 2] = 1.0
    assert score("r2", predictions[0], targets) == pytest.approx(
        reference.r2_score(targets[:, :2], predictions[0, :, :2])
    )


def test_midranks_equal_scipy() -> None:
    values = np.random.default_rng(0).integers(0, 9, (5, 40)).astype(float)
    assert np.array_equal(midranks(values), stats.rankdata(values, axis=1))
    distinct = np.random.default_rng(0).normal(size=(5, 40))
    assert np.array_equal(midranks(distinct), stats.rankdata(distinct, axis=1))


def test_absent_classes_leave_the_averages() -> None:
    logits, y = draw(3, 40, 4)
    wider = np.concatenate([logits, np.full((3, 40, 1), -9.0)], axis=-1)
    for name in ("balanced_accuracy", "auroc"):
        assert scores(name, wider, y) == pytest.approx(scores(name, logits, y), abs=1e-3)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_auroc_of_one_class_is_undefined(n_classes: int) -> None:
    logits, _ = draw(2, 10, n_classes)
    assert np.isnan(scores("auroc", logits, np.ones(10, np.int64))).all()
    assert np.isnan(auroc_by_class(logits, np.ones(10, np.int64))).all()


def test_auroc_does_not_saturate_where_probabilities_do() -> None:
    y = np.array([0, 0, 1, 1])
    logits = np.array([[0, 100], [0, 300], [0, 200], [0, 400]])
    assert score("auroc", logits, y) == 0.75


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "auroc", "neg_log_loss", "r2"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_scores_nan_and_harms_no_other(name: FastReward, bad: float) -> None:
    logits, y = draw(3, 20, 2)
    targets: NDArray[Any] = np.eye(2)[y] if name == "r2" else y
    good = scores(name, logits, targets)
    logits[1, 3, 0] = bad
    values = scores(name, logits, targets)
    assert np.isnan(values[1])
    assert values[[0, 2]].tolist() == good[[0, 2]].tolist()


def test_ties_are_broken_by_confidence_in_the_truth() -> None:
    y = np.array([0, 1])
    logits = np.array([[[1.0, 0.0], [0.0, 1.0]], [[3.0, 0.0], [0.0, 3.0]]])
    assert scores("accuracy", logits, y).tolist() == [1.0, 1.0]
    assert tie_break("accuracy", logits, y).argmax() == 1


@pytest.mark.parametrize(
    ("shape", "targets", "message"),
    [
        ((1, 3, 2), np.zeros(4, int), r"\(1, 3, 2\) and \(4,\)"),
        ((1, 0, 2), np.zeros(0, int), r"\(1, 0, 2\)"),
        ((1, 3, 2), np.array([0, 1, 2]), "0…2 do not fit"),
    ],
)
def test_bad_shapes_are_named(shape: tuple[int, ...], targets: NDArray[np.int64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scores("accuracy", np.zeros(shape), targets)
    with pytest.raises(ValueError, match="expected"):
        scores("r2", np.zeros((2, 3)), np.zeros(4))
    with pytest.raises(ValueError, match="unknown reward 'speed'"):
        scores("speed", np.zeros((1, 3, 2)), np.zeros(3, int))  # type: ignore[arg-type]


def test_a_search_can_afford_them() -> None:
    logits, y = draw(100, 100, 2)
    for name in ("accuracy", "balanced_accuracy", "auroc", "neg_log_loss"):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            scores(name, logits, y)
            times.append(time.perf_counter() - start)
        assert min(times) / 100 < 50e-6, name
