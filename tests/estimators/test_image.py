"""Classes from images in arrays and folders; ranges of values; what scikit-learn does with the estimator."""

import copy
import inspect
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import check_no_attributes_set_in_init, check_parameters_default_constructible

from enas import Architecture, ENASImageClassifier
from enas.errors import ConfigError, DataError
from enas.estimators.image_pixels import BITS_8, check_images, to_pixels, value_range

pytestmark = pytest.mark.usefixtures("one_thread")
TINY: dict[str, Any] = {
    "n_layers": 1,
    "n_filters": 4,
    "n_nodes": 1,
    "search_epochs": 1,
    "controller_steps": 1,
    "n_derived": 3,
    "epochs": 6,
    "batch_size": 16,
    "validation_split": 0.2,
    "random_state": 0,
}
INSTANT = TINY | {"epochs": 1, "controller_steps": 0}
Images = tuple[NDArray[np.uint8], NDArray[np.str_]]


def bars(n: int, seed: int = 0) -> Images:
    """Grey noise (n, 8, 8) with a bright bar that lies or stands; the classes come one after the other."""
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 80, (n, 8, 8), np.uint8)
    y = np.where(np.arange(n) < n // 2, "flat", "upright")
    for image, name in zip(x, y, strict=True):
        at = generator.integers(8)
        image[(slice(None), at) if name == "upright" else at] = 255
    return x, y


def write_folder(folder: Path, x: NDArray[np.uint8], y: NDArray[np.str_]) -> Path:
    for i, (image, name) in enumerate(zip(x, y, strict=True)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / name / f"{i:04}.png")
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where decoded images go."""
    monkeypatch.setenv("ENAS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "image_cache"


@pytest.fixture(scope="module")
def fitted() -> ENASImageClassifier:
    return ENASImageClassifier(**TINY).fit(*bars(120))


def test_planted_classes_are_found(fitted: ENASImageClassifier) -> None:
    assert fitted.score(*bars(200, seed=1)) >= 0.95
    assert fitted.classes_.tolist() == ["flat", "upright"]
    assert (fitted.image_shape_, fitted.value_range_) == ((8, 8, 1), BITS_8)
    assert not hasattr(fitted, "n_features_in_")


def test_what_is_there_after_training(fitted: ENASImageClassifier) -> None:
    assert isinstance(fitted.best_architecture_, Architecture)
    assert [row["rank"] for row in fitted.leaderboard_] == list(range(1, len(fitted.leaderboard_) + 1))
    assert sum(row["share_of_model"] or 0 for row in fitted.leaderboard_) == 1
    stages = [row["stage"] for row in fitted.history_]
    assert (stages.count("search"), stages.count("retrain")) == (1, 6)


def test_two_classes_decide_by_the_sign(fitted: ENASImageClassifier) -> None:
    x, _ = bars(30, seed=2)
    decision = fitted.decision_function(x)
    assert decision.shape == (30,)
    assert_array_equal(decision > 0, fitted.predict(x) == "upright")
    assert_allclose(fitted.predict_proba(x), np.stack([1 / (1 + np.exp(decision)), 1 / (1 + np.exp(-decision))], 1))


def test_pickled_and_unpickled(fitted: ENASImageClassifier) -> None:
    x, _ = bars(30, seed=2)
    expected = fitted.predict_proba(x)
    written = pickle.dumps(fitted)
    assert len(written) < 100_000
    assert_array_equal(pickle.loads(written).predict_proba(x), expected)


def test_a_folder_is_the_array_of_its_images(fitted: ENASImageClassifier, tmp_path: Path, cache: Path) -> None:
    folder, new = write_folder(tmp_path / "train", *bars(120)), write_folder(tmp_path / "new", *bars(20, seed=1))
    model = ENASImageClassifier(**TINY).fit(folder)
    assert model.classes_.tolist() == ["flat", "upright"]
    expected = fitted.predict_proba(bars(20, seed=1)[0])
    assert_array_equal(model.predict_proba(str(new)), expected)
    assert len(list(cache.glob("*.npy"))) == 2
    assert model.score(new) == model.score(new, bars(20)[1]) == fitted.score(*bars(20, seed=1))
    with pytest.raises(DataError, match=r"the classes of the folder .* are the folders in it; leave y out"):
        model.fit(folder, bars(120)[1])


def test_numbers_of_another_range_are_scaled(fitted: ENASImageClassifier) -> None:
    x, y = bars(120)
    model = ENASImageClassifier(**TINY).fit(x[..., None] / 15.0 - 1.0, y)
    assert model.value_range_ == (-1.0, 16.0)
    assert_array_equal(model.predict_proba(x / 15.0 - 1.0), fitted.predict_proba(x))


def test_the_range_is_that_of_training() -> None:
    x = np.array([0.0, 8.0, 16.0, 24.0, -3.0]).reshape(5, 1, 1, 1)
    values = value_range(x[:3])
    assert values == (0.0, 16.0)
    assert to_pixels(x, values).ravel().tolist() == [0, 128, 255, 255, 0]
    assert to_pixels(check_images(np.array([[[True, False]]])), (0.0, 1.0)).ravel().tolist() == [255, 0]
    with pytest.warns(UserWarning, match="values from 0 to 255, at training from 0 to 1: scale it as there"):
        to_pixels(np.array([[[[0], [255]]]], np.uint8), (0.0, 1.0))


def test_handwritten_digits_of_scikit_learn() -> None:
    digits = load_digits(n_class=3)
    model = ENASImageClassifier(**TINY | {"epochs": 12}).fit(digits.images[:270], digits.target[:270])
    assert model.value_range_ == (0.0, 16.0)
    assert model.score(digits.images[270:], digits.target[270:]) > 0.85
    assert model.decision_function(digits.images[:4]).shape == (4, 3)


def test_colour_and_labels_of_any_kind() -> None:
    generator = np.random.default_rng(0)
    y = np.arange(40) % 2 - 1
    x = generator.integers(0, 200, (40, 9, 8, 3), np.uint8)
    model = ENASImageClassifier(**INSTANT).fit(x, y)
    assert model.image_shape_ == (9, 8, 3)
    assert set(model.predict(x)) <= {-1, 0}


def test_grids_and_cross_validation() -> None:
    x, y = bars(60)
    search = GridSearchCV(ENASImageClassifier(**INSTANT), {"n_filters": np.array([2, 4])}, cv=2, error_score="raise")
    assert search.fit(x, y).best_params_["n_filters"] in (2, 4)
    assert cross_val_score(ENASImageClassifier(**INSTANT), x, y, cv=2, error_score="raise").shape == (2,)


def test_parameters_are_stored_as_they_are() -> None:
    defaults = {name: one.default for name, one in inspect.signature(ENASImageClassifier).parameters.items()}
    model = ENASImageClassifier(**INSTANT)
    assert model.get_params() == defaults | INSTANT
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(epochs=3).epochs == 3
    for check in (check_no_attributes_set_in_init, check_parameters_default_constructible):
        check("ENASImageClassifier", model)


def test_the_same_state_gives_the_same_bits() -> None:
    x, y = bars(40)
    first, again, other = (
        ENASImageClassifier(**INSTANT | {"random_state": state}).fit(x, y).predict_proba(x) for state in (1, 1, 2)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)


X, Y = bars(40)


@pytest.mark.parametrize(
    ("parameters", "x", "y", "kind", "message"),
    [
        ({"epochs": 0}, X, Y, ConfigError, "^epochs: 0 should be at least 1$"),
        ({"n_filters": 3}, X, Y, ConfigError, "^n_filters: "),
        ({"top_k": 9}, X, Y, ConfigError, "^top_k: 9 is more than n_derived, 3"),
        ({"device": "gpu7"}, X, Y, ConfigError, '^device: "gpu7" should be: auto, cpu'),
        ({"n_jobs": 0}, X, Y, ConfigError, "^n_jobs: 0 is no number of threads"),
        ({"validation_split": 0.01}, X, Y, DataError, "change validation_split$"),
        ({}, X, None, DataError, r"fit\(X, y\)"),
        ({}, X, Y[:-1], ValueError, "inconsistent numbers of samples"),
        ({}, X, np.full(40, "a"), DataError, "y has a single class, .*'a'"),
        ({}, X, np.arange(40) / 7, ValueError, "Unknown label type"),
        ({}, X, np.array(["a", *"b" * 39]), DataError, "fewer than two samples"),
        ({}, X.reshape(40, 64), Y, DataError, r"X has the shape \(40, 64\); images are \(n, height, width\)"),
        ({}, X.reshape(40, 1, 8, 8), Y, DataError, "1 or 3 channels, the last axis"),
        ({}, np.ones((40, 8, 8)), Y, DataError, "all values of X are 1"),
        ({}, np.full((40, 8, 8), np.nan), Y, ValueError, "contains NaN"),
        ({}, "nowhere", None, DataError, "^X: "),
    ],
)
def test_what_cannot_be_used_is_said(
    parameters: dict[str, Any], x: Any, y: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        ENASImageClassifier(**INSTANT | parameters).fit(x, y)
    assert isinstance(caught.value, ValueError)


def test_other_images_than_those_of_training_are_refused(fitted: ENASImageClassifier) -> None:
    with pytest.raises(DataError, match="X has images of 9 × 8 × 1, at training they were 8 × 8 × 1"):
        fitted.predict(np.zeros((2, 9, 8), np.uint8))


def test_files_that_cannot_be_read_may_be_left_out(fitted: ENASImageClassifier, tmp_path: Path, cache: Path) -> None:
    folder = write_folder(tmp_path / "new", *bars(4))
    (folder / "flat" / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="leave them out with skip_unreadable: true"):
        fitted.predict(folder)
    lenient = copy.deepcopy(fitted).set_params(skip_unreadable=True)
    with pytest.warns(UserWarning, match="bad.png"), pytest.warns(UserWarning, match="1 of 5 images"):
        assert len(lenient.predict(folder)) == 4
