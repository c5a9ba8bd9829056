"""A linear model, for comparison, and its file beside the run's model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.data.dataset import FloatArray
from enas.data.preprocess import Scaler
from enas.member_files import naming
from enas.tensor_files import read_tensors, write_tensors

Floats = NDArray[np.float64]
_SCALER = ("fill", "center", "factor")


@dataclass(frozen=True, slots=True, eq=False)
class LinearFold:
    """One fold's scaling and weights: ``scaler(features) @ weights + bias``, (n, C)."""

    scaler: Scaler
    weights: FloatArray
    bias: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class LinearModel:
    """A linear model, averaged over the folds; a `enas.model.Model`.

    Args:
        name: as the report calls it, with what it was fitted to where that is not all rows.
        folds: at least one.
        classes: class names; empty for regression.
        target_names: one per target column.
    """

    name: str
    folds: tuple[LinearFold, ...]
    classes: tuple[str, ...]
    target_names: tuple[str, ...]

    def outputs(self, features: NDArray[Any], *, batch_size: int = 1000) -> Iterator[Floats]:
        """Logits, or values, of rows (n, …) in batches (b, C)."""
        for start in range(0, len(features), batch_size):
            rows = flatten(features[start : start + batch_size])
            yield np.mean([predict_fold(fold, rows) for fold in self.folds], axis=0, dtype=np.float64)


def flatten(features: NDArray[Any]) -> FloatArray:
    """Rows (n, …) as (n, p) numbers; an image is a row of pixels."""
    return np.asarray(features, np.float32).reshape(len(features), -1)


def predict_fold(fold: LinearFold, rows: FloatArray) -> FloatArray:
    """Logits, or values, (n, C) of flat rows (n, p)."""
    return np.asarray(fold.scaler(rows) @ fold.weights + fold.bias)


def save_linear(model: LinearModel, path: Path) -> None:
    """Write the arrays of each fold; what else the model is, the run's own model tells."""
    arrays: dict[str, NDArray[Any]] = {}
    for i, fold in enumerate(model.folds):
        arrays |= {f"{i}.{name}": getattr(fold.scaler, name) for name in _SCALER}
        arrays |= {f"{i}.weights": fold.weights, f"{i}.bias": fold.bias}
    write_tensors(path, arrays, {"name": model.name, "transform": model.folds[0].scaler.transform})


def load_linear(path: Path, classes: tuple[str, ...], target_names: tuple[str, ...]) -> LinearModel:
    """Read what `save_linear` wrote.

    Raises:
        RunError: the file is missing or damaged.
    """
    arrays, metadata = read_tensors(path)
    with naming(path):
        transform: Any = {name: name for name in ("none", "log1p", "asinh")}[metadata["transform"]]
        folds = tuple(
            LinearFold(
                Scaler(transform, *(arrays[f"{i}.{name}"] for name in _SCALER)),
                arrays[f"{i}.weights"],
                arrays[f"{i}.bias"],
            )
            for i in range(sum(name.endswith(".bias") for name in arrays))
        )
        if any(fold.weights.shape != (len(fold.scaler.fill), len(classes or target_names)) for fold in folds):
            raise ValueError("its weights are not of this model's features and outputs")
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("some of its numbers are not finite")
        return LinearModel(metadata["name"], folds, classes, target_names)
