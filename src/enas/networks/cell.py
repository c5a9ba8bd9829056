"""What supernet and child of the micro space share: how a cell's nodes are computed, calibration, and the two heads."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enas.networks.batch_norm import BatchNorm
from enas.networks.blueprint import Blueprint
from enas.networks.dropout import Dropout
from enas.networks.operations import (
    FactorisedReduction,
    Projection,
    average_pool,
    blocks,
    he_normal,
    pad_same,
    project,
    same_padding,
    share,
)
from enas.search_space.micro import Branch, Cell, unread_states

POOL_KERNEL, POOL_STRIDE = 5, 3
AUXILIARY_FILTERS = 128, 768
MOST_SHIFTS = 9  # of a map for which copies of it are worth while
SEPARABLE_3, SEPARABLE_5, AVERAGE_POOL, MAX_POOL, IDENTITY = range(5)
"""Operations of the micro space, as `search_space.micro.OPERATIONS` numbers them."""
KERNELS = {SEPARABLE_3: 3, SEPARABLE_5: 5}


@dataclass(frozen=True, slots=True)
class Shape:
    """Channels and (height, width) of a state."""

    n_channels: int
    size: tuple[int, int]


def run_nodes(
    states: Sequence[Tensor], cell: Cell, apply: Callable[[int, int, Branch, Tensor, Tensor | None], Tensor]
) -> list[Tensor]:
    """The states of a cell that no node reads. States are its inputs, then every node, the sum of its two branches.

    Args:
        states: the two calibrated inputs.
        cell: its nodes.
        apply: computes (node, side 0 or 1, branch, what it reads), plus the node's other branch where that is given.
    """
    unread = unread_states(cell)
    n_readers = Counter([*unread, *(branch.source for branches in cell for branch in branches)])
    shared = [list(share(state, n_readers[i])) for i, state in enumerate(states)]
    for node, branches in enumerate(cell):
        total: Tensor | None = None
        # An identity first: the other branch's operation can add to it what it computes, without a pass of its own.
        for side in sorted(range(2), key=lambda side: branches[side].operation != IDENTITY):
            total = apply(node, side, branches[side], shared[branches[side].source].pop(), total)
        assert total is not None, "every node has two branches"
        shared.append(list(share(total, n_readers[len(shared)])))
    return [shared[state].pop() for state in unread]


class Calibration(nn.Module):
    """Brings a layer's input to the layer's side and channels; nothing where it has them.

    Args:
        given: what comes.
        n_channels, size: what is wanted; a side may be halved.
        running: as `BatchNorm`'s.
    """

    def __init__(
        self, given: Shape, n_channels: int, size: tuple[int, int], *, running: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.reduction: FactorisedReduction | None = None
        self.projection: Projection | None = None
        if given.size != size:
            self.reduction = FactorisedReduction(given.n_channels, n_channels, running=running, generator=generator)
        elif given.n_channels != n_channels:
            self.projection = Projection(given.n_channels, n_channels, running=running, generator=generator)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        """n tensors of equal channels, as if concatenated, to one."""
        if self.reduction is not None:
            x: Tensor = self.reduction(xs, relu=True)
        elif self.projection is not None:
            x = self.projection(xs)
        else:
            x = torch.cat(list(xs), dim=1) if len(xs) > 1 else xs[0]
        return x


class Stem(nn.Module):
    """Convolution 3×3 to 3·C channels, batch norm."""

    def __init__(self, plan: Blueprint, *, running: bool, generator: torch.Generator) -> None:
        super().__init__()
        fan_in = 9 * plan.n_image_channels
        n_out = 3 * plan.n_filters
        self.weight = he_normal(n_out, plan.n_image_channels, 3, 3, fan_in=fan_in, generator=generator)
        self.norm = BatchNorm(n_out, running=running)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 1 or 3, H, W) to (B, 3·C, H, W), channels last."""
        x = x.to(memory_format=torch.channels_last)
        if self.norm.fuses(x):  # as a 1×1 convolution: that has a kernel
            weight = self.weight.permute(0, 2, 3, 1).reshape(1, len(self.weight), -1)
            return project([neighbourhoods(x)], weight, self.norm, relu=False)
        stem: Tensor = self.norm(F.conv2d(x, self.weight.to(x.dtype), padding=1))
        return stem


