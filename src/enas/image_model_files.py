"""A model of images on disk: ``model.json`` and safetensors beside it, loaded without executing anything.

A network is only built after the few tensors that tell its size were found to agree with ``model.json``, so that a
forged description cannot ask for more memory than the files beside it take.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from enas.files import write_json
from enas.image_model import ImageModel
from enas.member_files import (
    FORMAT,
    MODEL_FILE,
    MemberEntry,
    Part,
    check_members,
    load_members,
    naming,
    read_description,
    save_members,
)
from enas.model import Member
from enas.networks.blueprint import Blueprint
from enas.search_space import MicroSpace
from enas.search_space.micro import unread_states

Side = Annotated[int, Field(ge=1, le=4096)]
MAX_LAYERS = 64


class _Space(Part):
    n_nodes: int
    convolution_bias: float
    normal_bias: float


class _Plan(Part):
    size: Annotated[list[Side], Field(min_length=2, max_length=2)]
    n_image_channels: Annotated[int, Field(ge=1, le=4)]
    n_classes: Annotated[int, Field(ge=1)]
    n_layers: Annotated[int, Field(le=MAX_LAYERS)]
    n_filters: int
    reductions: list[int]
    auxiliary_after: int | None
    n_nodes: int


class _Description(Part):
    format: int
    space: _Space
    plan: _Plan
    members: Annotated[list[MemberEntry], Field(min_length=1)]
    classes: list[str]
    mean: list[Annotated[float, Field(ge=0, le=255)]]
    std: list[Annotated[float, Field(gt=0, le=255)]]


def save_image_model(model: ImageModel, folder: Path) -> None:
    """Write the model into ``folder``; ``model.json`` comes last, so that where it stands the rest is whole."""
    members = save_members(model.members, folder)
    write_json(
        folder / MODEL_FILE,
        {
            "format": FORMAT,
            "space": asdict(model.space),
            "plan": asdict(model.plan),
            "members": members,
            "classes": model.classes,
            "mean": model.mean.tolist(),
            "std": model.std.tolist(),
        },
    )


def load_image_model(folder: Path) -> ImageModel:
    """Read what `save_image_model` wrote.

    Raises:
        RunError: a file is missing, damaged or of another version.
    """
    described = read_description(folder, _Description)
    with naming(folder / MODEL_FILE):
        space = MicroSpace(**described.space.model_dump())
        raw = described.plan.model_dump()
        plan = Blueprint(**{**raw, "size": tuple(raw["size"]), "reductions": tuple(raw["reductions"])})
        _check_lengths(described)
    model = ImageModel(
        space=space,
        plan=plan,
        members=load_members(described.members, space, folder),
        classes=tuple(described.classes),
        mean=np.array(described.mean, np.float32),
        std=np.array(described.std, np.float32),
    )
    check_members(model.members, folder, lambda member: _check_network(model, member))
    return model


def _check_lengths(described: _Description) -> None:
    plan = described.plan
    found: dict[str, Any] = {
        "classes": (len(described.classes), plan.n_classes),
        "mean": (len(described.mean), plan.n_image_channels),
        "std": (len(described.std), plan.n_image_channels),
        "space.n_nodes": (described.space.n_nodes, plan.n_nodes),
    }
    for name, (value, expected) in found.items():
        if value != expected:
            raise ValueError(f"{name}: {value} and the plan's {expected} do not agree")


def _check_network(model: ImageModel, member: Member) -> None:
    """Sizes first, from the stem, the number of layers and the head; then build it and see that all tensors fit."""
    plan, tensors = model.plan, member.tensors
    normal, reduction = model.space.cells(member.architecture)
    last = reduction if plan.n_cells - 1 in plan.reductions else normal
    n_channels = len(unread_states(last)) * plan.n_filters * 2 ** len(plan.reductions)
    expected = {
        "stem.weight": (3 * plan.n_filters, plan.n_image_channels, 3, 3),
        "head.weight": (plan.n_classes, n_channels),
    }
    for name, shape in expected.items():
        if tuple(tensors[name].shape) != shape:
            raise ValueError(f"{name} should be {shape}, not {tuple(tensors[name].shape)}")
    n_layers = len({name.split(".")[1] for name in tensors if name.startswith("layers.")})
    if n_layers != plan.n_cells:
        raise ValueError(f"it has {n_layers} layers instead of {plan.n_cells}")
    _ = model.only(member.architecture).active
