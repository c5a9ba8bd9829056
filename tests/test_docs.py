"""What the pages promise is held by tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))


def named_tests(page: Path) -> list[tuple[str, str]]:
    """Files of tests, and functions in them, that a page names."""
    return re.findall(r"`((?:tests|\.ci)/[\w/]+\.py)(?:::(\w+))?`", page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_is_named_is_there(page: Path) -> None:
    missing = []
    for file, function in named_tests(page):
        path = ROOT / file
        if not path.is_file() or (function and f"def {function}(" not in path.read_text(encoding="utf-8")):
            missing.append((file, function))
    assert missing == []


def test_promises_name_tests() -> None:
    assert len(named_tests(ROOT / "docs" / "reliability.md")) > 50
