"""The operations of the micro cells (Pham et al. 2018, section 2.4), as TensorFlow computed them.

"Same" padding of a stride of 2 on an even side goes to the bottom and the right. Average pools do not count padded
cells. No convolution has a bias. Activations keep the number format of their input; weights and statistics are float32.

Departure: weights start with He's deviation for the true fan-in; the original counted the number of a node's possible
inputs as the fan-in of the supernet's depthwise weights.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enas.networks import native
from enas.networks.batch_norm import BatchNorm
from enas.networks.drop_path import add_branch


def he_normal(*shape: int, fan_in: int, generator: torch.Generator) -> nn.Parameter:
    """Gaussian weights of deviation sqrt(2 / fan_in) (He et al. 2015)."""
    return nn.Parameter(torch.randn(*shape, generator=generator) * (2 / fan_in) ** 0.5)


def same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Cells to add before and after, so that a side becomes ceil(side / stride).

    Example:
        >>> same_padding(32, 5, 1), same_padding(32, 5, 2), same_padding(7, 3, 2)
        ((2, 2), (1, 2), (1, 1))
    """
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def pad_same(x: Tensor, kernel: tuple[int, int], stride: int, value: float = 0.0) -> Tensor:
    """Pad (B, C, H, W) as `same_padding` says, for a kernel of (height, width)."""
    height, width = x.shape[2:]
    padding = (*same_padding(width, kernel[1], stride), *same_padding(height, kernel[0], stride))
    return F.pad(x, padding, value=value) if any(padding) else x


