"""Stochastic gradient descent with Nesterov's momentum, as TensorFlow and ``torch.optim.SGD`` compute it, for thousands
of small tensors.

A supernet has some five thousand weights of a few hundred numbers each, so one call per tensor costs more than the
arithmetic. Here all weights are views of one flat buffer and all gradients of another, and a step goes over the two
once for the norm and once for everything else, by the kernel of ``torch.optim.SGD(fused=True)``. ``torch.optim`` itself
is avoided because at its first step it imports torch's compiler, which takes more than a second.

Departures from the original ENAS code: clipping clips (there the clipped gradients are computed and the unclipped ones
applied; ``clip=None`` restores that). Its L2 term is over all shared weights, whichever the sampled architecture uses,
and so it is here.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

_ALIGNMENT = 16  # numbers: each weight begins at a multiple of 64 bytes, as torch's own tensors do
_BLOCK = 1 << 17  # numbers: two tensors of this size stay in the cache from one operation to the next
_EPS = 1e-6  # as in torch's clip_grad_norm_


class Nesterov:
    """Minimise with momentum: ``m ← momentum · m + g``, then ``w ← w - lr · (g + momentum · m)``.

    ``g`` is the gradient, plus ``2 · l2 · w``, scaled down where the norm of all of it is greater than ``clip``. A
    parameter without a gradient counts as one with gradient zero: L2 and momentum keep moving it.

    On construction every parameter moves into a flat buffer (values, shape and strides stay, so channels_last does
    too) and its ``.grad`` becomes a view of another. Build it therefore when the module is on its device, and let
    nothing replace them afterwards: no ``module.zero_grad()``, ``module.to(…)``, ``load_state_dict(…, assign=True)``
    or ``backward(create_graph=True)``; `step` refuses to go on after those. ``load_state_dict`` and all else that
    writes in place is fine. ``copy.deepcopy`` of the module gives parameters of their own, which this object does not
    know.

    Args:
        parameters: what to update, float32, on one device.
        lr: learning rate, may be set between steps.
        l2: adds ``l2 · Σ w²`` over all parameters to the loss.
        clip: greatest global norm of the gradient, L2 term included; None: no limit.
        momentum: decay of the running sum of gradients.

    Attributes:
        gradient_norm: global norm at the last step before clipping, L2 term included; a scalar on the parameters'
            device, NaN before the first step.

    Raises:
        ValueError: no parameters, or they differ in device or are not float32.
    """

    skips_by_itself = True
    """A gradient that is not finite counts as zero."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        l2: float = 0.0,
        clip: float | None = None,
        momentum: float = 0.9,
    ) -> None:
        self.lr = lr
        self.l2, self.clip, self.momentum = l2, clip, momentum
        self._parameters = list(dict.fromkeys(parameters))
        _check(self._parameters)
        device = self._parameters[0].device
        self._values, values = _flat_views(self._parameters, device)
        self._grads, self._grad_views = _flat_views(self._parameters, device)
        self._momenta, self._momentum_views = _flat_views(self._parameters, device)
        for parameter, value, grad in zip(self._parameters, values, self._grad_views, strict=True):
            value.copy_(parameter.detach())
            parameter.data = value
            parameter.grad = grad
        self._addresses = [value.data_ptr() for value in values]
        self.gradient_norm = torch.full((), torch.nan, device=device)

    def zero_grad(self) -> None:
        """Set all gradients to zero, in place."""
        self._grads.zero_()

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter; ``.grad`` then holds what was applied, L2 term and clipping included.

        On CUDA nothing waits for the device.

        Raises:
            RuntimeError: a parameter or its gradient is no longer the one that was laid out here.
        """
        self._check_views()
        self.gradient_norm = self._add_decay()
        broken = ~torch.isfinite(self.gradient_norm)
        excess = (self.gradient_norm + _EPS) / (self.clip or torch.inf)
        excess = torch.where(broken, 1.0, excess.clamp(min=1.0))
        waits = self._values.device.type != "cpu"  # for the answer, where it is asked for one
        if waits or broken:
            self._grads.masked_fill_(broken, 0.0)
        torch._fused_sgd_(
            [self._values],
            [self._grads],
            [self._momenta],
            weight_decay=0.0,
            momentum=self.momentum,
            lr=self.lr,
            dampening=0.0,
            nesterov=True,
            maximize=False,
            is_first_step=False,
            grad_scale=excess if waits or excess > 1 else None,
        )

    def _add_decay(self) -> Tensor:
        """Add the L2 term to the gradients; returns their norm with it."""
        # A GPU has no such cache, and every block costs it more launches.
        size = len(self._values) if self._values.is_cuda else _BLOCK
        squares = []
        for value, grad in zip(self._values.split(size), self._grads.split(size), strict=True):
            if self.l2:
                grad.add_(value, alpha=2 * self.l2)
            squares.append(torch.dot(grad, grad))
        return torch.stack(squares).sum().sqrt()

    def _check_views(self) -> None:
        for parameter, grad, address in zip(self._parameters, self._grad_views, self._addresses, strict=True):
            if parameter.grad is not grad or parameter.data_ptr() != address:
                raise RuntimeError(
                    f"a parameter of shape {tuple(parameter.shape)} or its gradient was replaced since this optimiser "
                    "was built (by module.zero_grad, module.to or the like); build it anew"
                )

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint needs besides the weights: a copy of the momenta, one after the other, flat (n_weights,).

        Every momentum is in the order of its parameter's dimensions, whatever its strides.
        """
        return {"momentum": torch.cat([view.reshape(-1) for view in self._momentum_views])}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave, for the same parameters in the same order; from nothing: begin anew.

        Raises:
            ValueError: the state is of other parameters.
        """
        if not state:
            self._momenta.zero_()
            return
        momentum = state["momentum"]
        sizes = [view.numel() for view in self._momentum_views]
        if momentum.shape != (sum(sizes),):
            raise ValueError(f"the state holds {tuple(momentum.shape)} numbers, the parameters are {sum(sizes):,}")
        for view, part in zip(self._momentum_views, momentum.split(sizes), strict=True):
            view.copy_(part.view(view.shape))


def _check(parameters: list[nn.Parameter]) -> None:
    kinds = {(str(parameter.device), str(parameter.dtype)) for parameter in parameters}
    if len(kinds) != 1 or parameters[0].dtype != torch.float32:
        raise ValueError(f"parameters must be float32 on one device, not {sorted(kinds)}")


def _flat_views(parameters: list[nn.Parameter], device: torch.device) -> tuple[Tensor, list[Tensor]]:
    """A buffer of zeros, and for each parameter the part of it with the parameter's shape and memory format."""
    starts, n_numbers = [], 0
    for parameter in parameters:
        starts.append(n_numbers)
        n_numbers += -(-parameter.numel() // _ALIGNMENT) * _ALIGNMENT
    flat = torch.zeros(n_numbers, device=device)
    return flat, [
        flat.as_strided(parameter.shape, _dense_strides(parameter), start)
        for parameter, start in zip(parameters, starts, strict=True)
    ]


def _dense_strides(parameter: nn.Parameter) -> tuple[int, ...]:
    """Its strides, or where it has gaps or overlaps the nearest ones without."""
    return torch.empty_like(parameter, device="meta").stride()
