"""The code in documents runs; documents.py tells how. A translation has the same code: test_readme_translated.py."""

from pathlib import Path

import pytest
from documents import Reader, run_bash

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_code_runs(document: Path, reader: Reader) -> None:
    n_run = reader.follow(document)
    assert n_run >= 6 or not document.name.startswith("README")


def follow(reader: Reader, text: str) -> int:
    document = reader.folder / "document.md"
    document.write_text(text, encoding="utf-8")
    return reader.follow(document)


def test_a_document_is_followed_in_its_order(reader: Reader) -> None:
    python = "```python\nfrom pathlib import Path\n```\n```python\nprint(Path('names.txt').read_text()[2])\n```\n"
    bash = '```bash\nname=x.json; enas config init "$name" > said\ntest -s "$name"; cat said | wc -l\n```\n'
    assert follow(reader, "<!-- file: names.txt -->\n```\na b\n```\n" + python + "<!-- prints -->\n```\nb\n```\n") == 2
    assert follow(reader, bash + "<!-- prints -->\n```text\n1\n```\n") == 3


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```bash\ntrue\nfalse\ntrue\n```\n", "line 2: exit code 1"),
        ("```bash\nenas config check none.json\n```\n", "none.json: no such file"),
        ("\n```python\n1 / 0\n```\n", "line 3: division by zero"),
        ("```python\nprint(1)\n```\n<!-- prints -->\n```\n2\n```\n", "line 6: printed\n *1"),
        ("```json\n{}\n```\n", "is it a file"),
        ('<!-- file: a.json -->\n```json\n{"name": "a", "sed": 1}\n```\n', "seed"),
        (
            '<!-- file: a.json -->\n```json\n{"name": "a"}\n```\n<!-- part of: a.json -->\n```json\n"sed": 1\n```',
            "seed",
        ),
    ],
)
def test_what_fails_is_told(reader: Reader, text: str, problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        follow(reader, text)


def test_what_is_not_to_be_run_is_not(reader: Reader) -> None:
    assert follow(reader, "<!-- not run: it fails -->\n```bash\nfalse\n```\n```text\nfalse\n```\n") == 0


def test_commands_of_the_shell_see_what_enas_prints(reader: Reader) -> None:
    assert "valid" in run_bash('enas config init a.json >&2\nsaid="$(enas config check a.json || true)"\necho valid')
