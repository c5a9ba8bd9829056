"""Prediction: one row per sample, with the class and the probability of every class, or the predicted values."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enas.files import write_csv
from enas.model import Model, Samples, probabilities_of, run_model
from enas.progress import Progress

FILE = "enas_predicted_result_data_frame.csv"


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What `predict` found.

    Args:
        sample_ids: n ids.
        predicted: classification: n class names. Regression: (n, t) values.
        probabilities: (n, C); None for regression.
        file: the table that was written.
    """

    sample_ids: Sequence[str]
    predicted: tuple[str, ...] | NDArray[np.float64]
    probabilities: NDArray[np.float64] | None
    file: Path


def predict(model: Model, samples: Samples, folder: Path, *, batch_size: int, progress: Progress) -> Prediction:
    """Predict ``samples`` (as the model takes them) and write the table into ``folder``."""
    outputs = run_model(model, samples, batch_size, progress)
    file = folder / FILE
    if not model.classes:
        header = ["sample_id", *(f"predicted_{name}" for name in model.target_names)]
        write_csv(file, header, ((i, *row) for i, row in zip(samples.sample_ids, outputs.tolist(), strict=True)))
        return Prediction(samples.sample_ids, outputs, None, file)
    probabilities = probabilities_of(outputs)
    predicted = tuple(model.classes[i] for i in probabilities.argmax(axis=1))
    header = ["sample_id", "predicted_result", "softmax_value", *(f"softmax_{name}" for name in model.classes)]
    write_csv(file, header, _rows(samples.sample_ids, predicted, probabilities))
    return Prediction(samples.sample_ids, predicted, probabilities, file)


def _rows(
    ids: Sequence[str], predicted: tuple[str, ...], probabilities: NDArray[np.float64]
) -> Iterator[tuple[object, ...]]:
    for sample, name, values in zip(ids, predicted, probabilities.tolist(), strict=True):
        rounded = [float(f"{value:.8g}") for value in values]
        yield (sample, name, json.dumps(rounded), *rounded)
