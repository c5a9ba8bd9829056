"""A model on disk: ``model.json`` and safetensors beside it, loaded without executing anything.

``models/model.json`` says what there is; ``preprocessing.safetensors`` holds each fold's statistics and, for the stems
that are used, columns and basis; ``candidate_<i>.safetensors`` the networks of one candidate.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from enas.data.preprocess import Preprocessor, Scaler, Stem
from enas.errors import ConfigError, RunError
from enas.files import read_json, read_tensors, write_json, write_tensors
from enas.model import Member
from enas.search_space import Architecture, DenseSpace
from enas.table_model import TableModel

FORMAT = 1
"""Version of this layout; a file of another version is refused."""


def save_table_model(model: TableModel, folder: Path) -> None:
    """Write the model into ``folder``; ``model.json`` comes last, so that where it stands the rest is whole."""
    write_tensors(folder / "preprocessing.safetensors", _preprocessing_arrays(model))
    for i, member in enumerate(model.members, start=1):
        write_tensors(folder / f"candidate_{i}.safetensors", member.tensors)
    write_json(
        folder / "model.json",
        {
            "format": FORMAT,
            "space": asdict(model.space),
            "members": [
                {"architecture": m.architecture.to_json(), "share": m.share, "temperature": m.temperature}
                for m in model.members
            ],
            "n_folds": model.n_folds,
            "transforms": [preprocessor.scaler.transform for preprocessor in model.preprocessors],
            "stem_features": [stem.n_features for stem in model.preprocessors[0].stems],
            "classes": model.classes,
            "target_names": model.target_names,
            "has_feature_names": model.has_feature_names,
            "feature_names": model.feature_names,
        },
    )


def load_table_model(folder: Path) -> TableModel:
    """Read what `save_table_model` wrote.

    Raises:
        RunError: a file is missing, damaged or of another version.
    """
    described = read_json(folder / "model.json")
    try:
        if described["format"] != FORMAT:
            raise RunError(f"{folder / 'model.json'} has format {described['format']}; this version reads {FORMAT}")
        arrays, _ = read_tensors(folder / "preprocessing.safetensors")
        model = _assemble(described, arrays, folder)
        model.predict(np.zeros((1, len(model.feature_names)), np.float32))  # files of different models show here
        return model
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError, ConfigError) as error:
        raise RunError(f"the model in {folder} is damaged: {type(error).__name__}: {error}") from error


def _preprocessing_arrays(model: TableModel) -> dict[str, NDArray[Any]]:
    arrays: dict[str, NDArray[Any]] = {"center": model.center, "factor": model.factor}
    used = {model.stem(member) for member in model.members}
    for fold, preprocessor in enumerate(model.preprocessors):
        scaler = preprocessor.scaler
        arrays |= {f"{fold}.{name}": getattr(scaler, name) for name in ("fill", "center", "factor")}
        for i in used:
            stem = preprocessor.stems[i]
            if stem.columns is not None:
                arrays[f"{fold}.{i}.columns"] = stem.columns
            if stem.basis is not None:
                arrays[f"{fold}.{i}.basis"] = stem.basis
    return arrays


def _assemble(described: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], folder: Path) -> TableModel:
    space = DenseSpace(
        described["space"]["n_layers"], tuple(described["space"]["widths"]), tuple(described["space"]["screens"])
    )
    members = []
    for i, entry in enumerate(described["members"], start=1):
        tensors, _ = read_tensors(folder / f"candidate_{i}.safetensors")
        architecture = Architecture.from_json(entry["architecture"])
        space.validate(architecture)
        members.append(
            Member(
                architecture,
                entry["share"],
                entry["temperature"],
                {name: torch.from_numpy(array) for name, array in tensors.items()},
            )
        )
    preprocessors = tuple(
        Preprocessor(
            Scaler(transform, *(arrays[f"{fold}.{name}"] for name in ("fill", "center", "factor"))),
            tuple(
                Stem(arrays.get(f"{fold}.{i}.columns"), arrays.get(f"{fold}.{i}.basis"), n_features)
                for i, n_features in enumerate(described["stem_features"])
            ),
        )
        for fold, transform in enumerate(described["transforms"])
    )
    return TableModel(
        space=space,
        members=tuple(members),
        preprocessors=preprocessors,
        feature_names=tuple(described["feature_names"]),
        has_feature_names=described["has_feature_names"],
        target_names=tuple(described["target_names"]),
        classes=tuple(described["classes"]),
        center=np.asarray(arrays["center"]),
        factor=np.asarray(arrays["factor"]),
    )
