"""Where and how torch computes: device, threads, precision."""

import os
from contextlib import AbstractContextManager

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


def use_threads(n_threads: int | None) -> int:
    """Compute with ``n_threads``, at most one per core (None: all cores); returns how many that are."""
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(min(n_threads or n_cores, n_cores))
    return torch.get_num_threads()


def reduced_precision(device: str, precision: str) -> AbstractContextManager[object]:
    """Products in bfloat16 where ``precision`` says so; weights, sums and optimiser stay in float32.

    Torch would keep the rounded weights until the context ends, and so never see a step of the optimiser.
    """
    enabled = precision == "bfloat16"
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled, cache_enabled=False)
