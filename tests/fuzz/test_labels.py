"""Labels as they should not be: each is read as these classes or numbers, or refused by a message that says where."""

import gzip
import io
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import strategies as st

from enas.data.splits import usable_folds
from enas.errors import DataError, EnasError

Read = Callable[..., Any]
FOUR = "1\t2\n3\t4\n5\t6\n7\t8\n"
NAMED = "id\ta\tb\ns1\t1\t2\ns2\t3\t4\ns3\t5\t6\ns4\t7\t8\n"
LONG = "n" * 2**20


def parquet(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame(columns).write_parquet(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("features", "labels", "classes", "values"),
    [
        pytest.param(FOUR, "3\n1\n1\n3\n", ("1", "3"), [1, 0, 0, 1], id="integers"),
        pytest.param(FOUR, "1.0\n2.0\n2.\n1.000\n", ("1", "2"), [0, 1, 1, 0], id="floats that are integers"),
        pytest.param(FOUR, "1.0\n1\n2\n2.0\n", ("1", "2"), [0, 0, 1, 1], id="1.0 and 1"),
        pytest.param(FOUR, "0.5\n1.5\n0.5\n1.5\n", ("0.5", "1.5"), [0, 1, 0, 1], id="fractions"),
        pytest.param(FOUR, "1\nyes\n1\nyes\n", ("1", "yes"), [0, 1, 0, 1], id="mixed types"),
        pytest.param(FOUR, "True\nFalse\nTrue\nFalse\n", ("False", "True"), [1, 0, 1, 0], id="truth values"),
        pytest.param(FOUR, " a\nb \n a \nb\n", ("a", "b"), [0, 1, 0, 1], id="blanks around classes"),
        pytest.param(FOUR, "a\r\nb\r\na\r\nb", ("a", "b"), [0, 1, 0, 1], id="CRLF"),
        pytest.param(FOUR, "a\rb\ra\rb\r", ("a", "b"), [0, 1, 0, 1], id="CR"),
        pytest.param(FOUR, "ä\nö\nä\nö\n".encode("latin-1"), ("ä", "ö"), [0, 1, 0, 1], id="latin-1"),
        pytest.param(FOUR, "ä\nö\nä\nö\n".encode("utf-16"), ("ä", "ö"), [0, 1, 0, 1], id="utf-16"),
        pytest.param(FOUR, gzip.compress(b"a\nb\na\nb\n"), ("a", "b"), [0, 1, 0, 1], id="gzip"),
        pytest.param(FOUR, '"a,1"\n"b\n2"\n"a,1"\n"b\n2"\n', ("a,1", "b\n2"), [0, 1, 0, 1], id="quotes"),
        pytest.param(FOUR, f"{'9' * 5000}\n1\n1\n{'9' * 5000}\n", ("1", "9" * 5000), [1, 0, 0, 1], id="5,000 digits"),
        pytest.param(FOUR, "٣\n٤\n٣\n٤\n", ("٣", "٤"), [0, 1, 0, 1], id="Arabic digits"),
        pytest.param(FOUR, "-0\n1\n-0\n1\n", ("-0", "1"), [0, 1, 0, 1], id="minus zero"),
        pytest.param(FOUR, f"{LONG}\nb\n{LONG}\nb\n", ("b", LONG), [1, 0, 1, 0], id="a class of 1 MB"),
        pytest.param(FOUR, "=1+1\n@x\n=1+1\n@x\n", ("=1+1", "@x"), [0, 1, 0, 1], id="formulas"),
        pytest.param(FOUR, "y\n\na\nb\n\na\nb\n", ("a", "b"), [0, 1, 0, 1], id="blank lines"),
        pytest.param(NAMED, "s4,b\ns3,a\nx,a\ns2,b\ns1,a\n", ("a", "b"), [0, 1, 0, 1], id="more labels than samples"),
        pytest.param(NAMED, "x,a\nx,b\ns1,a\ns2,b\ns3,a\ns4,b\n", ("a", "b"), [0, 1, 0, 1], id="others twice"),
        pytest.param(FOUR, parquet(y=["a", "b", "a", "b"]), ("a", "b"), [0, 1, 0, 1], id="Parquet"),
        pytest.param(FOUR, parquet(y=[1.0, 2.0, 1.0, 2.0]), ("1", "2"), [0, 1, 0, 1], id="Parquet of floats"),
        pytest.param(FOUR, parquet(y=[True, False] * 2), ("false", "true"), [1, 0, 1, 0], id="Parquet of truth values"),
    ],
)
def test_classes(read: Read, features: str, labels: str | bytes, classes: tuple[str, ...], values: list[int]) -> None:
    target = read(features, labels).target
    assert target.classes == classes
    assert target.values.tolist() == values


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        pytest.param(FOUR, "a\nb\na\n", "4 samples in 'x.tsv', 3 labels in", id="one label too few"),
        pytest.param(FOUR, "a\nb\na\nb\na\nb\n", "4 samples in 'x.tsv', 6 labels in", id="labels too many"),
        pytest.param(NAMED, "p1,a\np2,b\np3,a\np4,b\n", "", id="other ids"),
        pytest.param(
            NAMED, "s1,a\ns1,b\ns2,a\ns3,b\ns4,a\n", "1 sample ids occur more than once ('s1')", id="id twice"
        ),
        pytest.param(FOUR, "a\n\nb\na\n", "3 labels in", id="an empty label"),
        pytest.param(NAMED, "s1,a\ns2,\ns3,b\ns4,a\n", "line 2: the sample has no label", id="an empty cell"),
        pytest.param(FOUR, "1\nNaN\n2\n1\n", "line 2: the sample has no label", id="NaN"),
        pytest.param(FOUR, '"a"\n"b\n"a"\n"b"\n', "line 2: a quote opens a cell", id="unbalanced quote"),
        pytest.param(FOUR, "a\nb\na\n\0\n", "is not a text file", id="NUL"),
        pytest.param(FOUR, "a\nb\na\n\x1fb\n", "control character 0x1f", id="unit separator"),
        pytest.param(FOUR, "a,1\nb,2\na\nb,2\na,1\nb,3\n", "line 3: 1 cells where the others have 2", id="ragged"),
        pytest.param(FOUR, (",".join("1" * 100_001) + "\n") * 4, "more than 100,000 columns; is it the fe", id="wide"),
        pytest.param(FOUR, LONG + "\nb\na\nb\nb\nb\n", "'x.tsv'", id="a header of 1 MB"),
        pytest.param(FOUR, "y\n" + LONG + "\na\nb\nb\n" * 2, "", id="classes of 1 MB, ragged counts"),
        pytest.param(FOUR, f"{LONG}\n" * 4, "has a single class, 'nnn", id="one class of 1 MB"),
        pytest.param(FOUR, b"\x89PNG\r\n\x1a\n\0\0\0", "is not a text file", id="PNG"),
        pytest.param(FOUR, gzip.compress(b"a\nb\na\nb\n")[:-8], "is truncated", id="gzip cut off"),
        pytest.param(FOUR, b"PAR1PAR1", "cannot be read as Parquet", id="Parquet without a footer"),
        pytest.param(FOUR, parquet(y=[[1], [2], [1], [2]]), "column 'y' holds List(Int64), neither", id="lists"),
        pytest.param(FOUR, parquet(y=[{"a": 1}] * 4), "column 'y' holds Struct", id="structs"),
        pytest.param(FOUR, parquet(y=["a", None, "a", "b"]), "the sample has no label (target 'y' is '')", id="null"),
        pytest.param(FOUR, "", "is empty", id="empty"),
        pytest.param(FOUR, "\n\n", "holds no rows", id="blank"),
    ],
)
def test_refused(read: Read, features: str, labels: str | bytes, message: str) -> None:
    started = time.perf_counter()
    with pytest.raises(DataError) as caught:
        read(features, labels)
    text = str(caught.value)
    assert any(part in text for part in message.split("|")), text
    assert "y.tsv" in text
    assert len(text) < 1000
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param("1\n2\nhigh\n4\n", "line 3, target 'target_0': 'high' is not a number", id="text"),
        pytest.param("1\n2\n1e400\n4\n", "line 3, target 'target_0': '1e400' is not finite", id="1e400"),
        pytest.param("1\n2\n1e39\n4\n", "'1e39' is not finite", id="1e39"),
        pytest.param("1\n2\n0x10\n4\n", "'0x10' is not a number", id="0x10"),
        pytest.param("1\n2\n1_000\n4\n", "'1_000' is not a number", id="1_000"),
        pytest.param("1\n2\n-inf\n4\n", "'-inf' is not finite", id="-inf"),
        pytest.param("1\n2\n+nan\n4\n", "'+nan' is not finite", id="+nan"),
        pytest.param("1\nNaN\n3\n4\n", "line 2: the sample has no label", id="NaN"),
        pytest.param("1\n" + "7" * 2**20 + "x\n3\n4\n", "is not a number", id="a cell of 1 MB"),
        pytest.param("2\n2\n2.0\n2\n", "has the same value in all rows", id="constant"),
        pytest.param("a,b\n1,3\n2,3\n4,3\n5,3\n", "target 'b' has the same value in all rows", id="one constant"),
    ],
)
def test_numbers_refused(read: Read, labels: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read(FOUR, labels, regression=True)
    assert message in str(caught.value)
    assert "y.tsv" in str(caught.value)
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        pytest.param("1e5\n-0\n.5\n1e-45\n", [1e5, 0, 0.5, 1e-45], id="forms of numbers"),
        pytest.param(f"0.{'3' * 5000}\n{'0' * 5000}2\n3\n4\n", [1 / 3, 2, 3, 4], id="5,000 digits"),
    ],
)
def test_numbers(read: Read, labels: str, values: list[float]) -> None:
    assert read(FOUR, labels, regression=True).target.values.ravel().tolist() == np.array(values, np.float32).tolist()


