"""What the campaigns share: how many cases, how hypothesis runs them, and a short way to read a table."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

N_CASES = int(os.environ.get("ENAS_FUZZ_CASES", "150"))


@pytest.fixture
def n_cases() -> int:
    """Generated cases per reader: few in every test run, many in a campaign."""
    return N_CASES


@pytest.fixture
def for_all() -> Callable[[SearchStrategy[Any], Callable[[Any], None]], None]:
    """``for_all(strategy, check)`` runs the check on as many generated values."""

    def run(strategy: SearchStrategy[Any], check: Callable[[Any], None]) -> None:
        how = settings(max_examples=N_CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        how(given(strategy)(lambda value: check(value)))()

    return run


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Any]:
    """Writes features and labels to files and reads them as classes, or as numbers with ``regression=True``."""
    from enas.config import DataArgs
    from enas.console import Silent
    from enas.data.tables import read_dataset

    def write_and_read(features: str | bytes, labels: str | bytes | None = None, **options: Any) -> Any:
        how: dict[str, Any] = {"regression": False} | {
            key: options.pop(key) for key in ("regression", "classes") if key in options
        }
        for name, content in (("x.tsv", features), ("y.tsv", labels)):
            if content is not None:
                (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        if labels is not None:
            options["labels_file"] = Path("y.tsv")
        args = DataArgs(data_dir=tmp_path, features_file=Path("x.tsv"), **options)
        return read_dataset(args, **how, progress=Silent())

    return write_and_read
