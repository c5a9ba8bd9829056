"""Metrics of predicted class probabilities; averages over classes count only classes that occur."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.metrics.intervals import Estimate, bootstrap, macro_auroc, of_confusion, percentiles, wilson
from enas.metrics.rewards import Floats, auroc_by_class
from enas.metrics.text import align

HEADLINE = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auroc": "AUROC",
    "log_loss": "log-loss",
}
"""Fields of `ClassificationMetrics` and how the log calls them."""


@dataclass(frozen=True, slots=True)
class ClassMetrics:
    """One class against the rest; precision is undefined if it is never predicted, recall if it never occurs."""

    name: str
    support: int
    precision: Estimate
    recall: Estimate
    f1: Estimate


@dataclass(frozen=True, slots=True, eq=False)
class ClassificationMetrics:
    """Quality of predicted class probabilities.

    Args:
        n_samples: rows scored.
        accuracy: share of rows whose most probable class is the true one.
        balanced_accuracy: mean recall.
        macro_f1: mean F1.
        auroc: mean one-versus-rest area under the ROC curve.
        log_loss: mean of -log(probability of the true class), natural logarithm; lower is better.
        per_class: in class order.
        confusion: counts, shape (C, C), rows = true class, columns = predicted class.
        notes: what a reader should know, one sentence each.
    """

    n_samples: int
    accuracy: Estimate
    balanced_accuracy: Estimate
    macro_f1: Estimate
    auroc: Estimate
    log_loss: Estimate
    per_class: tuple[ClassMetrics, ...]
    confusion: NDArray[np.int64]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; an undefined metric is null."""
        return {
            "n_samples": self.n_samples,
            **{name: getattr(self, name).to_dict() for name in HEADLINE},
            "per_class": [
                {"class": c.name, "support": c.support}
                | {name: getattr(c, name).to_dict() for name in ("precision", "recall", "f1")}
                for c in self.per_class
            ],
            "classes": [c.name for c in self.per_class],
            "confusion_rows_true_columns_predicted": self.confusion.tolist(),
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """Aligned lines for the log: the metrics, then one line per class, then the notes."""
        head = [(shown, str(getattr(self, name))) for name, shown in HEADLINE.items()]
        body = [(c.name, str(c.precision), str(c.recall), str(c.f1), str(c.support)) for c in self.per_class]
        table = align([("class", "precision", "recall", "F1", "support"), *body])
        return "\n".join([align(head), "", table, *(f"note: {note}" for note in self.notes)])


def evaluate_classification(
    probabilities: NDArray[Any], y: NDArray[Any], classes: Sequence[str], *, seed: int = 0
) -> ClassificationMetrics:
    """Score predicted probabilities.

    Args:
        probabilities: shape (n, C), rows sum to one; the predicted class is the first of the largest.
        y: true class indices in 0…C-1, shape (n,).
        classes: C names.
        seed: of the bootstrap for the log-loss.

    Raises:
        ValueError: no rows, shapes that do not match, an index out of range, rows that are no probabilities.
    """
    probabilities, y = np.asarray(probabilities), np.asarray(y)
    _check_probabilities(probabilities, y, classes)
    n_classes = len(classes)
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount(y * n_classes + predicted, minlength=n_classes**2).reshape(n_classes, n_classes)
    return ClassificationMetrics(
        n_samples=len(y),
        accuracy=wilson(int(np.trace(confusion)), len(y)),
        balanced_accuracy=of_confusion(_balanced_accuracy, confusion),
        macro_f1=of_confusion(_macro_f1, confusion),
        auroc=macro_auroc(probabilities.astype(np.float64), y, auroc_by_class(probabilities, y)),
        log_loss=_log_loss(probabilities, y, seed),
        per_class=tuple(_class_metrics(name, confusion, index) for index, name in enumerate(classes)),
        confusion=confusion.astype(np.int64),
        notes=_class_notes(confusion, classes),
    )


def _check_probabilities(probabilities: NDArray[Any], y: NDArray[Any], classes: Sequence[str]) -> None:
    if probabilities.ndim != 2 or y.shape != probabilities.shape[:1] or probabilities.shape[1] != len(classes):
        raise ValueError(f"shapes do not match: {probabilities.shape=}, {y.shape=}, {len(classes)} classes")
    if not probabilities.size:
        raise ValueError(f"nothing to evaluate: {probabilities.shape=}")
    if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= len(classes):
        raise ValueError(f"y must hold class indices 0…{len(classes) - 1}, got {y.dtype} from {y.min()} to {y.max()}")
    wrong = ~(np.abs(probabilities.sum(axis=1, dtype=np.float64) - 1) < 1e-3) | ~(probabilities >= 0).all(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"row {row} holds no probabilities that sum to one: {probabilities[row][:8].tolist()}")


def _balanced_accuracy(matrix: Floats) -> float:
    counts = matrix.sum(axis=1)
    present = counts > 0
    return float((np.diag(matrix)[present] / counts[present]).mean())


def _macro_f1(matrix: Floats) -> float:
    counts = matrix.sum(axis=1)
    present = counts > 0
    return float((2 * np.diag(matrix)[present] / (counts + matrix.sum(axis=0))[present]).mean())


def _class_metrics(name: str, confusion: NDArray[Any], index: int) -> ClassMetrics:
    hits, support, n_predicted = confusion[index, index], confusion[index].sum(), confusion[:, index].sum()
    # Among the rows that are or are called this class, hits are a proportion J, and F1 = 2J / (1 + J).
    jaccard = wilson(hits, support + n_predicted - hits)
    f1 = Estimate(*(2 * j / (1 + j) for j in (jaccard.value, jaccard.low, jaccard.high)))
    return ClassMetrics(name, int(support), wilson(hits, n_predicted), wilson(hits, support), f1)


def _log_loss(probabilities: NDArray[Any], y: NDArray[Any], seed: int) -> Estimate:
    smallest = np.finfo(probabilities.dtype if probabilities.dtype.kind == "f" else np.float64).eps  # as scikit-learn
    losses = -np.log(np.maximum(probabilities[np.arange(len(y)), y], smallest).astype(np.float64))
    return percentiles(bootstrap(y, seed) @ losses / len(y), float(losses.mean()))


def _class_notes(confusion: NDArray[Any], classes: Sequence[str]) -> tuple[str, ...]:
    absent = [name for name, count in zip(classes, confusion.sum(axis=1), strict=True) if not count]
    notes = []
    if absent:
        shown = ", ".join(repr(name) for name in absent[:5]) + (", …" if len(absent) > 5 else "")
        notes.append(f"{len(absent)} of {len(classes)} classes have no sample here and count in no average: {shown}")
    if len(absent) == len(classes) - 1:
        notes.append("all samples are of one class, so AUROC is undefined")
    return tuple(notes)
