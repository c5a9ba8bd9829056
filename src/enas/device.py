"""Where and how torch computes: device, threads, precision."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar

import torch

from enas.errors import ConfigError


def choose_device(name: str) -> str:
    """The device to use: ``auto`` is the first CUDA device, else the CPU.

    Raises:
        ConfigError: torch does not know the device, or this machine has none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f'device: "{name}" cannot be used here ({reason}); use "auto" or "cpu"') from None
    return name


SMALL_INPUT = 4096
"""Networks of up to this many inputs compute on one thread: handing out their small products costs more than it saves,
and on a busy machine waiting for a second core costs ten times the work."""


@contextmanager
def threads_for(n_inputs: int) -> Iterator[None]:
    """Inside, torch computes with as many threads as suit networks of this many inputs; afterwards as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if n_inputs <= SMALL_INPUT else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_n_threads: ContextVar[int | None] = ContextVar("n_threads", default=None)


def n_threads() -> int:
    """How many threads there are to compute with: torch's, or what it had before `torch_on_one_thread`."""
    return _n_threads.get() or torch.get_num_threads()


@contextmanager
def torch_on_one_thread() -> Iterator[None]:
    """Inside, only what asks for `n_threads`, and has threads of its own, takes more than one.

    Torch's threads keep a core busy while they wait for the next piece of work; others on it would get half of it.
    """
    before, token = torch.get_num_threads(), _n_threads.set(n_threads())
    torch.set_num_threads(1)
    try:
        yield
    finally:
        _n_threads.reset(token)
        torch.set_num_threads(before)


def reduced_precision(device: str, precision: str) -> AbstractContextManager[object]:
    """Products in bfloat16 where ``precision`` says so; weights, sums and optimiser stay in float32.

    Torch would keep the rounded weights until the context ends, and so never see a step of the optimiser.
    """
    enabled = precision == "bfloat16"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled, cache_enabled=False)
