"""Tables as they should not be: each is read with these values, or refused by a message that names file and place."""

import gzip
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import zstandard
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from enas.config import DataArgs
from enas.console import Silent
from enas.data.tables import read_dataset
from enas.errors import DataError, EnasError

Read = Callable[..., Any]
NAN = float("nan")
PLAIN = "a\tb\n1\t2\n3\t4\n"
SQUARE = [[1.0, 2.0], [3.0, 4.0]]


def compress(unit: bytes, megabytes: int, how: str = "gzip") -> bytes:
    """That many megabytes of one unit, compressed 16 at a time."""
    pack = gzip.compress if how == "gzip" else zstandard.compress
    return pack(unit * (2**24 // len(unit))) * (megabytes // 16)


@pytest.mark.parametrize(
    ("content", "values", "names"),
    [
        pytest.param("größe\tb\n1\t2\n3\t4\n".encode("latin-1"), SQUARE, ("größe", "b"), id="latin-1"),
        pytest.param("größe\t表\n1\t2\n3\t4\n", SQUARE, ("größe", "表"), id="utf-8"),
        pytest.param(("\ufeff" + PLAIN).encode(), SQUARE, ("a", "b"), id="utf-8 with BOM"),
        pytest.param(b"\xff\xfe" + PLAIN.encode("utf-16-le"), SQUARE, ("a", "b"), id="utf-16 little-endian with BOM"),
        pytest.param(b"\xfe\xff" + PLAIN.encode("utf-16-be"), SQUARE, ("a", "b"), id="utf-16 big-endian with BOM"),
        pytest.param(gzip.compress(PLAIN.encode("utf-16")), SQUARE, ("a", "b"), id="utf-16 within gzip"),
        pytest.param(PLAIN.replace("\n", "\r"), SQUARE, ("a", "b"), id="CR"),
        pytest.param(PLAIN.replace("\n", "\r\n"), SQUARE, ("a", "b"), id="CRLF"),
        pytest.param("a\tb\r\n1\t2\n3\t4\r\n", SQUARE, ("a", "b"), id="CRLF and LF"),
        pytest.param("a\tb\r1\t2\r3\t4\n", SQUARE, ("a", "b"), id="CR and a last LF"),
        pytest.param("a\tb\r1\t2\r\n3\t4", SQUARE, ("a", "b"), id="CR, CRLF and no last end"),
        pytest.param('"a""b"\t"c\td"\n1\t2\n3\t4\n', SQUARE, ('a"b', "c\td"), id="doubled quotes, delimiter in quotes"),
        pytest.param('"a\nb"\t"c\r\nd"\n1\t2\n3\t4\n', SQUARE, ("a\nb", "c\r\nd"), id="line ends in quotes"),
        pytest.param('a,b\n"1","2"\n"3","4"\n', SQUARE, ("a", "b"), id="numbers in quotes"),
        pytest.param("a,b,\n1,2,\n3,4,\n", SQUARE, ("a", "b"), id="trailing delimiters"),
        pytest.param("\n\n" + PLAIN + "\n \n", SQUARE, ("a", "b"), id="blank lines"),
        pytest.param("#a\tb\n1\t2\n3\t4\n", SQUARE, ("#a", "b"), id="a header that begins with #"),
        pytest.param("  a , b \n 1 ,\t2\n3\t, 4  \n", SQUARE, ("a", "b"), id="blanks around cells"),
        pytest.param(f"a,b\n1,{' ' * 300_000}2\n3,4{' ' * 300_000}\n", SQUARE, ("a", "b"), id="300,000 blanks"),
        pytest.param("a,b\n1,\x0b2\n3,\x0c4\n", SQUARE, ("a", "b"), id="vertical tab and form feed"),
        pytest.param("1\t2\n", [[1, 2]], ("feature_0", "feature_1"), id="one row"),
        pytest.param("a\tb\n1\t2\n", [[1, 2]], ("a", "b"), id="one row below a header"),
        pytest.param("id\ta\ns\t1\nt\t3\n", [[1], [3]], ("a",), id="one feature"),
        pytest.param("a\ta\n1\t2\n3\t4\n", SQUARE, ("a", "a.1"), id="repeated names"),
        pytest.param("a\t\tc\n1\t2\t3\n", [[1, 2, 3]], ("a", "feature_1", "c"), id="an empty name"),
        pytest.param("a\tb\n-0\t1e308\n".replace("1e308", "1e38"), [[0, 1e38]], ("a", "b"), id="minus zero, 1e38"),
        pytest.param("a\tb\n1e-45\t1e-400\n", [[1e-45, 0]], ("a", "b"), id="subnormal and underflow"),
        pytest.param(f"a\tb\n{'0' * 5000}1\t0.{'3' * 5000}\n", [[1, 1 / 3]], ("a", "b"), id="5,000 digits"),
        pytest.param("a\tb\nNA\t#N/A\nnan\t-nan\n?\t\n1\t2\n", [[NAN] * 2] * 3 + [[1, 2]], ("a", "b"), id="missing"),
        pytest.param("a\tb\nNA\tNA\nNA\tNA\n", [[NAN] * 2] * 2, ("a", "b"), id="nothing but missing values"),
        pytest.param("=1+1\t@SUM(A1)\n1\t2\n3\t4\n", SQUARE, ("=1+1", "@SUM(A1)"), id="names like formulas"),
        pytest.param("<b>\t[red]\n1\t2\n3\t4\n", SQUARE, ("<b>", "[red]"), id="names like markup"),
        pytest.param(f"{'n' * 2**20}\tb\n1\t2\n3\t4\n", SQUARE, ("n" * 2**20, "b"), id="a name of 1 MB"),
        pytest.param(gzip.compress(b"") + gzip.compress(PLAIN.encode()), SQUARE, ("a", "b"), id="an empty gzip member"),
        pytest.param(gzip.compress(PLAIN.encode()) + bytes(512), SQUARE, ("a", "b"), id="gzip padded with zeros"),
        pytest.param(
            b"".join(gzip.compress(line.encode()) for line in PLAIN.splitlines(keepends=True)),
            SQUARE,
            ("a", "b"),
            id="a gzip member per line",
        ),
        pytest.param(zstandard.compress(PLAIN.encode()) * 1, SQUARE, ("a", "b"), id="zstd"),
    ],
)
def test_read(read: Read, content: str | bytes, values: list[list[float]], names: tuple[str, ...]) -> None:
    data = read(content)
    assert_array_equal(data.features, np.array(values, np.float32))
    assert data.feature_names == names


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(PLAIN.encode("utf-16-le"), "is not a text file", id="utf-16 without BOM"),
        pytest.param(PLAIN.encode("utf-32-be"), "is not a text file", id="utf-32 without BOM"),
        pytest.param(PLAIN.encode("utf-16") + b"\0", "begins as UTF-16 but is damaged", id="half a character"),
        pytest.param("a\tb\n1\t\0\n", "it holds zero bytes", id="NUL in a cell"),
        pytest.param("1\t2\n" * 100_000 + "1\t\0\n", "it holds zero bytes", id="NUL far behind"),
        pytest.param("1\t\x1f2\n3\t4\n", "control character 0x1f", id="unit separator"),
        pytest.param("a\x1db\tc\n1\t2\n3\t4\n", "control character 0x1d", id="group separator"),
        pytest.param('a,b\n"1,2\n3,4\n', "line 2: a quote opens a cell and does not close it", id="unbalanced quote"),
        pytest.param('a,b\n"1"2,3\n', "line 2: a quote opens a cell and does not close it", id="text behind a quote"),
        pytest.param('a,b\n"' + "1,2\n" * 50_000, "line 2: a quote opens a cell", id="a quote open for 200,000 bytes"),
        pytest.param("a,b\n1,2\n3,4,5\n6,7\n8,9\n1,2\n", "line 3: 3 cells where the others have 2", id="ragged"),
        pytest.param(
            "a,b,c\n1,2,3\n4,5\n6,7,8\n1,2,3\n1,2,3\n", "line 3: 2 cells where the others have 3", id="a short row"
        ),
        pytest.param("a\tb\n1\t2\n3,4\n5\t6\n7\t8\n1\t2\n", "line 3: 1 cells", id="mixed delimiters"),
        pytest.param("# made by X\n1,2\n3,4\n", "line 1 begins with '#'", id="a comment above values"),
        pytest.param("# made by X\na,b\n1,2\n3,4\n", "line 1 begins with '#'", id="a comment above a header"),
        pytest.param("a,b\n1,2\n# end\n3,4\n5,6\n7,8\n", "line 3: 1 cells", id="a comment between rows"),
        pytest.param("1\n", "has one column", id="1 x 1"),
        pytest.param("a\tb\tc", "a header and no rows", id="a header without line end"),
        pytest.param("\ufeff", "holds no rows", id="nothing but a BOM"),
        pytest.param(b"\xff\xfe", "holds no rows", id="nothing but a UTF-16 BOM"),
        pytest.param("\n" * 300 + PLAIN, "holds no rows in its first 200 lines", id="300 blank lines"),
        pytest.param("\t\t\n\t\t\n", "", id="nothing but delimiters"),
        pytest.param("a\tb\n1\t1e400\n", "line 2, column 'b' (number 2): '1e400' is infinite", id="1e400"),
        pytest.param("a\tb\n1\t1e308\n", "'1e308' is infinite (or beyond float32)", id="1e308"),
        pytest.param("a\tb\n-Infinity\t1\n", "'-Infinity' is infinite", id="-Infinity"),
        pytest.param(f"a\tb\n1\t{'9' * 5000}\n", "column 'b' (number 2): '99999", id="5,000 nines"),
        pytest.param("a\tb\n1\t0x10\n2\t3\n", "'0x10' is not a number", id="0x10"),
        pytest.param("a\tb\n1\t1_000\n2\t3\n", "'1_000' is not a number", id="1_000"),
        pytest.param("a\tb\n1\t1,5\n2\t3.5\n", "'1,5' is not a number (a comma?", id="1,5 beside points"),
        pytest.param("a\tb\n1\t１\n2\t3\n", "is not a number", id="fullwidth digit"),
        pytest.param("a\tb\n1\t−1\n2\t3\n", "is not a number", id="typographic minus"),
        pytest.param("a\tb\n1\t12%\n2\t3\n", "'12%' is not a number", id="percent"),
        pytest.param("a\tb\n1\t2020-01-01\n2\t3\n", "'2020-01-01' is not a number", id="date"),
        pytest.param("a\tb\n1\t" + "1" * 2**20 + "x\n2\t3\n", "is not a number", id="a cell of 1 MB"),
        pytest.param("a\tb\n1\t=cmd|'/c calc'!A0\n2\t3\n", "is not a number", id="a formula"),
        pytest.param(f"{'n' * 2**20}\tb\nx\t2\n3\t4\n", "column 'nnn", id="a bad cell below a name of 1 MB"),
        pytest.param("a\n\x1b[2J\tb\n".replace("\n", "", 1) + "x\t2\n3\t4\n", r"'a\x1b[2J'", id="a terminal code"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not a text file", id="PNG"),
        pytest.param(b"\x7fELF\x02\x01\x01" + bytes(9), "is not a text file", id="ELF"),
        pytest.param(np.random.default_rng(0).bytes(5000), "", id="random bytes"),
        pytest.param(b"BZh91AY&SY", "is a bzip2 file", id="bzip2"),
        pytest.param(gzip.compress(b""), "holds no rows", id="nothing within gzip"),
        pytest.param(gzip.compress(PLAIN.encode())[:5], "is truncated", id="gzip header cut off"),
        pytest.param(gzip.compress(PLAIN.encode()) + b"tail", "is damaged", id="text behind gzip"),
        pytest.param(gzip.compress(gzip.compress(PLAIN.encode())), "", id="gzip within gzip"),
        pytest.param(PLAIN.encode() + gzip.compress(PLAIN.encode()), "", id="gzip behind text"),
        pytest.param(zstandard.compress(PLAIN.encode() * 99)[:-4], "is truncated", id="zstd cut off"),
        pytest.param(zstandard.compress(PLAIN.encode())[:4], "is truncated", id="zstd magic alone"),
        pytest.param(b"\x28\xb5\x2f\xfd" + b"\xff" * 50, "is damaged", id="zstd magic before rubbish"),
        pytest.param(b"PAR1", "cannot be read as Parquet", id="Parquet magic alone"),
        pytest.param(b"PAR1" + b"\xff" * 8 + b"PAR1", "cannot be read as Parquet", id="Parquet with an absurd footer"),
        pytest.param("1," * 1_000_001 + "1\n", "line 1: 1,000,002 cells; 1,000,000 columns", id="too wide"),
    ],
)
def test_refused(read: Read, content: str | bytes, message: str) -> None:
    check_refusal(lambda: read(content), message)


def check_refusal(read_it: Callable[[], Any], message: str) -> None:
    """The error names the file, holds the message, and is short and on one line; nothing takes long."""
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        read_it()
    text = str(caught.value)
    assert message in text
    assert "x.tsv" in text or "x.parquet" in text
    assert len(text) < 1000
    assert text.isprintable()
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"delimiter": "\x1d"}, "is not one plain character", id="control character as delimiter"),
        pytest.param({"delimiter": "\0"}, "is not one plain character", id="NUL as delimiter"),
        pytest.param({"delimiter": "é"}, "is not one plain character", id="delimiter beyond ASCII"),
        pytest.param({"label_column": "a", "sample_ids": True}, "cannot be both", id="labels are the ids"),
        pytest.param({"label_column": "b"}, "has more than one column 'b'", id="two label columns of one name"),
        pytest.param({"label_column": "z" * 10_000}, "has no column 'zzz", id="a label column of 10,000 letters"),
    ],
)
def test_options_refused(read: Read, options: dict[str, Any], message: str) -> None:
    check_refusal(lambda: read('a\tb\tb\n"1"\t2\t3\n"3"\t4\t5\n', **options), message)


