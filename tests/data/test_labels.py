"""Labels: header and ids found out, matched to the samples, turned into classes or numbers."""

import re
from typing import Any

import numpy as np
import pytest

from enas.errors import DataError

PLAIN = "1\t2\n3\t4\n5\t6\n"
NAMED = "id\tA\tB\ns1\t1\t2\ns2\t3\t4\ns3\t5\t6\n"


@pytest.mark.parametrize(
    ("features", "labels", "classes", "values"),
    [
        (PLAIN, "0\n1\n0\n", ("0", "1"), [0, 1, 0]),
        (PLAIN, "10\n9\n-1", ("-1", "9", "10"), [2, 1, 0]),
        (PLAIN, "ALL\nAML\nALL\n", ("ALL", "AML"), [0, 1, 0]),
        (PLAIN, "label\nALL\nAML\nALL\n", ("ALL", "AML"), [0, 1, 0]),
        (PLAIN, "leukaemia\nALL\nAML\nALL\n", ("ALL", "AML"), [0, 1, 0]),
        (PLAIN, "x\n0\n1\n0\n", ("0", "1"), [0, 1, 0]),
        (PLAIN, "1.0\n2.0\n1.0\n", ("1", "2"), [0, 1, 0]),
        (PLAIN, "good prognosis\npoor prognosis\ngood prognosis\n", ("good prognosis", "poor prognosis"), [0, 1, 0]),
        (PLAIN, '"b"\r\n"a"\r\n"b"\r\n', ("a", "b"), [1, 0, 1]),
        (PLAIN, "p1\tx\np2\ty\np3\tx\n", ("x", "y"), [0, 1, 0]),
        (PLAIN, "id,status\n1,x\n2,y\n3,x\n", ("x", "y"), [0, 1, 0]),
        (NAMED, "0\n1\n0\n", ("0", "1"), [0, 1, 0]),
        (NAMED, "s3\tb\ns1\ta\ns2\tb\n", ("a", "b"), [0, 1, 1]),
        (NAMED, "sample,class\ns3,b\ns1,a\ns2,b\n", ("a", "b"), [0, 1, 1]),
        (NAMED, "s3 1\ns1 0\ns2 1\n", ("0", "1"), [0, 1, 1]),
        (NAMED, "who\tage\tclass\ns2\t30\tb\ns9\t31\ta\ns1\t30\ta\ns3\t33\tb\n", ("a", "b"), [0, 1, 1]),
    ],
)
def test_classes(read: Any, features: str, labels: str, classes: tuple[str, ...], values: list[int]) -> None:
    options = {"label_column": "class"} if "age" in labels else {}
    target = read(features, labels, **options).target
    assert target.classes == classes
    assert target.values.tolist() == values
    assert target.values.dtype == np.int64


