"""Linear models for comparison: they learn what is linear, as scikit-learn's do, and come back from their file."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from enas.baselines import Baseline, Rows, fit_baselines, fitting, load_linear, save_linear
from enas.baselines.fitting import L1_FACTORS, PENALTIES
from enas.data.dataset import Target
from enas.data.splits import Split, cross_folds
from enas.errors import RunError


def table(n: int, p: int, n_classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Classes that the first features tell apart."""
    chance = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    x = chance.normal(size=(n, p)).astype(np.float32)
    x[np.arange(n), labels] += 4.0
    return 3 * x + 7, labels


def rows_of(x: np.ndarray, target: Target, splits: tuple[Split, ...]) -> Rows:
    return Rows(x, target, splits, np.ones(len(x), np.float32), "none", "standard", 0)


def fitted(x: np.ndarray, labels: np.ndarray, n_folds: int = 5) -> list[Baseline]:
    target = Target(("y",), labels, tuple(f"class {i}" for i in range(labels.max() + 1)))
    splits = cross_folds(target, n_folds, seed=0)
    return fit_baselines(rows_of(x, target, splits), "accuracy", lambda text: None)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("p", [8, 300])
def test_what_is_linear_is_learned(n_classes: int, p: int) -> None:
    x, labels = table(120, p, n_classes)
    splits = cross_folds(Target(("y",), labels, ("a", "b", "c", "d")[:n_classes]), 5, seed=0)
    judged = np.concatenate([split.held_out for split in splits])
    found = fitted(x, labels)
    assert [one.model.name for one in found] == ["L2 logistic regression", "L1 logistic regression"]
    for one, is_lost in zip(found, (p > 100, False), strict=True):  # L2 spreads its weights over all features
        expected = 1 / n_classes + 0.2 if is_lost else 0.85
        assert (one.held_out.argmax(axis=1) == labels[judged]).mean() > expected
        new, truth = table(400, p, n_classes, seed=1)
        assert (np.concatenate(list(one.model.outputs(new))).argmax(axis=1) == truth).mean() > expected


def test_l1_keeps_few_features() -> None:
    x, labels = table(120, 300, 2)
    weights = [one.model.folds[0].weights for one in fitted(x, labels)]
    n_kept = [int((weight != 0).any(axis=1).sum()) for weight in weights]
    assert n_kept[0] == 300
    assert 2 <= n_kept[1] < 100
    assert np.abs(weights[1][:2]).min() > np.abs(weights[1][2:]).max()


def test_the_same_as_scikit_learn() -> None:
    x, labels = table(60, 10, 3)
    split = Split(np.arange(40), np.arange(40, 60))
    target = Target(("y",), labels, ("a", "b", "c"))
    ours = fit_baselines(rows_of(x, target, (split,)), "accuracy", lambda text: None)[0]
    scaler = StandardScaler().fit(x[:40])
    known = []
    for penalty in PENALTIES:
        model = LogisticRegression(C=1 / (10 * penalty), max_iter=1000).fit(scaler.transform(x[:40]), labels[:40])
        known.append(model.predict_proba(scaler.transform(x[40:])))
    ranks = [np.argsort(p, axis=1).tolist() for p in known]
    assert np.argsort(ours.held_out, axis=1).tolist() in ranks


def test_numbers_are_predicted_by_ridge() -> None:
    chance = np.random.default_rng(0)
    x = chance.normal(size=(80, 200)).astype(np.float32)
    y = (x[:, :3] @ chance.normal(size=(3, 2)) + 5).astype(np.float32)
    target = Target(("a", "b"), y)
    splits = cross_folds(target, 5, seed=0)
    (one,) = fit_baselines(rows_of(x, target, splits), "r2", lambda text: None)
    judged = y[np.concatenate([split.held_out for split in splits])]
    assert one.model.name == "ridge regression"
    assert one.held_out.shape == judged.shape
    assert ((one.held_out - judged) ** 2).mean() < 0.8 * judged.var(axis=0).mean()
    assert np.concatenate(list(one.model.outputs(x, batch_size=7))).mean(axis=0) == pytest.approx([5, 5], abs=1)


