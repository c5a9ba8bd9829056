"""Hashes by which files and rows that were trained on are known again."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enas.data.dataset import FloatArray
from enas.data.matrix import Matrix, row_blocks
from enas.errors import DataError


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, in hexadecimal; the file is streamed.

    Raises:
        DataError: the file cannot be read (any more).
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from error


def row_hashes(features: Matrix) -> NDArray[np.uint64]:
    """A stable 64-bit hash of each row: equal values, equal hash, on every machine.

    All NaN count as equal, and so do 0 and -0.

    Args:
        features: shape (n, p), float32 or made so block by block.

    Returns:
        shape (n,), uint64.

    >>> a, b = row_hashes(np.array([[0.0, np.nan], [-0.0, -np.nan]], dtype=np.float32))
    >>> bool(a == b)
    True
    """
    rows = (row for block in row_blocks(features) for row in block)
    digests = [hashlib.blake2b(_canonical(row), digest_size=8).digest() for row in rows]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def _canonical(row: FloatArray) -> bytes:
    row = row + np.float32(0)  # -0 + 0 = 0
    row[np.isnan(row)] = np.nan
    return row.astype("<f4").tobytes()