def average_pool(
    x: Tensor,
    kernel: int = 3,
    stride: int = 1,
    *,
    padded: bool = True,
    factor: Tensor | None = None,
    add: Tensor | None = None,
) -> Tensor:
    """Mean over the cells of each window that lie inside; same padding if ``padded``; see `add_branch`."""
    if padded and kernel == 3 and stride <= 2 and native.takes(x):
        return native.average_pool(x, stride, factor=factor, add=add)
    if not padded:
        pooled = F.avg_pool2d(x, kernel, stride)
    elif stride == 1:
        pooled = F.avg_pool2d(x, kernel, 1, kernel // 2, count_include_pad=False)
    else:
        window = (kernel, kernel)
        inside = pad_same(x.new_ones(1, 1, *x.shape[2:]), window, stride)
        pooled = F.avg_pool2d(pad_same(x, window, stride), kernel, stride) / F.avg_pool2d(inside, kernel, stride)
    return add_branch(pooled, factor, add)


def max_pool(x: Tensor, stride: int = 1, *, factor: Tensor | None = None, add: Tensor | None = None) -> Tensor:
    """Largest of 3×3 cells, same padding; see `add_branch`."""
    if stride <= 2 and native.takes(x):
        return native.max_pool(x, stride, factor=factor, add=add)
    if stride == 1:
        pooled = F.max_pool2d(x, 3, 1, 1)
    else:
        pooled = F.max_pool2d(pad_same(x, (3, 3), stride, -torch.inf), 3, stride)
    return add_branch(pooled, factor, add)


def share(x: Tensor, n: int) -> Sequence[Tensor]:
    """``x`` for n readers."""
    if n > 1 and torch.is_grad_enabled() and x.requires_grad and native.takes(x):
        return native.share(x, n)
    return [x] * n


def project(xs: Sequence[Tensor], weight: Tensor, norm: BatchNorm, *, relu: bool = True) -> Tensor:
    """ReLU → 1×1 convolution → batch norm of the concatenation of ``xs``, natively without making it.

    Args:
        xs: n tensors (B, C_in, H, W).
        weight: (n, C_out, C_in).
        norm: of the C_out channels.
        relu: False leaves it out.
    """
    if norm.fuses(xs[0]):
        out, mean, variance = native.project(xs, weight, norm.scale, norm.offset, norm.given, relu=relu)
        norm.remember(mean, variance, out.numel() // out.shape[1])
        return out
    whole = torch.cat(list(xs), dim=1) if len(xs) > 1 else xs[0]
    kernel = weight.transpose(0, 1).flatten(1)[:, :, None, None].to(whole.dtype)
    normed: Tensor = norm(F.conv2d(F.relu(whole) if relu else whole, kernel))
    return normed


def blocks(weight: Tensor, n: int) -> Tensor:
    """The weight (C_out, n·C_in, 1, 1) of a concatenation as that of its parts, (n, C_out, C_in), for `project`."""
    return weight.view(len(weight), n, -1).transpose(0, 1)


class Projection(nn.Module):
    """ReLU → convolution 1×1 → batch norm, of n tensors of equal channels as if they were concatenated."""

    def __init__(self, n_in: int, n_out: int, *, running: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.weight = he_normal(n_out, n_in, 1, 1, fan_in=n_in, generator=generator)
        self.norm = BatchNorm(n_out, running=running)

    def forward(self, xs: Sequence[Tensor]) -> Tensor:
        """n tensors (B, n_in / n, H, W) to (B, n_out, H, W)."""
        return project(xs, blocks(self.weight, len(xs)), self.norm)


class FactorisedReduction(nn.Module):
    """Half the channels from the even pixels, half from those one down and right of them; then batch norm."""

    def __init__(self, n_in: int, n_out: int, *, running: bool, generator: torch.Generator) -> None:
        super().__init__()
        self.even = he_normal(n_out // 2, n_in, 1, 1, fan_in=n_in, generator=generator)
        self.odd = he_normal(n_out - n_out // 2, n_in, 1, 1, fan_in=n_in, generator=generator)
        self.norm = BatchNorm(n_out, running=running)

    def forward(self, xs: Sequence[Tensor], *, relu: bool = False) -> Tensor:
        """n tensors (B, n_in / n, H, W), as if concatenated, to (B, n_out, ceil(H/2), ceil(W/2)).

        ``relu``: they pass a ReLU first.
        """
        if self.norm.fuses(xs[0]):
            even, odd = (blocks(weight, len(xs)) for weight in (self.even, self.odd))
            norm = self.norm.scale, self.norm.offset, self.norm.given
            out, mean, variance = native.factorised_reduction(xs, even, odd, *norm, relu=relu)
            self.norm.remember(mean, variance, out.numel() // out.shape[1])
            return out
        xs = [F.relu(x) for x in xs] if relu else xs
        height, width = xs[0].shape[2:]
        even = torch.cat([x[:, :, ::2, ::2] for x in xs], dim=1)
        odd = torch.cat([x[:, :, 1::2, 1::2] for x in xs], dim=1)
        odd = F.pad(odd, (0, width % 2, 0, height % 2))  # the pixel beyond the edge of an odd side is 0
        halves = [F.conv2d(x, w.to(x.dtype)) for x, w in ((even, self.even), (odd, self.odd))]
        normed: Tensor = self.norm(torch.cat(halves, dim=1))
        return normed


class SeparableUnit(nn.Module):
    """ReLU → depthwise k×k → pointwise 1×1 → batch norm."""

    def __init__(
        self, n_channels: int, kernel: int, *, stride: int = 1, running: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.stride = stride
        self.depth = he_normal(n_channels, 1, kernel, kernel, fan_in=kernel * kernel, generator=generator)
        self.point = he_normal(n_channels, n_channels, 1, 1, fan_in=n_channels, generator=generator)
        self.norm = BatchNorm(n_channels, running=running)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, ceil(H/stride), ceil(W/stride))."""
        n_channels, _, kernel, _ = self.depth.shape
        depth, point = self.depth.to(x.dtype), self.point.to(x.dtype)
        if self.stride == 1:
            x = F.conv2d(F.relu(x), depth, padding=kernel // 2, groups=n_channels)
        else:
            padded = pad_same(F.relu(x), (kernel, kernel), self.stride)
            x = F.conv2d(padded, depth, stride=self.stride, groups=n_channels)
        normed: Tensor = self.norm(F.conv2d(x, point))
        return normed


class SeparableConv(nn.Module):
    """Two separable units; a stride is the first one's."""

    def __init__(
        self, n_channels: int, kernel: int, *, stride: int = 1, running: bool, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.first = SeparableUnit(n_channels, kernel, stride=stride, running=running, generator=generator)
        self.second = SeparableUnit(n_channels, kernel, running=running, generator=generator)

    def forward(self, x: Tensor, *, factor: Tensor | None = None, add: Tensor | None = None) -> Tensor:
        """(B, C, H, W) to (B, C, ceil(H/stride), ceil(W/stride)); see `add_branch`."""
        if self.first.stride <= 2 and self.first.norm.fuses(x):
            return self._fused(x, factor, add)
        return add_branch(self.second(self.first(x)), factor, add)

    def _fused(self, x: Tensor, factor: Tensor | None, add: Tensor | None) -> Tensor:
        """The same by the native kernel."""
        units, stride = (self.first, self.second), self.first.stride
        weights = [weight for unit in units for weight in (unit.depth, unit.point, unit.norm.scale, unit.norm.offset)]
        out, mean, variance = native.separable_conv(
            x, *weights, stride=stride, factor=factor, add=add, statistics=self._given
        )
        for i, unit in enumerate(units):
            unit.norm.remember(mean[i], variance[i], out.numel() // out.shape[1])
        return out

    @property
    def _given(self) -> tuple[Tensor, Tensor] | None:
        """Running statistics of both norms, (2, C) each, where they are used."""
        first, second = self.first.norm.given, self.second.norm.given
        if first is None or second is None:
            return None
        return torch.stack([first[0], second[0]]), torch.stack([first[1], second[1]])
