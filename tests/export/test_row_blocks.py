"""New tables in blocks: the same numbers as the whole table, matched by name, whatever else it holds."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_array_equal

from enas.data.dataset import Dataset
from enas.errors import DataError, RunError
from enas.export.row_blocks import read_blocks

NAMES = ("a", "b", "c")


def read(path: Path, log: Any, *, max_rows: int = 1000, by_name: bool = True) -> list[Dataset]:
    return list(read_blocks(path, NAMES, by_name=by_name, max_rows=max_rows, progress=log))


def write(folder: Path, text: str) -> Path:
    (folder / "data.csv").write_text(text)
    return folder / "data.csv"


def test_blocks_make_up_the_table(tmp_path: Path, log: Any) -> None:
    values = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    lines = [f"s{i}," + ",".join(map(repr, map(float, row))) for i, row in enumerate(values)]
    blocks = read(write(tmp_path, "id,a,b,c\n" + "\n".join(lines)), log, max_rows=4)
    assert [block.n_samples for block in blocks] == [4, 4, 2]
    assert_array_equal(np.concatenate([block.features for block in blocks]), values)
    assert [name for block in blocks for name in block.sample_ids] == [f"s{i}" for i in range(10)]


def test_columns_are_found_by_name_and_others_left_out_whatever_they_hold(tmp_path: Path, log: Any) -> None:
    (block,) = read(write(tmp_path, 'id,c,group,a,b\nx,3,"good, very",1,NA\ny,6,bad,4,5\n'), log)
    assert_array_equal(block.features, np.array([[1, np.nan, 3], [4, 5, 6]], np.float32))
    assert list(block.sample_ids) == ["x", "y"]
    assert "1 columns that the model does not know are left out" in log.text


def test_without_names_columns_are_counted(tmp_path: Path, log: Any) -> None:
    file = write(tmp_path, "1.5,2,3\n4,5,6\n7,8,9\n")
    blocks = read(file, log, max_rows=2)
    assert [list(block.sample_ids) for block in blocks] == [["0", "1"], ["2"]]
    assert log.text.count("matched by position") == 1
    with pytest.raises(DataError, match=r"has 3 features, the model was trained on 4"):
        list(read_blocks(file, (*NAMES, "d"), by_name=True, progress=log))


def test_columns_are_not_matched_by_names_that_were_made_up(tmp_path: Path, log: Any) -> None:
    (block,) = read(write(tmp_path, "c,b,a\n1,2,3\n4,5,6\n"), log, by_name=False)
    assert_array_equal(block.features[0], np.array([1, 2, 3], np.float32))


def test_parquet(tmp_path: Path, log: Any) -> None:
    pl.DataFrame({"id": ["x", "y", "z"], "b": [2.0, 5, 8], "a": [1, 4, 7], "c": [3, 6, 9]}).write_parquet(
        tmp_path / "data.parquet"
    )
    blocks = read(tmp_path / "data.parquet", log, max_rows=2)
    assert [list(block.sample_ids) for block in blocks] == [["x", "y"], ["z"]]
    assert_array_equal(np.concatenate([block.features for block in blocks]), np.arange(1, 10).reshape(3, 3))


def test_parquet_of_any_row_groups_and_widths(tmp_path: Path, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small blocks of columns, and rows that lie on the disk meanwhile."""
    monkeypatch.setattr("enas.data.parquet.BLOCK_BYTES", 2_000)
    monkeypatch.setattr("enas.data.parquet_blocks.BLOCK_BYTES", 500)
    values = np.random.default_rng(0).normal(size=(97, 11)).astype(np.float32)
    values[3, 4] = np.nan
    names = tuple(f"g{j}" for j in range(11))
    frame = pl.DataFrame({"day": ["?"] * 97, **{name: values[:, j] for j, name in enumerate(names)}, "note": "x"})
    frame = frame.with_columns(pl.when(pl.col("g4").is_nan()).then(None).otherwise(pl.col("g4")).alias("g4"))
    for size in (7, 97):
        frame.write_parquet(tmp_path / "data.parquet", row_group_size=size)
        blocks = list(read_blocks(tmp_path / "data.parquet", names[::-1], by_name=True, progress=log))
        assert [block.n_samples for block in blocks][:2] == [11, 11]
        assert_array_equal(np.concatenate([block.features for block in blocks]), values[:, ::-1])
        assert [name for block in blocks for name in block.sample_ids] == ["?"] * 97
    assert "1 columns that the model does not know are left out" in log.text


def test_parquet_needs_room(tmp_path: Path, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pl.DataFrame({"a": [1.0] * 99, "b": [2.0] * 99, "c": [3.0] * 99}).write_parquet(tmp_path / "data.parquet")
    monkeypatch.setattr("enas.data.parquet_blocks.BLOCK_BYTES", 100)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(RunError, match=r"cannot write to .*nowhere: .*name another folder in TMPDIR"):
        read(tmp_path / "data.parquet", log)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,a,b\nx,1,2\n", "lacks 1 of the 3 features that the model was trained on: 'c'"),
        ("id,a,b,c\nx,1,2,3\ny,1,2,zwei\n", r"line 3, column 'c' \(number 4\): 'zwei' is not a number"),
        ("id,a,b,c\n" + "x,1,2,3\n" * 9 + "w,1,2\n", "line 11: 3 cells where the others have 4"),
        ("id,a,b,c\n", "has a header and no rows below it|holds"),
        ("word\n", "has one column"),
        ("", "is empty"),
    ],
)
def test_what_is_wrong_is_one_error(tmp_path: Path, log: Any, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, text), log)
