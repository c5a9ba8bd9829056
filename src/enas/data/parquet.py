"""Reads a Parquet file into one float32 matrix, some columns at a time."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from enas.data.dataset import FloatArray
from enas.data.layout import is_id_word
from enas.data.opening import Reading
from enas.data.raw import RawTable
from enas.data.source import show
from enas.errors import DataError

if TYPE_CHECKING:
    import polars as pl

# Reading few columns at once keeps the peak near the matrix alone; reading many keeps the passes over the footer few.
_COLUMNS_BYTES = 64 * 1024 * 1024
# One value in a million cells takes a few bytes: more than this is a trap or a damaged footer, not data.
_MAX_RATIO, _UNPACKED_FREELY = 1000, 64 * 2**20
_INDEX_OF_PANDAS = "__index_level_0__"
_PROBE = """
import sys
import polars as pl
path, largest, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
try:
    scan = pl.scan_parquet(path, glob=False)
    names, n_rows = scan.collect_schema().names(), int(scan.select(pl.len()).collect().item())
    step = max(1, at_once // (8 * max(n_rows, 1)))
    for start in range(0, len(names) if 4 * n_rows * len(names) <= largest else 0, step):
        scan.select(names[start : start + step]).collect()
except BaseException:
    pass
"""


def read_parquet(path: Path, reading: Reading) -> RawTable:
    """Reads a Parquet file; the column names are its header.

    Raises:
        DataError: damaged file, text columns, infinite values, a ``label_column`` that does not exist.
    """
    import polars as pl

    _probe(path)
    try:
        return _read(pl.scan_parquet(path, glob=False), path, reading)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(path, error) from error


def _probe(path: Path) -> None:
    """Reads the file in a process of its own first: the library ends the whole process at some damaged files.

    Raises:
        DataError: it did.
    """
    command = [sys.executable, "-c", _PROBE, str(path), str(_largest(path)), str(_COLUMNS_BYTES)]
    if sys.executable and subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode:
        raise DataError(f"'{path}' cannot be read as Parquet: it is damaged; copy or write it again")


def _largest(path: Path) -> int:
    """The most bytes that a file of this size may claim to hold."""
    return max(_UNPACKED_FREELY, _MAX_RATIO * path.stat().st_size)


def read_parquet_cells(path: Path) -> tuple[list[str], ...]:
    """A Parquet file as columns of text, each below its name; missing cells are empty.

    Raises:
        DataError: damaged file, no columns, a column that is no text, number, date or truth value.
    """
    import polars as pl

    _probe(path)
    try:
        scan = pl.scan_parquet(path, glob=False)
        schema = scan.collect_schema()
        _check_size(path, _count_rows(scan), len(schema))
        _refuse_nested(path, schema, schema.names())
        frame = scan.collect()
        columns = tuple([name, *_as_texts(frame[name])] for name in frame.columns)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _unreadable(path, error) from error
    if not columns:
        raise DataError(f"labels file '{path}' holds no rows")
    return columns


def _unreadable(path: Path, error: BaseException) -> DataError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DataError(f"'{path}' cannot be read as Parquet: {reason[:200]}")


def _count_rows(scan: "pl.LazyFrame") -> int:
    import polars as pl

    return int(scan.select(pl.len()).collect().item())


def _check_size(path: Path, n_rows: int, n_columns: int) -> None:
    """What the footer says is not trusted: a file of a few bytes can claim any number of rows."""
    n_bytes = 4 * n_rows * n_columns
    if n_bytes > _largest(path):
        raise DataError(
            f"'{path}' claims {n_rows:,} rows x {n_columns:,} columns, more than {_MAX_RATIO:,} times its size; "
            "is it damaged? If not, save it as TSV"
        )


def _refuse_nested(path: Path, schema: "pl.Schema", names: Sequence[str]) -> None:
    import polars as pl

    for name in names:
        if schema[name].is_nested() or schema[name] in (pl.Binary, pl.Object):
            kind = show(str(schema[name]))[1:-1]
            raise DataError(f"'{path}': column {show(name)} holds {kind}, neither text nor numbers")


def _as_texts(column: "pl.Series") -> list[str]:
    import polars as pl

    return column.cast(pl.String).fill_null("").to_list()


def _read(scan: "pl.LazyFrame", path: Path, reading: Reading) -> RawTable:
    import polars as pl

    schema = scan.collect_schema()
    names = schema.names()
    n_rows = _count_rows(scan)
    if not n_rows or not names:
        raise DataError(f"'{path}' holds no rows")
    targets = [names[place] for place in reading.find_texts(names, path, has_header=True)]
    _check_size(path, n_rows, len(names))
    id_column = _find_ids(scan, schema, targets, reading)
    if id_column in targets:
        raise DataError(
            f"'{path}': column {show(id_column)} cannot be both {reading.columns_of_text[id_column]} and sample ids; "
            "set sample_ids: false or name another column"
        )
    _refuse_nested(path, schema, [*targets, *([id_column] if id_column else [])])
    kept = [name for name in names if name != id_column and name not in targets]
    if not kept:
        raise DataError(f"'{path}' has no feature columns beside ids and target")
    texts = [
        f"{show(name)} ({show(str(schema[name]))[1:-1]})"
        for name in kept
        if not schema[name].is_numeric() and schema[name] != pl.Null
    ]
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
        if len(frame) != n_rows:
            raise DataError(f"'{path}' is damaged: its footer counts {n_rows:,} rows, its columns hold {len(frame):,}")
        block = matrix[:, start : start + len(names)]
        block[...] = frame.to_numpy()
        if np.isinf(block).any():
            row, place = np.argwhere(np.isinf(block))[0]
            raise DataError(
                f"'{path}', row {row + 1}, column {show(names[place])}: the value is infinite (or beyond float32); "
                "mend it or leave it empty"
            )
    return matrix
