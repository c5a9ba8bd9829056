"""README.zh-CN.md says what README.md says: the same code but for comments, the same keys, figures and names, in each
section. It begins with a quick start of its own."""

import ast
import re
import shlex
from collections import Counter
from itertools import zip_longest
from pathlib import Path

import pytest
from documents import Block, Reader, blocks

from enas.config.file import read_source

ROOT = Path(__file__).resolve().parents[1]
ENGLISH = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
QUICK_START = "快速开始"
DEEP = " " * 20  # a line of a listing that goes on with what the line above says
FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def sections(text: str) -> list[tuple[str, str]]:
    """Heading and content of each section but the quick start; the first has the document's name."""
    indented = FENCED.sub(lambda fenced: fenced[0].replace("\n#", "\n #"), text)  # comments in code are no headings
    parts = re.split(r"^#+ (.+)\n", indented, flags=re.MULTILINE)
    return [part for part in zip(parts[1::2], parts[2::2], strict=True) if part[0] != QUICK_START]


SECTIONS = list(zip_longest(sections(ENGLISH), sections(CHINESE), fillvalue=("none", "")))


def meaning(block: Block, folder: Path) -> object:
    """What a block says apart from comments; of a listing, the first column."""
    if block.language == "python":
        return ast.dump(ast.parse(block.code))
    if block.language == "bash":
        lines = block.code.replace("\\\n", " ").splitlines()
        return [shlex.split(line, comments=True) for line in lines]
    if block.language == "jsonc":
        file = folder / "config.json"
        file.write_text(block.code, encoding="utf-8")
        return read_source(file)[0]
    entries = [line for line in block.code.splitlines() if not line.startswith(DEEP)]
    return [re.split(r"\s{2,}", line.strip())[0] for line in entries]


@pytest.mark.parametrize(("english", "chinese"), SECTIONS, ids=[english for (english, _), _ in SECTIONS])
def test_a_section_says_the_same(english: tuple[str, str], chinese: tuple[str, str], tmp_path: Path) -> None:
    ours, theirs = ([*blocks(text)] for _, text in (english, chinese))
    assert [(block.language, block.comment) for block in theirs] == [(block.language, block.comment) for block in ours]
    for one, other in zip(ours, theirs, strict=True):
        assert meaning(other, tmp_path) == meaning(one, tmp_path)
    prose, translated = (FENCED.sub("", text) for _, text in (english, chinese))
    assert table_rows(translated) == table_rows(prose)
    assert code_spans(translated) == code_spans(prose)
    assert figures(translated) == figures(prose)


def table_rows(text: str) -> list[list[str]]:
    """The code in each row of the tables: keys with their defaults, commands."""
    return [re.findall(r"`[^`]+`", line) for line in text.splitlines() if line.startswith("|")]


def code_spans(text: str) -> set[str]:
    return set(re.findall(r"`[^`]+`", text))


def figures(text: str) -> Counter[str]:
    return Counter(re.findall(r"\d+(?:[.,]\d+)*", text))


def test_the_two_link_to_each_other() -> None:
    assert "(README.zh-CN.md)" in ENGLISH.split("\n## ")[0]
    assert "(README.md)" in CHINESE.split("\n## ")[0]


def test_links_lead_somewhere() -> None:
    anchors = {f"#{heading.lower()}" for heading in re.findall(r"^#+ (.+)$", CHINESE, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", CHINESE):
        assert target in anchors or (ROOT / target).exists(), target


def test_the_quick_start_runs(reader: Reader) -> None:
    quick_start = reader.folder / "quick_start.md"
    quick_start.write_text(CHINESE.split(f"## {QUICK_START}\n")[1].split("\n## ")[0], encoding="utf-8")
    assert reader.follow(quick_start) == 2
