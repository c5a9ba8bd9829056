"""Models with random weights, and files of new samples for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from enas.data.dataset import FloatArray, Target
from enas.data.preprocess import Transform
from enas.image_model import ImageModel
from enas.model import Member
from enas.model_files import save_model
from enas.networks.blueprint import Blueprint
from enas.networks.micro_child import MicroChild
from enas.search_space import Architecture, MicroSpace
from enas.table_model import TableModel

CLASSES = Target(("grade",), np.arange(24) % 3, ("a", "ü b", "=c,d"))
VALUES = Target(("size", "age"), np.random.default_rng(1).normal(9, 3, (24, 2)).astype(np.float32))


def features(p: int, n: int = 24) -> FloatArray:
    x = np.random.default_rng(0).normal(size=(n, p)).astype(np.float32)
    x[3, 5] = np.nan
    return x


def with_transforms(model: TableModel, *transforms: Transform) -> TableModel:
    """The same model, but each fold's features are transformed first."""
    changed = [
        replace(one, scaler=replace(one.scaler, transform=transform))
        for one, transform in zip(model.preprocessors, transforms, strict=True)
    ]
    return replace(model, preprocessors=tuple(changed))


def image_model(
    *architectures: Architecture, space: MicroSpace, size: tuple[int, int], n_channels: int, reductions: tuple[int, ...]
) -> ImageModel:
    """Random weights, running statistics of random images; the plan has an auxiliary head, as retraining does."""
    plan = Blueprint(size, n_channels, 3, 2, 4, reductions, auxiliary_after=2, n_nodes=space.n_nodes)
    members = []
    for i, architecture in enumerate(architectures):
        generator = torch.Generator().manual_seed(i)
        child = MicroChild(space=space, architecture=architecture, plan=plan, generator=generator)
        for _ in range(3):
            child.train_outputs(torch.randn(8, n_channels, *size, generator=generator))
        tensors = {name: tensor for name, tensor in child.state_dict().items() if not name.startswith("auxiliary.")}
        members.append(Member(architecture, 1 / len(architectures), 1.0 + i, tensors))
    mean, std = np.full(n_channels, 100, np.float32), np.full(n_channels, 50, np.float32)
    return ImageModel(space, plan, tuple(members), ("x", "y", "z"), mean, std)


def random_architecture(space: MicroSpace, seed: int) -> Architecture:
    generator = np.random.default_rng(seed)
    return Architecture(tuple(int(generator.integers(entry.n_options)) for entry in space.integers))


def save_run(model: TableModel | ImageModel, run: Path) -> Path:
    """A run that holds nothing but this model."""
    (run / "models").mkdir(parents=True)
    save_model(model, run / "models")
    return run


def write_table(file: Path, n: int = 24) -> Path:
    lines = ["\t".join(["id", *(f"g{j}" for j in range(40)), "note"])]
    lines += ["\t".join([f"s{i}", *map(str, row), "free text"]) for i, row in enumerate(features(40, n).tolist())]
    file.write_text("\n".join(lines) + "\n")
    return file


def write_images(folder: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 12, 12), np.uint8)
    folder.mkdir()
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i}.png")
    return pixels[..., None]
