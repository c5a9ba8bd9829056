"""`enas predict --model` gives the same table for a run and for all that it is exported to."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from export.models import features, write_images, write_table
from numpy.testing import assert_allclose
from typer.testing import CliRunner

from enas.cli import app
from enas.console import Silent
from enas.export.description import Kind
from enas.export.exporter import export_model
from enas.export.predictions import predict_file
from enas.image_model import ImageModel
from enas.model import probabilities_of
from enas.model_files import load_model

pytestmark = pytest.mark.usefixtures("one_thread")
ROOT = Path(__file__).resolve().parents[2]
runner = CliRunner()


def read(file: Path) -> list[list[str]]:
    with file.open(newline="") as stream:
        return list(csv.reader(stream))


def exported(run: Path, kind: str, folder: Path) -> Path:
    """The folder to predict with: the run, its models, or what it was exported to."""
    if kind in ("run", "models"):
        return run if kind == "run" else run / "models"
    if kind == "onnx":
        pytest.importorskip("onnxscript", reason='needs pip install "enas[onnx]"')
    chosen: dict[str, Kind] = {"onnx": "onnx", "torch": "torch", "script": "script"}
    export_model(run, chosen[kind], folder, int8=False, progress=Silent())
    return folder


@pytest.mark.parametrize("kind", ["run", "models", "onnx", "torch", "script"])
def test_tables(table_run: Path, tmp_path: Path, kind: str) -> None:
    data = write_table(tmp_path / "data.tsv")
    model = load_model(table_run / "models")
    n_samples = predict_file(exported(table_run, kind, tmp_path / "out"), data, tmp_path / "found.csv", Silent())
    assert n_samples == 24
    header, *rows = read(tmp_path / "found.csv")
    assert header == ["sample_id", "predicted_result", "softmax_value", *(f"softmax_{c}" for c in model.classes)]
    expected = probabilities_of(model.predict(features(40)))
    assert [row[0] for row in rows] == [f"s{i}" for i in range(24)]
    assert [row[1].removeprefix("'") for row in rows] == [model.classes[i] for i in expected.argmax(axis=1)]
    assert_allclose([[float(cell) for cell in row[3:]] for row in rows], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["run", "torch", "script"])
def test_images(image_run: Path, tmp_path: Path, kind: str) -> None:
    pixels = write_images(tmp_path / "new")
    model = load_model(image_run / "models")
    assert isinstance(model, ImageModel)
    predict_file(exported(image_run, kind, tmp_path / "out"), tmp_path / "new", tmp_path / "found.csv", Silent())
    _, *rows = read(tmp_path / "found.csv")
    assert [row[0] for row in rows] == [f"{i}.png" for i in range(6)]
    expected = probabilities_of(model.predict(pixels))
    assert_allclose([[float(cell) for cell in row[3:]] for row in rows], expected, atol=1e-6)


def test_one_image(image_run: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "new")
    assert predict_file(image_run, tmp_path / "new" / "3.png", tmp_path / "found.csv", Silent()) == 1
    assert read(tmp_path / "found.csv")[1][0] == "3.png"


def test_a_file_of_8_bits_can_be_named(table_run: Path, tmp_path: Path) -> None:
    folder = exported(table_run, "onnx", tmp_path / "out")
    data = write_table(tmp_path / "data.tsv")
    assert predict_file(folder / "model.onnx", data, tmp_path / "found.csv", Silent()) == 24


@pytest.mark.skipif(not Path("/dev/stdin").exists(), reason="needs /dev/stdin")
def test_from_a_pipe_to_a_pipe(table_run: Path, tmp_path: Path) -> None:
    data = write_table(tmp_path / "data.tsv")
    predict_file(table_run, data, tmp_path / "found.csv", Silent())
    command = [sys.executable, "-m", "enas", "predict", "--model", str(table_run), "-", "-o", "-"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, input=data.read_bytes(), env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (tmp_path / "found.csv").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["predict", "--model", "{run}", "{data}"], "enas predict --model DIR DATA -o FILE"),
        (["predict", "config.json", "-o", "x.csv"], "enas predict --model DIR DATA -o FILE"),
        (["predict", "--model", "{run}", "--set", "seed=1", "{data}", "-o", "x.csv"], "enas predict CONFIG"),
        (["predict", "--model", "nowhere", "{data}", "-o", "x.csv"], "nowhere does not exist"),
        (["predict", "--model", "{here}", "{data}", "-o", "x.csv"], "holds no model"),
        (["predict", "--model", "{run}", "missing.tsv", "-o", "x.csv"], "'missing.tsv' does not exist"),
        (["predict", "--model", "{run}", "{data}", "-o", "no/x.csv"], "cannot write no/x.csv"),
        (["export", "{run}", "--to", "pickle", "-o", "out"], "--to is onnx, torch or script"),
        (["export", "{run}", "--to", "torch", "--int8", "-o", "out"], "--int8 goes with onnx"),
        (["export", "nowhere", "--to", "torch", "-o", "out"], "nowhere does not exist"),
    ],
)
def test_what_is_wrong_is_one_line(
    table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_table(tmp_path / "data.tsv")
    result = runner.invoke(app, [part.format(run=table_run, data=data, here=tmp_path) for part in arguments])
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.glob("*.csv"))


def test_a_row_that_the_model_cannot_take_is_named(table_run: Path, tmp_path: Path) -> None:
    result = runner.invoke(app, ["export", str(table_run), "--to", "script", "-o", str(tmp_path / "out"), "-q"])
    assert (result.exit_code, result.stdout) == (0, "")
    data = tmp_path / "data.tsv"
    data.write_text("id\t" + "\t".join(f"g{j}" for j in range(40)) + "\nhuge\t" + "\t".join(["3e38"] * 40) + "\n")
    result = runner.invoke(app, ["predict", "--model", str(tmp_path / "out"), str(data), "-o", str(tmp_path / "x.csv")])
    assert result.exit_code == 2
    assert "sample 'huge': its values are beyond what the model can take" in result.stderr
