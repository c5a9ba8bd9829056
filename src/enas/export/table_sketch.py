"""The network of a table's model as plain data, from which its source is written, and its tensors by their new names.

Departures from `TableModel`, none of which changes what is computed: where one fold has a basis all have one (the unit
matrix for a fold that has none), padded with columns of zeros to the widest; the constant factors of stem, head and
shortcut are multiplied into the weights.
"""

from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from enas.data.preprocess import Stem, Transform
from enas.member_files import Part
from enas.model import Member
from enas.networks.dense import SHORTCUT_GAIN, skips_of
from enas.table_model import TableModel, count_networks

Positive = Annotated[int, Field(ge=1, le=10_000_000)]
Natural = Annotated[int, Field(ge=0, le=64)]


class StemSketch(Part):
    """What a first layer sees: ``n_kept`` features (all of them unless ``has_columns``) as ``n_inputs`` coordinates."""

    n_kept: Positive
    n_inputs: Positive
    has_columns: bool
    has_basis: bool


class DenseSketch(Part):
    """One candidate: ``n_seeds`` networks per fold, their widths (that of the first layer in front) and skips."""

    stem: Natural
    n_seeds: Positive
    weight: float
    widths: Annotated[list[Positive], Field(min_length=1)]
    skips: list[list[Natural]]

    @property
    def about(self) -> str:
        """In words: the searched layers, which count from 1."""
        layers = zip(self.widths[1:], self.skips, strict=True)
        return " → ".join(f"{width}{f' (+ {self._name(skips)})' if skips else ''}" for width, skips in layers)

    def _name(self, skips: list[int]) -> str:
        return f"layer{'s' if len(skips) > 1 else ''} {', '.join(str(earlier + 1) for earlier in skips)}"


class TableSketch(Part):
    """A model of a table: what it takes, every step, what it gives."""

    n_features: Positive
    transforms: Annotated[list[Transform], Field(min_length=1)]
    stems: Annotated[list[StemSketch], Field(min_length=1)]
    candidates: Annotated[list[DenseSketch], Field(min_length=1)]
    n_outputs: Positive
    task: Literal["classification", "regression"]

    @property
    def n_folds(self) -> int:
        """K, one transform each."""
        return len(self.transforms)


def sketch_table(model: TableModel) -> tuple[TableSketch, dict[str, Tensor]]:
    """The sketch of the model, and the tensors that the network written from it loads."""
    used = sorted({model.stem(member) for member, _ in model.active})
    stems = [_sketch_stem(model, i) for i in used]
    sketch = TableSketch(
        n_features=len(model.feature_names),
        transforms=[preprocessor.scaler.transform for preprocessor in model.preprocessors],
        stems=stems,
        candidates=[_sketch_candidate(model, member, used) for member, _ in model.active],
        n_outputs=model.n_outputs,
        task="classification" if model.classes else "regression",
    )
    return sketch, {name: torch.from_numpy(array) for name, array in _name_arrays(model, used, stems).items()}


def _sketch_stem(model: TableModel, number: int) -> StemSketch:
    stems = [preprocessor.stems[number] for preprocessor in model.preprocessors]
    return StemSketch(
        n_kept=stems[0].n_features,
        n_inputs=max(stem.n_inputs for stem in stems),
        has_columns=stems[0].columns is not None,
        has_basis=any(stem.basis is not None for stem in stems),
    )


def _sketch_candidate(model: TableModel, member: Member, used: list[int]) -> DenseSketch:
    widths = [layer.width for layer in model.space.layers(member.architecture)]
    return DenseSketch(
        stem=used.index(model.stem(member)),
        n_seeds=count_networks(member) // model.n_folds,
        weight=member.weight,
        widths=[member.tensors["stem_weight"].shape[-1], *widths],
        skips=[list(skips) for skips in skips_of(model.space, member.architecture)],
    )


def _name_arrays(model: TableModel, used: list[int], stems: list[StemSketch]) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {}
    for fold, preprocessor in enumerate(model.preprocessors):
        scaler = preprocessor.scaler
        arrays |= {f"folds.{fold}.{name}": getattr(scaler, name) for name in ("fill", "center", "factor")}
        for at, (number, sketch) in enumerate(zip(used, stems, strict=True)):
            stem = preprocessor.stems[number]
            if stem.columns is not None:
                arrays[f"folds.{fold}.columns_{at + 1}"] = stem.columns.astype(np.int64)
            if sketch.has_basis:
                arrays[f"folds.{fold}.basis_{at + 1}"] = _pad_basis(stem, sketch.n_inputs)
    for number, (member, _) in enumerate(model.active, start=1):
        named = {f"candidate_{number}.{name}": array for name, array in _name_weights(model, member).items()}
        arrays |= named
    return arrays


def _pad_basis(stem: Stem, n_inputs: int) -> NDArray[np.float32]:
    basis = np.eye(stem.n_features, dtype=np.float32) if stem.basis is None else stem.basis
    return np.asarray(np.pad(basis * stem.factor, ((0, 0), (0, n_inputs - basis.shape[1]))))


def _name_weights(model: TableModel, member: Member) -> dict[str, NDArray[np.generic]]:
    """Weights (M, n_in, n_out) and biases (M, 1, n_out)."""
    given = {name: tensor.detach().numpy() for name, tensor in member.tensors.items()}
    without_basis = model.preprocessors[0].stems[model.stem(member)]
    has_basis = any(one.stems[model.stem(member)].basis is not None for one in model.preprocessors)
    scale = np.float32(1) if has_basis else without_basis.factor
    named = {
        "weight_0": given["stem_weight"] * scale,
        "bias_0": given["stem_bias"],
        "shortcut": given["shortcut"] * np.float32(SHORTCUT_GAIN) * scale,
        "head_weight": given["head_weight"] * np.float32(given["head_weight"].shape[1] ** -0.5),
        "head_bias": given["head_bias"],
    }
    n_layers = len(skips_of(model.space, member.architecture))
    for i in range(n_layers):
        named |= {f"weight_{i + 1}": given[f"weight_{i}"], f"bias_{i + 1}": given[f"bias_{i}"]}
    if not model.classes:
        n_seeds = count_networks(member) // model.n_folds
        for name in ("factor", "center"):
            named[name] = np.tile(getattr(model, name).astype(np.float32), (n_seeds, 1, 1))
    return named
