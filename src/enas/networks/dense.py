"""The dense space's networks (AutoGenome's RRFCN): a first layer of fixed width W, searched layers, a linear head.

Layer i computes ``relu(norm(W_i · previous)) + the skipped layers' outputs``, narrower ones padded with zeros to the
widest. The supernet owns W x W weights per layer; an architecture uses their leading rows and columns, so cost follows
the widths. Screening is part of the architecture: each number of features has a first layer of its own.

M networks of one shape run side by side: every weight has a leading dimension M (cross-fitting folds, seeds), and one
batched product serves them all. They share no weights.

Choices that the seed leaves open:
- norm is layer normalisation without affine parameters: it does not depend on the other rows of a batch, so a batch of
  one is harmless, nothing needs running statistics, and bounded activations keep the log-loss of small samples honest.
- the head averages over its inputs (a factor 1/sqrt(width)), so that wide and narrow layers learn at one rate;
- a linear shortcut runs from the first layer's inputs to the outputs (Cheng et al. 2016, wide and deep): where features
  outnumber samples a linear model is the one to beat, so every architecture contains it and adds what it finds beyond
  it;
- the head and the shortcut start at zero: an untrained network predicts equal probabilities.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from enas.networks.base import Known
from enas.networks.dropout import Dropout
from enas.search_space import Architecture, DenseSpace

Tensors = Mapping[str, Tensor]
Activation = Callable[[Tensor], Tensor]

EPSILON = 1e-5
"""Added to the variance in layer normalisation."""

REMEMBERED = 1 << 28
"""Bytes that `DenseSupernet.forward` may keep in ``known``."""

SHORTCUT_GAIN = 10.0
"""Coordinates have a norm of about 1; this gives the shortcut's weights steps of the size that other layers take."""


