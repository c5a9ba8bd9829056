"""Reads a Parquet file into one float32 matrix, some columns at a time."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
BLOCK_BYTES = 64 * 1024 * 1024
_MAX_COLUMNS = 4096
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

    probe(path)
    try:
        return _read(pl.scan_parquet(path, glob=False), path, reading)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise unreadable(path, error) from error


def probe(path: Path) -> None:
    """Reads the file in a process of its own first: the library ends the whole process at some damaged files.

    Raises:
        DataError: it did.
    """
    command = [sys.executable, "-c", _PROBE, str(path), str(_largest(path)), str(BLOCK_BYTES)]
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

    probe(path)
    try:
        scan = pl.scan_parquet(path, glob=False)
        schema = scan.collect_schema()
        _check_size(path, _count_rows(scan), len(schema))
        _refuse_nested(path, schema, schema.names())
        frame = scan.collect()
        columns = tuple([name, *as_texts(frame[name])] for name in frame.columns)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise unreadable(path, error) from error
    if not columns:
        raise DataError(f"labels file '{path}' holds no rows")
    return columns


def unreadable(path: Path, error: BaseException) -> DataError:
    """What the library says of a file, in one line."""
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


def as_texts(column: "pl.Series") -> list[str]:
    """Cells as text; missing ones are empty."""
    import polars as pl

    return column.cast(pl.String).fill_null("").to_list()


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns are what.

    Args:
        kept: the features.
        texts: targets and groups.
        ids: the column of sample ids, if there is one.
        n_rows: of all columns, as the footer says.
        n_left_out: columns that are not read.
    """

    kept: tuple[str, ...]
    texts: tuple[str, ...]
    ids: str | None
    n_rows: int
    n_left_out: int

    @property
    def how(self) -> str:
        """How the file was read, for the log."""
        return f"Parquet, {'sample ids in column ' + repr(self.ids) if self.ids else 'no sample ids'}"


def _read(scan: "pl.LazyFrame", path: Path, reading: Reading) -> RawTable:
    layout = settle(scan, path, reading)
    features = np.empty((layout.n_rows, len(layout.kept)), dtype=np.float32)
    for start, block in column_blocks(scan, path, layout):
        features[:, start : start + block.shape[1]] = block
    wanted = scan.select([*layout.texts, *([layout.ids] if layout.ids else [])]).collect()
    ids = tuple(as_texts(wanted[layout.ids])) if layout.ids else None
    texts = {name: as_texts(wanted[name]) for name in layout.texts}
    return RawTable(features, layout.kept, True, ids, texts, layout.how)


def settle(scan: "pl.LazyFrame", path: Path, reading: Reading, wanted: Sequence[str] = ()) -> Layout:
    """What is read; where the file has all ``wanted`` columns these are the features, whatever else it holds."""
    import polars as pl

    schema = scan.collect_schema()
    names = schema.names()
    n_rows = _count_rows(scan)
    if not n_rows or not names:
        raise DataError(f"'{path}' holds no rows")
    texts = [names[place] for place in reading.find_texts(names, path, has_header=True)]
    _check_size(path, n_rows, len(names))
    chosen = list(wanted) if wanted and set(wanted) <= set(names) else []
    id_column = _find_ids(scan, schema, [*texts, *chosen], reading)
    if id_column in texts:
        raise DataError(
            f"'{path}': column {show(id_column)} cannot be both {reading.columns_of_text[id_column]} and sample ids; "
            "set sample_ids: false or name another column"
        )
    _refuse_nested(path, schema, [*texts, *([id_column] if id_column else [])])
    others = [name for name in names if name != id_column and name not in texts]
    kept = chosen or others
    if not kept:
        raise DataError(f"'{path}' has no feature columns beside ids and target")
    no_numbers = [
        f"{show(name)} ({show(str(schema[name]))[1:-1]})"
        for name in kept
        if not schema[name].is_numeric() and schema[name] != pl.Null
    ]
    if no_numbers:
        more = f" and {len(no_numbers) - 8:,} others" if len(no_numbers) > 8 else ""
        raise DataError(
            f"'{path}': columns that hold no numbers: {', '.join(no_numbers[:8])}{more}. Turn them into numbers or "
            "leave them out; if one is the target, name it in label_column; if the first holds ids, set sample_ids"
        )
    return Layout(tuple(kept), tuple(texts), id_column, n_rows, len(set(others) - set(kept)))


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
    named = is_id_word(names[0].encode()) or bool(known and set(as_texts(column)) <= known)
    return names[0] if named and column.n_unique() == len(column) else None


def column_blocks(scan: "pl.LazyFrame", path: Path, layout: Layout) -> Iterator[tuple[int, FloatArray]]:
    """Some columns at a time, all rows of them, and the number of the first."""
    import polars as pl

    step = columns_at_once(layout)
    for start in range(0, len(layout.kept), step):
        names = list(layout.kept[start : start + step])
        frame = scan.select(pl.col(names).cast(pl.Float32)).collect()
        if len(frame) != layout.n_rows:
            raise DataError(
                f"'{path}' is damaged: its footer counts {layout.n_rows:,} rows, its columns hold {len(frame):,}"
            )
        block = frame.to_numpy()
        if np.isinf(block).any():
            row, place = np.argwhere(np.isinf(block))[0]
            raise DataError(
                f"'{path}', row {row + 1}, column {show(names[place])}: the value is infinite (or beyond float32); "
                "mend it or leave it empty"
            )
        yield start, block


def columns_at_once(layout: Layout) -> int:
    """How many columns `column_blocks` reads together; polars needs some kilobytes for each, however short it is."""
    return max(1, min(_MAX_COLUMNS, BLOCK_BYTES // (8 * layout.n_rows)))
