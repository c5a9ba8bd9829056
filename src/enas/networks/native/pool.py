"""Average and max pools of 3×3 cells."""

import ctypes

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.device import n_threads
from enas.networks.native.arguments import address, empty_images, halve, image_factors, kernels, summand


def average_pool(x: Tensor, stride: int = 1, *, factor: Tensor | None = None, add: Tensor | None = None) -> Tensor:
    """Mean over the cells of each 3×3 window that lie inside, TensorFlow's same padding.

    Args:
        x: (B, C, H, W), float32 or bfloat16, best in channels_last memory.
        stride: 1 or 2.
        factor: (B,), each image's output is multiplied by it; no gradient.
        add: is added to the output, of its shape and type.

    Returns:
        (B, C, ceil(H/stride), ceil(W/stride)) in channels_last memory.
    """
    return _apply_pool(x, stride, factor, add, is_max=False)


def max_pool(x: Tensor, stride: int = 1, *, factor: Tensor | None = None, add: Tensor | None = None) -> Tensor:
    """Largest of 3×3 cells; else as `average_pool`. The gradient goes to the first of several, in order of rows."""
    return _apply_pool(x, stride, factor, add, is_max=True)


def _apply_pool(x: Tensor, stride: int, factor: Tensor | None, add: Tensor | None, *, is_max: bool) -> Tensor:
    factor = image_factors(factor, x)
    if torch.is_grad_enabled() and (x.requires_grad or (add is not None and add.requires_grad)):
        out: Tensor = _Pool.apply(x, stride, factor, add, is_max)  # type: ignore[no-untyped-call]
        return out
    return _pool(x, stride, factor, add, is_max, None)


def _pool(
    x: Tensor, stride: int, factor: Tensor | None, add: Tensor | None, is_max: bool, places: Tensor | None
) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    out = empty_images(halve(x.shape, stride), x.dtype)
    add, sizes = summand(add, x), _pool_sizes(x.shape, stride, is_max)
    kernels(x).enas_pool(sizes, *map(address, (x, factor, add, out, places)))
    return out


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, stride: int, factor: Tensor | None, add: Tensor | None, is_max: bool
    ) -> Tensor:
        shape = halve(x.shape, stride)
        places = torch.empty((shape[0], *shape[2:], shape[1]), dtype=torch.uint8) if is_max else None
        ctx.shape, ctx.stride = x.shape, stride  # type: ignore[attr-defined]
        ctx.save_for_backward(places, factor)  # type: ignore[arg-type]
        return _pool(x, stride, factor, add, is_max, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        shape: torch.Size = ctx.shape  # type: ignore[attr-defined]
        stride: int = ctx.stride  # type: ignore[attr-defined]
        places, factor = ctx.saved_tensors  # type: ignore[attr-defined]
        of_x, _, _, of_add, _ = ctx.needs_input_grad  # type: ignore[attr-defined]
        d_add = grad if of_add else None
        if not of_x:
            return None, None, None, d_add, None
        grad = grad.contiguous(memory_format=torch.channels_last)
        d_x = empty_images(shape, grad.dtype)
        sizes = _pool_sizes(shape, stride, places is not None)
        kernels(grad).enas_pool_back(sizes, *map(address, (grad, factor, places, d_x)))
        return d_x, None, None, d_add, None


def _pool_sizes(shape: torch.Size, stride: int, is_max: bool) -> ctypes.Array[ctypes.c_int64]:
    n_images, n_channels, height, width = shape
    values = (n_images, height, width, n_channels, stride, n_threads(), is_max)
    return (ctypes.c_int64 * len(values))(*values)
