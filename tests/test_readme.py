"""The README keeps its word: its code runs, its table of keys is the configuration's, the file tree is the source's."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from PIL import Image
from pydantic import BaseModel
from typer.testing import CliRunner

from enas.cli import app
from enas.config import Config, ImageConfig
from enas.config.file import read_source

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
ON_IMAGES = README[README.index("## Use on images") : README.index("## What is written where")]
SHORT = shlex.split(
    "--set trainer.num_epochs=1 --set trainer.controller_train_steps=1 --set trainer.n_derived=3 "
    "--set retrain.num_epochs=1 --quiet"
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the HTML comment right above it, its code and its first line's number."""

    language: str
    comment: str
    code: str
    line: int


def blocks(text: str) -> Iterator[Block]:
    pattern = r"(?:^<!-- (?P<comment>.*?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$"
    for match in re.finditer(pattern, text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, match.start("code")) + 1
        yield Block(match["language"], match["comment"] or "", match["code"], line)


def write_table(directory: Path) -> None:
    """What the README supposes: 60 samples to train on, 20 to test on, 200 genes of which five tell the classes."""
    generator = np.random.default_rng(0)
    genes = [f"GENE{i}" for i in range(200)]
    classes = np.where(np.arange(80) % 3 == 0, "normal", "tumor")
    values = generator.normal(7, 1, (80, 200)) + 2.5 * (classes == "tumor")[:, None] * (np.arange(200) < 5)
    for prefix, rows in (("", range(60)), ("test_", range(60, 80))):
        lines = ["\t".join([f"S{i}", *(f"{value:.4f}" for value in values[i])]) for i in rows]
        (directory / f"{prefix}expression.tsv").write_text("\n".join(["\t".join(["sample", *genes]), *lines]) + "\n")
        labels = [f"S{i}\t{classes[i]}" for i in rows]
        (directory / f"{prefix}labels.tsv").write_text("\n".join(["sample\tlabel", *labels]) + "\n")


def write_images(directory: Path) -> None:
    """What the README supposes: folders of images, here of two classes, the brighter ones in the second."""
    generator = np.random.default_rng(0)
    for split, n in (("train", 12), ("valid", 6), ("test", 6), ("new", 3)):
        for name, level in (("dark", 0), ("light", 120)):
            folder = directory / "data" / split / ("" if split == "new" else name)
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(n):
                pixels = generator.integers(level, level + 120, (12, 12), np.uint8)
                Image.fromarray(pixels).save(folder / f"{name}{i}.png")


def run_block(block: Block, directory: Path) -> None:
    """Run a block as a user would; ``enas`` is this environment's."""
    shell = f'set -eu\nenas() {{ "{sys.executable}" -m enas "$@"; }}\n{block.code}'
    command = [sys.executable, "-c", block.code] if block.language == "python" else ["bash", "-c", shell]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    process = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, f"README.md, block at line {block.line}:\n{process.stdout}\n{process.stderr}"


def run_commands(block: Block) -> None:
    """Run a block of ``enas`` commands, or of Python, in this process; searches and trainings for one epoch."""
    if block.language == "python":
        exec(compile(block.code, f"README.md, line {block.line}", "exec"), {})
        return
    for line in block.code.replace("\\\n", " ").splitlines():
        name, *arguments = shlex.split(line, comments=True)
        assert name == "enas"
        shortened = [*arguments, *SHORT] if arguments[0] in {"run", "search", "train"} else arguments
        result = CliRunner().invoke(app, shortened)
        assert result.exit_code == 0, f"{line}:\n{result.output}"


def runnable(text: str, directory: Path) -> Iterator[Block]:
    """Blocks of code in turn; those that are files are written."""
    for block in blocks(text):
        if block.comment.startswith("file: "):
            (directory / block.comment.removeprefix("file: ")).write_text(block.code, encoding="utf-8")
        elif block.language in {"python", "bash"} and not block.comment.startswith("not run: "):
            yield block


def test_the_code_runs(tmp_path: Path) -> None:
    write_table(tmp_path)
    to_run = list(runnable(README.replace(ON_IMAGES, ""), tmp_path))
    for block in to_run:
        run_block(block, tmp_path)
    assert len(to_run) >= 3


def test_the_code_for_images_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> None:
    write_images(tmp_path)
    monkeypatch.chdir(tmp_path)
    to_run = list(runnable(ON_IMAGES, tmp_path))
    for block in to_run:
        run_commands(block)
    assert len(to_run) >= 3


def leaf_keys(model: type[BaseModel], told: set[str], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every key with its path, default and description, but for keys and sections that are told elsewhere."""
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if prefix + name in told:
            continue
        if section is not None:
            yield from leaf_keys(section, told, f"{prefix}{name}.")
        elif field.is_required():
            yield prefix + name, None, field.description or ""
        else:
            yield prefix + name, field.default, field.description or ""


def keys_of(content: object, prefix: str = "") -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from keys_of(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip(".")


def table_of_keys(model: type[BaseModel], told: set[str]) -> str:
    rows = [
        f"| `{path}` | `{json.dumps(default, default=str)}` | {description.replace('|', chr(92) + '|')} |"
        for path, default, description in leaf_keys(model, told)
    ]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows]) + "\n"


def test_the_tables_of_keys_are_the_configuration() -> None:
    example, _, _ = read_source(ROOT / "examples" / "autogenome.json")
    wanted = table_of_keys(Config, {"data_evaluate", "data_predict", "predictor", *keys_of(example)})
    assert wanted in README, f"README.md should hold this table:\n{wanted}"
    tables, images = Config.model_fields, ImageConfig.model_fields
    alike = {key for key in images if key in tables and images[key].annotation == tables[key].annotation} - {"name"}
    assert {f"`{key}`" for key in alike} <= set(re.findall(r"`\w+`", README))
    wanted = table_of_keys(ImageConfig, {"model.type", *alike})
    assert wanted in README, f"README.md should hold this table, too:\n{wanted}"


def test_the_file_tree_is_the_source() -> None:
    tree = next(block.code for block in blocks(ARCHITECTURE) if block.code.startswith("src/enas/"))
    listed, folders = set(), dict[int, str]()
    for line in tree.splitlines()[1:]:
        name, depth = line.split()[0], len(line) - len(line.lstrip())
        path = "".join(folder for above, folder in sorted(folders.items()) if above < depth) + name
        folders = {above: folder for above, folder in folders.items() if above < depth}
        if name.endswith("/"):
            folders[depth] = name
        listed.add(path)
    source = ROOT / "src" / "enas"
    modules = [path for path in source.rglob("*.py") if path.parent == source or path.name != "__init__.py"]
    found = {path.relative_to(source).as_posix() for path in modules}
    assert {name for name in listed if not name.endswith("/")} == found
