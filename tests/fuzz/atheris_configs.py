"""Fuzzing of the config reader by coverage: ``python tests/fuzz/atheris_configs.py [CORPUS] -max_total_time=300``.

It needs ``atheris``, which has wheels for few systems, and is no part of the tests. The first byte of the input chooses
JSON or YAML; the rest is the file.
"""

import importlib
import sys
import tempfile
from pathlib import Path

MAX_BYTES = 20_000


def check(data: bytes, folder: Path) -> None:
    """Read the input as a config: anything but a config or a ConfigError that names the file is a finding."""
    from enas.config import load_config
    from enas.errors import ConfigError

    path = folder / ("c.yaml" if data[:1] < b"\x80" else "c.json")
    path.write_bytes(data[1:])
    try:
        config, _ = load_config(path)
        config.model_dump_json()
    except ConfigError as error:
        if not str(error).startswith(f"{path}: "):
            raise AssertionError(f"the file is not named: {error}") from error


def main() -> None:
    """Run until a finding, or as long as the arguments of libFuzzer say."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["enas", "yaml", "json"]):
        import yaml  # noqa: F401

        import enas.config  # noqa: F401
    with tempfile.TemporaryDirectory() as folder:
        atheris.Setup([*sys.argv, f"-max_len={MAX_BYTES}", "-timeout=10"], lambda data: check(data, Path(folder)))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
