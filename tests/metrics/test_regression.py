import json

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from enas.metrics import evaluate_regression


def test_values_equal_scikit_learn_and_scipy() -> None:
    generator = np.random.default_rng(0)
    y = generator.normal(size=(40, 2))
    p = y + generator.normal(size=(40, 2))
    result = evaluate_regression(p, y, ("height", "weight"))
    for i, target in enumerate(result.per_target):
        assert target.r2.value == pytest.approx(reference.r2_score(y[:, i], p[:, i]), abs=1e-5)
        assert target.rmse.value == pytest.approx(reference.root_mean_squared_error(y[:, i], p[:, i]))
        assert target.mae.value == pytest.approx(reference.mean_absolute_error(y[:, i], p[:, i]))
        assert target.spearman.value == pytest.approx(stats.spearmanr(y[:, i], p[:, i]).statistic)
        assert target.r2.low < target.r2.value < target.r2.high
    assert result.mean.r2.value == pytest.approx(reference.r2_score(y, p), abs=1e-5)
    assert result.mean.mae.low > min(t.mae.low for t in result.per_target)


def test_a_constant_target_is_noted_and_left_out() -> None:
    y = np.column_stack([np.arange(10.0), np.full(10, 1e6)])
    result = evaluate_regression(y + 0.5, y, ("a", "b"))
    assert np.isnan(result.per_target[1].r2.value)
    assert result.mean.r2 == result.per_target[0].r2
    assert result.notes == ("all true values are equal, so R² and Spearman are undefined: 'b'",)
    assert json.loads(json.dumps(result.to_dict(), allow_nan=False))["per_target"][1]["r2"]["value"] is None


def test_one_target_may_be_a_vector() -> None:
    y = np.arange(5.0)
    text = evaluate_regression(y + 1, y, ["age"]).to_text()
    assert text.splitlines()[0].split() == ["target", "R²", "RMSE", "MAE", "Spearman"]
    assert "1.000 [1.000, 1.000]" in text
    assert "mean" not in text


def test_a_large_offset_does_not_harm_r2() -> None:
    y = 1e6 + np.arange(100.0)
    p = y + np.random.default_rng(0).normal(size=100)
    assert evaluate_regression(p, y, ["a"]).per_target[0].r2.value == pytest.approx(reference.r2_score(y, p), abs=1e-5)


@pytest.mark.parametrize(
    ("shape", "other", "message"),
    [((3, 2), (3, 1), "shapes do not match"), ((3, 3), (3, 3), "2 names"), ((0, 2), (0, 2), "nothing to evaluate")],
)
def test_bad_input_is_named(shape: tuple[int, ...], other: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate_regression(np.zeros(shape), np.zeros(other), ("a", "b"))
    with pytest.raises(ValueError, match="finite"):
        evaluate_regression(np.array([np.nan]), np.zeros(1), ("a",))


def test_the_truth_is_covered() -> None:
    covered = {"r2": 0, "rmse": 0, "mae": 0, "spearman": 0}
    truth = {"r2": 0.75, "rmse": 0.5, "mae": 0.5 * np.sqrt(2 / np.pi), "spearman": 6 / np.pi * np.arcsin(0.8944272 / 2)}
    for seed in range(300):
        generator = np.random.default_rng(seed)
        y = generator.normal(size=60)
        p = y + 0.5 * generator.normal(size=60)
        result = evaluate_regression(p, y, ["a"], seed=seed).per_target[0]
        for name in covered:
            estimate = getattr(result, name)
            covered[name] += estimate.low <= truth[name] <= estimate.high
    assert min(covered.values()) / 300 >= 0.9, covered
