"""The micro space's supernet (Pham et al. 2018, section 2.4): shared weights of all cells, layer by layer.

Every node's branch owns one set of separable-convolution weights per input that it may read. The states that no node
reads are concatenated and brought back to C channels by the matching blocks of one weight. At a reduction layer the
previous output is halved first; the reduction cell then runs at stride 1 on (previous, halved), and the next layer
reads (halved, output). Batch norm uses the batch's own statistics, also while architectures are scored.

Departures from the originals, with reasons:
- only what the sampled architecture uses is computed; they compute all five operations on every edge;
- the auxiliary head can be trained; they leave its weights out of their list of variables (`train_auxiliary`);
- no dropout while architectures are scored; theirs stays on and makes the reward noisier;
- weights start with the true fan-in (`networks.operations`).
"""

import torch
from torch import Tensor, nn

from enas.networks.base import Known
from enas.networks.blueprint import Blueprint, Layer
from enas.networks.cell import (
    AVERAGE_POOL,
    KERNELS,
    MAX_POOL,
    AuxiliaryHead,
    Calibration,
    Head,
    Shape,
    Stem,
    run_nodes,
)
from enas.networks.dropout import Dropout
from enas.networks.operations import (
    BatchNorm,
    FactorisedReduction,
    SeparableConv,
    average_pool,
    he_normal,
    max_pool,
    project,
)
from enas.search_space import Architecture, MicroSpace
from enas.search_space.micro import Branch, Cell, unread_states


class SuperLayer(nn.Module):
    """The shared weights of one layer.

    Args:
        given: shapes of its two inputs; at a reduction layer the second is halved already.
        layer: what it gives.
        n_nodes: of its cell.
        generator: draws the weights.
    """

    def __init__(self, given: tuple[Shape, Shape], layer: Layer, n_nodes: int, generator: torch.Generator) -> None:
        super().__init__()
        n, size = layer.n_channels, layer.size
        self.calibrations = nn.ModuleList(
            Calibration(shape, n, size, running=False, generator=generator) for shape in given
        )
        self._convs = {
            (node, side, operation, source): SeparableConv(n, kernel, running=False, generator=generator)
            for node in range(n_nodes)
            for side in range(2)
            for operation, kernel in KERNELS.items()
            for source in range(node + 2)
        }
        self.convs = nn.ModuleDict({"_".join(map(str, key)): conv for key, conv in self._convs.items()})
        self.final = he_normal(n_nodes + 2, n, n, fan_in=n, generator=generator)  # per state (C_out, C_in)
        self.norm = BatchNorm(n, running=False)

    def forward(self, first: Tensor, second: Tensor, cell: Cell) -> Tensor:
        """(B, C, H, W) of the layer from its two inputs."""
        calibrated = [calibrate([x]) for calibrate, x in zip(self.calibrations, (first, second), strict=True)]
        states = run_nodes(calibrated, cell, self._operate)
        unread = unread_states(cell)
        weight = torch.stack([self.final[state] for state in unread])
        return project([states[state] for state in unread], weight, self.norm)

    def _operate(self, node: int, side: int, branch: Branch, x: Tensor) -> Tensor:
        if branch.operation in KERNELS:
            x = self._convs[node, side, branch.operation, branch.source](x)
        elif branch.operation == AVERAGE_POOL:
            x = average_pool(x)
        elif branch.operation == MAX_POOL:
            x = max_pool(x)
        return x


class MicroSupernet(nn.Module):
    """The shared weights of every architecture of a micro space.

    Args:
        space: the search space.
        plan: layers, sizes, channels, heads.
        generator: draws the initial weights.
    """

    def __init__(self, *, space: MicroSpace, plan: Blueprint, generator: torch.Generator) -> None:
        super().__init__()
        self.space, self.plan = space, plan
        self.stem = Stem(plan, running=False, generator=generator)
        shape = Shape(3 * plan.n_filters, plan.size)
        given = (shape, shape)
        halvings: dict[str, nn.Module] = {}
        layers = []
        for index, layer in enumerate(plan.layers):
            shape = Shape(layer.n_channels, layer.size)
            if layer.is_reduction:
                halving = FactorisedReduction(given[1].n_channels, layer.n_channels, running=False, generator=generator)
                halvings[str(index)] = halving
                given = (given[1], shape)
            layers.append(SuperLayer(given, layer, space.n_nodes, generator))
            given = (given[1], shape)
        self.halvings = nn.ModuleDict(halvings)
        self.layers = nn.ModuleList(layers)
        self.head = Head(shape.n_channels, plan.n_classes, generator=generator)
        self.auxiliary: AuxiliaryHead | None = None
        if plan.auxiliary_after is not None:
            feeding = plan.layers[plan.auxiliary_after]
            shape = Shape(feeding.n_channels, feeding.size)
            self.auxiliary = AuxiliaryHead(shape, plan.n_classes, running=False, generator=generator)

    def forward(
        self, x: Tensor, architecture: Architecture, dropout: Dropout | None = None, known: Known | None = None
    ) -> Tensor:
        """Logits (1, B, n_classes) of images (B, 1 or 3, H, W)."""
        logits: Tensor = self.head(self._outputs(x, architecture)[-1], dropout)
        return logits[None]

    def train_outputs(
        self, x: Tensor, architecture: Architecture, dropout: Dropout | None = None
    ) -> tuple[Tensor, ...]:
        """Logits (1, B, n_classes) of the head and, if there is one, of the auxiliary head."""
        outputs = self._outputs(x, architecture)
        logits = self.head(outputs[-1], dropout)[None]
        if self.auxiliary is None or self.plan.auxiliary_after is None:
            return (logits,)
        return logits, self.auxiliary(outputs[self.plan.auxiliary_after])[None]

    def _outputs(self, x: Tensor, architecture: Architecture) -> list[Tensor]:
        """Every layer's output."""
        normal, reduction = self.space.cells(architecture)
        stem = self.stem(x)
        given, outputs = (stem, stem), []
        for index, (layer, module) in enumerate(zip(self.plan.layers, self.layers, strict=True)):
            if layer.is_reduction:
                given = given[1], self.halvings[str(index)]([given[1]])
            outputs.append(module(*given, reduction if layer.is_reduction else normal))
            given = given[1], outputs[-1]
        return outputs
