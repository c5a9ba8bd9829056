"""Which errors the model makes: confusions, curves, classes; for numbers, predicted against true values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from enas.page.chart import Chart, Point, Series
from enas.page.result import REGRESSION
from enas.page.saved import Facts, Saved, reading
from enas.page.text import estimate, fixed, shown

MOST_IN_MATRIX = 30
"""Classes; with more the largest confusions are listed instead."""
MOST_CONFUSIONS = 20
MOST_NAMED = 3
"""ROC curves that have the accent: those with the smallest areas."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """A confusion matrix.

    Args:
        classes: names.
        rows: per true class its cells, each a count and its share of the class.
        largest: if there are too many classes for a matrix: true class, predicted class, count.
    """

    classes: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[int, float]]]]
    largest: Sequence[tuple[str, str, int]]


@dataclass(frozen=True, slots=True)
class Errors:
    """What the section shows; what does not apply is empty.

    Args:
        rows: which rows these are.
        confusion: for classes.
        per_class: name, number of rows, then precision, recall, F1 and, where known, AUROC.
        has_auroc: whether that last column is there.
        per_target: for numbers: name, then the metrics.
        charts: ROC and calibration, or scatter and residuals.
        notes: one sentence below each chart.
        picture: name of a file that shows what no numbers were saved for.
    """

    rows: str
    confusion: Confusion | None
    per_class: Sequence[tuple[str, int, Sequence[Markup]]]
    has_auroc: bool
    per_target: Sequence[tuple[str, Sequence[Markup]]]
    charts: Sequence[tuple[Markup, str]]
    picture: str


def read_errors(saved: Saved) -> Errors | None:
    """Of the test rows if they were evaluated, else of the validation rows; None if there are neither.

    Raises:
        RunError: the file is damaged.
    """
    facts, name = (saved.evaluation, "evaluation") if saved.evaluation else (saved.validation, "validation")
    if not facts:
        return None
    with reading(saved.output(f"{name}.json")):
        rows = "test rows" if saved.evaluation else "validation rows"
        curves, metrics = facts.get("curves"), facts["metrics"]
        if "mean" in metrics:
            picture = "" if curves else "enas_scatter.png"
            targets = [
                (shown(one["target"]), [estimate(one[key]) for key in REGRESSION]) for one in metrics["per_target"]
            ]
            return Errors(rows, None, (), False, targets, _scatters(curves or ()), picture)
        areas = {one["class"]: one["auroc"] for one in curves["roc"]} if curves else {}
        classes = [_class_row(one, areas) for one in metrics["per_class"]]
        charts = _classification_charts(curves) if curves else ()
        picture = "" if curves else "enas_roc_curves.png"
        return Errors(rows, _confusion(metrics), classes, bool(areas), (), charts, picture)


def _confusion(metrics: Facts) -> Confusion:
    classes = [shown(name) for name in metrics["classes"]]
    matrix = metrics["confusion_rows_true_columns_predicted"]
    if len(classes) > MOST_IN_MATRIX:
        pairs = [(count, i, j) for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j and count]
        largest = sorted(pairs, key=lambda pair: (-pair[0], pair[1:]))[:MOST_CONFUSIONS]
        return Confusion(classes, (), [(classes[i], classes[j], count) for count, i, j in largest])
    rows = [
        (name, [(count, count / max(sum(row), 1)) for count in row]) for name, row in zip(classes, matrix, strict=True)
    ]
    return Confusion(classes, rows, ())


def _class_row(one: Facts, areas: Mapping[str, Any]) -> tuple[str, int, list[Markup]]:
    cells = [estimate(one[key]) for key in ("precision", "recall", "f1")]
    if areas:
        cells.append(Markup(fixed(areas[one["class"]])) if one["class"] in areas else Markup("–"))
    return shown(one["class"]), one["support"], cells


def _classification_charts(curves: Facts) -> list[tuple[Markup, str]]:
    return [one for one in (_roc(curves["roc"]), _calibration(curves["calibration"])) if one[0]]


def _roc(curves: Sequence[Facts]) -> tuple[Markup, str]:
    """The worst curves have the accent and a name, the others are thin."""
    worst = [shown(one["class"]) for one in curves[:MOST_NAMED]]
    diagonal = Series([(0, 0), (1, 1)], look="guide")
    lines = [
        Series([_point(pair) for pair in one["points"]], look="main" if k < MOST_NAMED else "faint")
        for k, one in reversed([*enumerate(curves)])
    ]
    if not lines:
        return Markup(""), ""
    chart = Chart("ROC curves", "false positive rate", "true positive rate", [diagonal, *lines], (0, 1), (0, 1))
    if len(curves) == 1:
        return (
            chart.svg(),
            f"ROC curve of class {worst[0]}, area {fixed(curves[0]['auroc'])}. The diagonal is guessing.",
        )
    names = ", ".join(f"{name} ({fixed(one['auroc'])})" for name, one in zip(worst, curves, strict=False))
    return chart.svg(), f"ROC curves, each class against the rest; in colour the smallest areas: {names}."


def _calibration(facts: Facts) -> tuple[Markup, str]:
    bins = facts["bins"]
    points = [(one["predicted"], one["observed"]["value"]) for one in bins]
    bars = [(one["observed"]["low"], one["observed"]["high"]) for one in bins]
    diagonal = Series([(0, 0), (1, 1)], look="guide")
    series = [diagonal, Series(points, has_line=False, has_dots=True, bars=bars)]
    n = sum(one["n"] for one in bins)
    gap = sum(one["n"] * abs(one["predicted"] - one["observed"]["value"]) for one in bins) / max(n, 1)
    note = (
        f"Calibration: the probability of {shown(facts['of'])} against how often it is so, in ten bins with 95 % "
        f"intervals. On the diagonal probabilities can be taken at their word; the mean distance is {fixed(gap)}."
    )
    chart = Chart("Calibration curve", "predicted probability", "observed share", series, (0, 1), (0, 1))
    return chart.svg(), note


def _scatters(targets: Sequence[Facts]) -> list[tuple[Markup, str]]:
    charts = []
    for one in targets:
        name, points = shown(one["target"]), [_point(pair) for pair in one["points"]]
        ends = [min(map(min, points)), max(map(max, points))]
        diagonal = Series([(end, end) for end in ends], look="guide")
        scatter = Chart(f"{name}: predicted against true values", "true", "predicted", [diagonal, _dots(points)])
        charts.append((scatter.svg(), f"{name}: predicted against true values; on the line they are equal."))
        residuals = [(predicted, true - predicted) for true, predicted in points]
        zero = Series([(min(residuals)[0], 0), (max(residuals)[0], 0)], look="guide")
        spread = sorted(error for _, error in residuals)
        low, high = _quantile(spread, 0.025), _quantile(spread, 0.975)
        chart = Chart(f"{name}: residuals", "predicted", "true − predicted", [zero, _dots(residuals)])
        note = f"{name}: residuals. 95 % of them lie between {fixed(low)} and {fixed(high)}, in the unit of the target."
        charts.append((chart.svg(), note))
    return charts


def _dots(points: Sequence[Point]) -> Series:
    return Series(points, has_line=False, has_dots=True)


def _quantile(ordered: Sequence[float], share: float) -> float:
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def _point(pair: Sequence[float]) -> Point:
    x, y = pair
    return float(x), float(y)
