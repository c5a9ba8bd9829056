"""The notebooks of examples/ are kept without outputs, run from top to bottom, and find what their text promises."""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from traitlets.config import Config

NOTEBOOKS = Path(__file__).resolve().parents[1] / "examples" / "notebooks"
SECONDS_PER_CELL = 300  # a busy machine is no failure


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_clean(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
    assert [cell.id for cell in notebook.cells if cell.metadata] == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert text == nbformat.writes(notebook) + "\n"


@pytest.fixture
def jupyter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """Kernels keep what IPython writes, and their sockets, in a temporary folder: two test processes may take one port,
    never one file. Paths of sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="k") as folder:
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", folder)
        monkeypatch.setenv("IPYTHONDIR", folder)
        files = {"transport": "ipc", "ip": str(Path(folder) / "socket")}
        yield Config(KernelManager={} if sys.platform == "win32" else files)


def run(name: str, jupyter: Config, folder: Path, wanted: dict[str, str], first: str = "") -> dict[str, Any]:
    """Run a notebook in a folder, after a cell with the code that is to come first.

    Returns:
        The values of the expressions that are wanted, as JSON knows them, at the notebook's end.
    """
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(first))
    values = ", ".join(f"{key!r}: {expression}" for key, expression in wanted.items())
    notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({{{values}}}))"))
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=SECONDS_PER_CELL, resources=resources, config=jupyter).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output.text for output in outputs if output.get("name") == "stderr"] == []
    found: dict[str, Any] = json.loads(outputs[-1].text)
    return found


def test_tables(jupyter: Config, tmp_path: Path) -> None:
    found = run(
        "tables",
        jupyter,
        tmp_path,
        {
            "unseen": "evaluation.n_rows - evaluation.n_seen",
            "network": "evaluation.metrics.accuracy.value",
            "linear": "max(rival['figure']['value'] for rival in honesty['linear'])",
            "random": "honesty['random_difference']['value']",
            "causal": "len(found) / n_used",
            "n_causal": "len(found)",
            "products": "scores['network'].mean()",
            "products_linear": "scores['logistic regression'].mean()",
            "report": "str(report)",
        },
    )
    assert found["unseen"] == 100
    assert found["network"] > 0.9
    assert found["linear"] > 0.9
    assert abs(found["random"]) < 0.1
    assert found["causal"] > 0.5
    assert found["n_causal"] >= 5
    assert found["products"] > 0.8
    assert found["products_linear"] < 0.65
    assert Path(found["report"]).is_file()


def test_images(jupyter: Config, tmp_path: Path) -> None:
    found = run(
        "images",
        jupyter,
        tmp_path,
        {
            "integers": "architecture.values",
            "trained": "training.architecture.values",
            "unseen": "found.n_rows - found.n_seen",
            "accuracy": "found.metrics.accuracy.value",
            "accuracy_elsewhere": "given.metrics.accuracy.value",
            "mistakes": "len(mistakes)",
            "runs": "len({automl.run.path, other.run.path})",
            "report": "str(report)",
        },
    )
    assert len(found["integers"]) == 40
    assert found["trained"] == found["integers"]
    assert found["unseen"] == 250
    assert found["accuracy"] > 0.7
    assert found["accuracy_elsewhere"] > 0.7
    assert found["mistakes"] == round(250 * (1 - found["accuracy"]))
    assert found["runs"] == 2
    assert Path(found["report"]).is_file()
    assert (tmp_path / "cells.svg").is_file()


@pytest.mark.parametrize("cells", ["of scanpy", "simulated"])
def test_anndata(jupyter: Config, tmp_path: Path, cells: str) -> None:
    pytest.importorskip("anndata", reason="the notebook on AnnData is not tested: anndata is not installed")
    if cells == "of scanpy":
        pytest.importorskip("scanpy", reason="the cells of scanpy are not tested: scanpy is not installed")
    found = run(
        "anndata",
        jupyter,
        tmp_path,
        {
            "n_cells": "adata.n_obs",
            "n_tested": "len(tested)",
            "network": "right['network'].mean()",
            "annotated": "[*adata.obs, *adata.obsm, *adata.var]",
            "genes": "genes.index[:20].tolist()",
        },
        first="" if cells == "of scanpy" else "import sys\nsys.modules['scanpy'] = None",
    )
    assert {"enas_prediction", "enas_probability", "X_enas", "enas_importance"} <= set(found["annotated"])
    assert found["n_tested"] == pytest.approx(found["n_cells"] / 3, abs=1)
    assert found["network"] > 0.6
    assert (tmp_path / "annotated.h5ad").is_file()
    if cells == "simulated":
        assert sum(gene.startswith("marker") for gene in found["genes"]) >= 10
