"""Drop path (Larsson et al. 2017): a branch is left out as a whole, for some images of a batch."""

import torch
from torch import Tensor


def draw_paths(n_images: int, keep: float, generator: torch.Generator) -> Tensor | None:
    """A factor for each image (n_images,): 0 with probability ``1 - keep``, each by itself, else ``1 / keep``.

    Args:
        n_images: of the batch.
        keep: probability in (0, 1]; 1 gives None and draws nothing.
        generator: where the draws come from, on the images' device (else every call waits for a copy).
    """
    if keep >= 1:
        return None
    draws = torch.rand((n_images,), generator=generator, device=generator.device)
    return (draws < keep) / keep


def add_branch(y: Tensor, factor: Tensor | None, add: Tensor | None) -> Tensor:
    """A branch's output (B, C, H, W) times each image's factor (B,), plus the other branch; dtype and strides stay."""
    if factor is not None:
        y = y * factor[:, None, None, None].to(y)
    return y if add is None else y + add
