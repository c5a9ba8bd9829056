"""Folds one after the other in this process, or side by side in several.

Each worker is a process of its own that reads the data and takes one fold after the other from a pipe. Only the first
process hears the keyboard; it asks each worker to stop by one SIGTERM, on which that writes a checkpoint and ends. A
worker whose parent has died ends, too.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

import torch

from enas.console import Silent
from enas.cross_validation.division import Fold
from enas.cross_validation.fold import Done, Pipeline
from enas.cross_validation.rows import TrainingRows, open_rows
from enas.errors import EnasError, RunError
from enas.interrupts import Interrupted, deferred_signals, raise_on_terminate
from enas.progress import Progress

POLL = 0.2
"""Seconds after which the first process looks for a signal."""


def run_here(
    pipeline: Pipeline, data: TrainingRows, folds: Sequence[Fold], tell: Callable[[Done], None], bars: Progress
) -> None:
    """One fold after the other.

    Raises: as `Pipeline.run`.
    """
    for fold in folds:
        with on_threads(threads_per_fold()):
            done = pipeline.run(data, fold, bars)
        tell(done)


def run_in_workers(pipeline: Pipeline, folds: Sequence[Fold], tell: Callable[[Done], None], jobs: int) -> None:
    """So many folds at a time; the numbers are those of `run_here`.

    Raises:
        RunError: a fold failed, or a worker died; the others were asked to stop.
        Interrupted: the process was asked to stop; there are checkpoints.
    """
    left = deque(folds)
    with deferred_signals() as stopping, _started(pipeline, min(jobs, len(folds))) as workers:
        busy: dict[object, _Worker] = {worker.connection: worker for worker in workers}
        for worker in workers:
            worker.give(left.popleft())
        while busy and stopping() is None:
            for connection in wait([worker.connection for worker in busy.values()], POLL):
                tell(busy[connection].receive())
                if left:
                    busy[connection].give(left.popleft())
                else:
                    del busy[connection]


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    """A process, and the pipe to it."""

    process: BaseProcess
    connection: "Connection[Fold, Done | tuple[str, str]]"

    def give(self, fold: Fold) -> None:
        """Hand it a fold; if it has died, that shows when it should answer."""
        with suppress(OSError):
            self.connection.send(fold)

    def receive(self) -> Done:
        try:
            answer = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            raise RunError(
                f"a worker process died ({self.process.exitcode}), perhaps for want of memory: take fewer --jobs. In a "
                'script of your own, what begins it belongs below `if __name__ == "__main__":`'
            ) from None
        if isinstance(answer, Done):
            return answer
        kind, text = answer
        raise RunError(text) if kind == "failed" else RuntimeError(text)


@contextmanager
def _started(pipeline: Pipeline, n: int) -> Iterator[list[_Worker]]:
    """Workers; at the end all are stopped, whose work is kept, and waited for."""
    workers: list[_Worker] = []
    try:
        with _deaf():
            workers += [_start(pipeline) for _ in range(n)]
        yield workers
    finally:
        try:
            _stop(workers)
        except BaseException:  # a second signal: what the last checkpoint kept must do
            for worker in workers:
                worker.process.kill()
            raise


def _start(pipeline: Pipeline) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, pipeline, threads_per_fold()), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.connection.close()
        worker.process.terminate()
    for worker in workers:
        worker.process.join()


@contextmanager
def _deaf() -> Iterator[None]:
    """Processes that are started inside do not hear Ctrl-C, not even before their first line."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(connection: "Connection[Done | tuple[str, str], Fold]", pipeline: Pipeline, n_threads: int) -> None:
    """The life of a worker."""
    if hasattr(os, "setpgrp"):
        os.setpgrp()  # training listens for Ctrl-C, which a terminal sends to the whole group
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what it has to say goes through the pipe
    threading.Thread(target=_end_with_parent, daemon=True).start()
    raise_on_terminate()
    try:
        with on_threads(n_threads):
            data = open_rows(pipeline.config, Silent())
            while True:
                connection.send(_answer(pipeline, data, connection.recv()))
    except (EOFError, OSError, Interrupted):  # nothing more is wanted
        return


def _answer(pipeline: Pipeline, data: TrainingRows, fold: Fold) -> Done | tuple[str, str]:
    try:
        return pipeline.run(data, fold)
    except EnasError as error:
        return "failed", str(error)
    except Exception:
        return "fault", traceback.format_exc()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def threads_per_fold() -> int:
    """One, so that the numbers do not depend on how many folds run side by side; or what OMP_NUM_THREADS says."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdecimal() and int(told) else 1


@contextmanager
def on_threads(n: int) -> Iterator[None]:
    """Inside, torch and the libraries below numpy compute on so many threads; afterwards as before."""
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(limits=n):
        torch.set_num_threads(n)
        try:
            yield
        finally:
            torch.set_num_threads(before)
