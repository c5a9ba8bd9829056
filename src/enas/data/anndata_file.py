"""AnnData files (``.h5ad``): observations are samples, variables are features; a sparse matrix stays sparse.

Only what is asked for is read: one matrix, one or two columns of obs, the names. A matrix that would fill much of the
memory stays in the file, of which blocks are read when they are needed (backed mode).
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from enas.data.matrix import BlockMatrix, Matrix
from enas.data.raw import RawTable, unique_names
from enas.data.source import check_file, show
from enas.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

SHARE = 0.125
"""Of the free memory; a larger matrix stays in its file."""

_NUMBERS = "biuf"  # kinds of NumPy
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Keys:
    """What of an AnnData is learned from.

    Args:
        labels: columns of obs that are to be predicted.
        layer: a layer, or "raw"; None: X.
        batch: column of obs, whose batches train or judge as a whole.
    """

    labels: tuple[str, ...] = ()
    layer: str | None = None
    batch: str | None = None


def is_anndata(path: Path) -> bool:
    """Whether the name is one of an AnnData file."""
    return path.suffix.lower() == ".h5ad"


def read_anndata(path: Path, keys: Keys, *, max_memory: float | None = None) -> RawTable:
    """The table in a file; its cells of labels are texts.

    Args:
        path: the file.
        keys: which of its parts.
        max_memory: bytes; None: what is free.

    Raises:
        DataError: anndata is not installed, the file is damaged, a key is missing, or values are no finite numbers.
    """
    check_file(path, "h5ad file")
    limit = SHARE * (max_memory or psutil.virtual_memory().available)
    with reading(path):
        file = _open(path)
        parts = _Parts.of_object(_read_old(path)) if is_old(file) else _Parts.of_file(file)
        return _make_table(parts, keys, f"'{path}'", limit)


def table_of(adata: Any, keys: Keys) -> RawTable:
    """The same of an AnnData object.

    Raises:
        DataError: as `read_anndata`.
    """
    with reading("the AnnData object"):
        return _make_table(_Parts.of_object(adata), keys, "the AnnData object", float("inf"))


@contextmanager
def reading(what: Path | str) -> Iterator[None]:
    """Whatever the library makes of damaged bytes is one error; its warnings are of old formats.

    Raises:
        DataError: anndata is not installed, or the file cannot be read.
    """
    name = f"'{what}'" if isinstance(what, Path) else what
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import anndata  # noqa: F401

            yield
    except ModuleNotFoundError as error:
        raise DataError(f'{name} needs the package {error.name}: pip install "enas[single-cell]"') from error
    except (DataError, MemoryError):
        raise
    except Exception as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(f"{name} cannot be read as AnnData: {show(reason)[1:-1]}; write it anew") from error


def column_of(obs: "pd.DataFrame", key: str, name: str, where: str) -> "pd.Series[Any]":
    """A column of obs without a missing value.

    Args:
        obs: the table of observations.
        key: of the column.
        name: of the key of the config, for messages.
        where: the file, for messages.

    Raises:
        DataError: there is none of that name, or it lacks values.
    """
    if key not in obs.columns:
        columns = [str(column) for column in obs.columns]
        near = get_close_matches(key, columns, n=_SHOWN, cutoff=0.5) or columns[:10]
        known = f"did you mean {', '.join(map(show, near))}?" if near else "obs has no columns"
        raise DataError(f"{where}: {name} {show(key)} is no column of obs; {known}")
    column = obs[key]
    missing = np.flatnonzero(column.isna())
    if len(missing):
        names = ", ".join(show(str(obs.index[i])) for i in missing[:_SHOWN]) + (", …" if len(missing) > _SHOWN else "")
        raise DataError(
            f"{where}: {name} {show(key)} is missing in {len(missing):,} of {len(column):,} observations ({names}); "
            "label them or leave them out"
        )
    return column


@dataclass(frozen=True, slots=True)
class _Parts:
    """Where the parts of an AnnData are, in a file or in memory.

    Args:
        obs: the table of observations.
        matrices: X, layers and raw by name, as they are stored.
        names: of the features of X and the layers, and of raw.
    """

    obs: "pd.DataFrame"
    matrices: Mapping[str, Any]
    names: Mapping[str, Sequence[str]]

    @classmethod
    def of_file(cls, file: Any) -> "_Parts":
        from anndata.io import read_elem

        raw = {"raw": file["raw/X"]} if "raw" in file and "X" in file["raw"] else {}
        x = {"X": file["X"]} if "X" in file else {}
        names = {"X": read_elem(file["var"]).index}
        if raw:
            names["raw"] = read_elem(file["raw/var"]).index
        return cls(read_elem(file["obs"]), {**raw, **dict(file.get("layers", {})), **x}, names)

    @classmethod
    def of_object(cls, adata: Any) -> "_Parts":
        raw = {"raw": adata.raw.X} if adata.raw is not None else {}
        x = {"X": adata.X} if adata.X is not None else {}
        names = {"X": adata.var_names} | ({"raw": adata.raw.var_names} if raw else {})
        return cls(adata.obs, {**raw, **dict(adata.layers), **x}, names)


def _make_table(parts: _Parts, keys: Keys, where: str, limit: float) -> RawTable:
    layer = keys.layer or "X"
    if layer not in parts.matrices:
        known = ", ".join(map(show, parts.matrices)) or "none"
        raise DataError(f"{where} has no {'X' if layer == 'X' else 'layer ' + show(layer)}; its matrices are: {known}")
    features, how = _make_matrix(parts.matrices[layer], f"{where}, {layer}", limit)
    names, n_changed = unique_names([str(name) for name in parts.names["raw" if layer == "raw" else "X"]])
    ids = tuple(str(name) for name in parts.obs.index)
    if features.shape != (len(ids), len(names)):
        raise DataError(f"{where}: {layer} has the shape {features.shape}; obs has {len(ids)} rows, var {len(names)}")
    if not ids or not names:
        raise DataError(f"{where}: {len(ids)} observations of {len(names)} variables are no table")
    _refuse_infinite(features, ids, names, f"{where}, {layer}")
    notes = (f"{n_changed:,} names of variables occur more than once; .1, .2, … were appended",) if n_changed else ()
    texts = {key: _texts(column_of(parts.obs, key, "label_key", where)) for key in keys.labels}
    if keys.batch is not None:
        texts[keys.batch] = _texts(column_of(parts.obs, keys.batch, "batch_key", where))
    return RawTable(features, names, True, ids, texts, f"AnnData, {layer}, {how}", notes)


def _make_matrix(stored: Any, where: str, limit: float) -> tuple[Matrix, str]:
    """A matrix of what is stored, and how it is held; what is below the limit (bytes) is taken into memory."""
    import h5py
    from anndata.io import sparse_dataset
    from scipy.sparse import issparse

    if isinstance(stored, h5py.Group):
        stored = sparse_dataset(stored)
    is_dense = isinstance(stored, h5py.Dataset | np.ndarray)
    if not is_dense and not issparse(stored) and not hasattr(stored, "to_memory"):
        raise DataError(f"{where} is neither a dense nor a sparse matrix of numbers, but {type(stored).__name__}")
    if stored.dtype.kind not in _NUMBERS or len(stored.shape or ()) != 2:
        raise DataError(f"{where} holds no matrix of numbers: {stored.dtype}, shape {stored.shape}")
    n, p = (int(size) for size in stored.shape)
    if is_dense:
        if 4 * n * p <= limit:
            with np.errstate(over="ignore"):
                return np.ascontiguousarray(stored[:], dtype=np.float32), "dense"
        return BlockMatrix(stored, (n, p), 1.0), "dense, left in the file"
    n_stored = int(stored.nnz if issparse(stored) else stored.group["data"].shape[0])
    by_columns = stored.format == "csc"
    density = n_stored / max(1, n * p)
    if issparse(stored) or 8 * n_stored <= limit:
        held = stored if issparse(stored) else stored.to_memory()
        held.check_format(full_check=True)
        return BlockMatrix(_float_rows(held), (n, p), density), f"{stored.format}, {density:.1%} filled"
    starts = stored.group["indptr"][:]
    if starts[0] != 0 or starts[-1] != n_stored or (np.diff(starts) < 0).any():
        raise DataError(f"{where} is damaged: its rows do not follow one another; write it anew")
    rows: Any = _Columns(stored) if by_columns else stored
    return BlockMatrix(rows, (n, p), density, by_columns), f"{stored.format}, {density:.1%} filled, left in the file"


def _float_rows(held: Any) -> Any:
    with np.errstate(over="ignore"):
        rows = held.astype(np.float32).tocsr()
    rows.sum_duplicates()
    return rows


@dataclass(frozen=True, slots=True)
class _Columns:
    """Columns of a matrix in a file as rows."""

    stored: Any

    def __getitem__(self, at: slice) -> Any:
        return self.stored[:, at].T


def _refuse_infinite(features: Matrix, ids: Sequence[str], names: Sequence[str], where: str) -> None:
    blocks = features.stored_blocks() if isinstance(features, BlockMatrix) else iter([(0, features[:])])
    for start, block in blocks:
        if np.isinf(block if isinstance(block, np.ndarray) else block.data).any():
            dense = block if isinstance(block, np.ndarray) else block.toarray()
            row, column = np.argwhere(np.isinf(dense))[0] + (start, 0)
            if isinstance(features, BlockMatrix) and features.is_transposed:
                row, column = column, row
            raise DataError(f"{where}: {show(ids[row])}, {show(names[column])}: the value is not a finite float32")


def _texts(column: "pd.Series[Any]") -> list[str]:
    return [str(value) for value in column.tolist()]


def _open(path: Path) -> Any:
    """The file; it is closed when nothing of it is in use any more."""
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"'{path}' is no h5ad file, or only a part of one: it cannot be opened as HDF5") from error


def is_old(file: Any) -> bool:
    """Whether an HDF5 file was written before anndata 0.7: its obs are records, not a group of columns."""
    import h5py

    return isinstance(file.get("obs"), h5py.Dataset)


def _read_old(path: Path) -> Any:
    """An object, read as a whole."""
    import anndata

    return anndata.read_h5ad(path)
