"""The network of an image model as plain data, from which its source is written, and its tensors by their new names."""

import re
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from enas.image_model import ImageModel
from enas.member_files import Part
from enas.networks.blueprint import Blueprint
from enas.search_space import Architecture, MicroSpace
from enas.search_space.micro import Cell

Side = Annotated[int, Field(ge=1, le=4096)]
Small = Annotated[int, Field(ge=0, le=64)]

# Names of tensors of `MicroChild` → those of the written network; applied one after the other.
_RENAMED = (
    (r"^stem\.weight$", "stem.0.weight"),
    (r"^stem\.norm\.", "stem.1."),
    (r"^layers\.(\d+)\.", r"layer_\1."),
    (r"\.calibrations\.0\.", ".first."),
    (r"\.calibrations\.1\.", ".second."),
    (r"\.reduction\.", ".1."),
    (r"\.projection\.", "."),
    (r"\.branches\.(\d+)_0\.", r".node_\1_left."),
    (r"\.branches\.(\d+)_1\.", r".node_\1_right."),
    (r"\.combine\.(\d+)\.", r".reduce_\1."),
    (r"\.(even|odd|depth|point)$", r".\1.weight"),
    (r"\.(first|second|base)\.weight$", r".\1.convolution.weight"),
    (r"\.scale$", ".weight"),
    (r"\.offset$", ".bias"),
    (r"\.mean$", ".running_mean"),
    (r"\.variance$", ".running_var"),
)


class MicroSketch(Part):
    """One candidate: the integers of its two cells."""

    weight: float
    architecture: Annotated[list[Small], Field(min_length=8, max_length=128)]


class ImageSketch(Part):
    """A model of images: what it takes, every step, what it gives."""

    size: Annotated[list[Side], Field(min_length=2, max_length=2)]
    n_image_channels: Annotated[int, Field(ge=1, le=4)]
    n_classes: Annotated[int, Field(ge=1, le=100_000)]
    n_layers: Annotated[int, Field(ge=1, le=64)]
    n_filters: Annotated[int, Field(ge=2, le=4096)]
    reductions: list[Small]
    n_nodes: Annotated[int, Field(ge=1, le=16)]
    candidates: Annotated[list[MicroSketch], Field(min_length=1)]

    @property
    def plan(self) -> Blueprint:
        """Layers, sizes and channels.

        Raises:
            ConfigError: they do not go together.
        """
        return Blueprint(
            (self.size[0], self.size[1]),
            self.n_image_channels,
            self.n_classes,
            self.n_layers,
            self.n_filters,
            tuple(self.reductions),
            None,
            self.n_nodes,
        )

    def cells(self, candidate: MicroSketch) -> tuple[Cell, Cell]:
        """The normal and the reduction cell.

        Raises:
            ConfigError: the integers are none of such cells.
        """
        space, architecture = MicroSpace(self.n_nodes), Architecture(tuple(candidate.architecture))
        space.validate(architecture)
        normal, reduction = space.cells(architecture)
        return normal, reduction


def sketch_images(model: ImageModel) -> tuple[ImageSketch, dict[str, Tensor]]:
    """The sketch of the model, and the tensors that the network written from it loads."""
    plan = model.plan
    sketch = ImageSketch(
        size=list(plan.size),
        n_image_channels=plan.n_image_channels,
        n_classes=plan.n_classes,
        n_layers=plan.n_layers,
        n_filters=plan.n_filters,
        reductions=list(plan.reductions),
        n_nodes=plan.n_nodes,
        candidates=[
            MicroSketch(weight=member.weight, architecture=list(member.architecture.values))
            for member, _ in model.active
        ],
    )
    tensors = {"mean": torch.from_numpy(model.mean), "std": torch.from_numpy(model.std)}
    for at, (_, network) in enumerate(model.active):
        prefix = network_name(at, len(model.active))
        for name, tensor in network.state_dict().items():
            new = f"{prefix}.{_rename(name)}"
            tensors[new] = tensor.detach().cpu()
            if name.endswith(".variance"):  # torch's own layer counts its batches, too
                tensors[f"{new.removesuffix('running_var')}num_batches_tracked"] = torch.tensor(0)
    return sketch, tensors


def network_name(at: int, n_networks: int) -> str:
    """What the written model calls its network number ``at``, from 0; a number tells several apart."""
    return "network" if n_networks == 1 else f"network_{at + 1}"


def _rename(name: str) -> str:
    """
    >>> _rename("layers.2.branches.0_1.first.norm.variance"), _rename("layers.0.calibrations.1.projection.weight")
    ('layer_2.node_0_right.first.norm.running_var', 'layer_0.second.convolution.weight')
    """
    for pattern, new in _RENAMED:
        name = re.sub(pattern, new, name)
    return name
