"""The micro space's child (Pham et al. 2018, section 2.4): the stand-alone network of one architecture.

It differs from the supernet's layers as in the originals: the second input passes one more ReLU → 1×1 → BN; in a
reduction cell the operations that read an input of the cell have stride 2 (identity becomes a factorised reduction);
the output is the concatenation of the unread states without a 1×1 convolution. Running statistics are kept for
evaluation.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from enas.networks import native
from enas.networks.blueprint import Blueprint, Layer
from enas.networks.cell import (
    AVERAGE_POOL,
    IDENTITY,
    KERNELS,
    AuxiliaryHead,
    Calibration,
    Head,
    Shape,
    Stem,
    pool,
    run_nodes,
)
from enas.networks.drop_path import add_branch, draw_paths
from enas.networks.dropout import Dropout
from enas.networks.operations import FactorisedReduction, Projection, SeparableConv, average_pool, max_pool, share
from enas.search_space import Architecture, MicroSpace
from enas.search_space.micro import Branch, Cell, unread_states

States = list[Tensor]
"""A layer's output, to be thought of as concatenated; whoever reads it takes the parts."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What training adds.

    Args:
        dropout: before the linear head.
        keep: drop path's keep probability of a layer's branches; the identity is never dropped.
        generator: draws the paths.
    """

    dropout: Dropout | None
    keep: Callable[[int], float]
    generator: torch.Generator


class ChildLayer(nn.Module):
    """One layer of a child.

    Args:
        given: shapes of its two inputs.
        layer: its side and the channels of its nodes.
        cell: its nodes.
        generator: draws the weights.
    """

    def __init__(self, given: tuple[Shape, Shape], layer: Layer, cell: Cell, generator: torch.Generator) -> None:
        super().__init__()
        n = layer.n_channels
        self.cell, self.is_reduction = cell, layer.is_reduction
        self.unread = unread_states(cell)
        size = given[1].size
        self.calibrations = nn.ModuleList(
            Calibration(shape, n, size, running=True, generator=generator) for shape in given
        )
        self.base = Projection(n, n, running=True, generator=generator)
        self.branches = nn.ModuleDict()
        for node, branches in enumerate(cell):
            for side, branch in enumerate(branches):
                stride = self._stride(branch)
                if branch.operation in KERNELS:
                    kernel = KERNELS[branch.operation]
                    module: nn.Module = SeparableConv(n, kernel, stride=stride, running=True, generator=generator)
                elif branch.operation == IDENTITY and stride == 2:
                    module = FactorisedReduction(n, n, running=True, generator=generator)
                else:
                    continue
                self.branches[f"{node}_{side}"] = module
        large = [state for state in self.unread if state < 2 and layer.is_reduction]
        self.combine = nn.ModuleDict(
            {str(state): FactorisedReduction(n, n, running=True, generator=generator) for state in large}
        )
        self.shape = Shape(len(self.unread) * n, layer.size)

    def forward(self, first: States, second: States, draw: Callable[[], Tensor | None] = lambda: None) -> States:
        """Both inputs to the unread states, n of (B, C, H, W); ``draw`` gives drop path's factors of a branch."""
        inputs = self.calibrations[0](first), self.base([self.calibrations[1](second)])

        def apply(node: int, side: int, branch: Branch, x: Tensor, add: Tensor | None) -> Tensor:
            if branch.operation == IDENTITY:
                return add_branch(self._pass_on(node, side, x), None, add)
            return self._operate(node, side, branch, x, draw(), add)

        states = zip(map(str, self.unread), run_nodes(inputs, self.cell, apply), strict=True)
        return [self.combine[name]([state]) if name in self.combine else state for name, state in states]

    def _pass_on(self, node: int, side: int, x: Tensor) -> Tensor:
        """The identity, at the layer's size."""
        name = f"{node}_{side}"
        return self.branches[name]([x]) if name in self.branches else x

    def _operate(
        self, node: int, side: int, branch: Branch, x: Tensor, factor: Tensor | None, add: Tensor | None
    ) -> Tensor:
        if branch.operation in KERNELS:
            y: Tensor = self.branches[f"{node}_{side}"](x, factor=factor, add=add)
            return y
        pool = average_pool if branch.operation == AVERAGE_POOL else max_pool
        return pool(x, stride=self._stride(branch), factor=factor, add=add)

    def _stride(self, branch: Branch) -> int:
        return 2 if self.is_reduction and branch.source < 2 else 1


class MicroChild(nn.Module):
    """The network of one architecture.

    Args:
        space: its search space.
        architecture: two cells.
        plan: layers, sizes, channels, heads.
        generator: draws the initial weights.
    """

    def __init__(
        self, *, space: MicroSpace, architecture: Architecture, plan: Blueprint, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.plan = plan
        normal, reduction = space.cells(architecture)
        self.stem = Stem(plan, running=True, generator=generator)
        given = (Shape(3 * plan.n_filters, plan.size),) * 2
        layers: list[ChildLayer] = []
        for layer in plan.layers:
            layers.append(ChildLayer(given, layer, reduction if layer.is_reduction else normal, generator))
            given = given[1], layers[-1].shape
        self.layers = nn.ModuleList(layers)
        self.head = Head(given[1].n_channels, plan.n_classes, generator=generator)
        self.auxiliary: AuxiliaryHead | None = None
        if plan.auxiliary_after is not None:
            shape = layers[plan.auxiliary_after].shape
            self.auxiliary = AuxiliaryHead(shape, plan.n_classes, running=True, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (1, B, n_classes) of images (B, 1 or 3, H, W)."""
        logits: Tensor = self.head(self._outputs(x, None)[-1])
        return logits[None]

    def embed(self, x: Tensor) -> Tensor:
        """What the head's weights are multiplied with, (B, channels), of images (B, 1 or 3, H, W)."""
        return pool(self._outputs(x, None)[-1])

    def train_outputs(self, x: Tensor, noise: Noise | None = None) -> tuple[Tensor, ...]:
        """Logits (1, B, n_classes) of the head and, if there is one, of the auxiliary head."""
        with native.keeping_little():
            outputs = self._outputs(x, noise)
        logits = self.head(outputs[-1], noise.dropout if noise else None)[None]
        if self.auxiliary is None or self.plan.auxiliary_after is None:
            return (logits,)
        return logits, self.auxiliary(outputs[self.plan.auxiliary_after])[None]

    def _outputs(self, x: Tensor, noise: Noise | None) -> list[list[Tensor]]:
        """Every layer's output, for a head; both layers that follow have read it, too."""
        first, second, waiting = _for_three([self.stem(x)])
        outputs = list[States]()
        for index, layer in enumerate(self.layers):
            output = layer(first, second, _path_drawer(noise, index, len(x)))
            first = waiting
            second, waiting, for_head = _for_three(output)
            outputs.append(for_head)
        return outputs


def _for_three(states: States) -> tuple[States, States, States]:
    """The same for three readers."""
    first, second, third = (list(parts) for parts in zip(*(share(state, 3) for state in states), strict=True))
    return first, second, third


def _path_drawer(noise: Noise | None, layer: int, n_images: int) -> Callable[[], Tensor | None]:
    """Draws drop path's factors of one branch after another at the layer's keep probability."""
    if noise is None:
        return lambda: None
    keep = noise.keep(layer)
    return lambda: draw_paths(n_images, keep, noise.generator)
