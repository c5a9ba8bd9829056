"""Tables that never lie dense in memory: sparse matrices and files, of which dense blocks are made when asked for.

Rows and columns of a `Matrix` are taken as those of an array are, and what comes is the array that its dense form would
give, in the same layout, so that whatever is computed of it has the same bits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
Index = slice | NDArray[np.int64]

_CELLS = 1 << 23  # of a dense block: 32 MiB
_BLOCK = 1 << 21  # cells of a block of columns
_PANEL = 1 << 23  # stored values of a panel: 64 MiB


class Matrix(Protocol):
    """What of a table's features is asked for; a dense array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, p)."""

    def __len__(self) -> int:
        """n."""

    def __getitem__(self, at: Any, /) -> FloatArray:
        """Rows, or rows and columns, dense: each a slice or whole numbers, but not both whole numbers."""


@dataclass(slots=True, eq=False)
class BlockMatrix:
    """What can be sliced along one axis, into compressed rows or dense rows: in memory or in a file.

    Blocks along that axis are read as they are asked for. Across it, a panel is cut out of all of them and kept, since
    who asks for some columns asks for the next ones next.

    Args:
        stored: gives rows (or, transposed, columns as rows) for a slice, as a CSR matrix or a dense array.
        shape: (n, p).
        density: share of the cells that are stored.
        is_transposed: whether ``stored`` gives columns.

    Example:
        >>> from scipy.sparse import csr_matrix
        >>> matrix = BlockMatrix(csr_matrix([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]), (2, 3), 0.5)
        >>> matrix[1:].tolist(), matrix[:, 1:3].tolist(), matrix[:, np.array([2, 0])].tolist()
        ([[0.0, 3.0, 0.0]], [[0.0, 2.0], [3.0, 0.0]], [[2.0, 1.0], [0.0, 0.0]])
    """

    stored: Any
    shape: tuple[int, int]
    density: float
    is_transposed: bool = False
    _kept: range = field(default=range(0), init=False)
    _panel: Any = field(default=None, init=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: Any, /) -> FloatArray:
        return _laid_out(self.block(*split_index(at)), at)

    def block(self, rows: Index, columns: Index) -> FloatArray:
        """These rows and columns, both of which may be numbers, dense, in any layout."""
        if self.is_transposed:
            return self._cut(columns, rows).T
        return self._cut(rows, columns)

    def _cut(self, along: Index, across: Index) -> FloatArray:
        n_across = self.shape[0 if self.is_transposed else 1]
        if isinstance(across, slice):
            start, stop, _ = across.indices(n_across)
            if stop - start < n_across:
                panel = self._panel_with(start, stop)[:, start - self._kept.start : stop - self._kept.start]
                return _dense(panel)[along]
        return self._collect(along, across, len(range(n_across)[across]) if isinstance(across, slice) else len(across))

    def stored_blocks(self) -> Iterator[tuple[int, Any]]:
        """What is stored, a block at a time with the number of its first row (transposed: column), float32."""
        return ((block.start, _checked(_single(self.stored[block]))) for block in self._slices())

    def _collect(self, along: Index, across: Index, n_across: int) -> FloatArray:
        """Block by block; of whole numbers, those blocks alone that hold one."""
        numbers = np.arange(self._n_along)[along]
        out = np.empty((len(numbers), n_across), np.float32)
        for block in self._slices():
            places = np.flatnonzero((numbers >= block.start) & (numbers < block.stop))
            if len(places):
                out[places] = _dense(_single(self.stored[block])[numbers[places] - block.start][:, across])
        return out

    def _panel_with(self, start: int, stop: int) -> Any:
        if start < self._kept.start or stop > self._kept.stop:
            self._panel = None  # lets the old one go first
            n_across = self.shape[0 if self.is_transposed else 1]
            width = int(_PANEL / max(1.0, self._n_along * self.density))
            self._kept = range(start, min(n_across, start + max(width, stop - start)))
            of_panel = slice(self._kept.start, self._kept.stop)
            self._panel = _stack([_single(self.stored[block])[:, of_panel] for block in self._slices()])
        return self._panel

    @property
    def _n_along(self) -> int:
        return self.shape[1 if self.is_transposed else 0]

    def _slices(self) -> Iterator[slice]:
        size = max(1, _CELLS // max(1, self.shape[0 if self.is_transposed else 1]))
        return (slice(start, min(start + size, self._n_along)) for start in range(0, self._n_along, size))


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """Some rows, or columns, of a matrix that is not dense.

    Args:
        matrix: the whole.
        rows, columns: their numbers; None: all.
    """

    matrix: "BlockMatrix | Selection"
    rows: NDArray[np.int64] | None = None
    columns: NDArray[np.int64] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        n, p = self.matrix.shape
        return n if self.rows is None else len(self.rows), p if self.columns is None else len(self.columns)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, at: Any, /) -> FloatArray:
        return _laid_out(self.block(*split_index(at)), at)

    def block(self, rows: Index, columns: Index) -> FloatArray:
        """As that of the whole."""
        rows = rows if self.rows is None else self.rows[rows]
        return self.matrix.block(rows, columns if self.columns is None else self.columns[columns])


def take_rows(features: Matrix, rows: Index) -> Matrix:
    """These rows; of a matrix that is not dense they stay where they are."""
    if isinstance(features, BlockMatrix | Selection):
        return Selection(features, rows=np.arange(len(features))[rows])
    return features[rows]


def take_columns(features: Matrix, columns: NDArray[np.int64]) -> Matrix:
    """The same of columns; those of an array as a new array, row by row."""
    if isinstance(features, BlockMatrix | Selection):
        return Selection(features, columns=columns)
    return np.ascontiguousarray(features[:, columns])


def column_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Slices of columns of an array of this shape, so that what is computed of one at a time stays small beside it."""
    n_rows, n_columns = shape
    size = max(1, _BLOCK // max(1, n_rows))
    return (slice(start, min(start + size, n_columns)) for start in range(0, n_columns, size))


def row_blocks(features: Matrix) -> Iterator[FloatArray]:
    """All rows, a block at a time, dense."""
    size = max(1, _CELLS // max(1, features.shape[1]))
    return (features[start : start + size] for start in range(0, len(features), size))


def split_index(at: Any) -> tuple[Index, Index]:
    """Rows and columns of an index."""
    return at if isinstance(at, tuple) else (at, slice(None))


def _laid_out(values: FloatArray, at: Any) -> FloatArray:
    """As NumPy lays out what it takes from an array: numbers of columns lead to column after column."""
    rows, columns = split_index(at)
    by_columns = isinstance(rows, slice) and not isinstance(columns, slice)
    return np.asfortranarray(values) if by_columns else np.ascontiguousarray(values)


def _single(block: Any) -> Any:
    """In single precision; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        return block.astype(np.float32, copy=False)


def _checked(block: Any) -> Any:
    """Refuses numbers of columns that are out of range, which would be read from beyond the memory."""
    if not isinstance(block, np.ndarray):
        block.check_format(full_check=True)
    return block


def _dense(block: Any) -> FloatArray:
    return np.asarray(block if isinstance(block, np.ndarray) else block.toarray(order="C"))


def _stack(parts: list[Any]) -> Any:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)
    from scipy.sparse import vstack

    return vstack(parts, format="csc")