def neighbourhoods(x: Tensor) -> Tensor:
    """The 3×3 cells around each pixel of (B, C, H, W) as its channels, (B, 9·C, H, W); beyond the edge they are 0.

    Example:
        >>> neighbourhoods(torch.ones(1, 1, 4, 4)).sum(dim=1)[0, 0]
        tensor([4., 6., 6., 4.])
    """
    n_images, n_channels, height, width = x.shape
    padded = F.pad(x, (1, 1, 1, 1)).permute(0, 2, 3, 1).contiguous()
    row, shape = (width + 2) * n_channels, (n_images, height, width, 3, 3 * n_channels)
    cells = padded.as_strided(shape, ((height + 2) * row, row, n_channels, row, 1))  # three pixels side by side, thrice
    return cells.reshape(n_images, height, width, -1).permute(0, 3, 1, 2)


class Head(nn.Module):
    """ReLU → global average → dropout → linear without bias."""

    def __init__(self, n_channels: int, n_classes: int, *, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = he_normal(n_classes, n_channels, fan_in=n_channels, generator=generator)

    def forward(self, xs: Sequence[Tensor], dropout: Dropout | None = None) -> Tensor:
        """Tensors (B, C, H, W), as if they were concatenated, to logits (B, n_classes)."""
        pooled = pool(xs)
        return F.linear(dropout(pooled) if dropout else pooled, self.weight)


def pool(xs: Sequence[Tensor]) -> Tensor:
    """n tensors (B, C, H, W) to what the head's weights are multiplied with, (B, n·C): ReLU → global average."""
    return torch.cat([_mean(F.relu(x)) for x in xs], dim=1)


def _mean(x: Tensor) -> Tensor:
    """Over the pixels of (B, C, H, W), in float32."""
    # Channels last for autograd, too: a mean over (2, 3) would send back a gradient with the channels first.
    return x.permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1, dtype=torch.float32)


class AuxiliaryHead(nn.Module):
    """ReLU → average pool 5×5, stride 3 → 1×1 to 128 → BN → ReLU → the whole map to 768 → BN → ReLU → mean → linear.

    It is pooled without padding where (side − 3) is a multiple of 5, as on the authors' 8 pixels, else with same
    padding.
    """

    def __init__(self, given: Shape, n_classes: int, *, running: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.is_padded = any((side - 3) % 5 or side < POOL_KERNEL for side in given.size)
        height, width = (_pooled_side(side, self.is_padded) for side in given.size)
        n_first, n_second = AUXILIARY_FILTERS
        fan_in = n_first * height * width
        self.project = he_normal(n_first, given.n_channels, 1, 1, fan_in=given.n_channels, generator=generator)
        self.project_norm = BatchNorm(n_first, running=running)
        self.whole = he_normal(n_second, n_first, height, width, fan_in=fan_in, generator=generator)
        self.whole_norm = BatchNorm(n_second, running=running)
        self.weight = he_normal(n_classes, n_second, fan_in=n_second, generator=generator)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        """Tensors (B, C, H, W), as if they were concatenated, to logits (B, n_classes)."""
        pooled = [average_pool(F.relu(x), POOL_KERNEL, POOL_STRIDE, padded=self.is_padded) for x in xs]
        x = project(pooled, blocks(self.project, len(xs)), self.project_norm, relu=False)
        return F.linear(_mean(F.relu(self._see_whole(x))), self.weight)

    def _see_whole(self, x: Tensor) -> Tensor:
        """ReLU → convolution with a kernel of the map's size, same padding → batch norm."""
        kernel = (x.shape[2], x.shape[3])
        if self.whole_norm.fuses(x) and kernel[0] * kernel[1] <= MOST_SHIFTS:
            return project(shifts(x, kernel), self.whole.permute(2, 3, 0, 1).flatten(0, 1), self.whole_norm)
        normed: Tensor = self.whole_norm(F.conv2d(pad_same(F.relu(x), kernel, 1), self.whole.to(x.dtype)))
        return normed


def shifts(x: Tensor, kernel: tuple[int, int]) -> list[Tensor]:
    """What each weight of a kernel of (height, width) with same padding is multiplied with, all (B, C, H, W).

    Example:
        >>> [shift.flatten().tolist() for shift in shifts(torch.tensor([[[[1.0, 2.0]]]]), (1, 2))]
        [[1.0, 2.0], [2.0, 0.0]]
    """
    height, width = x.shape[2:]
    vertical, horizontal = (same_padding(side, size, 1) for side, size in zip((height, width), kernel, strict=True))
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, *horizontal, *vertical))
    places = ((y, x) for y in range(kernel[0]) for x in range(kernel[1]))
    return [padded[:, y : y + height, x : x + width].permute(0, 3, 1, 2) for y, x in places]


def _pooled_side(side: int, is_padded: bool) -> int:
    return -(-side // POOL_STRIDE) if is_padded else (side - POOL_KERNEL) // POOL_STRIDE + 1