class DenseSupernet(nn.Module):
    """The shared weights of every architecture of a dense space, for M networks side by side.

    Args:
        space: the search space; W is its largest width.
        n_networks: M.
        n_inputs: inputs of the first layer, per screen (one entry where the space has no screens).
        n_outputs: C, logits or regression targets.
        generator: draws the initial weights.
    """

    def __init__(
        self,
        *,
        space: DenseSpace,
        n_networks: int,
        n_inputs: Sequence[int],
        n_outputs: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        width = max(space.widths)

        def gaussian(n_in: int, std: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(n_networks, n_in, width, generator=generator) * std)

        def zeros(n_in: int, n_out: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(n_networks, n_in, n_out))

        self.space = space
        self.stem_weights = nn.ParameterList(gaussian(n, 1.0) for n in n_inputs)
        self.stem_biases = nn.ParameterList(zeros(1, width) for _ in n_inputs)
        self.weights = nn.ParameterList(gaussian(width, (2 / width) ** 0.5) for _ in range(space.n_layers))
        self.biases = nn.ParameterList(zeros(1, width) for _ in range(space.n_layers))
        self.shortcuts = nn.ParameterList(zeros(n, n_outputs) for n in n_inputs)
        self.head_weight = zeros(width, n_outputs)
        self.head_bias = zeros(1, n_outputs)
        # A look-up in a ParameterList costs as much as a small product: plain lists of the same objects.
        self._stems = list(zip(self.stem_weights, self.stem_biases, self.shortcuts, strict=True))
        self._layers = list(zip(self.weights, self.biases, strict=True))

    def forward(
        self,
        x: Tensor,
        architecture: Architecture,
        dropout: Dropout | None = None,
        known: Known | None = None,
    ) -> Tensor:
        """Logits (M, B, C) of the architecture's child for the coordinates ``x`` (M, B, r) of its screen."""
        tensors, skips = self.slices(architecture), skips_of(self.space, architecture)
        if known is None:
            return dense_forward(x, tensors, skips, dropout)
        prefixes = self.space.prefixes(architecture)
        depth = next((i for i in range(len(prefixes), 0, -1) if prefixes[i - 1] in known), 0)
        outputs = list(known[prefixes[depth - 1]]) if depth else [activate(first_product(x, tensors))]
        for i in range(max(depth, 1), len(prefixes)):
            outputs = [*outputs, next_layer(outputs, i - 1, tensors, skips)]
        for i in range(depth, len(prefixes) - 1):  # whole architectures hardly come again
            if len(known) * outputs[i].nbytes < REMEMBERED:
                known[prefixes[i]] = outputs[: i + 1]
        return head(outputs[-1], tensors) + linear_path(x, tensors)

    def slices(self, architecture: Architecture) -> dict[str, Tensor]:
        """The architecture's part of the shared weights, as views, by name."""
        weight, bias, shortcut = self._stems[self.space.screen(architecture) or 0]
        tensors: dict[str, Tensor] = {"stem_weight": weight, "stem_bias": bias, "shortcut": shortcut}
        size = self.head_weight.shape[1]
        sizes: list[int] = []
        for i, (layer, (weight, bias)) in enumerate(zip(self.space.layers(architecture), self._layers, strict=True)):
            tensors[f"weight_{i}"] = weight[:, :size, : layer.width]
            tensors[f"bias_{i}"] = bias[..., : layer.width]
            size = max(layer.width, *(sizes[earlier] for earlier in layer.skips), 0)
            sizes.append(size)
        return {**tensors, "head_weight": self.head_weight[:, :size], "head_bias": self.head_bias}


class DenseChild(nn.Module):
    """The network that one architecture selects, with weights of just its size; M of them side by side.

    Args:
        tensors: what `DenseSupernet.slices` names; copied.
        skips: per layer, the earlier layers whose outputs are added to its own (`skips_of`).
    """

    def __init__(self, tensors: Tensors, skips: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.skips = skips
        self.tensors = nn.ParameterDict(
            {
                name: nn.Parameter(tensor.detach().clone(memory_format=torch.contiguous_format))
                for name, tensor in tensors.items()
            }
        )

    def forward(self, x: Tensor, dropout: Dropout | None = None) -> Tensor:
        """Logits (M, B, C) of ``x`` (M, B, r)."""
        return dense_forward(x, dict(self.tensors.items()), self.skips, dropout)

    def embed(self, x: Tensor) -> Tensor:
        """What the head reads (M, B, W), of ``x`` (M, B, r); W is the width of the last layer."""
        tensors = dict(self.tensors.items())
        return averaging(dense_hidden(first_product(x, tensors), tensors, self.skips))


def skips_of(space: DenseSpace, architecture: Architecture) -> tuple[tuple[int, ...], ...]:
    """Per layer, the earlier layers (from 0) whose outputs are added to its own."""
    return tuple(layer.skips for layer in space.layers(architecture))


def dense_forward(
    x: Tensor, tensors: Tensors, skips: Sequence[Sequence[int]], dropout: Dropout | None = None
) -> Tensor:
    """Logits (M, B, C) of ``x`` (M, B, r); supernet and child both compute just this."""
    return dense_tail(first_product(x, tensors), tensors, skips, dropout) + linear_path(x, tensors)


def activate(x: Tensor) -> Tensor:
    """Layer normalisation, then ReLU."""
    return F.relu(F.layer_norm(x, x.shape[-1:], eps=EPSILON))


def dense_tail(
    x: Tensor,
    tensors: Tensors,
    skips: Sequence[Sequence[int]],
    dropout: Dropout | None = None,
    activate: Activation = activate,
) -> Tensor:
    """Part of the logits (M, B, C) that comes from the first layer's product (M, B, W): all that is not linear."""
    return head(dense_hidden(x, tensors, skips, dropout, activate), tensors, dropout)


def dense_hidden(
    x: Tensor,
    tensors: Tensors,
    skips: Sequence[Sequence[int]],
    dropout: Dropout | None = None,
    activate: Activation = activate,
) -> Tensor:
    """The last layer's output (M, B, its width) from the first layer's product (M, B, W)."""
    outputs = [activate(x)]
    for i in range(len(skips)):
        outputs.append(next_layer(outputs, i, tensors, skips, dropout, activate))
    return outputs[-1]


def first_product(x: Tensor, tensors: Tensors) -> Tensor:
    """(M, B, W) from (M, B, r)."""
    return torch.baddbmm(tensors["stem_bias"], x, tensors["stem_weight"])


def linear_path(x: Tensor, tensors: Tensors) -> Tensor:
    """Part of the logits (M, B, C) that is linear in the coordinates ``x`` (M, B, r)."""
    return torch.bmm(x, tensors["shortcut"] * SHORTCUT_GAIN)


def next_layer(
    outputs: Sequence[Tensor],
    i: int,
    tensors: Tensors,
    skips: Sequence[Sequence[int]],
    dropout: Dropout | None = None,
    activate: Activation = activate,
) -> Tensor:
    """Output of searched layer ``i`` (from 0), given those of the first layer and of the searched ones before it."""
    previous = dropout(outputs[-1]) if dropout else outputs[-1]
    x = activate(torch.baddbmm(tensors[f"bias_{i}"], previous, tensors[f"weight_{i}"]))
    for earlier in skips[i]:
        x = _padded_sum(x, outputs[earlier + 1])
    return x


def head(x: Tensor, tensors: Tensors, dropout: Dropout | None = None) -> Tensor:
    """Logits (M, B, C) from the last layer's output."""
    x = dropout(x) if dropout else x
    return torch.baddbmm(tensors["head_bias"], averaging(x), tensors["head_weight"])


def averaging(x: Tensor) -> Tensor:
    """What the head's weights are multiplied with: the last layer's output (M, B, W) over sqrt(W)."""
    scale: float = x.shape[-1] ** -0.5
    return x * scale


def _padded_sum(x: Tensor, y: Tensor) -> Tensor:
    width = max(x.shape[-1], y.shape[-1])
    return F.pad(x, (0, width - x.shape[-1])) + F.pad(y, (0, width - y.shape[-1]))
