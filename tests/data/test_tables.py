"""Reading whole tables: what is detected, what is reported, what comes out."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import zstandard
from numpy.testing import assert_array_equal

from enas.config import DataArgs
from enas.data.dataset import Dataset
from enas.data.tables import read_dataset, read_names, read_validation
from enas.errors import DataError

NUMBERS = [[1.5, -2.0, 3.25], [4.0, 5.5, 6.0]]


def test_tab_header_ids(read: Any, log: Any) -> None:
    data = read("\tTP53\tMYC\tEGFR\ns1\t1.5\t-2\t3.25\ns2\t4\t5.5\t6\n")
    assert_array_equal(data.features, NUMBERS)
    assert data.features.dtype == np.float32
    assert data.feature_names == ("TP53", "MYC", "EGFR")
    assert data.sample_ids == ("s1", "s2")
    assert data.has_feature_names
    assert data.has_sample_ids
    assert data.target is None
    assert data.source == "x.tsv"
    assert "2 samples x 3 features (tab-delimited, a header, sample ids in the first column" in log.lines[0]


@pytest.mark.parametrize(
    ("text", "has_names", "has_ids"),
    [
        ("1.5\t-2\t3.25\n4\t5.5\t6\n", False, False),
        ("1.5,-2,3.25\n4,5.5,6\n", False, False),
        ("1.5 -2 3.25\n4 5.5 6\n", False, False),
        ("  1.5   -2 3.25 \n4  5.5    6\n", False, False),
        ("1.5|-2|3.25\n4|5.5|6", False, False),
        ("1,5;-2;3,25\n4;5,5;6\n", False, False),
        ('"1,5"\t"-2"\t"3,25"\n"4"\t"5,5"\t"6"\n', False, False),
        ("a;b;c\r\n1.5;-2;3.25\r\n4;5.5;6\r\n", True, False),
        ("a\tb\tc\r1.5\t-2\t3.25\r4\t5.5\t6\r", True, False),
        ("\ufeffa,b,c\n1.5,-2,3.25\n4,5.5,6\n", True, False),
        ('"a" "b" "c"\n"s1" 1.5 -2 3.25\n"s2" 4 5.5 6\n', True, True),
        ("a\tb\tc\ns1\t1.5\t-2\t3.25\ns2\t4\t5.5\t6\n", True, True),
        ("s1,1.5,-2,3.25\ns2,4,5.5,6\n", False, True),
        (",a,b,c\n0,1.5,-2,3.25\n1,4,5.5,6\n", True, True),
        ("Sample ID,a,b,c\n7,1.5,-2,3.25\n9,4,5.5,6\n", True, True),
        (",0,1,2\n0,1.5,-2,3.25\n1,4,5.5,6\n", True, True),
        ("0,1,2\n1.5,-2,3.25\n4,5.5,6\n", True, False),
        ("a\tb\tc\t\n1.5\t-2\t3.25\t\n4\t5.5\t6\t\n", True, False),
        ("a\tb\tc\n1.5\t-2\t3.25\t\n4\t5.5\t6\t\n", True, False),
        ('name,a,b,c\n"s,1",1.5,-2,3.25\n"s\n2",4,5.5,6\n', True, True),
        ("a, b, c\n 1.5, -2, 3.25\n4 ,5.5 , 6\n", True, False),
        ("a\tb\tc\n\n1.5\t-2\t3.25\n\n\n4\t5.5\t6\n\n", True, False),
    ],
)
def test_what_is_detected(read: Any, text: str, has_names: bool, has_ids: bool) -> None:
    data = read(text)
    assert_array_equal(data.features, NUMBERS)
    assert (data.has_feature_names, data.has_sample_ids) == (has_names, has_ids)
    assert data.n_samples == len(data.sample_ids) == 2
    assert len(data.feature_names) == 3


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_marked_encodings(read: Any, encoding: str) -> None:
    data = read("a\tβ\n1\t2\n3\t4\n".encode(encoding))
    assert data.feature_names == ("a", "β")
    assert_array_equal(data.features, [[1, 2], [3, 4]])


def test_latin_1_is_reported(read: Any, log: Any) -> None:
    assert read("naïve\tb\n1\t2\n3\t4\n".encode("latin-1")).feature_names == ("naïve", "b")
    assert "Latin-1" in log.warnings[0]


@pytest.mark.parametrize(
    "compress", [gzip.compress, zstandard.compress, lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:])]
)
def test_compressed(read: Any, compress: Any) -> None:
    assert_array_equal(read(compress(b"1.5\t-2\t3.25\n4\t5.5\t6\n")).features, NUMBERS)


def test_forced_against_appearance(read: Any) -> None:
    text = "1,2,3\n4,5,6\n"
    assert read(text, header=True).feature_names == ("1", "2", "3")
    assert read(text, sample_ids=True).sample_ids == ("1", "4")
    assert read(",a\n1,2\n3,4\n", sample_ids=False).n_features == 2
    assert read("1;2,345\n4;5,678\n", delimiter=";").features[0].tolist() == [1, np.float32(2.345)]


def test_delimiter_that_does_not_occur(read: Any, log: Any) -> None:
    assert_array_equal(read("1.5\t-2\t3.25\n4\t5.5\t6\n", "a\nb\n", delimiter=" ").features, NUMBERS)
    assert log.warnings == ["x.tsv: the delimiter ' ' does not cut its rows; read as tab-delimited"]


def test_delimiter_that_stands_in_the_header_alone(read: Any) -> None:
    assert read("gene 1\tgene 2\n1\t2\n3\t4\n", delimiter=" ").feature_names == ("gene 1", "gene 2")


def test_large_files_show_a_bar(read: Any, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enas.data.tables._BAR_FROM_BYTES", 0)
    read("1\t2\n3\t4\n")
    assert log.lines.count("0 MB") == 100


def test_numeric_first_column_is_ids_if_the_labels_know_them(read: Any) -> None:
    features = "101\t1.5\t2\n102\t3\t4\n"
    assert read(features).n_features == 3
    data = read(features, "102\tb\n101\ta\n")
    assert data.sample_ids == ("101", "102")
    assert data.target.values.tolist() == [0, 1]


def test_missing_values(read: Any) -> None:
    cells = ["", "NA", "NaN", "nan", "null", "None", "?", ".", "N/A", " "]
    data = read("\n".join(f"1\t{cell}\t2" for cell in cells))
    assert np.isnan(data.features[:, 1]).all()
    assert_array_equal(data.features[:, 2], 2)


@pytest.mark.parametrize(
    "text", ["0.1", "1e-45", "3.4028235e38", "16777217", "12345678901234567890123", "-0.0", "5.", ".5"]
)
def test_values_are_the_nearest_float32(read: Any, text: str) -> None:
    assert read(f"{text}\t1\n2\t1\n").features[0, 0] == np.float32(text)


def test_values_are_not_rounded_twice(read: Any) -> None:
    # Just above the middle between 1 and the next float32: by way of float64 it would fall on the middle, then to 1.
    assert read("1.00000005960464477540\t1\n2\t1\n").features[0, 0] == np.nextafter(np.float32(1), np.float32(2))


def test_repeated_names_become_unique(read: Any, log: Any) -> None:
    assert read("A\tB\tA\tA\n1\t2\t3\t4\n5\t6\t7\t8\n").feature_names == ("A", "B", "A.1", "A.2")
    assert "2 feature names occur more than once" in log.warnings[0]


def test_repeated_ids_are_a_warning_without_labels(read: Any, log: Any) -> None:
    read("id\ta\tb\ns1\t1\t2\ns1\t3\t4\ns2\t3\t4\n")
    assert log.warnings == ["x.tsv: 1 sample ids occur more than once"]


def test_names_file(read: Any, log: Any, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("TP53\n\nMYC\n")
    data = read("1\t2\n3\t4\n", names_file=names)
    assert data.feature_names == ("TP53", "MYC")
    assert data.has_feature_names
    assert read("a\tb\n1\t2\n3\t4\n", names_file=names).feature_names == ("a", "b")
    assert "not used" in log.lines[-1]
    with pytest.raises(DataError, match=r"has 2 names, .* has 3 features"):
        read("1\t2\t3\n3\t4\t5\n", names_file=names)
    assert read_names(names) == ("TP53", "MYC")


def test_target_column_of_the_features(read: Any) -> None:
    data = read("id,a,status,b\ns1,1,tumour,2\ns2,3,normal,4\n", label_column="status")
    assert data.feature_names == ("a", "b")
    assert data.target.names == ("status",)
    assert data.target.classes == ("normal", "tumour")
    assert data.target.values.tolist() == [1, 0]
    last = read("y2,a,b,y\n1.5,1,2,7\n2.5,3,4,8\n", label_column=["y", "y2"], regression=True)
    assert last.target.values.tolist() == [[7, 1.5], [8, 2.5]]
    assert_array_equal(last.features, [[1, 2], [3, 4]])


def write_parquet(path: Path, columns: dict[str, Any]) -> DataArgs:
    pl.DataFrame(columns).write_parquet(path)
    return DataArgs(data_dir=path.parent, features_file=Path(path.name))


def test_parquet(tmp_path: Path, log: Any) -> None:
    columns = {"sample": ["s1", "s2"], "a": [1.5, None], "b": [7, 2**40], "y": ["n", "t"]}
    args = write_parquet(tmp_path / "x.parquet", columns)
    data = read_dataset(args.model_copy(update={"label_column": "y"}), regression=False, progress=log)
    assert_array_equal(data.features, np.array([[1.5, 7], [np.nan, 2**40]], dtype=np.float32))
    assert data.sample_ids == ("s1", "s2")
    assert data.feature_names == ("a", "b")
    assert data.target is not None
    assert data.target.classes == ("n", "t")


def test_parquet_labels(tmp_path: Path, log: Any) -> None:
    args = write_parquet(tmp_path / "x.parquet", {"sample": ["s1", "s2"], "a": [1, 2], "b": [3, 4]})
    pl.DataFrame({"sample": ["s2", "s1"], "outcome": ["x", "y"]}).write_parquet(tmp_path / "y.parquet")
    labelled = args.model_copy(update={"labels_file": Path("y.parquet")})
    target = read_dataset(labelled, regression=False, progress=log).target
    assert target is not None
    assert target.names == ("outcome",)
    assert target.classes == ("x", "y")
    assert target.values.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, float("inf")]}, "row 2, column 'a': the value is infinite"),
        ({"a": [1.0, 2.0], "sex": ["m", "f"]}, r"hold no numbers: 'sex' \(String\)"),
        ({"a": [1.0, 2.0], "ok": [True, False]}, r"hold no numbers: 'ok' \(Boolean\)"),
        ({"id": ["a", "b"]}, "no feature columns"),
        ({"a": []}, "no rows"),
    ],
)
def test_parquet_that_is_refused(tmp_path: Path, log: Any, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_dataset(write_parquet(tmp_path / "x.parquet", columns), regression=False, progress=log)


def test_damaged_parquet(tmp_path: Path, log: Any) -> None:
    args = write_parquet(tmp_path / "x.parquet", {"a": list(range(100))})
    content = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(content[:-20])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_dataset(args, regression=False, progress=log)


def test_validation_files(tmp_path: Path, log: Any) -> None:
    for name, text in {"x": "1\t2\n3\t4\n", "y": "0\n1\n", "vx": "5\t6\n", "vy": "1\n"}.items():
        (tmp_path / name).write_text(text)
    args = DataArgs(data_dir=tmp_path, features_file=Path("x"), labels_file=Path("y"))
    assert read_validation(args, regression=False, classes=("0", "1"), progress=log) is None
    given = args.model_copy(update={"validation_features": Path("vx"), "validation_labels": Path("vy")})
    data = read_validation(given, regression=False, classes=("0", "1"), progress=log)
    assert isinstance(data, Dataset)
    assert data.features[:].tolist() == [[5, 6]]
    assert data.target is not None
    assert data.target.values.tolist() == [1]
    with pytest.raises(DataError, match="without validation_labels"):
        read_validation(
            given.model_copy(update={"validation_labels": None}), regression=False, classes=None, progress=log
        )


def test_blocks_meet_without_seam(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("enas.data.delimited.BLOCK_BYTES", 100)
    monkeypatch.setattr("enas.data.source.RAW_CHUNK", 37)
    values = np.random.default_rng(0).integers(0, 1000, size=(300, 7)).astype(np.float32)
    data = read("\n".join(f"s{i}," + ",".join(f"{v:g}" for v in row) for i, row in enumerate(values)))
    assert_array_equal(data.features, values)
    assert data.sample_ids == tuple(f"s{i}" for i in range(300))


def test_published_sets(shared: Path, log: Any) -> None:
    folder = shared / "data" / "genes" / "khan"
    args = DataArgs(data_dir=folder, features_file=Path("features.tsv.gz"), labels_file=Path("labels.tsv"))
    data = read_dataset(args, regression=False, names_file=folder / "names.txt", progress=log)
    assert data.features.shape == (63, 2308)
    assert data.target is not None
    assert data.target.classes == ("BL", "EWS", "NB", "RMS")
    assert np.bincount(data.target.values).tolist() == [8, 23, 12, 20]
