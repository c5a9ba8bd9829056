"""Rows of arrays and sparse matrices as the pipeline takes them: dense blocks, weights, equal rows merged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from sklearn.utils import check_array, check_consistent_length

from enas.data.dataset import FloatArray, IntArray
from enas.data.hashing import row_hashes
from enas.data.matrix import BlockMatrix, Matrix
from enas.data.splits import Split
from enas.estimators.settings import InputError

_CELLS = 1 << 22  # of a dense block


@dataclass(frozen=True, slots=True, eq=False)
class Merged:
    """Distinct rows with the weight of all that were equal to them.

    Args:
        rows: (m,) row numbers of the table, one for each distinct row.
        weights: (m,) summed.
        splits: of the m rows.
    """

    rows: IntArray
    weights: NDArray[np.float64]
    splits: tuple[Split, ...]


def merge_rows(features: Any, labels: NDArray[Any], weights: NDArray[np.float64], splits: Sequence[Split]) -> Merged:
    """Merge rows of equal features and labels that train, and judge, in the same splits; leave out weights of zero.

    So a row of weight 2 is the same as two rows, to the last bit, and the order of the rows does not matter to anything
    that comes after the splits.
    """
    sides = np.zeros((len(labels), len(splits)), np.float32)
    for side, split in zip(sides.T, splits, strict=True):
        side[split.train] += 1
        side[split.held_out] += 2
    kept = np.flatnonzero((weights > 0) & sides.any(axis=1))
    columns = labels.reshape(len(labels), -1).astype(np.float32)
    parts = [_hash_rows(features, kept), row_hashes(columns[kept]), row_hashes(sides[kept])]
    _, first, of_row = np.unique(np.stack(parts, axis=1), axis=0, return_index=True, return_inverse=True)
    of_row = of_row.reshape(-1)
    number = np.full(len(labels), -1)
    number[kept] = of_row
    merged = tuple(Split(_merged(number, split.train), _merged(number, split.held_out)) for split in splits)
    if not all(len(split.train) and len(split.held_out) for split in merged):
        raise InputError("in one of the splits no row trains or none judges whose weight is not zero")
    return Merged(kept[first], np.bincount(of_row, weights[kept]).astype(np.float64), merged)


def _merged(number: IntArray, rows: IntArray) -> IntArray:
    return np.unique(number[rows][number[rows] >= 0])


def _hash_rows(features: Any, rows: IntArray) -> NDArray[np.uint64]:
    return np.concatenate([row_hashes(block) for block in dense_blocks(features, rows)])


def dense(features: Any, rows: IntArray) -> FloatArray:
    """These rows as one dense float32 matrix, filled block by block."""
    out = np.empty((len(rows), features.shape[1]), np.float32)
    start = 0
    for block in dense_blocks(features, rows):
        out[start : start + len(block)] = block
        start += len(block)
    return out


def take_features(features: Any, rows: IntArray) -> Matrix:
    """These rows; sparse ones stay sparse."""
    if not issparse(features):
        return dense(features, rows)
    taken = csr_matrix(features[rows])
    taken.sum_duplicates()
    n, p = taken.shape
    return BlockMatrix(taken, (n, p), taken.nnz / max(1, n * p))


def dense_blocks(features: Any, rows: IntArray) -> Iterator[FloatArray]:
    """These rows a few at a time, dense."""
    size = max(1, _CELLS // max(1, features.shape[1]))
    for start in range(0, len(rows), size):
        block = features[rows[start : start + size]]
        yield np.asarray(block.toarray() if issparse(block) else block, np.float32)


def check_weights(sample_weight: Any, n_rows: int) -> NDArray[np.float64]:
    """Weights (n,), ones where there are none.

    Raises:
        InputError: not one per row, negative, or all zero.
        ValueError: not finite, or no numbers.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weights = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weights.shape != (n_rows,):
        raise InputError(
            f"sample_weight has the shape {weights.shape}, X has {n_rows} rows: one weight per row is needed"
        )
    if (weights < 0).any():
        raise InputError(f"sample_weight holds a negative value, {weights.min():g}")
    if not weights.any():
        raise InputError("sample_weight is zero for every row: at least one weight must not be zero")
    return np.asarray(weights)


def check_groups(groups: Any, n_rows: int) -> NDArray[Any] | None:
    """One group per row.

    Raises:
        ValueError: another number of them.
    """
    if groups is None:
        return None
    groups = np.asarray(groups)
    check_consistent_length(groups, np.empty((n_rows, 0)))
    return np.unique(groups, return_inverse=True)[1].reshape(-1)
