"""The separable convolution: two units of ReLU, depthwise and pointwise convolution, batch norm.

Each image goes through ReLU, depthwise and pointwise convolution while it is in the cache, batch norm and ReLU are
applied when the next unit reads, and only the two outputs before normalisation are kept for the backward pass, which
computes the rest again.
"""

import ctypes

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.device import n_threads
from enas.networks.native.arguments import (
    address,
    addresses,
    empty_images,
    empty_like,
    given_or_empty,
    halve,
    image_factors,
    kernels,
    summand,
)


def separable_conv(
    x: Tensor,
    depth_1: Tensor,
    point_1: Tensor,
    scale_1: Tensor,
    offset_1: Tensor,
    depth_2: Tensor,
    point_2: Tensor,
    scale_2: Tensor,
    offset_2: Tensor,
    *,
    stride: int = 1,
    factor: Tensor | None = None,
    add: Tensor | None = None,
    statistics: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Twice: ReLU → depthwise → pointwise → batch norm (ε 1e-5); TensorFlow's same padding.

    Args:
        x: (B, C, H, W), float32 or bfloat16, best in channels_last memory.
        depth_1: (C, 1, k, k) with k 3 or 5, float32 as all weights; ``depth_2`` likewise.
        point_1: (C, C, 1, 1); ``point_2`` likewise.
        scale_1: (C,); so are the three other parameters of batch norm.
        stride: 1 or 2, of the first depthwise convolution.
        factor: (B,), each image's output is multiplied by it; no gradient.
        add: is added to the output, of its shape and type.
        statistics: mean and variance of both norms, (2, C) each; None: the batch's own. Without gradient only.

    Returns:
        The output (B, C, ceil(H/stride), ceil(W/stride)) in channels_last memory; mean and biased variance of both
        norms, (2, C) each, without gradient.
    """
    weights = (depth_1, point_1, scale_1, offset_1, depth_2, point_2, scale_2, offset_2)
    given = (x, *weights) if add is None else (x, add, *weights)
    factor = image_factors(factor, x)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given):
        assert statistics is None, "no gradient through given statistics"
        out, mean, variance = _SeparableConv.apply(x, stride, factor, add, *weights)  # type: ignore[no-untyped-call]
        return out, mean, variance
    return _forward(x, stride, factor, add, weights, statistics, keep=False)[:3]


def _forward(
    x: Tensor,
    stride: int,
    factor: Tensor | None,
    add: Tensor | None,
    weights: tuple[Tensor, ...],
    statistics: tuple[Tensor, Tensor] | None = None,
    *,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Output, mean, variance and what both units give before their norms (the second is the output if not kept)."""
    x = x.contiguous(memory_format=torch.channels_last)
    add = summand(add, x)
    shape = halve(x.shape, stride)
    first, second = (empty_images(shape, x.dtype) for _ in range(2))
    out = empty_like(first) if keep else second
    mean, variance = given_or_empty(statistics, (2, x.shape[1]))
    weights = tuple(weight.detach().contiguous() for weight in weights)
    kernels(x).enas_separable_forward(
        _sizes(x, weights[0], stride, statistics is not None),
        address(x),
        addresses(weights),
        *map(address, (factor, add, first, second, out, mean, variance)),
    )
    return out, mean, variance, first, second


class _SeparableConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, stride: int, factor: Tensor | None, add: Tensor | None, *weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        out, mean, variance, first, second = _forward(x, stride, factor, add, weights, keep=True)
        ctx.stride = stride  # type: ignore[attr-defined]
        ctx.save_for_backward(x, first, second, mean, variance, factor, *weights)  # type: ignore[arg-type]
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 12
        stride: int = ctx.stride  # type: ignore[attr-defined]
        x, first, second, mean, variance, factor, *weights = ctx.saved_tensors  # type: ignore[attr-defined]
        d_add = grad if ctx.needs_input_grad[3] else None  # type: ignore[attr-defined]
        grad = grad.to(x.dtype).contiguous(memory_format=torch.channels_last)
        weights = [weight.contiguous() for weight in weights]
        d_x = empty_like(x)
        d_first = d_x if stride == 1 else empty_like(first)
        slopes = [torch.empty_like(weight) for weight in weights]
        kernels(x).enas_separable_backward(
            _sizes(x, weights[0], stride),
            address(x),
            addresses(weights),
            *map(address, (first, second, mean, variance, grad, factor, d_first, d_x)),
            addresses(slopes),
        )
        return d_x, None, None, d_add, *slopes


def _sizes(x: Tensor, depth: Tensor, stride: int, is_given: bool = False) -> ctypes.Array[ctypes.c_int64]:
    n_images, n_channels, height, width = x.shape
    values = (n_images, height, width, n_channels, depth.shape[-1], n_threads(), stride, is_given)
    return (ctypes.c_int64 * len(values))(*values)
