"""Reads a Parquet file into one float32 matrix, some columns at a time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from enas.data.dataset import FloatArray
from enas.data.delimited import Reading, find_column
from enas.data.layout import is_id_word
from enas.data.raw import RawTable
from enas.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# Reading few columns at once keeps the peak near the matrix alone; reading many keeps the passes over the footer few.
_COLUMNS_BYTES = 64 * 1024 * 1024
_INDEX_OF_PANDAS = "__index_level_0__"


def read_parquet(path: Path, reading: Reading) -> RawTable:
    """Reads a Parquet file; the column names are its header.

    Raises:
        DataError: damaged file, text columns, infinite values, a ``label_column`` that does not exist.
    """
    import polars as pl

    try:
        return _read(pl.scan_parquet(path, glob=False), path, reading)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"'{path}' cannot be read as Parquet: {reason}") from error


def read_parquet_cells(path: Path) -> list[list[str]]:
    """A small Parquet file as rows of text, the names first; missing cells are empty."""
    import polars as pl

    try:
        frame = pl.read_parquet(path, glob=False)
        columns = [_as_texts(column) for column in frame.get_columns()]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise DataError(f"'{path}' cannot be read as Parquet: {str(error).splitlines()[0]}") from error
    return [list(frame.columns), *(list(row) for row in zip(*columns, strict=True))]


def _as_texts(column: "pl.Series") -> list[str]:
    import polars as pl

    return column.cast(pl.String).fill_null("").to_list()


def _read(scan: "pl.LazyFrame", path: Path, reading: Reading) -> RawTable:
    import polars as pl

    schema = scan.collect_schema()
    names = schema.names()
    n_rows = int(scan.select(pl.len()).collect().item())
    if not n_rows or not names:
        raise DataError(f"'{path}' holds no rows")
    targets = [names[find_column(name, names, path, has_header=True)] for name in reading.label_columns]
    id_column = _find_ids(scan, schema, targets, reading)
    kept = [name for name in names if name != id_column and name not in targets]
    if not kept:
        raise DataError(f"'{path}' has no feature columns beside ids and target")
    texts = [f"'{name}' ({schema[name]})" for name in kept if not schema[name].is_numeric() and schema[name] != pl.Null]
    if texts:
        more = f" and {len(texts) - 8:,} others" if len(texts) > 8 else ""
        raise DataError(
            f"'{path}': columns that hold no numbers: {', '.join(texts[:8])}{more}. Turn them into numbers or "
            "leave them out; if one is the target, name it in label_column; if the first holds ids, set sample_ids"
        )
    features = _fill(scan, path, kept, n_rows)
    wanted = scan.select([*targets, *([id_column] if id_column else [])]).collect()
    ids = tuple(_as_texts(wanted[id_column])) if id_column else None
    how = f"Parquet, {'sample ids in column ' + repr(id_column) if id_column else 'no sample ids'}"
    return RawTable(features, tuple(kept), True, ids, {name: _as_texts(wanted[name]) for name in targets}, how)


def _find_ids(scan: "pl.LazyFrame", schema: "pl.Schema", targets: Sequence[str], reading: Reading) -> str | None:
    names = schema.names()
    if reading.sample_ids is False:
        return None
    if _INDEX_OF_PANDAS in names:
        return _INDEX_OF_PANDAS
    if reading.sample_ids:
        return names[0]
    if names[0] in targets:
        return None
    import polars as pl

    kind = schema[names[0]]
    if kind == pl.String or kind == pl.Categorical:
        return names[0]
    if not kind.is_integer():
        return None
    column = scan.select(names[0]).collect().to_series()
    known = set(reading.known_ids)
    named = is_id_word(names[0].encode()) or bool(known and set(_as_texts(column)) <= known)
    return names[0] if named and column.n_unique() == len(column) else None


def _fill(scan: "pl.LazyFrame", path: Path, kept: Sequence[str], n_rows: int) -> FloatArray:
    import polars as pl

    matrix = np.empty((n_rows, len(kept)), dtype=np.float32)
    step = max(1, _COLUMNS_BYTES // (8 * n_rows))
    for start in range(0, len(kept), step):
        names = list(kept[start : start + step])
        frame = scan.select(pl.col(names).cast(pl.Float32)).collect()
        block = matrix[:, start : start + len(names)]
        block[...] = frame.to_numpy()
        if np.isinf(block).any():
            row, place = np.argwhere(np.isinf(block))[0]
            raise DataError(
                f"'{path}', row {row + 1}, column '{names[place]}': the value is infinite (or beyond float32); "
                "mend it or leave it empty"
            )
    return matrix
