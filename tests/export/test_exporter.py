"""`enas export`: what is written runs without enas, agrees with the model, and is refused where it does not."""

import csv
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from export.models import VALUES, features, save_run
from numpy.testing import assert_allclose
from PIL import Image

from enas.console import Silent
from enas.errors import ConfigError, RunError
from enas.export.check import TOLERANCE, difference, refuse_difference
from enas.export.description import Kind, load_description
from enas.export.exporter import Exported, export_model
from enas.export.network import SCRIPT_FILE, WEIGHTS_FILE, load_network, load_program
from enas.image_model import ImageModel
from enas.model import probabilities_of
from enas.model_files import load_model
from enas.table_model import TableModel

if TYPE_CHECKING:
    from enas.automl import Auto

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).resolve().parents[2]
BLOCKED = "import sys; sys.modules.update(dict.fromkeys({modules!r})); import runpy; sys.argv = sys.argv[1:]; "


def export(run: Path, kind: Kind, folder: Path, *, int8: bool = False) -> Exported:
    return export_model(run, kind, folder, int8=int8, progress=Silent())


def run_without(modules: tuple[str, ...], *arguments: str, folder: Path) -> str:
    """Standard output of a Python script, run where these modules cannot be imported."""
    code = BLOCKED.format(modules=modules) + "sys.path.insert(0, '.'); runpy.run_path(sys.argv[0], run_name='__main__')"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def unpacked(file: Path) -> bytes:
    """All that an archive holds."""
    with zipfile.ZipFile(file) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def write_rows(model: TableModel, file: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Nine rows, their columns in another order than in training, behind ids."""
    rows = features(len(model.feature_names), 9)
    order = np.random.default_rng(0).permutation(rows.shape[1])
    lines = [["id", *(model.feature_names[j] for j in order)]]
    lines += [
        [f"s{i}", *("" if np.isnan(row[j]) else repr(float(row[j])) for j in order)] for i, row in enumerate(rows)
    ]
    file.write_text("\n".join(map(",".join, lines)) + "\n")
    return rows


def test_the_script_predicts_a_table_without_enas(table_run: Path, tmp_path: Path) -> None:
    model = load_model(table_run / "models")
    assert isinstance(model, TableModel)
    export(table_run, "script", tmp_path / "out")
    rows = write_rows(model, tmp_path / "data.csv")
    printed = run_without(("enas", "onnx", "pandas"), "model.py", str(tmp_path / "data.csv"), folder=tmp_path / "out")
    found = list(csv.DictReader(io.StringIO(printed)))
    chances = probabilities_of(model.predict(rows))
    assert [row["sample_id"] for row in found] == [f"s{i}" for i in range(9)]
    assert [row["predicted_result"] for row in found] == [model.classes[i] for i in chances.argmax(axis=1)]
    assert_allclose([[float(row[f"softmax_{c}"]) for c in model.classes] for row in found], chances, atol=1e-6)


def test_the_script_predicts_image_files_without_enas(image_run: Path, tmp_path: Path) -> None:
    model = load_model(image_run / "models")
    export(image_run, "script", tmp_path / "out")
    pixels = np.random.default_rng(0).integers(0, 256, (12, 12), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    printed = run_without(("enas",), "model.py", str(tmp_path / "one.png"), folder=tmp_path / "out")
    (row,) = csv.DictReader(io.StringIO(printed))
    expected = probabilities_of(model.predict(pixels[None, :, :, None]))[0]
    assert_allclose([float(row[f"softmax_{name}"]) for name in model.classes], expected, atol=1e-6)


def test_the_script_is_a_module(table_run: Path, tmp_path: Path) -> None:
    export(table_run, "script", tmp_path)
    (tmp_path / "use.py").write_text(
        "import torch\nfrom model import load\nprint(tuple(load()(torch.zeros(2, 40)).shape))"
    )
    assert run_without(("enas",), "use.py", folder=tmp_path) == "(2, 3)\n"


def test_regression_is_exported(make_model: Callable[..., TableModel], tmp_path: Path) -> None:
    model = make_model(features(12), VALUES, n_folds=3, shares=(0.4, 0.6))
    run = save_run(model, tmp_path / "run")
    for kind in ("script", "torch"):
        exported = export(run, kind, tmp_path / kind)
        assert exported.difference.probabilities == 0
        assert exported.difference.outputs <= TOLERANCE
    rows = write_rows(model, tmp_path / "data.csv")
    printed = run_without(("enas",), "model.py", str(tmp_path / "data.csv"), folder=tmp_path / "script")
    found = [[float(cell) for cell in row[1:]] for row in list(csv.reader(io.StringIO(printed)))[1:]]
    assert_allclose(found, model.predict(rows), rtol=1e-5)


@pytest.mark.parametrize("run", ["table_run", "image_run"])
def test_the_program_loads_and_gives_logits_and_probabilities(
    run: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    exported = export(request.getfixturevalue(run), "torch", tmp_path / "out")
    assert exported.difference.largest <= TOLERANCE
    assert exported.difference.n_samples == (1000 if run == "table_run" else 100)
    assert str(ROOT).encode() not in unpacked(tmp_path / "out" / "model.pt2")
    description = load_description(tmp_path / "out")
    program = load_program(description, tmp_path / "out")
    dtype = torch.uint8 if description.images else torch.float32
    for n_samples in (1, 7):
        logits, probabilities = program(torch.ones((n_samples, *description.shape), dtype=dtype))
        assert logits.shape == (n_samples, 3)
        assert_allclose(torch.softmax(logits, 1).detach(), probabilities.detach(), atol=1e-6)


@pytest.mark.parametrize("run", ["table_run", "image_run"])
def test_onnx_agrees_and_its_example_runs_on_onnxruntime_alone(
    run: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime", reason='needs pip install "enas[onnx]"')
    pytest.importorskip("onnxscript", reason='needs pip install "enas[onnx]"')
    import onnxruntime

    folder = request.getfixturevalue(run)
    exported = export(folder, "onnx", tmp_path / "out")
    assert exported.difference.largest <= TOLERANCE
    assert [file.name for file in exported.files] == ["model.onnx", "example.py", "model.json", "README.txt"]
    assert str(ROOT).encode() not in exported.files[0].read_bytes()
    model = load_model(folder / "models")
    zeros = np.zeros((1, *(model.plan.size if isinstance(model, ImageModel) else ()), 1), np.uint8)
    samples = zeros if isinstance(model, ImageModel) else np.zeros((1, 40), np.float32)
    best = model.classes[int(model.predict(samples).argmax())]
    assert run_without(("enas", "torch"), "example.py", folder=tmp_path / "out") == f"{[best] * 3}\n"
    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx")
    assert session.get_inputs()[0].shape[0] == "batch"
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == list(model.classes)


def test_8_bits_are_measured_on_the_runs_test_rows(open_auto: "Callable[..., Auto]", tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason='needs pip install "enas[onnx]"')
    auto = open_auto("trainer.max_search_channel=512")
    auto.train()
    exported = export(auto.run.path, "onnx", tmp_path / "out", int8=True)
    assert exported.int8.startswith("8 bits, on 20 test rows: largest differences: outputs ")
    assert "accuracy" in exported.int8
    assert (tmp_path / "out" / "model.int8.onnx").stat().st_size < (tmp_path / "out" / "model.onnx").stat().st_size


def test_8_bits_need_a_run(table_run: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason='needs pip install "enas[onnx]"')
    with pytest.raises(RunError, match=r"needs its config\.json"):
        export(table_run, "onnx", tmp_path / "out", int8=True)
    assert not (tmp_path / "out").exists()


def test_layers_too_small_for_8_bits_are_refused(make_model: Callable[..., TableModel], tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason='needs pip install "enas[onnx]"')
    run = save_run(make_model(features(12), VALUES, shares=(0.0, 1.0)), tmp_path / "small")
    (run / "config.json").write_text("{}")
    with pytest.raises(RunError, match="8 bits would gain nothing"):
        export(run, "onnx", tmp_path / "out", int8=True)
    assert not (tmp_path / "out" / "model.json").exists()


def test_what_computes_something_else_is_refused() -> None:
    expected = np.array([[1.0, -200.0]])
    moved = difference(expected, expected + 1e-4, None)
    assert moved.outputs == pytest.approx(5e-7)
    assert (moved.probabilities, moved.n_samples) == (0.0, 1)
    outputs = np.array([[0.1, 0.20003]])
    found = difference(np.array([[0.1, 0.2]]), outputs, probabilities_of(outputs))
    assert found.probabilities == pytest.approx(0.25 * 3e-5, rel=0.1)
    with pytest.raises(RunError, match=r"computes something else, nothing is exported: .*outputs 3\.0e-05"):
        refuse_difference(found, "onnx")
    with pytest.raises(RunError, match="outputs inf"):
        refuse_difference(difference(expected, expected * np.nan, None), "script")
    with pytest.raises(RunError, match=r"outputs 0\.0e\+00, probabilities 1\.0e\+00"):
        refuse_difference(difference(expected, expected, np.array([[0.0, 1.0]])), "torch")


def test_an_exported_model_is_replaced_and_a_run_is_not(table_run: Path, tmp_path: Path) -> None:
    export(table_run, "torch", tmp_path / "out")
    export(table_run, "script", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        SCRIPT_FILE,
        WEIGHTS_FILE,
        "model.json",
        "README.txt",
    }
    with pytest.raises(RunError, match="holds a model that was not exported"):
        export(table_run, "script", table_run / "models")
    with pytest.raises(RunError, match="was exported already"):
        export(tmp_path / "out", "torch", tmp_path / "other")


def test_a_script_is_not_run_by_enas(table_run: Path, tmp_path: Path) -> None:
    export(table_run, "script", tmp_path)
    script = tmp_path / SCRIPT_FILE
    script.write_text(script.read_text() + "raise SystemExit('run')\n")
    with pytest.raises(RunError, match="is not as enas wrote it, and enas does not run it"):
        load_network(load_description(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 2, "has format 2"),
        ("classes", ["a"], "40 features and 1 outputs"),
        ("exported", "pickle", "exported"),
        ("table", None, "neither a table nor images"),
        ("weight", "__import__('os')", "valid number"),
        ("skips", [[], [5]], "do not go together"),
    ],
)
def test_a_forged_description_is_one_error(
    table_run: Path, tmp_path: Path, key: str, value: object, message: str
) -> None:
    export(table_run, "script", tmp_path)
    file = tmp_path / "model.json"
    described = json.loads(file.read_text())
    inner = described["table"]["candidates"][0] if key in ("weight", "skips") else described
    inner[key] = value
    file.write_text(json.dumps(described))
    with pytest.raises(RunError, match=message):
        load_description(tmp_path)


def test_weights_of_another_network_are_one_error(table_run: Path, tmp_path: Path) -> None:
    from enas.tensor_files import read_tensors, write_tensors

    export(table_run, "script", tmp_path)
    arrays, _ = read_tensors(tmp_path / WEIGHTS_FILE)
    write_tensors(tmp_path / WEIGHTS_FILE, arrays | {"folds.0.columns_1": np.full(5, 99)})
    with pytest.raises(RunError, match="is damaged or of another model"):
        load_network(load_description(tmp_path), tmp_path)


def test_a_damaged_program_is_one_error(table_run: Path, tmp_path: Path) -> None:
    export(table_run, "torch", tmp_path)
    (tmp_path / "model.pt2").write_bytes(b"PK nothing")
    with pytest.raises(RunError, match=r"model.pt2 is damaged: torch cannot load it"):
        load_program(load_description(tmp_path), tmp_path)


def test_a_missing_library_is_named(table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ConfigError, match=r'pip install "enas\[onnx\]"'):
        export(table_run, "onnx", tmp_path / "out")


def test_a_model_of_log1p_is_exported(make_model: Callable[..., TableModel], tmp_path: Path) -> None:
    model = make_model(features(12), VALUES)
    scalers = [replace(one.scaler, transform="log1p") for one in model.preprocessors]
    changed = [replace(one, scaler=scaler) for one, scaler in zip(model.preprocessors, scalers, strict=True)]
    run = save_run(replace(model, preprocessors=tuple(changed)), tmp_path / "run")
    assert export(run, "torch", tmp_path / "out").difference.largest <= TOLERANCE