def test_nothing_but_noise_gives_nothing() -> None:
    """The penalty is not chosen by the rows that are judged: 60 rows of noise do not look better than chance."""
    chance = np.random.default_rng(0)
    scores = []
    for _ in range(6):
        labels = np.arange(60) % 2
        x = chance.normal(size=(60, 40)).astype(np.float32)
        splits = cross_folds(Target(("y",), labels, ("a", "b")), 5, seed=0)
        judged = labels[np.concatenate([split.held_out for split in splits])]
        scores += [(one.held_out.argmax(axis=1) == judged).mean() for one in fitted(x, labels)]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.08)


def test_a_class_that_a_fold_lacks_is_not_predicted() -> None:
    x, labels = table(60, 6, 3)
    train = np.flatnonzero(labels[:40] < 2)
    target = Target(("y",), labels, ("a", "b", "c"))
    found = fit_baselines(rows_of(x, target, (Split(train, np.arange(40, 60)),)), "accuracy", lambda text: None)
    for one in found:
        assert one.held_out.shape == (20, 3)
        assert (one.held_out.argmax(axis=1) < 2).all()


def test_of_many_rows_a_part_is_taken_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every class stays, however rare it is."""
    monkeypatch.setattr(fitting, "L1_CELLS", 60 * 20 * 3)
    x, labels = table(400, 20, 2)
    labels[7] = 2
    target = Target(("y",), labels, ("a", "b", "c"))
    split = Split(np.arange(300), np.arange(300, 400))
    whole, part = fit_baselines(rows_of(x, target, (split,)), "accuracy", lambda text: None)
    assert whole.model.name == "L2 logistic regression"
    assert part.model.name == "L1 logistic regression on 60 of 300 training rows"
    for one in (whole, part):
        assert (one.held_out.argmax(axis=1) == labels[300:]).mean() > 0.85
        assert (one.model.folds[0].bias > fitting.ABSENT).all()


def test_images_are_rows_of_pixels() -> None:
    labels = np.arange(40) % 2
    pixels = np.random.default_rng(0).integers(0, 50, (40, 4, 4, 1)).astype(np.uint8)
    pixels[labels == 1, :, :2] += 100
    target = Target(("class",), labels, ("a", "b"))
    split = Split(np.arange(30), np.arange(30, 40))
    one = fit_baselines(rows_of(pixels, target, (split,)), "accuracy", lambda text: None)[0]
    assert (np.concatenate(list(one.model.outputs(pixels))).argmax(axis=1) == labels).all()


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    x, labels = table(60, 8, 3)
    model = fitted(x, labels)[1].model
    save_linear(model, tmp_path / "linear.safetensors")
    again = load_linear(tmp_path / "linear.safetensors", model.classes, model.target_names)
    assert again.name == model.name
    assert np.array_equal(next(again.outputs(x)), next(model.outputs(x)))
    with pytest.raises(RunError, match=r"linear.safetensors is damaged: its weights are not of this model"):
        load_linear(tmp_path / "linear.safetensors", ("a", "b"), ("y",))
    model.folds[0].bias[0] = np.nan
    save_linear(model, tmp_path / "linear.safetensors")
    with pytest.raises(RunError, match="not finite"):
        load_linear(tmp_path / "linear.safetensors", model.classes, model.target_names)
    (tmp_path / "linear.safetensors").write_bytes(b"no tensors")
    with pytest.raises(RunError, match="damaged"):
        load_linear(tmp_path / "linear.safetensors", model.classes, model.target_names)


def test_there_are_several_penalties() -> None:
    assert len(PENALTIES) >= 4
    assert len(L1_FACTORS) >= 4
