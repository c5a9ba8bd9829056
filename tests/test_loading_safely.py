"""Nothing that is loaded can execute code: no call in the package could, and forged files do nothing, end to end."""

import ast
import json
import os
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from enas.errors import ConfigError, EnasError, RunError
from enas.export.image_sketch import ImageSketch
from enas.export.table_sketch import TableSketch

if TYPE_CHECKING:
    from enas.automl import Auto

SOURCE = Path(__file__).resolve().parents[1] / "src" / "enas"
FORBIDDEN_MODULES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "code"}
FORBIDDEN_NAMES = {"eval", "exec", "compile", "__import__", "breakpoint"}
FORBIDDEN_CALLS = {
    *("torch.load", "torch.save", "torch.jit.load", "torch.hub.load", "torch.package.PackageImporter"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "yaml.full_load_all", "yaml.unsafe_load_all"),
    *("os.system", "os.popen", "sys.path.append", "sys.path.insert", "numpy.fromregex", "pandas.read_pickle"),
}
SAFE_LOADERS = {"SafeLoader", "CSafeLoader"}


WRITTEN_HERE = {"export/network.py: compile", "export/network.py: exec"}
"""Runs text that it has just written itself from numbers, see below; never one that it has read."""


def test_no_call_in_the_package_could_execute_what_it_reads() -> None:
    files = sorted(SOURCE.rglob("*.py"))
    assert len(files) > 100
    found = {f"{file.relative_to(SOURCE).as_posix()}: {what}" for file in files for _, what in find_unsafe(file)}
    assert found == WRITTEN_HERE


def test_no_text_of_an_exported_model_enters_the_source_that_is_run() -> None:
    """The sketch from which the source is written has numbers, truth values and a choice of words, but no free text."""

    def free_texts(schema: object) -> Iterator[object]:
        if isinstance(schema, dict):
            if schema.get("type") == "string" and not {"enum", "const"} & schema.keys():
                yield schema
            for part in schema.values():
                yield from free_texts(part)
        elif isinstance(schema, list):
            for part in schema:
                yield from free_texts(part)

    for sketch in (TableSketch, ImageSketch):
        assert list(free_texts(TypeAdapter(sketch).json_schema())) == []
    assert list(free_texts(TypeAdapter(dict[str, list[str]]).json_schema()))