def wide(n: int) -> str:
    return "\n".join(f"{at}\t{at % 7}" for at in range(n))


def test_ten_thousand_classes(read: Read) -> None:
    target = read(wide(20_000), "\n".join(str(at % 10_000) for at in range(20_000))).target
    assert target.classes == tuple(str(at) for at in range(10_000))
    assert usable_folds(target, 5) == 2


def test_thousands_of_classes_with_one_sample(read: Read) -> None:
    names = [str(at % 3000) for at in range(4000)] + ["0"] * 2000
    target = read(wide(6000), "\n".join(names)).target
    with pytest.raises(DataError) as caught:
        usable_folds(target, 5)
    assert '"1000" (1)' in str(caught.value)
    assert "and 1,990 more" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_as_many_classes_as_rows(read: Read) -> None:
    with pytest.raises(DataError, match="10,000 different values in 10,000 samples, too many for classes"):
        read(wide(10_000), "\n".join(str(at) for at in range(10_000)))


def test_many_repeated_ids_take_no_time(read: Read) -> None:
    n = 30_000
    features = "id\ta\tb\n" + "\n".join(f"s{at}\t{at}\t1" for at in range(n))
    labels = "\n".join(f"s{at}\t{'ab'[at % 2]}" for at in range(n))
    started = time.perf_counter()
    with pytest.raises(DataError, match="'s7'"):
        read(features, labels + "\ns7\ta\n")
    assert time.perf_counter() - started < 10


