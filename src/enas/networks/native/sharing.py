"""One tensor for several readers, whose gradients are added in one pass; autograd would add them one by one."""

import ctypes

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from enas.device import n_threads
from enas.networks.native.again import can_be_computed_again, recipe_of
from enas.networks.native.arguments import address, addresses, empty_like, kernels


def share(x: Tensor, n: int) -> tuple[Tensor, ...]:
    """``x`` (B, C, H, W), float32 or bfloat16, n times; none of them may be written to."""
    shared: tuple[Tensor, ...] = _Shared.apply(x, n)  # type: ignore[no-untyped-call]
    if recipe := recipe_of(x):
        for one in shared:
            can_be_computed_again(one, recipe)
    return shared


class _Shared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, n: int) -> tuple[Tensor, ...]:
        ctx.set_materialize_grads(False)
        return tuple(x.detach() for _ in range(n))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *grads: Tensor | None) -> tuple[Tensor | None, None]:
        given = [grad.contiguous(memory_format=torch.channels_last) for grad in grads if grad is not None]
        return (_add(given) if len(given) > 1 else given[0] if given else None), None


def _add(parts: list[Tensor]) -> Tensor:
    total = empty_like(parts[0])
    sizes = (ctypes.c_int64 * 4)(len(total), total[0].numel(), len(parts), n_threads())
    kernels(total).enas_add(sizes, addresses(parts), address(total))
    return total
