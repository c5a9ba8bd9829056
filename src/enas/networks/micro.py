"""The micro space's supernet (Pham et al. 2018, section 2.4): shared weights of all cells, layer by layer.

Every node's branch owns one set of separable-convolution weights per input that it may read. The states that no node
reads are concatenated and brought back to C channels by the matching blocks of one weight. At a reduction layer the
previous output is halved first; the reduction cell then runs at stride 1 on (previous, halved), and the next layer
reads (halved, output). Batch norm uses the batch's own statistics, also while architectures are scored.

Departures from the originals, with reasons:
- only what the sampled architecture uses is computed; they compute all five operations on every edge. What several
  architectures have in common is computed once while they are scored (`networks.program`);
- the auxiliary head can be trained; they leave its weights out of their list of variables (`train_auxiliary`);
- no dropout while architectures are scored; theirs stays on and makes the reward noisier (`restore_original`);
- weights start with the true fan-in (`networks.operations`, `restore_original`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from enas.networks.batch_norm import BatchNorm
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
)
from enas.networks.dropout import Dropout
from enas.networks.operations import (
    FactorisedReduction,
    SeparableConv,
    average_pool,
    he_normal,
    max_pool,
    project,
    share,
)
from enas.networks.program import Program, Step
from enas.search_space import Architecture, MicroSpace
from enas.search_space.micro import unread_states


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

    @torch.no_grad()
    def start_as_original(self) -> None:
        """Scale the initial weights to He's deviation for the number of inputs that a branch may read as fan-in."""
        for (node, *_), conv in self._convs.items():
            for unit in (conv.first, conv.second):
                for weight in (unit.depth, unit.point):
                    weight.mul_((weight[0].numel() / (node + 2)) ** 0.5)
        self.final.mul_((self.final.shape[2] / len(self.final)) ** 0.5)

    def branch(self, node: int, side: int, operation: int, source: int, x: Tensor, add: Tensor | None) -> Tensor:
        """A node's branch, no identity; ``add``: to the result, the other branch."""
        if operation in KERNELS:
            y: Tensor = self._convs[node, side, operation, source](x, add=add)
        elif operation == AVERAGE_POOL:
            y = average_pool(x, add=add)
        else:
            y = max_pool(x, add=add)
        return y

    def finish(self, unread: Sequence[int], states: Sequence[Tensor]) -> Tensor:
        """(B, C, H, W) of the layer from the states that no node reads."""
        return project(states, torch.stack([self.final[state] for state in unread]), self.norm)


class MicroSupernet(nn.Module):
    """The shared weights of every architecture of a micro space.

    Args:
        space: the search space.
        plan: layers, sizes, channels, heads.
        generator: draws the initial weights.
        original_fan_in: shared convolutions start as the originals', whose fan-in is the number of inputs to choose
            from.
    """

    def __init__(
        self, *, space: MicroSpace, plan: Blueprint, generator: torch.Generator, original_fan_in: bool = False
    ) -> None:
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
            if original_fan_in:
                layers[-1].start_as_original()
            given = (given[1], shape)
        self.halvings = nn.ModuleDict(halvings)
        self.layers = nn.ModuleList(layers)
        self._layers = layers
        self.head = Head(shape.n_channels, plan.n_classes, generator=generator)
        self.auxiliary: AuxiliaryHead | None = None
        if plan.auxiliary_after is not None:
            feeding = plan.layers[plan.auxiliary_after]
            shape = Shape(feeding.n_channels, feeding.size)
            self.auxiliary = AuxiliaryHead(shape, plan.n_classes, running=False, generator=generator)

    def forward(self, x: Tensor, architectures: Sequence[Architecture], dropout: Dropout | None = None) -> Tensor:
        """Logits (n, B, n_classes) of images (B, 1 or 3, H, W); what architectures share is computed once."""
        program = Program()
        wanted = [self._trace(program, architecture)[-1] for architecture in architectures]
        return torch.stack([self.head([state], dropout) for state in self._run(program, x, wanted)])

    def train_outputs(
        self, x: Tensor, architecture: Architecture, dropout: Dropout | None = None
    ) -> tuple[Tensor, ...]:
        """Logits (1, B, n_classes) of the head and, if there is one, of the auxiliary head."""
        program = Program()
        outputs = self._trace(program, architecture)
        if self.auxiliary is None or self.plan.auxiliary_after is None:
            (last,) = self._run(program, x, outputs[-1:])
            return (self.head([last], dropout)[None],)
        last, feeding = self._run(program, x, [outputs[-1], outputs[self.plan.auxiliary_after]])
        return self.head([last], dropout)[None], self.auxiliary([feeding])[None]

    def _trace(self, program: Program, architecture: Architecture) -> list[int]:
        """Add an architecture's steps; returns those of the layers' outputs."""
        normal, reduction = self.space.cells(architecture)
        stem = program.add("stem", ())
        given, outputs = (stem, stem), list[int]()
        for index, layer in enumerate(self.plan.layers):
            if layer.is_reduction:
                given = given[1], program.add("halve", (index,), given[1])
            states = [program.add("calibrate", (index, i), state) for i, state in enumerate(given)]
            cell = reduction if layer.is_reduction else normal
            for node, branches in enumerate(cell):
                sides = [
                    state
                    if branch.operation == IDENTITY
                    else program.add("branch", (index, node, side, branch.operation, branch.source), state)
                    for side, branch in enumerate(branches)
                    for state in (states[branch.source],)
                ]
                states.append(program.add("add", (), *sides))
            unread = unread_states(cell)
            outputs.append(program.add("finish", (index, *unread), *(states[state] for state in unread)))
            given = given[1], outputs[-1]
        return outputs

    def _run(self, program: Program, x: Tensor, wanted: Sequence[int]) -> list[Tensor]:
        program.merge("branch", "add")  # spares a pass over memory

        def compute(step: Step, states: list[Tensor]) -> Tensor:
            if step.kind == "stem":
                state: Tensor = self.stem(x)
            elif step.kind == "add" and not step.place:
                state = states[0] + states[1]
            elif step.kind == "halve":
                state = self.halvings[str(step.place[0])](states)
            else:
                state = self._compute_in_layer(self._layers[step.place[0]], step, states)
            return state

        return program.run(compute, wanted, share)

    def _compute_in_layer(self, layer: SuperLayer, step: Step, states: list[Tensor]) -> Tensor:
        if step.kind == "calibrate":
            calibrated: Tensor = layer.calibrations[step.place[1]](states)
            return calibrated
        if step.kind in ("branch", "add"):
            node, side, operation, source = step.place[1:]
            return layer.branch(node, side, operation, source, states[-1], states[0] if step.kind == "add" else None)
        return layer.finish(step.place[1:], states)
