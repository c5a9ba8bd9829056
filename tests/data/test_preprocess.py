"""Preprocessing: what each step computes, that training rows alone decide it, and that the change of basis is exact."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from enas.data.dataset import FloatArray, Target
from enas.data.preprocess import (
    Scale,
    Stem,
    Transform,
    fit_preprocessor,
    fit_scaler,
    fit_stem,
    row_space,
)
from enas.data.scores import rank_features, score_features, weigh_features
from enas.errors import DataError

TRAIN = np.arange(12)


def make_table(n: int = 20, p: int = 50, seed: int = 0) -> tuple[FloatArray, Target]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    features = generator.normal(3.0, 2.0, (n, p)).astype(np.float32)
    features[:, 7] += 5 * labels
    return features, Target(("y",), labels, ("a", "b"))


def test_standard_scaling_has_mean_0_and_deviation_1_on_the_training_rows() -> None:
    features, _ = make_table()
    out = fit_scaler(features, TRAIN, transform="none", scale="standard")(features)[TRAIN]
    assert_allclose(out.mean(axis=0), 0, atol=1e-5)
    assert_allclose(out.std(axis=0), 1, rtol=1e-5)


def test_robust_scaling_uses_median_and_quartiles_and_shrugs_off_an_outlier() -> None:
    features, _ = make_table()
    calm = fit_scaler(features, TRAIN, transform="none", scale="robust")
    low, middle, high = np.percentile(features[TRAIN], [25, 50, 75], axis=0)
    assert_allclose(calm.center, middle, rtol=1e-6)
    assert_allclose(calm.factor, 1.349 / (high - low), rtol=1e-5)
    features[features[TRAIN, 0].argmax(), 0] = 1e6
    assert fit_scaler(features, TRAIN, transform="none", scale="robust").factor[0] == pytest.approx(calm.factor[0])


def test_robust_scaling_of_a_column_without_quartile_range_uses_its_deviation() -> None:
    features = np.zeros((12, 1), np.float32)
    features[0] = 6
    assert fit_scaler(features, TRAIN, transform="none", scale="robust").factor[0] == pytest.approx(
        1 / features.std(), rel=1e-5
    )


@pytest.mark.parametrize("scale", ["standard", "robust", "none"])
def test_a_column_that_is_constant_in_training_becomes_zero_everywhere(scale: Scale) -> None:
    features, _ = make_table()
    features[TRAIN, 3] = 0.1  # its float32 mean is not exactly 0.1
    out = fit_scaler(features, TRAIN, transform="none", scale=scale)(features)
    assert_array_equal(out[:, 3], 0)


def test_missing_values_become_the_median_of_the_training_rows() -> None:
    features = np.array([[1, 5], [2, 5], [10, 6], [np.nan, 7], [900, np.nan]], np.float32)
    scaler = fit_scaler(features, np.arange(4), transform="none", scale="none")
    assert_allclose(scaler.fill, [2, 5.5])
    assert_allclose(scaler(features)[3, 0], 2)
    assert_allclose(scaler(features)[4, 1], 5.5)


def test_a_column_without_any_training_value_becomes_zero() -> None:
    features = np.array([[np.nan, 1], [np.nan, 2], [np.nan, 3], [4, 5]], np.float32)
    out = fit_scaler(features, np.arange(3), transform="none", scale="standard")(features)
    assert_array_equal(out[:, 0], 0)
    assert np.isfinite(out).all()


@pytest.mark.parametrize(("transform", "function"), [("log1p", np.log1p), ("asinh", np.arcsinh)])
def test_a_transform_comes_before_everything_else(transform: Transform, function: np.ufunc) -> None:
    features = np.abs(make_table()[0])
    scaler = fit_scaler(features, TRAIN, transform=transform, scale="standard")
    assert_allclose(scaler.center, function(features[TRAIN]).mean(axis=0), rtol=1e-5)


def test_log1p_refuses_values_of_minus_one_or_less_and_says_what_takes_them() -> None:
    features = np.array([[1.0], [-1.5], [2.0]], np.float32)
    with pytest.raises(DataError, match=r"log1p.*-1\.5.*asinh"):
        fit_scaler(features, np.arange(3), transform="log1p", scale="standard")
    scaler = fit_scaler(np.abs(features), np.arange(3), transform="log1p", scale="standard")
    with pytest.raises(DataError, match="log1p"):
        scaler(features)


@pytest.mark.parametrize(
    ("largest", "row", "expected"), [(1001, 0, "asinh"), (-1001, 0, "asinh"), (999, 0, "none"), (5000, 15, "none")]
)
def test_auto_transforms_tables_with_large_training_values(largest: float, row: int, expected: str) -> None:
    features, _ = make_table()
    features[row, 2] = largest
    features[1, 3] = np.nan
    assert fit_scaler(features, TRAIN, transform="auto", scale="standard").transform == expected


@pytest.mark.parametrize("transform", ["none", "auto", "asinh"])
def test_held_out_rows_change_neither_scaler_nor_ranking_nor_basis(transform: Transform) -> None:
    features, target = make_table()
    features[2, 5] = np.nan
    changed = features.copy()
    changed[12:] = 1e4 * np.random.default_rng(1).normal(size=changed[12:].shape)
    changed[13, 3] = np.nan
    labels = target.values.copy()
    labels[12:] = 1 - labels[12:]
    one, _ = fit_preprocessor(
        features, target, TRAIN, transform=transform, scale="standard", screens=(20, None), seed=0
    )
    other, _ = fit_preprocessor(
        changed,
        Target(("y",), labels, ("a", "b")),
        TRAIN,
        transform=transform,
        scale="standard",
        screens=(20, None),
        seed=0,
    )
    assert one.scaler.transform == other.scaler.transform
    for name in ("fill", "center", "factor"):
        assert_array_equal(getattr(one.scaler, name), getattr(other.scaler, name))
    for mine, its in zip(one.stems, other.stems, strict=True):
        assert mine.n_features == its.n_features
        assert_array_equal(mine.columns, its.columns)
        assert_array_equal(mine.basis, its.basis)


def test_the_coordinates_returned_are_those_that_the_preprocessor_gives() -> None:
    features, target = make_table()
    fitted, coordinates = fit_preprocessor(
        features, target, TRAIN, transform="none", scale="standard", screens=(5, 20, None), seed=0
    )
    assert [stem.n_features for stem in fitted.stems] == [5, 20, 50]
    for stem, expected in zip(fitted.stems, coordinates, strict=True):
        assert_array_equal(stem(fitted.scaler(features)), expected)


def test_weighted_features_are_all_there_in_a_basis_of_the_weighted_rows() -> None:
    """What the first layer sees has the scalar products of the weighted training rows, over the number of features."""
    features, target = make_table()
    fitted, coordinates = fit_preprocessor(
        features, target, TRAIN, transform="none", scale="standard", screens=(None,), sharpness=(0, 2), seed=0
    )
    standardised = fitted.scaler(features)
    scores = score_features(standardised, target, TRAIN)
    for power, stem, seen in zip((0, 2), fitted.stems, coordinates, strict=True):
        assert (stem.columns, stem.n_features, stem.n_inputs) == (None, 50, seen.shape[1])
        assert_allclose(stem(standardised), seen, atol=1e-6)
        weighted = standardised * weigh_features(scores, power)
        assert_allclose(seen[TRAIN] @ seen[TRAIN].T, weighted[TRAIN] @ weighted[TRAIN].T / 50, atol=1e-4)


def test_the_basis_is_orthonormal_and_spans_the_training_rows() -> None:
    rows = make_table(12, 300)[0]
    basis = row_space(rows - rows.mean(axis=0), np.random.default_rng(0))
    assert basis.shape == (300, 11)  # centring costs one dimension
    assert_allclose(basis.T @ basis, np.eye(11), atol=1e-4)
    assert_allclose((rows - rows.mean(axis=0)) @ basis @ basis.T, rows - rows.mean(axis=0), atol=1e-3)


def test_the_coordinates_of_a_random_basis_carry_about_the_same() -> None:
    """Adam would otherwise learn directions of little variance as fast as the main ones."""
    rows = make_table(40, 400)[0] * np.linspace(0.1, 3, 40, dtype=np.float32)[:, None]
    carried = (rows @ row_space(rows, np.random.default_rng(0))).std(axis=0)
    principal = np.linalg.svd(rows, compute_uv=False)
    assert carried.max() / carried.min() < 0.1 * principal.max() / principal.min()


def test_few_features_keep_their_own_coordinates() -> None:
    features, _ = make_table(p=12)
    stem = fit_stem(features, None, 12, TRAIN, np.random.default_rng(0))
    assert stem.basis is None
    assert_allclose(stem(features), features / np.sqrt(12))


def test_rows_without_variance_still_have_a_coordinate() -> None:
    stem = fit_stem(np.zeros((5, 40), np.float32), None, 40, np.arange(5), np.random.default_rng(0))
    assert stem(np.zeros((2, 40), np.float32)).shape == (2, 1)


@pytest.mark.parametrize("screened", [False, True])
def test_gradient_descent_in_the_basis_is_gradient_descent_on_all_features(screened: bool) -> None:
    """Weights of the first layer, folded back to p features, agree after 50 steps, and so do outputs of training rows
    and of new rows; outside the row space they stay as they began, zero."""
    features, target = make_table(20, 200)
    order = rank_features(features, target, TRAIN) if screened else None
    stem = fit_stem(features, order, 60 if screened else 200, TRAIN, np.random.default_rng(0))
    full = Stem(stem.columns, None, stem.n_features)
    assert stem.basis is not None
    assert stem.n_inputs == 12
    inside = 0.1 * torch.randn(12, 4, generator=torch.Generator().manual_seed(0))
    outside = torch.from_numpy(stem.basis) @ inside
    trained, labels = [], torch.from_numpy(target.values)
    for view, start in ((stem, inside), (full, outside)):
        x, weight = torch.from_numpy(view(features)), start.clone().requires_grad_()
        for _ in range(50):
            loss = torch.nn.functional.cross_entropy(torch.tanh(x[TRAIN] @ weight), labels[TRAIN])
            (slope,) = torch.autograd.grad(loss, weight)
            with torch.no_grad():
                weight -= 0.5 * slope
        trained.append((x @ weight).detach())
        assert float((weight - start).detach().abs().max()) > 0.01
    folded = torch.from_numpy(stem.basis)
    assert_allclose(trained[0].numpy(), trained[1].numpy(), atol=1e-5)
    assert_allclose((folded @ folded.T @ weight.detach()).numpy(), weight.detach().numpy(), atol=1e-5)
