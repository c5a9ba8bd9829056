"""A model on disk: predictions come back to the bit, nothing is pickled, damage is one clear error."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from enas.data.dataset import FloatArray, Target
from enas.errors import ConfigError, RunError
from enas.model_files import load_model, save_model
from enas.search_space import Architecture
from enas.table_model import TableModel

MakeModel = Callable[..., TableModel]
pytestmark = pytest.mark.usefixtures("one_thread")
CLASSES = Target(("grade",), np.arange(24) % 3, ("a", "ü b", "c,d"))
VALUES = Target(("size", "age"), np.random.default_rng(1).normal(9, 3, (24, 2)).astype(np.float32))


def features(p: int = 40) -> FloatArray:
    x = np.random.default_rng(0).normal(size=(24, p)).astype(np.float32)
    x[3, 5] = np.nan
    return x


@pytest.mark.parametrize("target", [CLASSES, VALUES], ids=["classes", "regression"])
@pytest.mark.parametrize(
    ("p", "n_folds", "n_seeds", "shares", "stems"),
    [
        (40, 1, 1, (1.0,), {}),
        (8, 3, 1, (0.7, 0.3), {}),
        (40, 2, 3, (0.5, 0.0, 0.5), {"screens": (5, 20, None)}),
        (40, 2, 1, (0.5, 0.5), {"sharpness": (0, 3)}),
    ],
    ids=["basis", "own coordinates", "screens, seeds and an unused candidate", "weighted features"],
)
def test_a_loaded_model_predicts_the_same_to_the_bit(
    target: Target,
    p: int,
    n_folds: int,
    n_seeds: int,
    shares: tuple[float, ...],
    stems: dict[str, Any],
    make_model: MakeModel,
    tmp_path: Path,
) -> None:
    n_folds = max(n_folds, 2)  # cross folds need two
    model = make_model(features(p), target, n_folds=n_folds, n_seeds=n_seeds, shares=shares, **stems)
    save_model(model, tmp_path)
    loaded = load_model(tmp_path)
    expected = model.predict(features(p))
    assert np.isfinite(expected).all()
    assert loaded.predict(features(p)).tobytes() == expected.tobytes()
    for name in ("space", "feature_names", "has_feature_names", "target_names", "classes"):
        assert getattr(loaded, name) == getattr(model, name)
    (tmp_path / "again").mkdir()
    save_model(loaded, tmp_path / "again")
    for file in tmp_path.glob("*.*"):
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()


def test_outputs_are_the_weighted_mean_of_candidates_of_the_mean_over_networks(make_model: MakeModel) -> None:
    x = features()
    both = make_model(x, CLASSES, shares=(0.25, 0.75))
    parts = [both.only(member.architecture).predict(x) for member in both.members]
    np.testing.assert_allclose(both.predict(x), 0.25 * parts[0] + 0.75 * parts[1], rtol=1e-5, atol=1e-6)


def test_batches_do_not_change_predictions(make_model: MakeModel) -> None:
    x = features()
    model = make_model(x, CLASSES, shares=(0.25, 0.75))
    np.testing.assert_allclose(model.predict(x, batch_size=1), model.predict(x), rtol=1e-5, atol=1e-5)
    assert [len(batch) for batch in model.outputs(x, batch_size=10)] == [10, 10, 4]


def test_only_takes_one_candidate_and_refuses_others(make_model: MakeModel) -> None:
    model = make_model(features(), CLASSES, shares=(0.5, 0.5))
    with pytest.raises(ConfigError, match=r"\[0 0 0\] is not among the retrained candidates: \[1 0 1\], \[0 1 0\]"):
        model.only(Architecture((0, 0, 0)))


@pytest.fixture
def folder(make_model: MakeModel, tmp_path: Path) -> Path:
    save_model(make_model(features(), CLASSES, shares=(0.5, 0.5)), tmp_path)
    return tmp_path


def test_the_files_are_json_and_safetensors(folder: Path) -> None:
    names = {"model.json", "preprocessing.safetensors", "candidate_1.safetensors", "candidate_2.safetensors"}
    assert {file.name for file in folder.iterdir()} == names
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    assert described["classes"] == list(CLASSES.classes)
    for file in folder.glob("*.safetensors"):
        data = file.read_bytes()
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        assert header  # plain JSON, then numbers


@pytest.mark.parametrize("name", ["model.json", "preprocessing.safetensors", "candidate_2.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "noise"])
def test_a_damaged_file_is_one_clear_error(folder: Path, name: str, damage: str) -> None:
    file, generator = folder / name, np.random.default_rng(0)
    data = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes({"empty": b"", "cut": data[: len(data) // 2], "noise": generator.bytes(len(data))}[damage])
    with pytest.raises(RunError, match=str(folder)):
        load_model(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("format", 99),
        ("members", None),
        ("members", [{"architecture": [9, 9, 9], "share": 1.0, "temperature": 1.0}]),
        ("members", [{"architecture": "x"}]),
        ("space", {}),
        ("transforms", ["none"] * 7),
        ("n_folds", "x"),
        ("classes", 5),
    ],
)
def test_a_description_that_does_not_fit_is_a_run_error(folder: Path, key: str, value: object) -> None:
    file = folder / "model.json"
    described = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(described | {key: value}), encoding="utf-8")
    if key == "n_folds":  # for readers of the file; the statistics themselves say how many there are
        load_model(folder)
        return
    with pytest.raises(RunError, match=r"model"):
        load_model(folder)


def test_tensors_of_another_model_are_refused(folder: Path, make_model: MakeModel, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    save_model(make_model(features(), CLASSES, n_folds=3), tmp_path / "other")
    (folder / "candidate_1.safetensors").write_bytes((tmp_path / "other" / "candidate_1.safetensors").read_bytes())
    with pytest.raises(RunError):
        load_model(folder).predict(features())


def test_nothing_is_unpickled() -> None:
    source = Path(__file__).resolve().parents[1] / "src" / "enas"
    for file in source.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "import pickle" not in text, file
        assert "torch.load" not in text, file
        assert "torch.save" not in text, file
        assert "allow_pickle=True" not in text, file


def test_a_model_is_what_it_was_after_predicting(make_model: MakeModel) -> None:
    model = make_model(features(), CLASSES)
    assert_array_equal(model.predict(features()), model.predict(features()))