def test_log_says_how_labels_were_matched(read: Any, log: Any) -> None:
    read(NAMED, "s3\tb\ns1\ta\ns2\tb\ns4\tb\n")
    assert "labels matched to the samples by id; 1 labels of other samples were left out" in log.lines
    assert "target target_0: 2 classes (a: 1, b: 2)" in log.lines
    read(NAMED, "b\na\nb\n")
    assert "labels matched to the samples by position (only the features have sample ids)" in log.lines


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (PLAIN, "", "labels file '"),
        (PLAIN, "0\n1\n", "3 samples in 'x.tsv', 2 labels in"),
        (PLAIN, "0\n1\n0\n1\n", "the counts must be equal, or both files must have sample ids"),
        ("1\t2\t3\t4\n5\t6\t7\t8\n", "0\n1\n0\n1\n", "'x.tsv' looks transposed (4 columns)"),
        ("id\ts1\ts2\ts3\ng1\t1\t2\t3\ng2\t3\t4\t5\n", "s1\ta\ns2\tb\ns3\ta\n", "'x.tsv' looks transposed"),
        (NAMED, "s1\ta\ns2\tb\n", "1 of 3 samples of 'x.tsv' have no label in"),
        (
            NAMED,
            "s1\ta\ns2\tb\ns3\ta\ns3\tb\n",
            "1 sample ids occur more than once ('s3'), so labels cannot be matched",
        ),
        (NAMED.replace("s2", "s1"), "s1\ta\ns3\tb\n", "'x.tsv': 1 sample ids occur more than once ('s1')"),
        (PLAIN, "0\nNA\n1\n", "line 2: the sample has no label (target 'target_0' is 'NA')"),
        (PLAIN, "0\n0\n0\n", "has a single class, '0': nothing can be learned from it; if it is a number to predict"),
        (PLAIN, "0.5\n1.5\n2.5\n", "has 3 different values in 3 samples, too many for classes; if it is a number"),
        (PLAIN, "1\tx\tu\n2\ty\tu\n3\tx\tv\n", "3 label columns ('target_0', 'target_1', 'target_2'"),
        (NAMED, "id\ta\tb\ns1\tx\tu\ns2\ty\tu\ns3\tx\tv\n", "2 label columns ('a', 'b'); name the one to predict"),
        (PLAIN, "p1\tx\np2\ty\np3\tx\n" * 2 + "p4\n", "line 7: 1 cells where the others have 2"),
        (PLAIN, "\x00\x01", "is not a text file"),
    ],
)
def test_labels_that_are_refused(read: Any, features: str, labels: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        read(features, labels)


def test_classes_of_the_training_run(read: Any) -> None:
    target = read(PLAIN, "b\nb\nb\n", classes=("a", "b", "c")).target
    assert target.classes == ("a", "b", "c")
    assert target.values.tolist() == [1, 1, 1]
    with pytest.raises(DataError, match=r"line 2: class 'd' is unknown; the run was trained on a, b"):
        read(PLAIN, "b\nd\nb\n", classes=("a", "b"))


def test_many_classes_of_text_look_like_ids(read: Any) -> None:
    features = "\n".join(f"{i}\t{i * i}" for i in range(60))
    with pytest.raises(DataError, match="does it hold sample ids"):
        read(features, "\n".join(f"s{i}" for i in range(60)))


@pytest.mark.parametrize(
    ("labels", "names", "values"),
    [
        ("0.5\n1.5\n-2\n", ("target_0",), [[0.5], [1.5], [-2]]),
        ("age\n30\n40\n50\n", ("age",), [[30], [40], [50]]),
        ("age,bmi\n30,20.5\n40,21\n50,30\n", ("age", "bmi"), [[30, 20.5], [40, 21], [50, 30]]),
        ("1.5,2.5\n2.5,3.5\n3.5,1.5\n", ("target_0", "target_1"), [[1.5, 2.5], [2.5, 3.5], [3.5, 1.5]]),
        ("30,20.5\n40,21\n50,30\n", ("target_0", "target_1"), [[30, 20.5], [40, 21], [50, 30]]),
        ("3,20.5\n1,21\n2,30\n", ("target_0",), [[20.5], [21], [30]]),
        ("p1,2.5\np2,3.5\np3,1.5\n", ("target_0",), [[2.5], [3.5], [1.5]]),
    ],
)
def test_regression(read: Any, labels: str, names: tuple[str, ...], values: list[list[float]]) -> None:
    target = read(PLAIN, labels, regression=True).target
    assert target.names == names
    assert target.values.tolist() == values
    assert target.values.dtype == np.float32
    assert target.classes == ()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("0.5\nhigh\n1\n", "line 2, target 'target_0': 'high' is not a number (is_regression is set)"),
        ("0.5\ninf\n1\n", "line 2, target 'target_0': 'inf' is not finite"),
        ("0.5\n\n1\n", "2 labels"),
        ("0.5\nNA\n1\n", "line 2: the sample has no label"),
        ("2\n2\n2\n", "has the same value in all rows"),
    ],
)
def test_regression_targets_that_are_refused(read: Any, labels: str, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        read(PLAIN, labels, regression=True)


def test_targets_of_the_training_run(read: Any) -> None:
    text = "bmi,age,sex\n20.5,30,1\n21,40,0\n30,50,1\n"
    target = read(PLAIN, text, regression=True, target_names=("age", "bmi")).target
    assert target.names == ("age", "bmi")
    assert target.values.tolist() == [[30, 20.5], [40, 21], [50, 30]]
    assert read(PLAIN, "1\n1\n1\n", regression=True, target_names=("age",)).target.names == ("age",)
    with pytest.raises(DataError, match="the run was trained on the targets 'age', 'bmi'"):
        read(PLAIN, "x\n1\n2\n3\n", regression=True, target_names=("age", "bmi"))
