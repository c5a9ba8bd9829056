"""How fast and how lean tables are read: ``python benchmarks/reading.py [--large] [--libraries]``.

Each reading runs in a process of its own, so that its peak memory is its own. A table of three rows is read first:
what that costs are the libraries, which are named apart. Rates are also given as a share of the copy bandwidth of the
machine at that moment.

--large      also 5,000 x 20,000 (0.6 GB of text in the temporary folder, deleted afterwards)
--libraries  also what polars and pyarrow do with the whole file at once
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from textwrap import indent
from typing import Any

import numpy as np

from machine import copy_bandwidth

READERS = {
    "enas": """
from enas.data.delimited import read_delimited
from enas.data.opening import Reading
x = read_delimited(Path(path), Reading()).features""",
    "enas parquet": """
from enas.data.opening import Reading
from enas.data.parquet import read_parquet
x = read_parquet(Path(path), Reading()).features""",
    "polars": """
import polars as pl
x = pl.read_csv(path, separator="\\t").to_numpy().astype(np.float32)""",
    "pyarrow": """
import pyarrow.csv as csv
options = csv.ReadOptions(block_size=64 << 20)
table = csv.read_csv(path, read_options=options, parse_options=csv.ParseOptions(delimiter="\\t"))
x = np.stack([column.to_numpy() for column in table.columns], axis=1).astype(np.float32)""",
}
AROUND = """
import json, sys, time
from pathlib import Path
import numpy as np
def memory(kind):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(kind))
def read(path):
    global x
    start, cpu = time.perf_counter(), time.process_time()
{reader}
    return time.perf_counter() - start, time.process_time() - cpu
bare = memory("VmRSS")
libraries, _ = read(sys.argv[2])
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
seconds, cpu = read(sys.argv[1])
print(json.dumps({{"seconds": seconds, "cpu": cpu, "ratio": (memory("VmHWM") - before) / x.nbytes, "shape": x.shape,
    "sum": float(x.sum(dtype=float)), "libraries": libraries, "libraries_memory": before - bare}}))
"""


def write_table(path: Path, n_samples: int, n_features: int) -> None:
    """Numbers of four significant digits, with header; drawn from a pool, because text is slow to make."""
    rng = np.random.default_rng(0)
    pool = np.array([f"{value:.4g}" for value in rng.normal(7, 2, size=100_000)], dtype=object)
    with path.open("w") as file:
        file.write("\t".join(f"GENE{j:05d}" for j in range(n_features)) + "\n")
        for _ in range(n_samples):
            file.write("\t".join(pool[rng.integers(0, len(pool), size=n_features)]) + "\n")


def write_parquet(text: Path, path: Path) -> None:
    import polars as pl

    pl.read_csv(text, separator="\t").cast(pl.Float32).write_parquet(path)


def measure(reader: str, path: Path, small: Path, n_runs: int) -> dict[str, Any]:
    """The run of median time."""
    code = AROUND.format(reader=indent(READERS[reader].strip(), "    "))
    runs = []
    for _ in range(n_runs):
        command = [sys.executable, "-c", code, str(path), str(small)]
        runs.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return next(run for run in runs if run["seconds"] == statistics.median_low(run["seconds"] for run in runs))


def report(reader: str, path: Path, small: Path, n_runs: int) -> None:
    bandwidth = copy_bandwidth()
    run = measure(reader, path, small, n_runs)
    rate = path.stat().st_size / run["seconds"]
    print(
        f"{reader:13} {run['shape'][0]:>6,} x {run['shape'][1]:<7,} {run['seconds']:7.2f} s ("
        f"{run['cpu']:.2f} s of CPU)  {rate / 1e6:7.1f} MB/s = {100 * rate / bandwidth:.2f} % of copying at "
        f"{bandwidth / 1e9:.1f} GB/s  peak {run['ratio']:.2f} x the matrix; "
        f"libraries {run['libraries']:.2f} s, {run['libraries_memory'] / 2**20:.0f} MiB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--libraries", action="store_true")
    options = parser.parse_args()
    sizes = [(100, 23_361, 5)] + ([(5_000, 20_000, 1)] if options.large else [])
    for n_samples, n_features, n_runs in sizes:
        with tempfile.TemporaryDirectory() as folder:
            text, small = Path(folder) / "table.tsv", Path(folder) / "small.tsv"
            write_table(text, n_samples, n_features)
            write_table(small, 3, 3)
            for reader in ("enas", *(("polars", "pyarrow") if options.libraries else ())):
                report(reader, text, small, n_runs)
            for path in (text, small):
                write_parquet(path, path.with_suffix(".parquet"))
            text.unlink()
            report("enas parquet", text.with_suffix(".parquet"), small.with_suffix(".parquet"), n_runs)


if __name__ == "__main__":
    main()
