"""What the tests of reading share: a log that can be looked at, and a short way to read a file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from enas.config import DataArgs
from enas.data.dataset import Dataset
from enas.data.tables import read_dataset


@dataclass
class Log:
    """Keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        yield self.lines.append


Read = Callable[..., Dataset]


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def read(tmp_path: Path, log: Log) -> Read:
    """Writes the given texts or bytes to files and reads them."""

    def write_and_read(features: str | bytes, labels: str | bytes | None = None, **options: Any) -> Dataset:
        keys = ("regression", "classes", "target_names", "names_file")
        how = {"regression": False} | {key: options.pop(key) for key in keys if key in options}
        (tmp_path / "x.tsv").write_bytes(features.encode() if isinstance(features, str) else features)
        if labels is not None:
            (tmp_path / "y.tsv").write_bytes(labels.encode() if isinstance(labels, str) else labels)
            options["labels_file"] = Path("y.tsv")
        args = DataArgs(data_dir=tmp_path, features_file=Path("x.tsv"), **options)
        return read_dataset(args, **how, progress=log)

    return write_and_read
