"""Decodes many images in parallel, a block at a time and in order; memory holds a few blocks, whatever the number.

Threads decode: Pillow lets go of Python's lock meanwhile. For small files Python's part of the work outweighs Pillow's,
and handing the lock to and fro costs more than it gains: on two cores 32 x 32 PNGs decode at 8,000 images/s in one
thread and at 3,800 in two. So small files get one thread.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from enas.data.decode import Pixels, decode_image, quietly
from enas.data.image_folder import ImageFile
from enas.data.image_format import ImageFormat
from enas.errors import DataError
from enas.progress import Progress

T = TypeVar("T")
R = TypeVar("R")

_BLOCK_BYTES = 4 * 1024 * 1024
_BLOCK_IMAGES = 128
_SMALL_BYTES = 8 * 1024


@dataclass(frozen=True, slots=True)
class Block:
    """Some images, decoded.

    Args:
        pixels: shape (n_readable, height, width, channels), uint8.
        unreadable: name and reason of those that could not be read.
        remarks: what was done to which of the others, as (words of `decode`, name).
    """

    pixels: Pixels
    unreadable: dict[str, str]
    remarks: list[tuple[str, str]]


def decode_blocks(
    folder: Path, files: Sequence[ImageFile], fmt: ImageFormat, progress: Progress, n_threads: int | None
) -> Iterator[Block]:
    """The images in order; the bar counts blocks and shows images per second.

    Args:
        folder: where the files lie.
        files: those to decode, at least one.
        fmt: what each becomes.
        progress: shown meanwhile.
        n_threads: that decode, for small files one in any case; None: one per core.
    """
    names = [file.name for file in files]
    n_each = max(1, min(_BLOCK_IMAGES, _BLOCK_BYTES // int(np.prod(fmt.shape))))
    parts = [names[i : i + n_each] for i in range(0, len(names), n_each)]
    started, n_done = time.perf_counter(), 0
    decoded = _in_order(lambda part: _decode_block(folder, part, fmt), parts, _choose_n_threads(files, n_threads))
    with progress.stage(f"decoding {folder.name}", total=len(parts)) as step, quietly(), closing(decoded):
        for part, block in zip(parts, decoded, strict=True):
            yield block
            n_done += len(part)
            step(f"{n_done / (time.perf_counter() - started):,.0f} images/s")


def _choose_n_threads(files: Sequence[ImageFile], at_most: int | None) -> int:
    if sum(file.n_bytes for file in files) < _SMALL_BYTES * len(files):
        return 1
    if at_most is not None:
        return at_most
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _decode_block(folder: Path, names: Sequence[str], fmt: ImageFormat) -> Block:
    pixels = np.empty((len(names), *fmt.shape), np.uint8)
    unreadable: dict[str, str] = {}
    all_remarks: list[tuple[str, str]] = []
    n_readable = 0
    for name in names:
        try:
            pixels[n_readable], remarks = decode_image(folder / name, fmt.size, fmt.n_channels)
        except DataError as error:
            unreadable[name] = str(error)
        else:
            n_readable += 1
            all_remarks += [(words, name) for words in remarks]
    return Block(pixels[:n_readable], unreadable, all_remarks)


def _in_order(function: Callable[[T], R], items: Iterable[T], n_threads: int) -> Generator[R, None, None]:
    """The results in the order of the items; no more than two per thread are in work or waiting."""
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(n_threads)
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
