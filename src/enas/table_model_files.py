"""A model on disk: ``model.json`` and safetensors beside it, loaded without executing anything.

``models/model.json`` says what there is; ``preprocessing.safetensors`` holds each fold's statistics and, for the stems
that are used, columns and basis; ``candidate_<i>.safetensors`` the networks of one candidate.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from enas.data.dataset import IntArray
from enas.data.preprocess import Preprocessor, Scaler, Stem
from enas.files import write_json
from enas.member_files import (
    FORMAT,
    MODEL_FILE,
    MemberEntry,
    Part,
    check_members,
    load_members,
    naming,
    read_description,
    read_finite,
    save_members,
)
from enas.model import Member
from enas.search_space import DenseSpace
from enas.table_model import TableModel, count_networks
from enas.tensor_files import write_tensors

PREPROCESSING_FILE = "preprocessing.safetensors"
Positive = Annotated[int, Field(ge=1)]


class _Space(Part):
    n_layers: int
    widths: list[int]
    screens: list[int | None]
    sharpness: Annotated[list[int], Field(default_factory=list)]


class _Description(Part):
    format: int
    space: _Space
    members: Annotated[list[MemberEntry], Field(min_length=1)]
    transforms: Annotated[list[Literal["none", "log1p", "asinh"]], Field(min_length=1)]
    stem_features: list[Positive]
    classes: list[str]
    target_names: Annotated[list[str], Field(min_length=1)]
    has_feature_names: bool
    feature_names: Annotated[list[str], Field(min_length=1)]


def save_table_model(model: TableModel, folder: Path) -> None:
    """Write the model into ``folder``; ``model.json`` comes last, so that where it stands the rest is whole."""
    write_tensors(folder / PREPROCESSING_FILE, _preprocessing_arrays(model))
    members = save_members(model.members, folder)
    write_json(
        folder / MODEL_FILE,
        {
            "format": FORMAT,
            "space": asdict(model.space),
            "members": members,
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
    described = read_description(folder, _Description)
    with naming(folder / MODEL_FILE):
        space = DenseSpace(**{key: _tuple(value) for key, value in described.space.model_dump().items()})
        if len(described.stem_features) != space.n_stems:
            raise ValueError(f"stem_features: {len(described.stem_features)} for {space.n_stems} screens")
    members = load_members(described.members, space, folder)
    arrays = read_finite(folder / PREPROCESSING_FILE)
    used = {space.screen(member.architecture) or 0 for member in members}
    with naming(folder / PREPROCESSING_FILE, f"{MODEL_FILE} beside it may be of another model"):
        model = _assemble(described, space, members, _preprocessors(described, arrays, used), arrays)
    check_members(model.members, folder, lambda member: _check_network(model, member))
    return model


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


def _assemble(
    described: _Description,
    space: DenseSpace,
    members: tuple[Member, ...],
    preprocessors: tuple[Preprocessor, ...],
    arrays: Mapping[str, NDArray[Any]],
) -> TableModel:
    model = TableModel(
        space=space,
        members=members,
        preprocessors=preprocessors,
        feature_names=tuple(described.feature_names),
        has_feature_names=described.has_feature_names,
        target_names=tuple(described.target_names),
        classes=tuple(described.classes),
        center=arrays["center"],
        factor=arrays["factor"],
    )
    if not model.classes:
        for name in ("center", "factor"):
            _check_shape(name, arrays[name], (model.n_folds, 1, model.n_outputs))
    return model


def _preprocessors(
    described: _Description, arrays: Mapping[str, NDArray[Any]], used: set[int]
) -> tuple[Preprocessor, ...]:
    """One per fold; only the stems that are used have arrays."""
    n_features = len(described.feature_names)
    preprocessors = []
    for fold, transform in enumerate(described.transforms):
        statistics = [_vector(arrays, f"{fold}.{name}", n_features) for name in ("fill", "center", "factor")]
        stems = [
            Stem(arrays.get(f"{fold}.{i}.columns"), arrays.get(f"{fold}.{i}.basis"), k)
            for i, k in enumerate(described.stem_features)
        ]
        for i in used:
            _check_stem(stems[i], f"{fold}.{i}", n_features)
        preprocessors.append(Preprocessor(Scaler(transform, *statistics), tuple(stems)))
    return tuple(preprocessors)


def _check_stem(stem: Stem, name: str, n_features: int) -> None:
    """That it takes columns which there are, and as many as it says."""
    columns: IntArray = np.arange(n_features) if stem.columns is None else stem.columns
    _check_shape(f"{name}.columns", columns, (stem.n_features,))
    if columns.dtype.kind not in "iu" or columns.min() < 0 or columns.max() >= n_features:
        raise ValueError(f"{name}.columns should be numbers of features, from 0 to {n_features - 1}")
    if stem.basis is not None:
        _check_shape(f"{name}.basis", stem.basis, (stem.n_features, stem.n_inputs))


def _vector(arrays: Mapping[str, NDArray[Any]], name: str, n_features: int) -> NDArray[Any]:
    _check_shape(name, arrays[name], (n_features,))
    return arrays[name]


def _check_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} should be {shape}, not {array.shape}")


def _check_network(model: TableModel, member: Member) -> None:
    """Predict one row; and the number of outputs, which would be repeated in silence if it were 1."""
    n_outputs = member.tensors["head_bias"].shape[-1]
    if n_outputs != model.n_outputs or count_networks(member) < 1:
        raise ValueError(f"it has {n_outputs} outputs instead of {model.n_outputs}")
    model.only(member.architecture).predict(np.zeros((1, len(model.feature_names)), np.float32))


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
