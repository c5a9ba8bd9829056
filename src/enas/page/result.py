"""How good the model is, and on which rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from enas.page.saved import Facts, Saved, reading
from enas.page.text import estimate, fixed, is_number, shown
from enas.printable import printable

CLASSIFICATION = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auroc": "AUROC",
    "log_loss": "log-loss (lower is better)",
}
REGRESSION = {
    "r2": "R²",
    "rmse": "RMSE (lower is better)",
    "mae": "MAE (lower is better)",
    "spearman": "Spearman’s correlation",
}


@dataclass(frozen=True, slots=True)
class Headline:
    """The main figure.

    Args:
        name: of the metric.
        figure: ``{value, low, high}``; empty if nothing was measured.
        rows: which rows it stands on, or why there is none.
        kind: test, validation, training rows or none.
        caveat: what a reader must know to judge it.
    """

    name: str
    figure: Mapping[str, Any]
    rows: str
    kind: str
    caveat: str = ""

    @property
    def value(self) -> str:
        return fixed(self.figure.get("value"))

    @property
    def interval(self) -> str:
        """In words, empty if there is none."""
        limits = [self.figure.get("low"), self.figure.get("high")]
        return f"95 % interval {fixed(limits[0])} to {fixed(limits[1])}" if all(map(is_number, limits)) else ""


def read_headline(saved: Saved) -> Headline:
    """Of the test rows if they were evaluated, else of the validation rows.

    Raises:
        RunError: a file is damaged.
    """
    if saved.evaluation:
        with reading(saved.output("evaluation.json")):
            return _of_test(saved.evaluation)
    if saved.validation:
        with reading(saved.output("validation.json")):
            caveat = "No test rows were evaluated. Rows that had a say in the choice flatter the model."
            name, figure = _main(saved.validation["metrics"])
            return Headline(name, figure, printable(str(saved.validation["rows"])), "validation", caveat)
    if "shared_weight_score" in saved.best:
        caveat = "A search alone: nothing was retrained. Such a score ranks architectures; it is no test of a model."
        figure = {"value": saved.best["shared_weight_score"]}
        return Headline("score with shared weights", figure, "on held-out rows of the search", "validation", caveat)
    return Headline("", {}, "Training did not come to its end, so there is no figure.", "none")


def _of_test(evaluation: Facts) -> Headline:
    name, figure = _main(evaluation["metrics"])
    rows = f"on {evaluation['headline'].partition(' on ')[2]}"
    if evaluation["n_rows_seen_in_training"] < evaluation["n_rows"]:
        return Headline(name, figure, shown(rows), "test")
    caveat = "The model was trained on all of these rows, so the figure says nothing about new samples."
    return Headline(name, figure, f"on {evaluation['n_rows']} rows of the training data", "training rows", caveat)


def _main(metrics: Facts) -> tuple[str, Mapping[str, Any]]:
    return ("R²", metrics["mean"]["r2"]) if "mean" in metrics else ("accuracy", metrics["accuracy"])


def tabulate_metrics(saved: Saved) -> list[tuple[str, Markup, Markup]]:
    """Name, figure on test rows, figure on validation rows; empty texts where there is none."""
    sides: list[Facts] = []
    for name, facts in (("evaluation.json", saved.evaluation), ("validation.json", saved.validation)):
        with reading(saved.output(name)):
            metrics: Facts = facts["metrics"] if facts else {}
            sides.append(metrics.get("mean", metrics))
    names = REGRESSION if any("r2" in side for side in sides) else CLASSIFICATION
    test, validation = sides
    return [
        (
            label,
            estimate(test[key]) if key in test else Markup(""),
            estimate(validation[key]) if key in validation else Markup(""),
        )
        for key, label in names.items()
        if key in test or key in validation
    ]


def read_notes(saved: Saved) -> list[str]:
    """What the metrics themselves remark."""
    with reading(saved.output("evaluation.json")):
        facts = saved.evaluation or saved.validation
        return [shown(note) for note in facts["metrics"]["notes"]] if facts else []
