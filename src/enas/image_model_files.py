"""A model of images on disk: ``model.json`` and safetensors beside it, loaded without executing anything."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from enas.errors import ConfigError, RunError
from enas.files import read_json, read_tensors, write_json, write_tensors
from enas.image_model import ImageModel
from enas.model import Member
from enas.networks.blueprint import Blueprint
from enas.search_space import Architecture, MicroSpace

FORMAT = 1
"""Version of this layout; a file of another version is refused."""


def save_image_model(model: ImageModel, folder: Path) -> None:
    """Write the model into ``folder``; ``model.json`` comes last, so that where it stands the rest is whole."""
    for i, member in enumerate(model.members, start=1):
        write_tensors(folder / f"candidate_{i}.safetensors", member.tensors)
    write_json(
        folder / "model.json",
        {
            "format": FORMAT,
            "space": asdict(model.space),
            "plan": asdict(model.plan),
            "members": [
                {"architecture": m.architecture.to_json(), "share": m.share, "temperature": m.temperature}
                for m in model.members
            ],
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
    described = read_json(folder / "model.json")
    try:
        if described["format"] != FORMAT:
            raise RunError(f"{folder / 'model.json'} has format {described['format']}; this version reads {FORMAT}")
        plan = described["plan"]
        model = ImageModel(
            space=MicroSpace(**described["space"]),
            plan=Blueprint(**{**plan, "size": tuple(plan["size"]), "reductions": tuple(plan["reductions"])}),
            members=tuple(_load_member(folder, i, entry) for i, entry in enumerate(described["members"], start=1)),
            classes=tuple(described["classes"]),
            mean=np.array(described["mean"], np.float32),
            std=np.array(described["std"], np.float32),
        )
        model.space.validate(model.members[0].architecture)
        _ = model.active  # files of different models show here
        return model
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, ConfigError) as error:
        raise RunError(f"the model in {folder} is damaged: {type(error).__name__}: {error}") from error


def _load_member(folder: Path, i: int, entry: dict[str, object]) -> Member:
    tensors, _ = read_tensors(folder / f"candidate_{i}.safetensors")
    return Member(
        Architecture.from_json(entry["architecture"]),
        float(str(entry["share"])),
        float(str(entry["temperature"])),
        {name: torch.from_numpy(array) for name, array in tensors.items()},
    )
