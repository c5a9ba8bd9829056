import json
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import special
from sklearn import metrics as reference

from enas.metrics import evaluate_classification

Floats = NDArray[np.float64]


def draw(seed: int, sizes: tuple[int, ...], shift: float = 1.5) -> tuple[Floats, NDArray[np.int64]]:
    y = np.repeat(np.arange(len(sizes)), sizes)
    logits = np.random.default_rng(seed).normal(size=(len(y), len(sizes)))
    logits[np.arange(len(y)), y] += shift
    return special.softmax(logits, axis=1), y


def test_values_equal_scikit_learn() -> None:
    p, y = draw(0, (20, 35, 15))
    predicted = p.argmax(1)
    result = evaluate_classification(p, y, ("a", "b", "c"))
    assert result.n_samples == 70
    assert result.accuracy.value == pytest.approx(reference.accuracy_score(y, predicted))
    assert result.balanced_accuracy.value == pytest.approx(reference.balanced_accuracy_score(y, predicted))
    assert result.macro_f1.value == pytest.approx(reference.f1_score(y, predicted, average="macro"))
    assert result.auroc.value == pytest.approx(reference.roc_auc_score(y, p, multi_class="ovr"))
    assert result.log_loss.value == pytest.approx(reference.log_loss(y, p))
    assert np.array_equal(result.confusion, reference.confusion_matrix(y, predicted))
    columns = reference.precision_recall_fscore_support(y, predicted)
    for index, one in enumerate(result.per_class):
        ours = (one.precision.value, one.recall.value, one.f1.value, one.support)
        assert ours == pytest.approx([float(column[index]) for column in columns])


def test_every_interval_holds_its_value() -> None:
    result = evaluate_classification(*draw(1, (12, 12)), ("a", "b"))
    estimates = [result.accuracy, result.balanced_accuracy, result.macro_f1, result.auroc, result.log_loss]
    estimates += [e for c in result.per_class for e in (c.precision, c.recall, c.f1)]
    assert all(e.low <= e.value <= e.high and e.low < e.high for e in estimates)


def test_a_class_without_samples_is_noted_and_left_out() -> None:
    p, y = draw(0, (20, 30))
    wider = np.column_stack([p[:, 0], np.zeros(50), p[:, 1]])
    result, plain = evaluate_classification(wider, y * 2, "abc"), evaluate_classification(p, y, "ac")
    assert result.macro_f1 == plain.macro_f1
    assert result.auroc.value == plain.auroc.value
    assert np.isnan(result.per_class[1].recall.value)
    assert "1 of 3 classes have no sample here and count in no average: 'b'" in result.notes


def test_one_class_only() -> None:
    result = evaluate_classification(np.array([[0.8, 0.2], [0.4, 0.6]]), np.array([0, 0]), "ab")
    assert np.isnan(result.auroc.value)
    assert result.balanced_accuracy.value == 0.5
    assert "all samples are of one class, so AUROC is undefined" in result.notes
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["auroc"]["value"] is None


def test_one_sample_and_certain_errors_are_finite() -> None:
    result = evaluate_classification(np.array([[1.0, 0.0]]), np.array([1]), "ab")
    assert result.accuracy.value == 0.0
    assert result.log_loss.value == pytest.approx(-np.log(np.finfo(np.float64).eps))


def test_the_table_is_aligned() -> None:
    text = evaluate_classification(*draw(0, (12, 12)), ("ALL", "a long name")).to_text()
    lines = text.splitlines()
    assert lines[0].startswith("accuracy           0.")
    assert lines[6].index("precision") == lines[7].index("1.000 [") == lines[8].index("0.923 [") == 13


def test_same_seed_same_interval() -> None:
    p, y = draw(0, (12, 12))
    first, again, other = (evaluate_classification(p, y, "ab", seed=s).log_loss for s in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        (np.ones((0, 2)), np.zeros(0, int), r"nothing to evaluate: probabilities.shape=\(0, 2\)"),
        (np.ones((2, 2)) / 2, np.zeros(3, int), r"probabilities.shape=\(2, 2\), y.shape=\(3,\)"),
        (np.ones((2, 3)) / 3, np.zeros(2, int), "2 classes"),
        (np.ones((1, 2)) / 2, np.array([2]), "class indices 0…1"),
        (np.array([[0.5, 0.5], [3.0, -2.0]]), np.zeros(2, int), r"row 1 holds no probabilities"),
        (np.array([[np.nan, 0.5]]), np.zeros(1, int), r"row 0 holds no probabilities"),
    ],
)
def test_bad_input_is_named(p: Floats, y: NDArray[np.int64], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_classification(p, y, ("a", "b"))


def test_the_truth_is_covered() -> None:
    names, sizes = ("macro_f1", "auroc", "log_loss"), (15, 25, 40)
    big, y = draw(0, tuple(2000 * s for s in sizes))
    truth = evaluate_classification(big, y, "abc")
    covered = dict.fromkeys(names, 0)
    for seed in range(1, 301):
        result = evaluate_classification(*draw(seed, sizes), "abc", seed=seed)
        for name in names:
            estimate = getattr(result, name)
            covered[name] += estimate.low <= getattr(truth, name).value <= estimate.high
    assert min(covered.values()) / 300 >= 0.9, covered


def test_a_thousand_rows_take_less_than_half_a_second() -> None:
    p, y = draw(0, (100,) * 10)
    start = time.perf_counter()
    evaluate_classification(p, y, "abcdefghij")
    assert time.perf_counter() - start < 0.5
