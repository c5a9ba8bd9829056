"""The result as tables: a line per fold, and a line per prediction of a row that was held out."""

from collections.abc import Iterator, Sequence
from math import isnan
from pathlib import Path

from enas.cross_validation.division import Fold
from enas.cross_validation.fold import read_outputs
from enas.cross_validation.result import CrossValidation, FoldResult
from enas.data.dataset import Target
from enas.files import write_csv
from enas.model import Samples, probabilities_of

FOLDS = "cv.csv"
PREDICTIONS = "cv_predictions.csv"


def write_tables(result: CrossValidation, samples: Samples, folds: Sequence[Fold]) -> tuple[Path, ...]:
    """Write both into the directory of the cross-validation."""
    assert samples.target is not None, "training rows have a target"
    names = list(result.folds[0].metrics)
    header = ["repeat", "fold", "seed", "n_train", "n_held_out", *names, "architecture", "description"]
    write_csv(result.path / FOLDS, header, (_line(fold, names) for fold in result.folds))
    rows = sorted(_predictions(result.path, samples, samples.target, folds))
    header = ["sample_id", "repeat", "fold", *_header(samples.target)]
    write_csv(result.path / PREDICTIONS, header, (cells for _, _, cells in rows))
    return result.path / FOLDS, result.path / PREDICTIONS


def _line(fold: FoldResult, names: Sequence[str]) -> tuple[object, ...]:
    figures = (None if isnan(fold.metrics[name]) else fold.metrics[name] for name in names)
    sizes = fold.n_train, fold.n_held_out
    return fold.repeat, fold.fold, fold.seed, *sizes, *figures, fold.architecture, fold.description


def _header(target: Target) -> list[str]:
    if target.classes:
        return ["true_result", "predicted_result", *(f"softmax_{name}" for name in target.classes)]
    return [*(f"true_{name}" for name in target.names), *(f"predicted_{name}" for name in target.names)]


def _predictions(
    folder: Path, samples: Samples, target: Target, folds: Sequence[Fold]
) -> Iterator[tuple[int, int, tuple[object, ...]]]:
    """Repeat, row and cells, so that rows stand in the order of the data."""
    for fold in folds:
        outputs = read_outputs(folder, fold)
        shown = probabilities_of(outputs) if target.classes else outputs
        for row, truth, values in zip(
            fold.split.held_out.tolist(),
            target.values[fold.split.held_out].tolist(),
            shown.tolist(),
            strict=True,
        ):
            named = _named(target, truth, values)
            yield fold.repeat, row, (samples.sample_ids[row], fold.repeat, fold.number, *named)


def _named(target: Target, truth: int | list[float], values: list[float]) -> tuple[object, ...]:
    """True and predicted class with the probabilities, or true and predicted values."""
    rounded = [float(f"{value:.8g}") for value in values]
    if isinstance(truth, list):
        return *(float(f"{value:.8g}") for value in truth), *rounded
    return target.classes[truth], target.classes[values.index(max(values))], *rounded
