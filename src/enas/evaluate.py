"""Evaluation: metrics with intervals on labelled rows, and a clear word on which of them the model has seen.

Rows are recognised by a hash of their values. A row that trained the model, or chose it on validation, says nothing
about new samples; where there are other rows the headline is theirs alone, where there are none the headline says so.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.files import write_json
from enas.metrics import (
    ClassificationMetrics,
    Estimate,
    RegressionMetrics,
    evaluate_classification,
    evaluate_regression,
)
from enas.metrics.curves import classification_curves, regression_points
from enas.model import Model, Samples, probabilities_of, run_model
from enas.progress import Progress

Metrics = ClassificationMetrics | RegressionMetrics


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What `evaluate` found.

    Args:
        metrics: of the headline rows: the unseen ones, or all if every row was seen.
        all_rows: of all rows, where some but not all were seen; else None.
        n_seen: rows that the model was trained on or chosen by.
        n_rows: rows in all.
        noun: what a row is called.
        judged: (n_rows,) which are the headline rows.
        outputs: (n_rows, C) logits or values.
        files: what was written.
    """

    metrics: Metrics
    all_rows: Metrics | None
    n_seen: int
    n_rows: int
    noun: str
    judged: NDArray[np.bool_]
    outputs: NDArray[np.float64]
    files: tuple[Path, ...]

    @property
    def headline(self) -> str:
        """The main figure and, in the same line, the rows that it stands for."""
        return f"{headline_figure(self.metrics)} {self.rows}"

    @property
    def rows(self) -> str:
        """Which rows the headline stands for."""
        if self.n_seen == 0:
            return f"on {self.n_rows} {self.noun} that the model has not seen"
        if self.n_seen == self.n_rows:
            return f"on {self.n_rows} {self.noun} that the model was TRAINED ON: it says nothing about new samples"
        n_unseen = self.n_rows - self.n_seen
        return f"on the {n_unseen} {self.noun} that the model has not seen ({self.n_seen} others were trained on)"


def headline_figure(metrics: Metrics) -> str:
    """``accuracy 0.93 [0.85, 0.97]``, or R² of a regression."""
    name = "accuracy" if isinstance(metrics, ClassificationMetrics) else "R²"
    return f"{name} {headline(metrics)}"


def headline(metrics: Metrics) -> Estimate:
    """The main figure: accuracy, or R² of a regression, the mean over its targets."""
    return metrics.accuracy if isinstance(metrics, ClassificationMetrics) else metrics.mean.r2


def evaluate(
    model: Model, samples: Samples, seen: AbstractSet[int], folder: Path, *, batch_size: int, progress: Progress
) -> Evaluation:
    """Score ``model`` on ``samples`` and write ``evaluation.json`` and the figures into ``folder``.

    Args:
        model: the trained model.
        samples: with a target, as the model takes them.
        seen: hashes of the rows that trained or chose the model.
        folder: where files go.
        batch_size: rows at a time.
        progress: shows how far it is.
    """
    assert samples.target is not None, "evaluation needs a target"
    outputs = run_model(model, samples, batch_size, progress)
    labels = samples.target.values
    is_seen = np.isin(samples.hashes(), np.array(sorted(seen), np.uint64))
    judged = ~is_seen if not is_seen.all() else is_seen
    metrics = measure(model, outputs[judged], labels[judged])
    mixed = bool(is_seen.any() and not is_seen.all())
    figures = draw(model, outputs[judged], labels[judged], metrics, folder)
    result = Evaluation(
        metrics=metrics,
        all_rows=measure(model, outputs, labels) if mixed else None,
        n_seen=int(is_seen.sum()),
        n_rows=len(labels),
        noun=samples.noun,
        judged=judged,
        outputs=outputs,
        files=(folder / "evaluation.json", *figures),
    )
    curves = draw_points(model, outputs[judged], labels[judged])
    write_json(folder / "evaluation.json", {**to_dict(result), "curves": curves})
    return result


def measure(model: Model, outputs: NDArray[np.float64], labels: NDArray[Any]) -> Metrics:
    """Metrics of logits, or of regression values, (n, C)."""
    if model.classes:
        return evaluate_classification(probabilities_of(outputs), labels, model.classes)
    return evaluate_regression(outputs, labels, model.target_names)


def draw_points(model: Model, outputs: NDArray[np.float64], labels: NDArray[Any]) -> object:
    """What the report draws: ROC and calibration curves, or predicted against true values."""
    if model.classes:
        return classification_curves(probabilities_of(outputs), labels, model.classes)
    return regression_points(outputs, labels, model.target_names)


def draw(
    model: Model, outputs: NDArray[np.float64], labels: NDArray[Any], metrics: Metrics, folder: Path
) -> tuple[Path, ...]:
    """Confusion matrix and ROC curves, or predicted against true values."""
    from enas import report

    if isinstance(metrics, RegressionMetrics):
        return report.scatter(outputs, labels, model.target_names, folder / "enas_scatter")
    return (
        *report.confusion_matrix(metrics.confusion, model.classes, folder / "enas_confusion_matrix"),
        *report.roc_curves(probabilities_of(outputs), labels, model.classes, folder / "enas_roc_curves"),
    )


def to_dict(evaluation: Evaluation) -> dict[str, object]:
    """What ``evaluation.json`` holds."""
    return {
        "headline": evaluation.headline,
        "n_rows": evaluation.n_rows,
        "n_rows_seen_in_training": evaluation.n_seen,
        "metrics": evaluation.metrics.to_dict(),
        "metrics_of_all_rows": evaluation.all_rows.to_dict() if evaluation.all_rows else None,
    }
