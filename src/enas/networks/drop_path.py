"""Drop path (Larsson et al. 2017): a branch is left out as a whole, for some images of a batch."""

import torch
from torch import Tensor


def drop_path(x: Tensor, keep: float, generator: torch.Generator) -> Tensor:
    """Zero the whole of ``x[i]`` with probability ``1 - keep``, for each i by itself, and divide the rest by ``keep``.

    Args:
        x: (B, C, H, W), a branch's output; strides and dtype are kept.
        keep: probability in (0, 1]; 1 returns ``x`` and draws nothing.
        generator: where the B draws come from, on the device of ``x`` (else every call waits for a copy).
    """
    if keep >= 1:
        return x
    draws = torch.rand((len(x), 1, 1, 1), generator=generator, device=generator.device)
    return x * ((draws < keep) / keep).to(x)  # one pass over x: zero or 1 / keep for each image
