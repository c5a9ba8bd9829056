"""Adam (Kingma and Ba 2015), as ``torch.optim.Adam`` computes it.

Why not that one: at its first step it imports torch's compiler, which takes more than a second, in a program that
compiles nothing and trains for three seconds. Large tensors are updated block by block,
so that each block is read and written once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_BLOCK = 1 << 19  # numbers: six tensors of this size stay in the cache while a block is updated


@dataclass(slots=True)
class _Moments:
    """Running means of a parameter's gradient and of its square, both flat, and how many steps they have seen."""

    first: Tensor
    second: Tensor
    n_steps: int = 0


class Adam:
    """Minimise by adaptive moments; a parameter without a gradient keeps its value and its moments.

    Args:
        parameters: what to update.
        lr: learning rate, may be set between steps.
        l2: adds ``l2 · Σ w²`` to the loss (gradient ``2 · l2 · w``).
        betas: decay of the two running means.
        eps: added to the root of the second.
    """

    skips_by_itself = False
    """A gradient that is not finite would enter the moments."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        l2: float = 0.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        self.lr = lr
        self._parameters = list(parameters)
        self._moments: dict[nn.Parameter, _Moments] = {}
        self.l2, self.betas, self.eps = l2, betas, eps

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter that has a gradient."""
        for parameter in self._parameters:
            if parameter.grad is not None:
                self._update(parameter, parameter.grad)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint needs besides the weights: moments and number of steps of each parameter that has some."""
        state: dict[str, Tensor] = {}
        for i, parameter in enumerate(self._parameters):
            if moments := self._moments.get(parameter):
                state |= {f"{i}.first": moments.first.clone(), f"{i}.second": moments.second.clone()}
                state[f"{i}.n_steps"] = torch.tensor(moments.n_steps)
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave, for the same parameters in the same order; from nothing: begin anew.

        Raises:
            ValueError: the state is of other parameters.
        """
        self._moments = {}
        for i, parameter in enumerate(self._parameters):
            if f"{i}.n_steps" in state:
                first, second = (state[f"{i}.{name}"].to(parameter.device).clone() for name in ("first", "second"))
                if first.numel() != parameter.numel():
                    raise ValueError(
                        f"the state of parameter {i} holds {first.numel()} numbers, not {parameter.numel()}"
                    )
                self._moments[parameter] = _Moments(first, second, int(state[f"{i}.n_steps"]))

    def _update(self, parameter: nn.Parameter, grad: Tensor) -> None:
        flat = parameter.detach().view(-1)
        if parameter not in self._moments:
            self._moments[parameter] = _Moments(torch.zeros_like(flat), torch.zeros_like(flat))
        moments = self._moments[parameter]
        moments.n_steps += 1
        beta_1, beta_2 = self.betas
        rate = self.lr / (1 - beta_1**moments.n_steps)
        root = (1 - beta_2**moments.n_steps) ** 0.5
        tensors = (flat, grad.reshape(-1), moments.first, moments.second)
        for value, slope, first, second in zip(*(tensor.split(_BLOCK) for tensor in tensors), strict=True):
            slope = slope.add(value, alpha=2 * self.l2) if self.l2 else slope
            first.lerp_(slope, 1 - beta_1)
            second.mul_(beta_2).addcmul_(slope, slope, value=1 - beta_2)
            value.addcdiv_(first, second.sqrt().div_(root).add_(self.eps), value=-rate)
