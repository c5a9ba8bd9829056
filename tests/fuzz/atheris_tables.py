"""Coverage-guided fuzzing of the table reader: ``python tests/fuzz/atheris_tables.py [RUNS]`` (needs atheris).

The first byte of an input chooses the options, the rest is the features file, or after a mark both files. Only a
DataError or another EnasError may come out of the reader. Nothing is kept but what broke it (``crash-…``).
"""

import importlib
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

MARK = b"\xfe\xfe"
OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"header": True},
    {"header": False, "sample_ids": True},
    {"label_column": "b"},
    {"delimiter": ","},
    {"delimiter": " ", "sample_ids": False},
)
STARTS = (
    b"\0a\tb\n1\t2\n3\t4\n",
    b"\x03id,a,b\ns1,1.5,x\ns2,NA,y\ns3,3,x\n",
    b'\x04"a""b";"c;d"\r\n1,5;2\r\n3;4\r\n',
    b"\0\xff\xfea\0,\0b\0\n\0001\0,\0002\0\n\0",
    b"\0id,a\ns1,1\ns2,2\n" + MARK + b"s2,x\ns1,y\n",
)


def read(data: bytes, folder: Path) -> None:
    """Reads one input as the options in its first byte say; large bytes ask for numbers as targets."""
    from enas.config import DataArgs
    from enas.console import Silent
    from enas.data.tables import read_dataset
    from enas.errors import EnasError

    chosen = data[0] if data else 0
    features, mark, labels = data[1:].partition(MARK)
    (folder / "x").write_bytes(features)
    (folder / "y").write_bytes(labels)
    files: dict[str, Any] = {"labels_file": Path("y")} if mark else {}
    args = DataArgs(data_dir=folder, features_file=Path("x"), **files, **OPTIONS[chosen % len(OPTIONS)])
    with suppress(EnasError):
        read_dataset(args, regression=bool(chosen & 128), progress=Silent())


def main() -> None:
    """Run that many inputs, or until a finding."""
    try:
        atheris = importlib.import_module("atheris")
    except ImportError:
        sys.exit("atheris is not installed: pip install atheris (Linux)")
    with atheris.instrument_imports(include=["enas.data"]):
        import enas.data.tables  # noqa: F401
    n_runs = sys.argv[1] if len(sys.argv) > 1 else "100000"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus = folder / "corpus"
        corpus.mkdir()
        for at, start in enumerate(STARTS):
            (corpus / str(at)).write_bytes(start)
        flags = [f"-runs={n_runs}", "-max_len=400", "-timeout=10", "-rss_limit_mb=2000", "-seed=1", str(corpus)]
        atheris.Setup([sys.argv[0], *flags], lambda data: read(data, folder))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
