"""Hashes of files and rows."""

import hashlib
from pathlib import Path

import numpy as np

from enas.data.hashing import file_hash, row_hashes


def test_file_hash(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc" * 100_000)
    assert file_hash(tmp_path / "x") == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_rows_are_known_again() -> None:
    rows = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)
    hashes = row_hashes(rows)
    assert hashes.dtype == np.uint64
    assert len(set(hashes.tolist())) == 50
    assert (row_hashes(np.asfortranarray(rows[::-1])) == hashes[::-1]).all()
    changed = rows.copy()
    changed[3, 6] = np.nextafter(changed[3, 6], np.float32(9))
    assert np.flatnonzero(row_hashes(changed) != hashes).tolist() == [3]


def test_hash_is_the_same_everywhere() -> None:
    assert row_hashes(np.array([[1.5, np.nan, -0.0]], dtype=np.float32)).tolist() == [10342966632349202873]


def test_all_nan_are_equal_and_zeros_too() -> None:
    other_nan = np.array([0x7FC00123, 0x80000000], dtype=np.uint32).view(np.float32)[None]
    assert row_hashes(other_nan) == row_hashes(np.array([[np.nan, 0]], dtype=np.float32))
    assert row_hashes(np.array([[-0.0, 0]], dtype=np.float32)) == row_hashes(np.zeros((1, 2), dtype=np.float32))
