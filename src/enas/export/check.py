"""Whether an exported model computes what the model computes: samples to compare on, and by how much two may differ."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.data.preprocess import Scaler
from enas.errors import RunError
from enas.image_model import ImageModel
from enas.model import probabilities_of
from enas.table_model import TableModel

N_ROWS, N_IMAGES = 1000, 100
TOLERANCE = 1e-5
_MISSING = 0.05
_BATCH = 100

Compute = Callable[[NDArray[Any]], list[NDArray[np.float64]]]
"""Samples (B, …) to logits and, of some, probabilities; or to values alone."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Largest differences between two models on the same samples.

    Args:
        outputs: of logits or values, relative to their scale.
        probabilities: of probabilities; 0 for regression.
        scale: the largest logit or value, at least 1; single precision cannot tell a probability better than that.
        n_samples: on how many.
    """

    outputs: float
    probabilities: float
    scale: float
    n_samples: int

    def __str__(self) -> str:
        return f"largest differences: outputs {self.outputs:.1e}, probabilities {self.probabilities:.1e}"

    @property
    def largest(self) -> float:
        """Both relative to the scale."""
        return max(self.outputs, self.probabilities / self.scale)


def draw_samples(model: TableModel | ImageModel) -> NDArray[Any]:
    """1,000 rows such as the training rows, a twentieth of the cells missing, or 100 images, from even to noisy."""
    generator = np.random.default_rng(0)
    if isinstance(model, ImageModel):
        shape = (N_IMAGES, *model.plan.size, model.plan.n_image_channels)
        contrast = np.linspace(0, 1, N_IMAGES)[:, None, None, None]
        level = generator.uniform(0, 255, (N_IMAGES, 1, 1, shape[-1]))
        pixels = level + contrast * generator.uniform(-128, 128, shape)
        return np.clip(pixels, 0, 255).astype(np.uint8)
    scaler = model.preprocessors[0].scaler
    rows = generator.standard_normal((N_ROWS, len(model.feature_names)), np.float32)
    rows = _untransformed(rows * _spread(scaler) + scaler.center, scaler)
    rows[generator.random(rows.shape, np.float32) < _MISSING] = np.nan
    return rows


def _spread(scaler: Scaler) -> NDArray[np.float32]:
    spread = np.zeros_like(scaler.factor)
    np.divide(1, scaler.factor, out=spread, where=scaler.factor > 0)
    return spread


def _untransformed(values: NDArray[np.float32], scaler: Scaler) -> NDArray[np.float32]:
    if scaler.transform == "asinh":
        return np.sinh(np.clip(values, -40, 40))
    if scaler.transform == "log1p":
        return np.maximum(np.expm1(np.minimum(values, 40)), np.float32(-0.99))
    return values


def compare(model: TableModel | ImageModel, compute: Compute, samples: NDArray[Any]) -> Difference:
    """How far what ``compute`` gives is from the model's: its logits, and its probabilities if it gives them, too."""
    expected = np.concatenate(list(model.outputs(samples, batch_size=_BATCH)))
    batches = [compute(samples[i : i + _BATCH]) for i in range(0, len(samples), _BATCH)]
    found = [np.concatenate(parts) for parts in zip(*batches, strict=True)]
    chances = (found[1] if len(found) > 1 else probabilities_of(found[0])) if model.classes else None
    return difference(expected, found[0], chances)


def difference(
    expected: NDArray[np.float64], found: NDArray[np.float64], chances: NDArray[np.float64] | None
) -> Difference:
    """Of outputs (n, C) and, for classes, of the probabilities ``chances``; NaN counts as infinitely far."""
    scale = max(1.0, float(np.abs(expected).max()))
    gaps = [np.abs(found - expected).max() / scale]
    gaps.append(np.abs(chances - probabilities_of(expected)).max() if chances is not None else np.float64(0))
    outputs, probabilities = (float(gap) if np.isfinite(gap) else float("inf") for gap in gaps)
    return Difference(outputs, probabilities, scale, len(expected))


def refuse_difference(found: Difference, what: str) -> None:
    """Refuse an export that computes something else.

    Raises:
        RunError: the difference is larger than `TOLERANCE`.
    """
    if found.largest > TOLERANCE:
        raise RunError(f"the exported {what} computes something else, nothing is exported: {found}; please report it")
