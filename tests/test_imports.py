"""Starting is quick because nothing heavy is imported before it is needed."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "numpy",
    "scipy",
    "scipy.optimize",
    "scipy.stats",
    "sklearn",
    "pandas",
    "polars",
    "pyarrow",
    "matplotlib",
    "shap",
)

REPORT = f"import sys; print('imported:', *[m for m in {HEAVY!r} if m in sys.modules])"

HELP = """
import sys, enas.cli
sys.argv = ["enas", "--help"]
try:
    enas.cli.main()
except SystemExit as end:
    assert not end.code
"""


@pytest.mark.parametrize(
    "code",
    [
        "import enas; enas.__version__, enas.auto",
        "import enas.errors, enas.progress, enas.config, enas.run, enas.runs, enas.files, enas.cli",
        HELP,
    ],
    ids=["import enas", "import the light modules", "enas --help"],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    assert imported(code) == []


def test_a_search_begins_without_what_only_its_end_needs() -> None:
    assert set(imported("import enas.job")) <= {"torch", "numpy", "scipy"}


def imported(code: str) -> list[str]:
    """The heavy ones that are there after running the code."""
    process = subprocess.run([sys.executable, "-c", f"{code}\n{REPORT}"], capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    _, *found = process.stdout.splitlines()[-1].split()
    return found
