"""What the pages promise is held by tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_test_that_is_named_is_there(page: Path) -> None:
    named = re.findall(r"`((?:tests|\.ci)/[\w/]+\.py)(?:::(\w+))?`", page.read_text(encoding="utf-8"))
    assert named
    missing = []
    for file, function in named:
        path = ROOT / file
        if not path.is_file() or (function and f"def {function}(" not in path.read_text(encoding="utf-8")):
            missing.append((file, function))
    assert missing == []
