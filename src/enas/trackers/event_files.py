"""TensorBoard's event files: the curves of a run, to be watched while it goes on (``tensorboard --logdir RUN``).

Each curve has a folder of its own, ``search``, ``candidate_1``, …, which TensorBoard lays over one another; an epoch is
in its file as soon as it is over. The files hold the log and no more: where training is taken up again they begin anew
with what the log holds by then, so that no epoch is shown twice. Their name is fixed, without host and process.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from enas.errors import RunError
from enas.journal import Record, forget
from enas.trackers.curves import Curves, Point

if TYPE_CHECKING:
    from tensorboard.compat.proto.summary_pb2 import Summary

FILE = "events.out.tfevents.enas"
"""TensorBoard takes every file with ``tfevents`` in its name."""


def event_files(folder: Path, log: Iterable[Mapping[str, object]], clock: Callable[[], float]) -> Record:
    """Begin event files with what a log holds; returns what adds one more row of it.

    Args:
        folder: where they lie; what is there is removed.
        log: rows of ``metrics.jsonl``.
        clock: seconds since 1970 that TensorBoard shows beside an epoch; a clock of work done, which nobody sets.

    Returns:
        A `Record` that does nothing where the package tensorboard is not installed.

    Raises:
        RunError: the folder cannot be written; the returned record raises it, too.
    """
    try:
        import tensorboard.summary.writer.record_writer  # noqa: F401
    except ImportError:
        return forget
    if folder.exists():
        _on_disk(folder, lambda: shutil.rmtree(folder))
    curves = Curves()

    def record(row: Mapping[str, object]) -> None:
        if point := curves.point(row):
            path = folder / point.curve / FILE
            _on_disk(path, lambda: _append(path, point, clock()))

    for row in log:
        record(row)
    return record


def _on_disk(path: Path, change: Callable[[], None]) -> None:
    try:
        change()
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def _append(path: Path, point: Point, now: float) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    is_new = not path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        writer = RecordWriter(file)
        if is_new:
            writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
        writer.write(Event(wall_time=now, step=point.epoch, summary=_summarise(point, is_new)).SerializeToString())


def _summarise(point: Point, is_first: bool) -> "Summary":
    """The numbers of a point and, at a candidate's beginning, which architecture it is."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.text.summary_v2 import text_pb

    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in point.values.items()])
    if is_first and point.architecture:
        summary.MergeFrom(text_pb("architecture", point.architecture))
    return summary
