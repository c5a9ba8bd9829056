"""Memory that is not there: how an error says so."""

import torch


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory could not be had; torch's allocator of the CPU has no class of its own for that."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