CELLS = st.one_of(
    st.sampled_from(
        ["a", "b", "1", "2", "1.0", "", "NA", "nan", "1e400", "s1", "s2", '"', "True", " a", "0x1", "id", "y"]
    ),
    st.text(max_size=6),
    st.floats().map(str),
    st.integers().map(str),
)
CASES = st.fixed_dictionaries(
    {
        "features": st.sampled_from([FOUR, NAMED]),
        "rows": st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=6),
        "ids": st.lists(st.sampled_from(["s1", "s2", "s3", "s4", "s5", "1", "id"]), min_size=6, max_size=6),
        "with_ids": st.booleans(),
        "square": st.booleans(),
        "delimiter": st.sampled_from(["\t", ",", ";", " "]),
        "end": st.sampled_from(["\n", "\r\n", "\r"]),
        "encoding": st.sampled_from(["utf-8", "latin-1", "utf-16"]),
        "rubbish": st.one_of(st.just(b""), st.just(b""), st.binary(max_size=5)),
        "options": st.fixed_dictionaries(
            {},
            optional={
                "regression": st.booleans(),
                "classes": st.sampled_from([("a", "b"), ("1", "2")]),
                "label_column": st.sampled_from(["y", "id", "a", ["a", "y"]]),
                "delimiter": st.sampled_from(["\t", ",", ";", " "]),
            },
        ),
    }
)


def test_generated_labels(read: Read, for_all: Callable[..., None]) -> None:
    """As many targets as samples, all of them known classes or finite numbers; or a short error that names a file."""

    def check(case: dict[str, Any]) -> None:
        rows = [[row[0]] * len(case["rows"][0]) if case["square"] else row for row in case["rows"]]
        if case["with_ids"]:
            rows = [[name, *row] for name, row in zip(case["ids"], rows, strict=False)]
        text = case["end"].join(case["delimiter"].join(row) for row in rows)
        content = text.encode(case["encoding"], errors="replace") + case["rubbish"]
        started = time.perf_counter()
        refusal = ""
        try:
            target = read(case["features"], content, **case["options"]).target
        except EnasError as error:
            refusal = str(error)
        assert time.perf_counter() - started < 10
        if refusal:
            assert "y.tsv" in refusal or "x.tsv" in refusal
            assert len(refusal) < 1500
        else:
            assert len(target.values) == 4
            assert np.isfinite(target.values).all()
            assert not target.classes or set(target.values) <= set(range(len(target.classes)))

    for_all(CASES, check)


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"], include_characters="\t ,;"), max_size=6)


def test_round_trip(read: Read, for_all: Callable[..., None]) -> None:
    """Classes of any letters, quoted and found by id, come back sample by sample."""

    def check(case: tuple[list[str], list[int], str, str]) -> None:
        words, order, delimiter, encoding = case
        classes = [f"k{word}k" for word in words]
        of_sample = {f"s{at + 1}": classes[at % 2] for at in range(4)}
        lines = [f'"s{at + 1}"{delimiter}"{of_sample[f"s{at + 1}"].replace(chr(34), chr(34) * 2)}"' for at in order]
        target = read(NAMED, "\n".join(lines).encode(encoding)).target
        assert Counter(target.classes) == Counter(classes)
        assert [target.classes[at] for at in target.values] == list(of_sample.values())

    two = st.lists(WORDS, min_size=2, max_size=2, unique=True)
    for_all(
        st.tuples(
            two,
            st.permutations(range(4)),
            st.sampled_from(["\t", ",", ";"]),
            st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
        ),
        check,
    )
