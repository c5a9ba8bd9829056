"""A model to predict with, of whichever form: a run, its folder of models, or one that was exported."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.data.images import ImageFormat
from enas.export.description import Description, is_exported, load_description
from enas.export.exporter import models_of
from enas.export.network import compute, load_network, load_program
from enas.export.onnx_file import ONNX_FILE, OnnxNetwork
from enas.files import read_json
from enas.image_model import ImageModel
from enas.model_files import load_model
from enas.table_model import TableModel


@dataclass(frozen=True, slots=True)
class Portable:
    """What predicting needs of a model.

    Args:
        compute: samples (B, …) to logits or values (B, C).
        classes: class names; empty for regression.
        target_names: one per target column.
        feature_names: of a table; empty for images.
        has_feature_names: whether tables are matched by them.
        image_format: of images; None for tables.
        layer: of AnnData files, as in training; None: X.
    """

    compute: Callable[[NDArray[Any]], NDArray[np.float64]]
    classes: tuple[str, ...]
    target_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    has_feature_names: bool
    image_format: ImageFormat | None
    layer: str | None = None


def open_model(path: Path) -> Portable:
    """The model of a run, of a folder of models, of an exported folder, or of one ONNX file in such a folder.

    Raises:
        ConfigError: a library is not installed.
        RunError: there is none, or it is damaged.
    """
    if path.suffix == ".onnx" and path.is_file():
        return _exported(path.parent, path.name)
    folder = models_of(path)
    return _exported(folder, ONNX_FILE) if is_exported(folder) else open_trained(folder)[1]


def open_trained(folder: Path) -> tuple[TableModel | ImageModel, Portable]:
    """The model in a run's folder of models, and the same as it computes.

    Raises:
        RunError: it is damaged.
    """
    model = load_model(folder)
    return model, replace(_from_trained(model), layer=_layer_of(folder.parent))


def _layer_of(run: Path) -> str | None:
    """What of an AnnData the run was trained on, if the folder of models still stands in its run."""
    config = read_json(run / "config.json") if (run / "config.json").is_file() else {}
    try:
        layer = config["data_train"]["args"]["layer"]
    except (KeyError, TypeError):
        return None
    return layer if isinstance(layer, str) else None


def _from_trained(model: TableModel | ImageModel) -> Portable:

    def run(samples: NDArray[Any]) -> NDArray[np.float64]:
        return np.concatenate(list(model.outputs(samples)))

    if isinstance(model, ImageModel):
        fmt = ImageFormat(model.plan.size, model.plan.n_image_channels)
        return Portable(run, model.classes, model.target_names, (), False, fmt)
    names = model.feature_names
    return Portable(run, model.classes, model.target_names, names, model.has_feature_names, None)


def _exported(folder: Path, onnx_file: str) -> Portable:
    described = load_description(folder)
    images = described.images
    return Portable(
        _load(described, folder, onnx_file),
        tuple(described.classes),
        tuple(described.target_names),
        tuple(described.feature_names),
        described.has_feature_names,
        ImageFormat((images.size[0], images.size[1]), images.n_image_channels) if images else None,
    )


def _load(described: Description, folder: Path, onnx_file: str) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    if described.exported == "onnx":
        return OnnxNetwork(folder / onnx_file, described)
    load = load_program if described.exported == "torch" else load_network
    return partial(compute, load(described, folder))
