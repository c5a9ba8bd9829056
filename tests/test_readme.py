"""The README keeps its word: its code runs, its table of keys is the configuration's, the file tree is the source's."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import BaseModel

from enas.config import Config
from enas.config.file import read_source

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


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


def run_block(block: Block, directory: Path) -> None:
    """Run a block as a user would; ``enas`` is this environment's."""
    shell = f'set -eu\nenas() {{ "{sys.executable}" -m enas "$@"; }}\n{block.code}'
    command = [sys.executable, "-c", block.code] if block.language == "python" else ["bash", "-c", shell]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    process = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, f"README.md, block at line {block.line}:\n{process.stdout}\n{process.stderr}"


def test_the_code_runs(tmp_path: Path) -> None:
    write_table(tmp_path)
    n_run = 0
    for block in blocks(README):
        if block.comment.startswith("file: "):
            (tmp_path / block.comment.removeprefix("file: ")).write_text(block.code, encoding="utf-8")
        elif block.language in {"python", "bash"} and not block.comment.startswith("not run: "):
            run_block(block, tmp_path)
            n_run += 1
    assert n_run >= 3


def leaf_keys(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every key with its path, default and description; of sections with the same keys only the first."""
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if prefix + name in {"data_evaluate", "data_predict", "predictor"}:
            continue
        if section is not None:
            yield from leaf_keys(section, f"{prefix}{name}.")
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


def test_the_table_of_keys_is_the_configuration() -> None:
    example, _, _ = read_source(ROOT / "examples" / "autogenome.json")
    predecessors = set(keys_of(example))
    rows = [
        f"| `{path}` | `{json.dumps(default, default=str)}` | {description.replace('|', chr(92) + '|')} |"
        for path, default, description in leaf_keys(Config)
        if path not in predecessors
    ]
    wanted = "\n".join(["| key | default | meaning |", "|---|---|---|", *rows]) + "\n"
    assert wanted in README, f"README.md should hold this table:\n{wanted}"


def test_the_file_tree_is_the_source() -> None:
    tree = next(block.code for block in blocks(ARCHITECTURE) if block.code.startswith("src/enas/"))
    listed = set()
    folder = ""
    for line in tree.splitlines()[1:]:
        name = line.split()[0]
        folder = folder if line.startswith("    ") else ""
        listed.add(folder + name)
        folder = name if name.endswith("/") else folder
    source = ROOT / "src" / "enas"
    modules = [path for path in source.rglob("*.py") if path.parent == source or path.name != "__init__.py"]
    found = {path.relative_to(source).as_posix() for path in modules}
    assert {name for name in listed if not name.endswith("/")} == found
