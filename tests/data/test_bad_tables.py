"""Files that are refused: each with the message that says what is wrong and where."""

import gzip
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from enas.config import DataArgs
from enas.data.tables import read_dataset
from enas.errors import DataError, EnasError

ROWS = b"a\tb\n" + b"".join(b"%d\t%d\n" % (i, i * i) for i in range(1000))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n \n", "holds no rows"),
        (b"5\n", "one column"),
        (b"5\n6\n7\n", "one column"),
        (b"GENE1\n5\n6\n", "one column, or its rows have no common delimiter: line 1 begins 'GENE1'"),
        (b"a\tb\tc\n", "a header and no rows below it"),
        (b"1\t2\n3\t4\n5\t6\n7\t8\n9\t1\n3\n", "line 6: 1 cells where the others have 2"),
        (b"a\tb\n1\t2\n3\t4\n5\t6\n7\t8\n9\t1\n3\t4\t5\n", "line 7: 3 cells where the others have 2"),
        (b"a\tb\tc\td\n1\t2\n3\t4\n", "no common delimiter|the header has 4 cells, the rows have 2"),
        (b"a\tb\n1\t2\n3\thigh\n", "line 3, column 'b' (number 2): 'high' is not a number"),
        (b"1\t2\n3\t1_000\n", "line 2, column 'column_2' (number 2): '1_000' is not a number"),
        (b"s1\t1\t2\ns2\t3\tx\ns3\t3\t4\n", "line 2, column 'column_3' (number 3): 'x' is not a number"),
        (b"a,b\n1,2\n\n3,--4\n", "line 4, column 'b' (number 2): '--4' is not a number"),
        (b'a,b\n1,"1,5"\n', "'1,5' is not a number (a comma? write 1.5, and 1234 without one)"),
        (b"a\tb\n1\t1,234\n3\t2,500\n", "'1,234' is not a number (a comma? write 1.5, and 1234 without one)"),
        (b"id\tsex\tb\ts\ns1\tm\t1\tyes\ns2\tf\t3\tno\n", "columns that hold text: 'sex', 's'"),
        (b"a\tb\n1\tTrue\n3\tFalse\n", "columns that hold text: 'b'. Turn them into numbers (true/false into 1/0)"),
        (b"a\tb\n1\tinf\n", "line 2, column 'b' (number 2): 'inf' is infinite"),
        (b"a\tb\n1\t2\n-1e39\t3\n", "line 3, column 'a' (number 1): '-1e39' is infinite (or beyond float32)"),
        (b'a\tb\n"1\t2\n3\t4\n', "line 2: a quote opens a cell and does not close it"),
        (b"\x00\x01\x02\x03binary", "is not a text file"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (b"PK\x03\x04rest", "is an Excel workbook or a zip file"),
        (b"\xff\xfea\x00\t\x00\x00\xd8", "begins as UTF-16 but is damaged"),
        (gzip.compress(ROWS)[:-9], "is truncated"),
        (gzip.compress(ROWS)[:-9] + b"12345678", "is damaged|is truncated"),
        (b"\x1f\x8bnothing", "is damaged"),
        (zstandard.compress(ROWS)[:-9], "is truncated"),
        (b"PAR1nothing", "cannot be read as Parquet"),
    ],
)
def test_message(read: Any, content: bytes, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(content)
    assert any(part in str(caught.value) for part in message.split("|")), str(caught.value)
    assert "x.tsv" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": "é"}, "is not one plain character"),
        ({"label_column": "statsu"}, "has no column 'statsu' (label_column); did you mean 'status'"),
        ({"label_column": "status", "header": False}, "has no header, so it has no column 'status'"),
        (
            {"header": False},
            "line 1, column 'column_1' (number 1): 'a' is not a number; columns that hold text: 'column_3'",
        ),
        ({}, "columns that hold text: 'status'"),
    ],
)
def test_options_that_do_not_fit(read: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        read("a\tb\tstatus\n1\t2\tn\n3\t4\tt\n", **options)


def test_no_file(tmp_path: Path, log: Any) -> None:
    (tmp_path / "features.tsv").write_text("1\t2\n")
    cases = {
        "feature.tsv": "does not exist; did you mean 'features.tsv'?",
        ".": "is a folder, not a file",
        "nowhere/x.tsv": "there is no folder",
    }
    for name, message in cases.items():
        with pytest.raises(DataError, match=re.escape(message)):
            read_dataset(DataArgs(data_dir=tmp_path, features_file=Path(name)), regression=False, progress=log)


PIECES = (
    rb"1 2.5 -3e4 NA a id b s1 s2 \t \t \t \t , , ; ; \s \n \n \n \r\n \r "
    + rb'" | inf . # 1,5 \x00 \x1d \x1e \x1f \xff \xc3\xa9'
)
ESCAPES = {rb"\t": b"\t", rb"\s": b" ", rb"\n": b"\n", rb"\r": b"\r", rb"\r\n": b"\r\n"} | {
    b"\\x%02x" % code: bytes([code]) for code in range(256)
}
TABLE_BYTES = st.lists(
    st.sampled_from([ESCAPES.get(piece, piece) for piece in PIECES.split()]),
    max_size=60,
).map(b"".join)
STARTS = st.sampled_from(
    [b"", b"", b"", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1", b"a\tb\n"]
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=STARTS,
    content=st.one_of(TABLE_BYTES, TABLE_BYTES, st.binary(max_size=200)),
    labels=st.one_of(st.none(), TABLE_BYTES),
    options=st.fixed_dictionaries(
        {},
        optional={
            "delimiter": st.sampled_from(["\t", ",", " ", ";", "x", "é", '"']),
            "header": st.booleans(),
            "sample_ids": st.booleans(),
            "label_column": st.sampled_from(["a", "id", "1"]),
            "regression": st.booleans(),
        },
    ),
)
@example(start=b"", content=b"1\t2\r\t3\n", labels=None, options={})
def test_no_bytes_break_it(
    read: Any, start: bytes, content: bytes, labels: bytes | None, options: dict[str, Any]
) -> None:
    with suppress(EnasError):
        data = read(start + content, labels, **options)
        assert data.features.shape == (len(data.sample_ids), len(data.feature_names))
        assert len(set(data.feature_names)) == data.n_features
