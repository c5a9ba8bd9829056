"""The code in documents, run as a reader would: of the README, its translations, and the pages of docs/.

An HTML comment right above a fenced block says what the block is; its first words are the same in every language:

    <!-- file: NAME -->       a file that is written; a config is checked as it stands, and then gets few epochs
    <!-- part of: NAME -->    keys (with or without the outer braces) that the config NAME is checked with
    <!-- prints -->           what the block before has printed
    <!-- not run: WHY -->     left out

Other blocks of bash and Python are run in their order, in a folder that holds what documents suppose (`write_table`,
`write_images`). The Python of one document shares its names. Blocks in other languages are text.
"""

import io
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from enas.cli import app
from enas.config import Config, load_config
from enas.config.file import apply_overrides, read_source

SHORT_TABLES = [
    *("trainer.max_number_of_epoches_in_search=2", "trainer.max_number_of_epoches_in_fixed=3"),
    "compare_with_random=false",
]
SHORT_IMAGES = [
    *("trainer.num_epochs=1", "trainer.controller_train_steps=1", "trainer.n_derived=3", "retrain.num_epochs=1"),
    "compare_with_random=false",
]
FENCE = re.compile(
    r"(?:^ *<!-- (?P<comment>.*?) -->\n)?^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the HTML comment right above it, its code and its first line's number."""

    language: str
    comment: str
    code: str
    line: int

    def named(self, mark: str) -> str | None:
        """What follows the mark in the comment, if the comment is one of that mark."""
        return self.comment.removeprefix(f"{mark}: ") if self.comment.startswith(f"{mark}: ") else None


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a document."""
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start("code")) + 1
        yield Block(match["language"], match["comment"] or "", textwrap.dedent(match["code"]), line)


@dataclass
class Reader:
    """Does in a folder, which is the current one, what a document says."""

    folder: Path
    n_run: int = 0
    printed: str = ""
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def follow(self, document: Path) -> int:
        """Run a document's blocks.

        Returns:
            How many have run.

        Raises:
            AssertionError: a block fails, with the line that it begins at.
        """
        for block in blocks(document.read_text(encoding="utf-8")):
            try:
                self._follow(block)
            except (Exception, SystemExit) as error:
                raise AssertionError(f"{document.name}, block at line {block.line}: {error}") from error
        return self.n_run

    def _follow(self, block: Block) -> None:
        if block.named("not run") is not None:
            return
        if (name := block.named("file")) is not None:
            write_file(self.folder / name, block.code)
        elif (name := block.named("part of")) is not None:
            check_part(self.folder / name, block)
        elif block.comment == "prints":
            assert textwrap.dedent(self.printed).strip() == block.code.strip(), f"printed\n{self.printed}"
        elif block.language in {"bash", "python"}:
            self.printed = run_bash(block.code) if block.language == "bash" else self._run_python(block.code)
            self.n_run += 1
        else:
            assert block.language not in {"json", "jsonc", "yaml"}, "is it a file, or part of one, or not run?"

    def _run_python(self, code: str) -> str:
        with redirect_stdout(io.StringIO()) as output:
            exec(compile(code, "<block>", "exec"), self.names)
        return output.getvalue()


def write_file(path: Path, text: str) -> None:
    """Write a file; a config must be valid, and then gets few epochs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if path.suffix in {".json", ".yaml"}:
        config, _ = load_config(path)
        raw, _, _ = read_source(path)
        apply_overrides(raw, SHORT_TABLES if isinstance(config, Config) else SHORT_IMAGES)
        path.write_text(json.dumps(raw), encoding="utf-8")


def check_part(path: Path, part: Block) -> None:
    """Check the config with these keys in the place of its own."""
    code = part.code if part.language == "yaml" or part.code.startswith("{") else f"{{{part.code}}}"
    beside = path.with_name(f"part.{part.language.removesuffix('c')}")
    beside.write_text(code, encoding="utf-8")
    keys, whole = read_source(beside)[0], read_source(path)[0]
    load_config(merge(whole, keys))


def merge(whole: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The first with the keys of the second, section by section.

    Example:
        >>> merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}})
        {'a': {'b': 3, 'c': 2}}
    """
    both = {key: merge(whole[key], part[key]) for key in part if isinstance(part[key], dict) and key in whole}
    return whole | part | both


SHELL = """
set -eu
enas() { printf '%s\\0' $# "$@" >&"$ASK"; read -r code file <&"$ANSWER"; cat "$file"; return "$code"; }
python() { "$PYTHON" "$@"; }
"""
"""``enas`` asks the process that runs the tests, which has imported everything already."""


def run_bash(code: str) -> str:
    """Run commands as a user would; those of ``enas`` run in this process.

    Returns:
        What they print.
    """
    (asked, ask), (answer, answered) = os.pipe(), os.pipe()
    environment = {"PYTHON": sys.executable, "MPLBACKEND": "agg", "ASK": str(ask), "ANSWER": str(answer)}
    with tempfile.TemporaryFile() as output, os.fdopen(asked, "rb") as questions, os.fdopen(answered, "w") as answers:
        process = subprocess.Popen(
            ["bash", "-c", SHELL + code],
            env=os.environ | environment,
            pass_fds=(ask, answer),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        os.close(ask)
        os.close(answer)
        told = "".join(answer_commands(questions, answers))
        code_of_exit = process.wait()
        output.seek(0)
        printed = output.read().decode()
    assert code_of_exit == 0, f"exit code {code_of_exit}\n{told}{printed}"
    return printed


def answer_commands(questions: IO[bytes], answers: IO[str]) -> Iterator[str]:
    """Run the commands that the shell asks for until it ends; gives what they say of errors."""
    with tempfile.NamedTemporaryFile() as file:
        while count := read_text(questions):
            arguments = [read_text(questions) for _ in range(int(count))]
            result = CliRunner().invoke(app, arguments)
            if result.exit_code != 0:
                yield f"enas {' '.join(arguments)}:\n{result.stderr}"
            Path(file.name).write_bytes(result.stdout_bytes)
            answers.write(f"{result.exit_code} {file.name}\n")
            answers.flush()


def read_text(stream: IO[bytes]) -> str:
    """What stands before the next null character, or the end."""
    characters = iter(lambda: stream.read(1), b"")
    return b"".join(iter(lambda: next(characters, b"\0"), b"\0")).decode()


def write_table(directory: Path) -> None:
    """What documents suppose: 60 samples to train on, 20 to test on, 200 genes of which five tell the classes."""
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
    """What documents suppose: folders of images, here of two classes, the brighter ones in the second."""
    generator = np.random.default_rng(0)
    for split, n in (("train", 12), ("valid", 6), ("test", 6), ("new", 3)):
        for name, level in (("dark", 0), ("light", 120)):
            folder = directory / "data" / split / ("" if split == "new" else name)
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(n):
                pixels = generator.integers(level, level + 120, (12, 12), np.uint8)
                Image.fromarray(pixels).save(folder / f"{name}{i}.png")
