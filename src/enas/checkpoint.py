"""Checkpoints: all that a run knows at one moment, on the disk whole or not at all.

``newest.safetensors`` holds tensors by name, plain facts as JSON among them, and a digest of all. A new one is
written beside it and flushed; the old one then becomes ``previous.safetensors`` and the new one takes its place. So
there is a whole checkpoint at every moment, and one that is damaged later is noticed and has a predecessor.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.errors import ConfigError, RunError
from enas.interrupts import Interrupted
from enas.progress import Progress
from enas.tensor_files import read_tensors, write_tensors

FORMAT = 1
"""Version of what checkpoints hold; one of another version is refused."""

_FACTS = "facts"
"""The array that holds them as JSON: a header may not be large."""

NEWEST, PREVIOUS = "newest.safetensors", "previous.safetensors"
NEXT = "next.safetensors"
"""There only while it takes the place of the newest; if the process ends then, it is the newest."""


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where something stands.

    Args:
        facts: what JSON knows, NaN included.
        tensors: by name, on any device.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> "State":
        """A part that `join` put in."""
        prefix = f"{name}/"
        return State(
            self.facts[name],
            {key.removeprefix(prefix): tensor for key, tensor in self.tensors.items() if key.startswith(prefix)},
        )

    def __contains__(self, name: str) -> bool:
        return name in self.facts


def join(facts: Mapping[str, Any] | None = None, /, **parts: State) -> State:
    """Several states as parts of one, beside facts of its own.

    Example:
        >>> whole = join({"epoch": 3}, child=State({"lr": 0.1}, {"weight": torch.ones(1)}))
        >>> whole.facts["epoch"], whole["child"].facts, whole["child"].tensors
        (3, {'lr': 0.1}, {'weight': tensor([1.])})
    """
    tensors = {f"{name}/{key}": tensor for name, part in parts.items() for key, tensor in part.tensors.items()}
    return State({**(facts or {}), **{name: part.facts for name, part in parts.items()}}, tensors)


def write_state(path: Path, state: State) -> None:
    """Write a state with its digest, atomically.

    Raises:
        RunError: the system refuses.
    """
    arrays = {name: np.asarray(tensor.detach().cpu().numpy(), order="C") for name, tensor in state.tensors.items()}
    arrays[_FACTS] = np.frombuffer(json.dumps(state.facts).encode(), np.uint8)
    write_tensors(path, arrays, {"format": str(FORMAT), "digest": _digest(arrays)})


def read_state(path: Path) -> State:
    """Read what `write_state` wrote.

    Raises:
        RunError: the file is missing, damaged or of another version.
    """
    arrays, metadata = read_tensors(path)
    if metadata.get("format") != str(FORMAT):
        raise RunError(f"{path} has format {metadata.get('format', 'unknown'):.20}; this version reads {FORMAT}")
    if metadata.get("digest") != _digest(arrays) or _FACTS not in arrays:
        raise RunError(f"{path} is damaged: its content does not have the digest that was written with it")
    facts = json.loads(arrays.pop(_FACTS).tobytes())
    return State(facts, {name: torch.from_numpy(array) for name, array in arrays.items()})


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


_OF_FORGERY = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ConfigError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


@contextmanager
def taking_up() -> Iterator[None]:
    """A state that lacks something, or is of other networks, is one error; its digest shows damage, not forgery.

    Raises:
        RunError: it is.
    """
    try:
        yield
    except _OF_FORGERY as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        raise RunError(f"the checkpoint does not fit this run ({reason:.100}); begin a new run") from None


class Offer(Protocol):
    """A moment at which a state is whole; it is asked for only where it is kept."""

    def __call__(self, state: Callable[[], State], *, epoch_ended: bool = False) -> None:
        """Keep the state if it is time.

        Args:
            state: makes it.
            epoch_ended: an epoch of training or of retraining has just ended.

        Raises:
            Interrupted: the user or the system has asked the process to stop; the state is kept.
            RunError: it cannot be written.
        """


def keep_nothing(state: Callable[[], State], *, epoch_ended: bool = False) -> None:
    """An `Offer` that is always declined."""


@dataclass(slots=True)
class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: where they are; made at the first one.
        seconds: between two checkpoints.
        epochs: between two checkpoints, if these pass sooner; None: only seconds count.
        extra: facts that every checkpoint holds besides, made anew for each.
        stopping: the signal that asks to stop, or None.
        clock: seconds from any fixed moment, never backwards.
    """

    folder: Path
    seconds: float
    epochs: int | None
    extra: Callable[[], Mapping[str, Any]] = dict
    stopping: Callable[[], int | None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    n_seconds: float = field(default=0.0, init=False)
    """Spent on writing checkpoints."""
    _saved_at: float = field(init=False)
    _n_epochs: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._saved_at = self.clock()

    def offer(self, state: Callable[[], State], *, epoch_ended: bool = False) -> None:
        """See `Offer`."""
        self._n_epochs += epoch_ended
        signal = self.stopping()
        due = self.clock() - self._saved_at >= self.seconds
        if signal or due or (self.epochs and self._n_epochs >= self.epochs):
            self.save(state())
        if signal:
            raise Interrupted(signal)

    def save(self, state: State) -> None:
        """Write a checkpoint now.

        Raises:
            RunError: it cannot be written; the last one is still there.
        """
        start = self.clock()
        next_one, newest = self.folder / NEXT, self.folder / NEWEST
        try:
            self.folder.mkdir(exist_ok=True)
            write_state(next_one, State({**self.extra(), **state.facts}, state.tensors))
            if newest.exists():
                newest.replace(self.folder / PREVIOUS)
            next_one.replace(newest)
        except OSError as error:
            raise RunError(f"cannot write a checkpoint into {self.folder}: {error.strerror or error}") from error
        self._n_epochs, self._saved_at = 0, self.clock()
        self.n_seconds += self._saved_at - start


def load_checkpoint(folder: Path, progress: Progress) -> State | None:
    """The newest checkpoint in a folder that is whole; warns of each that is damaged. None: there is none yet.

    Raises:
        RunError: all are damaged.
    """
    problems = []
    for name in (NEXT, NEWEST, PREVIOUS):
        if not (folder / name).exists():
            continue
        try:
            return read_state(folder / name)
        except RunError as error:
            problems.append(str(error))
            progress.warn(f"{error}; going back to the checkpoint before it")
    if problems:
        raise RunError(f"no checkpoint in {folder} is whole; begin a new run, without --resume")
    return None
