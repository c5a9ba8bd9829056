"""1×1 convolutions of states that count as concatenated, with batch norm; also at half the size."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.device import n_threads
from enas.networks.native.again import Normalised, can_be_computed_again
from enas.networks.native.arguments import address, addresses, empty_images, empty_like, given_or_empty, kernels


def project(
    xs: Sequence[Tensor],
    weight: Tensor,
    scale: Tensor,
    offset: Tensor,
    statistics: tuple[Tensor, Tensor] | None = None,
    *,
    relu: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Batch norm (ε 1e-5) of the sum over i of ReLU(xs[i]) through the 1×1 convolution weight[i].

    The same as a 1×1 convolution of the concatenation, which is never made.

    Args:
        xs: n tensors (B, C_in, H, W), float32 or bfloat16, best in channels_last memory.
        weight: (n, C_out, C_in), float32.
        scale: (C_out,), as ``offset``.
        statistics: mean and variance of the norm, (C_out,) each; None: the batch's own. Without gradient only.
        relu: False leaves it out.

    Returns:
        (B, C_out, H, W) in channels_last memory; mean and biased variance of the sum, (C_out,), without gradient.
    """
    return _apply_projection(xs, (weight,), scale, offset, statistics, relu=relu)


def factorised_reduction(
    xs: Sequence[Tensor],
    even: Tensor,
    odd: Tensor,
    scale: Tensor,
    offset: Tensor,
    statistics: tuple[Tensor, Tensor] | None = None,
    *,
    relu: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Half the size: 1×1 convolutions of the even pixels and of those one down and right of them, batch norm of both.

    Beyond the edge of an odd side a pixel is 0. The inputs count as concatenated, as in `project`.

    Args:
        xs: n tensors (B, C_in, H, W), float32 or bfloat16, best in channels_last memory.
        even: (n, C_out // 2, C_in), float32, gives the first channels.
        odd: (n, C_out - C_out // 2, C_in) gives the others.
        scale: (C_out,), as ``offset``.
        statistics: as of `project`.
        relu: whether the inputs pass a ReLU first.

    Returns:
        (B, C_out, ceil(H/2), ceil(W/2)) in channels_last memory; mean and biased variance before the norm, (C_out,),
        without gradient.
    """
    return _apply_projection(xs, (even, odd), scale, offset, statistics, relu=relu)


def _apply_projection(
    xs: Sequence[Tensor],
    weights: tuple[Tensor, ...],
    scale: Tensor,
    offset: Tensor,
    statistics: tuple[Tensor, Tensor] | None,
    *,
    relu: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    tensors = (scale, offset, *weights, *xs)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        assert statistics is None, "no gradient through given statistics"
        out, mean, variance, before = _Projection.apply(relu, len(weights), *tensors)  # type: ignore[no-untyped-call]
        can_be_computed_again(out, Normalised(before, scale.detach(), offset.detach(), mean, variance))
        return out, mean, variance
    return _project(relu, len(weights), *tensors, statistics=statistics, keep=False)[:3]


def _project(
    relu: bool, stride: int, *tensors: Tensor, statistics: tuple[Tensor, Tensor] | None = None, keep: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Output, mean, variance and the sum before the norm (the output itself if not kept)."""
    scale, offset, *weights = (tensor.detach().contiguous() for tensor in tensors[: 2 + stride])
    xs = [x.contiguous(memory_format=torch.channels_last) for x in tensors[2 + stride :]]
    n_images, _, height, width = xs[0].shape
    shape = (n_images, len(scale), -(-height // stride), -(-width // stride))
    before = empty_images(shape, xs[0].dtype)
    out = empty_like(before) if keep else before
    mean, variance = given_or_empty(statistics, (len(scale),))
    kernels(before).enas_project(
        _project_sizes(xs, len(scale), stride, relu, statistics is not None),
        addresses(xs),
        addresses(weights),
        *map(address, (scale, offset, before, out, mean, variance)),
    )
    return out, mean, variance, before


class _Projection(torch.autograd.Function):
    """Of whether ReLU, stride, scale, offset, weights (as many as the stride) and inputs."""

    @staticmethod
    def forward(ctx: FunctionCtx, relu: bool, stride: int, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        xs = [x.contiguous(memory_format=torch.channels_last) for x in tensors[2 + stride :]]
        out, mean, variance, before = _project(relu, stride, *tensors[: 2 + stride], *xs, keep=True)
        ctx.relu, ctx.stride = relu, stride  # type: ignore[attr-defined]
        ctx.save_for_backward(before, mean, variance, tensors[0], *tensors[2 : 2 + stride], *xs)
        ctx.mark_non_differentiable(mean, variance, before)
        ctx.set_materialize_grads(False)
        return out, mean, variance, before

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        relu: bool = ctx.relu  # type: ignore[attr-defined]
        stride: int = ctx.stride  # type: ignore[attr-defined]
        before, mean, variance, *saved = ctx.saved_tensors  # type: ignore[attr-defined]
        scale, *weights = (tensor.contiguous() for tensor in saved[: 1 + stride])
        xs = saved[1 + stride :]
        wanted = ctx.needs_input_grad[4 + stride :]  # type: ignore[attr-defined]
        if grad is None:
            return (None,) * (4 + stride + len(xs))
        grad = grad.to(before.dtype).contiguous(memory_format=torch.channels_last)
        d_xs = [empty_like(x) if want else None for x, want in zip(xs, wanted, strict=True)]
        slopes = [torch.empty_like(tensor) for tensor in (scale, scale, *weights)]
        kernels(before).enas_project_back(
            _project_sizes(xs, len(scale), stride, relu),
            addresses(xs),
            addresses(weights),
            *map(address, (scale, before, mean, variance, grad)),
            addresses(d_xs),
            addresses(slopes),
        )
        return None, None, *slopes, *d_xs


def _project_sizes(
    xs: Sequence[Tensor], n_out: int, stride: int, relu: bool, is_given: bool = False
) -> ctypes.Array[ctypes.c_int64]:
    n_images, n_in, height, width = xs[0].shape
    values = (n_images, height, width, n_in, n_out, len(xs), n_threads(), stride, relu, is_given)
    return (ctypes.c_int64 * len(values))(*values)
