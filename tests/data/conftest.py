"""What the tests of reading share: a short way to read a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enas.config import DataArgs
from enas.data.dataset import Dataset
from enas.data.tables import read_dataset
from enas.progress import Progress

Read = Callable[..., Dataset]


@pytest.fixture
def read(tmp_path: Path, log: Progress) -> Read:
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
