"""The group column: found in either file, no feature, no target; the same groups have the same number everywhere."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from enas.config import load_table_config
from enas.data.dataset import Dataset
from enas.errors import ConfigError, DataError
from enas.inputs import Tables

X = "g1\tg2\n1\t2\n3\t4\n5\t6\n7\t8\n"
NAMED = "id\tg1\tg2\ns1\t1\t2\ns2\t3\t4\ns3\t5\t6\ns4\t7\t8\n"
AGED = "id\tage\tgrade\tpatient\ns1\t1\ta\tP1\ns2\t2\tb\tP2\ns3\t3\ta\tP1\ns4\t4\tb\tP3\n"
NUMBERED = "id\tg1\tg2\tpatient\ns1\t1\t2\t1\ns2\t3\t4\t2\ns3\t5\t6\t1\ns4\t7\t8\t3\n"
ALL_IN_ONE = "g1\tpatient\tg2\tgrade\n1\tP1\t2\ta\n3\tP2\t4\tb\n5\tP1\t6\ta\n7\tP3\t8\tb\n"
TOGETHER = [[0, 2], [1], [3]]
"""Rows of equal groups: P1, P2, P1, P3."""


def rows_together(table: Dataset) -> list[list[int]]:
    assert table.groups is not None
    known = list(dict.fromkeys(table.groups.tolist()))
    return [np.flatnonzero(table.groups == group).tolist() for group in known]


@pytest.mark.parametrize(
    ("features", "labels", "options"),
    [
        (X, "grade\tpatient\na\tP1\nb\tP2\na\tP1\nb\tP3\n", {}),
        (X, "patient\tgrade\nP1\ta\nP2\tb\nP1\ta\nP3\tb\n", {}),
        (X, "patient\tgrade\n1\t0\n2\t1\n1\t0\n3\t1\n", {}),
        (NAMED, "id\tpatient\tgrade\ns4\tP3\tb\ns3\tP1\ta\ns2\tP2\tb\ns1\tP1\ta\n", {}),
        (NAMED, AGED, {"label_column": "grade"}),
        ("patient\tg1\tg2\nP1\t1\t2\nP2\t3\t4\nP1\t5\t6\nP3\t7\t8\n", "a\nb\na\nb\n", {}),
        ("g1\tpatient\tg2\n1\tP1\t2\n3\tP2\t4\n5\tP1\t6\n7\tP3\t8\n", "a\nb\na\nb\n", {}),
        (NUMBERED, "s4\tb\ns3\ta\ns2\tb\ns1\ta\n", {}),
        (ALL_IN_ONE, None, {"label_column": "grade"}),
    ],
)  # fmt: skip
def test_groups_are_read_and_taken_out(read: Any, features: str, labels: str | None, options: dict[str, str]) -> None:
    table = read(features, labels, group_column="patient", **options)
    assert table.features.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert table.feature_names == ("g1", "g2")
    assert table.target is not None
    assert len(table.target.classes) == 2
    assert table.target.values.tolist() == [0, 1, 0, 1]
    assert rows_together(table) == TOGETHER


def test_samples_that_are_groups_of_their_own_are_matched_by_id(read: Any) -> None:
    """The column of groups is that of ids, too: labels follow the ids, not the position."""
    table = read(NAMED, "patient\tgrade\ns4\tb\ns3\ta\ns2\tb\ns1\ta\n", group_column="patient")
    assert table.target.values.tolist() == [0, 1, 0, 1]
    assert len(set(table.groups.tolist())) == 4


def test_a_table_to_predict_has_its_groups_taken_out(read: Any) -> None:
    table = read("patient\tg1\tg2\nP1\t1\t2\nP2\t3\t4\n", group_column="patient")
    assert table.features.tolist() == [[1, 2], [3, 4]]
    assert table.target is None


def test_groups_of_a_parquet_table(tmp_path: Path, log: Any) -> None:
    frame = {"g1": [1.0, 3, 5, 7], "patient": ["P1", "P2", "P1", "P3"], "g2": [2.0, 4, 6, 8], "grade": list("abab")}
    pl.DataFrame(frame).write_parquet(tmp_path / "x.parquet")
    args = {"features_file": "x.parquet", "data_dir": str(tmp_path), "label_column": "grade", "group_column": "patient"}
    config, _ = load_table_config({"name": "x", "data_train": {"args": args}})
    table, _ = Tables(config, log).read_training()
    assert table.feature_names == ("g1", "g2")
    assert rows_together(table) == TOGETHER
    assert "3 groups of rows (group_column)" in log.lines


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (X, "grade\tpatients\na\tP1\nb\tP2\na\tP1\nb\tP3\n", "nor has the labels file; did you mean 'patients'"),
        (X, "a\nb\na\nb\n", r"'.*x\.tsv' has no column 'patient' \(group_column\)"),
        ("1\t2\n3\t4\n", None, r"has no header, so it has no column 'patient' \(group_column\)"),
        (X, "grade\tpatient\na\tP1\nb\tNA\na\tP1\nb\tP3\n", r"y\.tsv', line 3: the group \('patient'.* is missing"),
        ("patient\tg1\tg2\nP1\t1\t2\n\t3\t4\n", "a\nb\n", r"x\.tsv', sample 2: the group \('patient'.* is missing"),
        (X, "patient\tpatient\tgrade\n" + "P1\tP1\ta\nP1\tP1\tb\n" * 2, r"more than one column 'patient' \(group_"),
    ],
)  # fmt: skip
def test_refused(read: Any, features: str, labels: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(features, labels, group_column="patient")


def write(folder: Path, name: str, patients: list[str]) -> dict[str, str]:
    rows = [f"{name}{i}\t{i}\t{i % 3}" for i in range(len(patients))]
    (folder / f"{name}x.tsv").write_text("id\tg1\tg2\n" + "\n".join(rows) + "\n")
    labels = [f"{name}{i}\t{patient}\t{'ab'[i % 2]}" for i, patient in enumerate(patients)]
    (folder / f"{name}y.tsv").write_text("id\tpatient\tgrade\n" + "\n".join(labels) + "\n")
    return {"features": f"{name}x.tsv", "labels": f"{name}y.tsv"}


def test_a_group_on_both_sides_of_a_validation_file_is_refused(tmp_path: Path, log: Any) -> None:
    train = write(tmp_path, "t", ["P1", "P2", "P2", "P3"])
    args = {"data_dir": str(tmp_path), "features_file": train["features"], "labels_file": train["labels"]}
    for patients, problem in ((["P4", "P5"], None), (["P4", "P2"], r"1 of 2 rows .*'v1' is of the group of 't1'")):
        other = write(tmp_path, "v", patients)
        validation = {"validation_features": other["features"], "validation_labels": other["labels"]}
        section = {"args": {**args, **validation, "group_column": "patient"}}
        config, _ = load_table_config({"name": "x", "data_train": section})
        if problem is None:
            table, rows = Tables(config, log).read_training()
            assert rows is not None
            assert rows.tolist() == [4, 5]
            assert table.n_features == 2
        else:
            with pytest.raises(DataError, match=problem):
                Tables(config, log).read_training()


def test_what_is_predicted_is_no_group() -> None:
    args = {"features_file": "x.tsv", "label_column": ["grade", "patient"], "group_column": "patient"}
    with pytest.raises(ConfigError, match=r'data_train\.args\.group_column: "patient" is the label_column'):
        load_table_config({"name": "x", "data_train": {"args": args}})
