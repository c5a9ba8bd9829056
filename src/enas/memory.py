"""Memory: how much training will take, measured on a few rows before it begins, and how an error says that it is short.

What a step keeps for its backward pass grows with its rows, and so does what the backward pass holds besides; weights
come in several copies (gradient, moments, what is gone back to, what a checkpoint is written from).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from enas.errors import RunError
from enas.networks.native import release_memory
from enas.search_space import Architecture
from enas.training import Learner

GIB = 2**30
COPIES_OF_WEIGHTS = 8
PEAK = 2.2
"""Peak of a step as a multiple of what its forward pass keeps: 1.6 to 2.3 for networks on images."""
OVERHEAD = 0.25 * GIB
"""What code, threads and gaps between tensors take besides."""
N_ROWS = 4
_WORDS = ("DefaultCPUAllocator", "could not create a primitive", "bad_alloc")


@dataclass(frozen=True, slots=True)
class Need:
    """What training takes besides what the process has already.

    Args:
        fixed: bytes.
        per_row: bytes for each row of a step, all networks side by side together.
    """

    fixed: float
    per_row: float

    def n_parts(self, n_rows: int, limit: float) -> int | None:
        """Parts into which steps of ``n_rows`` must be divided to stay below ``limit`` bytes; None: a row is too much.

        Example:
            >>> Need(fixed=100, per_row=10).n_parts(32, limit=200), Need(100, 10).n_parts(32, 105)
            (4, None)
        """
        n_fitting = int((limit - self.fixed) / self.per_row)
        return -(-n_rows // min(n_fitting, n_rows)) if n_fitting > 0 else None


def measure_need(learner: Learner, architecture: Architecture) -> Need:
    """Run a learner forward on a few rows; it draws random numbers, and statistics of its inputs move."""
    rows = learner.batches()[0]
    kept = [_bytes_kept(learner, rows[:, :n], architecture) for n in (N_ROWS, 2 * N_ROWS)]
    weights = sum(tensor.nbytes for tensor in learner.weights().values())
    per_row = max(kept[1] - kept[0], 1) / N_ROWS
    return Need(OVERHEAD + COPIES_OF_WEIGHTS * weights, PEAK * per_row)


def _bytes_kept(learner: Learner, rows: Tensor, architecture: Architecture) -> int:
    """Bytes that the forward pass keeps for the backward pass; of tensors that share memory, once."""
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        learner.loss(rows, architecture)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def in_halves(compute: Callable[[Any], Tensor], items: Sequence[Any] | Tensor, title: str) -> Tensor:
    """What is computed for all items at once; where memory is short, for each half of them, one after the other.

    Args:
        compute: gives a tensor with an entry per item.
        items: a sequence or a tensor, whose entries do not depend on one another.
        title: of what is done, for the message.

    Raises:
        RunError: there is not enough memory for one item.
    """
    try:
        return compute(items)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        if len(items) == 1:
            raise RunError(f"{title}: out of memory ({first_line(error)}); lower the batch size") from None
    release_memory()
    middle = len(items) // 2
    return torch.cat([in_halves(compute, half, title) for half in (items[:middle], items[middle:])])


def first_line(error: BaseException) -> str:
    """The first line of an error's text."""
    return (str(error) or type(error).__name__).splitlines()[0]


def used() -> int:
    """Bytes that the process has now."""
    return int(psutil.Process().memory_info().rss)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory could not be had; on the CPU torch and oneDNN have no class of their own for that, but words."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)
