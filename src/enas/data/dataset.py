"""The record that every reader returns and every stage takes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
from numpy.typing import NDArray

from enas.data.matrix import FloatArray as FloatArray
from enas.data.matrix import Matrix, take_rows

IntArray = NDArray[np.int64]


class RowNumbers(Sequence[str]):
    """The ids of samples that have none: "0", "1", …; made when asked for, since millions would fill the memory.

    Example:
        >>> ids = RowNumbers(range(3))
        >>> list(ids), ids[-1], list(ids[1:]), ids == ("0", "1", "2")
        (['0', '1', '2'], '2', ['1', '2'], True)
    """

    __slots__ = ("_rows",)

    def __init__(self, rows: range) -> None:
        self._rows = rows

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> "RowNumbers": ...

    def __getitem__(self, at: int | slice) -> "str | RowNumbers":
        return RowNumbers(self._rows[at]) if isinstance(at, slice) else str(self._rows[at])

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be predicted.

    Args:
        names: one name per target column.
        values: classification: class indices, shape (n,), int64. Regression: shape (n, n_targets), float32.
        classes: class names in index order; empty for regression.
    """

    names: tuple[str, ...]
    values: IntArray | FloatArray
    classes: tuple[str, ...] = ()

    def take(self, rows: slice | IntArray) -> "Target":
        """The values of some rows; the classes stay."""
        return replace(self, values=self.values[rows])


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table as it stands in its files, rows = samples.

    Args:
        features: shape (n, p), float32; NaN marks a missing value. Sparse ones, and those in a file, are made dense
            a block at a time.
        feature_names: p names; made up ("feature_0", …) where the files have none.
        has_feature_names: whether the names come from the files, so that other tables can be matched by name.
        sample_ids: n ids; row numbers from 0 ("0", "1", …) where the files have none.
        has_sample_ids: whether the ids come from the files.
        target: what is to be predicted, if known.
        source: the features file as the user wrote it, for messages.
        groups: (n,) whole numbers; rows of one number train together or judge together. None: every row for itself.
    """

    features: Matrix
    feature_names: tuple[str, ...]
    has_feature_names: bool
    sample_ids: Sequence[str]
    has_sample_ids: bool
    target: Target | None
    source: str
    groups: IntArray | None = None

    @property
    def noun(self) -> str:
        """What samples are called, plural."""
        return "rows"

    def hashes(self) -> NDArray[np.uint64]:
        """(n,), by which a row is known again."""
        from enas.data.hashing import row_hashes

        return row_hashes(self.features)

    @property
    def n_samples(self) -> int:
        return int(self.features.shape[0])

    @property
    def n_features(self) -> int:
        return int(self.features.shape[1])

    def take(self, rows: slice | IntArray) -> "Dataset":
        """Some rows, in this order."""
        ids = self.sample_ids
        return replace(
            self,
            features=take_rows(self.features, rows),
            sample_ids=ids[rows] if isinstance(rows, slice) else tuple(ids[row] for row in rows),
            target=self.target.take(rows) if self.target else None,
            groups=None if self.groups is None else self.groups[rows],
        )
