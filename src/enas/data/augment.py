"""Augmentation on the fly: crop, flip and cutout of a whole batch of images at once, on any device.

Every pixel of the result knows its place in the original picture, or that it has none; so all three are one selection
of pixels and one mask, without a padded copy. Departure from the original ENAS code, whose cutout square has its upper
left corner anywhere in the picture: here its centre is anywhere, as in the paper.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Augment:
    """Change each image of a batch by itself, in this order; the shape stays.

    Args:
        pad: shift by up to this many pixels in each direction: crop from the picture padded with zeros; 0: no crop.
        flip: mirror left and right with probability ½.
        cutout: side of a square set to zero; its centre is any pixel, and what sticks out of the picture is cut off
            (DeVries and Taylor 2017); None: no cutout.

    Example:
        >>> x = torch.arange(1.0, 5.0).view(1, 1, 1, 4)
        >>> Augment(pad=1, flip=False)(x, torch.Generator().manual_seed(0)).flatten().tolist()
        [2.0, 3.0, 4.0, 0.0]
    """

    pad: int = 4
    flip: bool = True
    cutout: int | None = None

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """The augmented batch, in new memory.

        Args:
            x: (B, C, H, W), normalised, so that zero is the mean; dtype and memory format stay.
            generator: on the CPU: the same numbers change the images in the same way on every device. A batch takes
                5 · B numbers from it, whatever is switched on.
        """
        n, n_channels, height, width = x.shape
        # A plain copy would wait for the GPU; this one is staged by the driver, so the source may go at once.
        draws = torch.rand((5, n), generator=generator).to(x.device, non_blocking=True)
        places, visible = self._places(draws, height, width)
        pixels = x.permute(0, 2, 3, 1).reshape(n * height * width, n_channels)  # a view of what is channels_last
        chosen = pixels.index_select(0, places.flatten()).view(n, height, width, n_channels)
        result = chosen.masked_fill_(~visible.unsqueeze(3), 0).permute(0, 3, 1, 2)
        return result if x.is_contiguous(memory_format=torch.channels_last) else result.contiguous()

    def _places(self, draws: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """Per pixel of the result, (B, H, W): which of the batch's B · H · W pixels it shows, and whether it does."""
        down, right, mirror, center_row, center_column = draws.unsqueeze(2)  # each (B, 1), in [0, 1)
        row = torch.arange(height, device=draws.device)
        column = torch.arange(width, device=draws.device)
        rows = row + self._shift(down)
        columns = (torch.where(mirror < 0.5, width - 1 - column, column) if self.flip else column) + self._shift(right)
        visible = _outer(_within(rows, height), _within(columns, width))
        if self.cutout is not None:
            visible &= ~_outer(_close(row, center_row, self.cutout), _close(column, center_column, self.cutout))
        first = torch.arange(draws.shape[1], device=draws.device).unsqueeze(1) * height
        places = ((first + rows.clamp(0, height - 1)) * width).unsqueeze(2) + columns.clamp(0, width - 1).unsqueeze(1)
        return places, visible

    def _shift(self, draw: Tensor) -> Tensor:
        """A whole number in [-pad, pad]."""
        return (draw * (2 * self.pad + 1)).long() - self.pad


def _outer(rows: Tensor, columns: Tensor) -> Tensor:
    """(B, H) and (B, W) to (B, H, W): true where both are."""
    return rows.unsqueeze(2) & columns.unsqueeze(1)


def _within(places: Tensor, size: int) -> Tensor:
    return (places >= 0) & (places < size)


def _close(places: Tensor, draw: Tensor, side: int) -> Tensor:
    """(n,) places and (B, 1) draws of a centre among them to (B, n): which are in the ``side`` around the centre."""
    start = (draw * len(places)).long() - side // 2
    return (places >= start) & (places < start + side)
