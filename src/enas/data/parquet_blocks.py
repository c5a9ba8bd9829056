"""A Parquet table as blocks of rows, in memory that does not grow with the file.

The file is stored by columns, often all rows of one together, so that each block of rows would have to unpack all of
it. It is read once, some columns at a time; until they are asked for, the rows lie in a temporary file.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from enas.data.dataset import FloatArray
from enas.data.opening import Reading
from enas.data.parquet import (
    BLOCK_BYTES,
    Layout,
    as_texts,
    column_blocks,
    columns_at_once,
    probe,
    settle,
    unreadable,
)
from enas.data.raw import RawTable
from enas.errors import RunError
from enas.progress import Progress


def read_parquet_blocks(path: Path, wanted: Sequence[str], max_rows: int, progress: Progress) -> Iterator[RawTable]:
    """The rows of a Parquet file, some at a time.

    Args:
        path: the file.
        wanted: names of columns; where the file has them all, the others are left out unread. Empty: all columns.
        max_rows: at most; fewer of wide tables.
        progress: sees how far the reading is.

    Raises:
        DataError: as `read_parquet`.
        RunError: there is no room for the temporary file.
    """
    import polars as pl

    probe(path)
    with tempfile.SpooledTemporaryFile(max_size=BLOCK_BYTES) as rows:
        try:
            scan = pl.scan_parquet(path, glob=False)
            layout = settle(scan, path, Reading(), wanted)
            ids = tuple(as_texts(scan.select(layout.ids).collect().to_series())) if layout.ids else None
            _store(column_blocks(scan, path, layout), rows, layout, path, progress)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            raise unreadable(path, error) from error
        step = min(max_rows, max(1, BLOCK_BYTES // (4 * len(layout.kept))))
        for start in range(0, layout.n_rows, step):
            stop = min(start + step, layout.n_rows)
            block = _take_rows(rows, layout, start, stop)
            yield RawTable(block, layout.kept, True, ids and ids[start:stop], {}, layout.how, _note_left_out(layout))


def _note_left_out(layout: Layout) -> tuple[str, ...]:
    n = layout.n_left_out
    return (f"{n:,} columns that the model does not know are left out",) if n else ()


def _store(
    blocks: Iterator[tuple[int, FloatArray]], rows: IO[bytes], layout: Layout, path: Path, progress: Progress
) -> None:
    """Block after block of columns, each row by row."""
    n_blocks = -(-len(layout.kept) // columns_at_once(layout))
    with progress.stage(f"reading {path.name}", total=n_blocks) as advance:
        for start, block in blocks:
            try:
                rows.write(np.ascontiguousarray(block).data)
            except OSError as error:
                n_bytes = 4 * layout.n_rows * len(layout.kept)
                raise RunError(
                    f"cannot write to {tempfile.gettempdir()}: {error.strerror or error}; {n_bytes / 1e6:,.0f} MB of "
                    f"'{path}' lie there meanwhile: make room, or name another folder in TMPDIR"
                ) from error
            advance(f"{start + block.shape[1]:,} columns")


def _take_rows(rows: IO[bytes], layout: Layout, start: int, stop: int) -> FloatArray:
    matrix = np.empty((stop - start, len(layout.kept)), dtype=np.float32)
    step = columns_at_once(layout)
    for first in range(0, len(layout.kept), step):
        n_columns = min(step, len(layout.kept) - first)
        rows.seek(4 * (layout.n_rows * first + start * n_columns))
        cells = np.frombuffer(rows.read(4 * (stop - start) * n_columns), dtype=np.float32)
        matrix[:, first : first + n_columns] = cells.reshape(-1, n_columns)
    return matrix