def test_nothing_but_an_empty_quoted_cell(read: Read) -> None:
    check_refusal(lambda: read(' ""', delimiter=" "), "holds no rows: its cells are empty")


def test_labels_with_a_delimiter_beyond_ascii(read: Read) -> None:
    with pytest.raises(DataError, match="is not one plain character"):
        read(PLAIN, '"a"é1\n"b"é2\n', delimiter="é")


def open_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        before = Path.cwd()
        os.chdir(path.parent)  # names of sockets are short
        try:
            one.bind(path.name)
        finally:
            os.chdir(before)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(Path.mkdir, "is a folder", id="folder"),
        pytest.param(os.mkfifo, "is a device, pipe or socket", id="pipe"),
        pytest.param(open_device, "is a device, pipe or socket", id="endless device"),
        pytest.param(bind_socket, "is a device, pipe or socket", id="socket"),
        pytest.param(lambda path: path.symlink_to("gone"), "is a link to 'gone', which is not there", id="dangling"),
        pytest.param(lambda path: path.symlink_to(path.name), "", id="a link to itself"),
        pytest.param(lambda path: path.symlink_to("/proc/self/mem"), "cannot be read", id="fails while it is read"),
        pytest.param(Path.touch, "is empty", id="empty"),
    ],
)
def test_no_regular_file(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    make(tmp_path / "x.tsv")
    check_refusal(lambda: read_file(tmp_path / "x.tsv"), message)


def test_unreadable_file(tmp_path: Path) -> None:
    (tmp_path / "x.tsv").write_text(PLAIN)
    (tmp_path / "x.tsv").chmod(0)
    if os.access(tmp_path / "x.tsv", os.R_OK):
        pytest.skip("this user may read everything")
    check_refusal(lambda: read_file(tmp_path / "x.tsv"), "cannot be read: Permission denied")


def test_name_beyond_the_limit(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read|does not exist"):
        read_file(tmp_path / ("x" * 5000))


def read_file(path: Path, **options: Any) -> Any:
    args = DataArgs(data_dir=path.parent, features_file=Path(path.name), **options)
    return read_dataset(args, regression=False, progress=Silent())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        pytest.param({"a": [1, 2], "b": [[1], [2, 3]]}, "hold no numbers: 'b' (List(Int64))", id="list"),
        pytest.param({"a": [1, 2], "b": [{"c": 1}, {"c": 2}]}, "hold no numbers: 'b' (Struct", id="struct"),
        pytest.param({"a": [1, 2], "b": [date(2020, 1, 1)] * 2}, "hold no numbers: 'b' (Date)", id="date"),
        pytest.param({"a": [1, 2], "b": [b"x", b"y"]}, "hold no numbers: 'b' (Binary)", id="binary"),
        pytest.param({"a": [1.0, 1e300]}, "row 2, column 'a': the value is infinite (or beyond float32)", id="1e300"),
        pytest.param({"a": pl.Series([], dtype=pl.Float32)}, "holds no rows", id="no rows"),
        pytest.param({}, "", id="no columns"),
        pytest.param({"n" * 5000: ["x", "y"], "m" * 5000: ["x", "y"]}, "", id="names of 5,000 letters"),
    ],
)
def test_parquet_refused(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    pl.DataFrame(columns).write_parquet(tmp_path / "x.parquet")
    check_refusal(lambda: read_file(tmp_path / "x.parquet"), message)


@pytest.mark.parametrize(
    ("columns", "values"),
    [
        pytest.param({"a": [Decimal("1.5"), None], "b": [1, 2]}, [[1.5, 1], [NAN, 2]], id="decimal"),
        pytest.param({"a": [None, None], "b": [1, 2]}, [[NAN, 1], [NAN, 2]], id="nothing but nulls"),
        pytest.param(
            {"s": pl.Series(["x", "y"], dtype=pl.Categorical), "b": [1, 2]}, [[1], [2]], id="ids in a dictionary"
        ),
        pytest.param({"a": [2**63, 2**64 - 1]}, [[2.0**63], [2.0**64]], id="64 bits without sign"),
    ],
)
def test_parquet_read(tmp_path: Path, columns: dict[str, Any], values: list[list[float]]) -> None:
    pl.DataFrame(columns).write_parquet(tmp_path / "x.csv")  # the content counts, not the name
    assert_array_equal(read_file(tmp_path / "x.csv").features, np.array(values, np.float32))


def test_text_that_is_called_parquet(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text(PLAIN)
    assert_array_equal(read_file(tmp_path / "x.parquet").features, SQUARE)


def test_parquet_that_claims_a_billion_rows(tmp_path: Path) -> None:
    frame = pl.LazyFrame({"a": pl.repeat(1, 20_000_000, dtype=pl.Int8, eager=True)})
    frame.sink_parquet(tmp_path / "x.parquet", compression="zstd")
    check_refusal(lambda: read_file(tmp_path / "x.parquet"), "claims 20,000,000 rows x 1 columns")


# The reader runs in a process of its own, which asks Linux for the peak since the last case; the first file is read to
# have all libraries loaded.
MEASURE = """
import re, sys
from pathlib import Path
from enas.config import DataArgs
from enas.console import Silent
from enas.data.tables import read_dataset
from enas.errors import DataError

def read(name):
    args = DataArgs(data_dir=Path(sys.argv[1]), features_file=Path(name))
    try:
        return str(read_dataset(args, regression=False, progress=Silent()).features.shape)
    except DataError as error:
        return str(error)

def measure(key):
    return int(re.search(rf"{key}:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

read("0")
before = measure("VmRSS")
for name in sys.argv[2:]:
    Path("/proc/self/clear_refs").write_text("5")
    said = read(name)
    print(measure("VmHWM") - before, said)
"""
HEADER = b",".join(b"g%d" % j for j in range(200_000)) + b"\n"
TRAPS: list[tuple[str, Callable[[], bytes], str]] = [
    ("1 GB of zeros", lambda: compress(b"\0", 1024), "it holds zero bytes"),
    ("1 GB of one line", lambda: compress(b"1", 1024), "unpacks to more than 250 times"),
    ("1 GB of cells in one line", lambda: compress(b"1,", 1024), "unpacks to more than 250 times"),
    ("1 GB of line ends", lambda: compress(b"\n", 1024), "holds no rows in its first 200"),
    ("64 MB of rows", lambda: compress(b"1," * 255 + b"1\n", 64, "zstd"), "unpacks to more than 250 times"),
    ("4 GB in zstd", lambda: compress(b"1", 4096, "zstd"), "unpacks to more than 250 times"),
    ("40 MB in one line", lambda: b"1" * (40 * 2**20), "line 1 is longer than 32 MB"),
    ("16 MB of cells in one line", lambda: b"1," * 8_000_000, "1,000,000 columns are the most"),
    ("500,000 rows", lambda: b"1,2\n" * 500_000, "(500000, 2)"),
    ("200,000 columns", lambda: HEADER + (b"1.5," * 199_999 + b"2\n") * 4, "(4, 200000)"),
    ("10 MB of blanks", lambda: b"a,b\n1," + b" " * 10**7 + b"x\n", "'x' is not a number"),
    ("50,000 gzip members", lambda: gzip.compress(b"1,2\n") * 50_000, "(50000, 2)"),
    ("300,000 unusual cells", lambda: b"a,b\n" + b"1,\x0b2\n" * 300_000, "(300000, 2)"),
]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int, str]]:
    """For each trap the bytes of the file, the bytes by which the peak of the process grew, and what was said."""
    folder = tmp_path_factory.mktemp("traps")
    (folder / "0").write_text(PLAIN)
    names = [str(at) for at in range(1, len(TRAPS) + 1)]
    for name, (_, make, _) in zip(names, TRAPS, strict=True):
        (folder / name).write_bytes(make())
    command = [sys.executable, "-c", MEASURE, str(folder), *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = {}
    for name, (title, _, _), line in zip(names, TRAPS, done.stdout.splitlines(), strict=True):
        peak, _, said = line.partition(" ")
        found[title] = (folder / name).stat().st_size, 1024 * int(peak), said
        (folder / name).unlink()
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak since a given moment")
@pytest.mark.parametrize(("title", "said"), [pytest.param(title, said, id=title) for title, _, said in TRAPS])
def test_memory(answers: dict[str, tuple[int, int, str]], title: str, said: str) -> None:
    n_bytes, peak, answer = answers[title]
    assert said in answer
    assert peak <= 2 * n_bytes + 200 * 2**20


@pytest.fixture
def check_any(read: Read) -> Callable[..., None]:
    """A table that agrees with itself, or an error that names the file and is short; within ten seconds."""

    def check(features: bytes, **options: Any) -> None:
        started = time.perf_counter()
        refusal = ""
        try:
            data = read(features, **options)
        except EnasError as error:
            refusal = str(error)
        if refusal:
            assert "x.tsv" in refusal
            assert len(refusal) < 1500
        else:
            assert data.features.shape == (len(data.sample_ids), len(set(data.feature_names)))
            assert not np.isinf(data.features).any()
            assert data.target is None or len(data.target.values) == data.n_samples
        assert time.perf_counter() - started < 10

    return check


def valid_files() -> list[bytes]:
    text = "id,größe,b,status\n" + "".join(f"s{i},{i / 7:.3f},{i % 3},{'ab'[i % 2]}\n" for i in range(12))
    return [
        PLAIN.encode() + b"5\t6\n" * 9,
        text.encode(),
        text.replace(",", "\t").replace("\n", "\r\n").encode("latin-1"),
        text.replace(".", "@").replace(",", ";").replace("@", ",").encode("utf-16"),
        b'"a b" "c"\n"r1" 1 2\n"r2" 3 4\n',
        gzip.compress(text.encode(), mtime=0),
        zstandard.compress(text.encode()),
    ]


PIECES = [
    *b'" "" , ; 1e999 NA # 7 . - ='.split(),
    b"\xff",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\r",
    b"\n",
    b"\n\n",
    b"\t",
    b" ",
]


def mutate(content: bytes, generator: np.random.Generator) -> bytes:
    """One or two injuries: bytes changed, cut out, doubled or brought in, or the end cut off."""
    for _ in range(generator.integers(1, 3)):
        at, other = sorted(generator.integers(0, len(content) + 1, size=2).tolist())
        match generator.integers(0, 8):
            case 0 | 1:  # another byte of the same file
                content = content[:at] + content[other : other + 1] + content[at + 1 :]
            case 2:
                content = content[:at] + content[min(other, at + 20) :]
            case 3:
                content = content[:other] + content[at:]
            case 4 | 5:
                content = content[:at] + PIECES[generator.integers(len(PIECES))] + content[at:]
            case 6:
                content = content[:other]
            case _:
                content = content[:at] + generator.bytes(1) + content[at + 1 :]
    return content


def test_mutated_files(check_any: Callable[..., None], n_cases: int) -> None:
    generator = np.random.default_rng(0)
    files = valid_files()
    wraps: list[Callable[[bytes], bytes]] = [bytes, bytes, gzip.compress, zstandard.compress]
    options: list[dict[str, Any]] = [{}, {}, {}, {"header": False}, {"sample_ids": True}, {"delimiter": ","}]
    for case in range(n_cases):
        content = files[case % len(files)]
        how = options[generator.integers(len(options))] | ({"label_column": "status"} if len(content) > 100 else {})
        check_any(wraps[generator.integers(len(wraps))](mutate(content, generator)), **how)


def valid_parquet() -> bytes:
    file = io.BytesIO()
    pl.DataFrame({"id": ["s0", "s1", "s2"], "a": [1.5, None, 3], "b": [1, 2, 3]}).write_parquet(file)
    return file.getvalue()


def test_parquet_that_ends_the_library(check_any: Callable[..., None]) -> None:
    """One byte in the header of a page: polars asks for 2⁶¹ bytes, and the whole process ends."""
    content = bytearray(valid_parquet())
    content[139] = 79
    check_any(bytes(content))


def test_mutated_parquet(check_any: Callable[..., None], n_cases: int) -> None:
    """Fewer, because each file is read in a process of its own first."""
    generator = np.random.default_rng(0)
    for _ in range(n_cases // 20):
        check_any(mutate(valid_parquet(), generator))


CELLS = st.one_of(
    st.floats(width=32).map(str),
    st.integers().map(str),
    st.text(max_size=8),
    st.sampled_from(
        ["", "NA", "1e400", "-0", "0x10", "1_000", "1,5", "inf", "#N/A", '"', '""', "=A1", " 1 ", "s1", "id"]
    ),
)
TABLES = st.fixed_dictionaries(
    {
        "rows": st.lists(st.lists(CELLS, max_size=5), max_size=8),
        "delimiter": st.sampled_from(["\t", ",", ";", "|", " ", "::"]),
        "end": st.sampled_from(["\n", "\r\n", "\r", "\n\r"]),
        "quote": st.sampled_from(["", "", '"', "'"]),
        "encoding": st.sampled_from(["utf-8", "latin-1", "utf-16", "utf-16-le", "utf-8-sig", "utf-32"]),
        "wrap": st.sampled_from([bytes, bytes, gzip.compress, zstandard.compress]),
        "options": st.fixed_dictionaries(
            {},
            optional={
                "delimiter": st.sampled_from(["\t", ",", ";", " ", "é", "\x1d", '"', "1", "."]),
                "header": st.booleans(),
                "sample_ids": st.booleans(),
                "label_column": st.sampled_from(["id", "s1", "1", ""]),
                "regression": st.booleans(),
            },
        ),
    }
)


def test_generated_tables(check_any: Callable[..., None], for_all: Callable[..., None]) -> None:
    def check(case: dict[str, Any]) -> None:
        quote = case["quote"]
        lines = [case["delimiter"].join(f"{quote}{cell}{quote}" for cell in row) for row in case["rows"]]
        text = case["end"].join(lines).encode(case["encoding"], errors="replace")
        check_any(case["wrap"](text), **case["options"])

    for_all(TABLES, check)


ALPHABET = st.characters(codec="utf-8", categories=["L", "N", "P", "S"], include_characters='\t ,;|"\n')
GIVEN = st.fixed_dictionaries(
    {
        "names": st.lists(st.text(ALPHABET, max_size=6), min_size=3, max_size=3, unique_by=str.strip),
        "ids": st.lists(st.text(ALPHABET, max_size=6), min_size=4, max_size=4, unique_by=str.strip),
        "values": st.lists(st.floats(width=32, allow_infinity=False, allow_nan=False), min_size=12, max_size=12),
        "delimiter": st.sampled_from(["\t", ",", ";", "|"]),
        "end": st.sampled_from(["\n", "\r\n"]),
        "encoding": st.sampled_from(["utf-8", "utf-16", "utf-8-sig", "utf-32"]),
        "wrap": st.sampled_from([bytes, gzip.compress, zstandard.compress]),
    }
)


def test_round_trip(read: Read, for_all: Callable[..., None]) -> None:
    """What is written in quotes comes back as it was, found out without a word about how it was written."""

    def check(case: dict[str, Any]) -> None:
        names, ids = [f"g{name}g" for name in case["names"]], [f"s{name}s" for name in case["ids"]]
        values = np.array(case["values"], np.float32).reshape(4, 3)
        rows = [["id", *names], *([name, *map(str, row)] for name, row in zip(ids, values, strict=True))]
        quoted = [[f'"{cell}"'.replace('"', '""')[1:-1] for cell in row] for row in rows]
        lines = [case["delimiter"].join(cells) for cells in quoted]
        text = case["end"].join(lines).encode(case["encoding"])
        data = read(case["wrap"](text))
        assert_array_equal(data.features, values)
        assert data.feature_names == tuple(names)
        assert data.sample_ids == tuple(ids)

    for_all(GIVEN, check)