def find_unsafe(file: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = dict(imported_names(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from ((node.lineno, module) for module in modules if module.split(".")[0] in FORBIDDEN_MODULES)
        elif isinstance(node, ast.Attribute) and node.attr.endswith("Loader") and dotted(node, names)[:5] == "yaml.":
            if node.attr not in SAFE_LOADERS:
                yield node.lineno, dotted(node, names)
        elif isinstance(node, ast.Call):
            name = dotted(node.func, names)
            if name in FORBIDDEN_CALLS | FORBIDDEN_NAMES or allows_pickle(node):
                yield node.lineno, name
            if name.startswith("subprocess.") and any(keyword.arg == "shell" for keyword in node.keywords):
                yield node.lineno, f"{name} with a shell"


def imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """What a name in the file stands for: ``np`` for numpy, ``load`` for torch.load."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname, alias.name) for alias in node.names if alias.asname)
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""


def allows_pickle(call: ast.Call) -> bool:
    """Anything but the constant False may be true."""
    given = [keyword.value for keyword in call.keywords if keyword.arg == "allow_pickle"]
    return any(not (isinstance(value, ast.Constant) and value.value is False) for value in given)


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from pickle import loads as harmless",
        "import torch as t; t.load('x')",
        "from torch import load; load('x')",
        "import yaml; yaml.load(text, Loader=yaml.Loader)",
        "import yaml; yaml.UnsafeLoader(text)",
        "import numpy as np; np.load('x', allow_pickle=True)",
        "import numpy as np; np.load('x', allow_pickle=flag)",
        "eval('1')",
        "exec(text)",
        "import joblib; joblib.load('x')",
        "import os; os.system(text)",
        "import subprocess; subprocess.run(text, shell=True)",
    ],
)
def test_the_search_finds(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(text)
    assert list(find_unsafe(tmp_path / "a.py"))


def test_the_search_lets_harmless_calls_be(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import json, re, yaml\nimport numpy as np\nmodel.eval()\nre.compile('x')\njson.loads('1')\n"
        "yaml.SafeLoader('x')\nnp.load('x', allow_pickle=False)\n"
    )
    assert list(find_unsafe(tmp_path / "a.py")) == []


class Trap:
    """Unpickled it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


@pytest.fixture
def sprung(tmp_path: Path) -> Path:
    """A file that a trap would make."""
    return tmp_path / "sprung"


@pytest.mark.parametrize(
    "text",
    [
        "name: !!python/object/apply:pathlib.Path.touch [{file}]",
        "name: !!python/object/new:pathlib.Path [{file}]",
        "name: !!python/name:os.system",
        "name: !!python/module:antigravity",
        "!!python/object/apply:os.system ['touch {file}']",
        "? !!python/object/apply:os.system ['touch {file}']\n: x",
    ],
)
def test_yaml_constructs_no_objects(text: str, tmp_path: Path, sprung: Path) -> None:
    import enas

    config = tmp_path / "c.yaml"
    config.write_text(text.format(file=sprung))
    with pytest.raises(ConfigError, match=re.escape(str(config))):
        enas.auto(config)
    assert not sprung.exists()


@pytest.mark.parametrize("suffix", [".json", ".yaml", ".pkl", ""])
def test_a_pickle_as_a_config_is_refused(suffix: str, tmp_path: Path, sprung: Path) -> None:
    import enas

    config = tmp_path / f"c{suffix}"
    config.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(ConfigError, match=re.escape(str(config))):
        enas.auto(config)
    assert not sprung.exists()


@pytest.mark.parametrize("arc", ["__import__('os').system('touch x')", "[1, (lambda: 0)()]", "1;2", "{0}"])
def test_an_architecture_is_never_evaluated(arc: str) -> None:
    import enas

    for key in ("evaluator", "predictor"):
        with pytest.raises(ConfigError, match=rf"{key}\.arc: "):
            enas.auto({"name": "x", key: {"arc": arc}})


@pytest.fixture
def trained(open_auto: "Callable[..., Auto]") -> "Auto":
    auto = open_auto()
    auto.train()
    return auto


def list_files(folder: Path) -> set[Path]:
    return {file for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("attack", ["pickle", "absurd size", "path", "link", "description"])
def test_a_forged_run_predicts_nothing_and_writes_nothing(
    attack: str, trained: "Auto", open_auto: "Callable[..., Auto]", tables: Path, sprung: Path
) -> None:
    run = trained.run.path
    weights, description = run / "models" / "candidate_1.safetensors", run / "models" / "model.json"
    forged = weights
    if attack == "pickle":
        weights.write_bytes(pickle.dumps(Trap(sprung)))
    elif attack == "absurd size":
        weights.write_bytes((2**63).to_bytes(8, "little") + b"{}")
    elif attack == "path":
        header = json.dumps({"../../../sprung": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
        weights.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    elif attack == "link":
        if os.name != "posix":
            pytest.skip("the system makes links otherwise")
        weights.rename(tables / "weights.safetensors")
        weights.symlink_to(tables / "weights.safetensors")
    else:
        forged = description
        described = json.loads(description.read_text())
        description.write_text(json.dumps(described | {"transforms": ["__import__('os').system('true')"]}))
    before = list_files(tables)
    for step in ("predict", "evaluate", "explain"):
        with pytest.raises(RunError, match=re.escape(str(forged))):
            getattr(open_auto(run=run), step)()
    assert not sprung.exists()
    assert {file for file in list_files(tables) - before if not file.name.startswith(".lock")} == set()


def test_a_name_cannot_lead_out_of_the_folder_of_runs(open_auto: "Callable[..., Auto]", tables: Path) -> None:
    before = list_files(tables)
    for name in ("../out", "/out", "..", "a/../../out", "a\\b", "C:out"):
        with pytest.raises(EnasError, match="name"):
            open_auto(f"name={name}").train()
    assert list_files(tables) == before
