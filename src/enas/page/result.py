"""How good the model is, on which rows, and beside what a simpler model or chance would give."""

import math
from collections.abc import Iterator, Mapping
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


def linear_wins(saved: Saved, headline: Headline) -> str:
    """A sentence if the linear baseline is ahead on the rows of the headline, else nothing."""
    with reading(saved.output("honesty.json")):
        linear = saved.honesty.get("linear")
        if not linear:
            return ""
        theirs, ours = _value(linear["figure"]), headline.figure.get("value")
        if not is_number(theirs) or not is_number(ours) or theirs <= ours:
            return ""
        return (
            f"A linear model does better here: {shown(linear['name'])} has {headline.name} {fixed(theirs)}, "
            f"the searched networks {fixed(ours)}."
        )


def list_honesty(saved: Saved) -> list[tuple[str, Markup, str]]:
    """What was asked, the answer, and how to read it; one row per fact of ``honesty.json``."""
    with reading(saved.output("honesty.json")):
        return [*_honesty(saved.honesty)]


def _honesty(facts: Facts) -> Iterator[tuple[str, Markup, str]]:
    if one := facts.get("random_difference"):
        n = f", {one['n']} random ones" if one.get("n") else ""
        yield f"Search against random architectures{n}", estimate(one), _read_difference(one)
    if one := facts.get("linear"):
        figure = one["figure"]
        yield (
            f"Linear baseline: {shown(one['name'])}",
            estimate(figure if isinstance(figure, dict) else {"value": figure}),
            "Same split, same rows as the headline. What a network adds is what it has beyond this.",
        )
    if one := facts.get("kendall_tau"):
        n = f", {one['n']} candidates" if one.get("n") else ""
        text = "Rank correlation of the scores with shared weights and after retraining: 1 is the same order, 0 none."
        yield f"Kendall’s τ{n}", Markup(fixed(one["value"])), text
    if one := facts.get("ranking_stability"):
        shares = [f"top {key.removeprefix('top')}: {100 * one[key]:.0f} %" for key in ("top20", "top100") if key in one]
        text = "Features that stand among the first again when the model is fitted anew."
        yield "Stability of the feature ranking", Markup(" · ").join(shares), text
    if one := facts.get("validation_test_gap"):
        text = "Validation minus test: what the choice by validation rows has flattered."
        yield "Gap between validation and test", estimate(one), text


def _read_difference(one: Facts) -> str:
    low, high = one.get("low", math.nan), one.get("high", math.nan)
    if not is_number(low) or not is_number(high):
        return "Searched minus random, at the same budget."
    if low > 0:
        return "Searched minus random, at the same budget: the search is ahead."
    if high < 0:
        return "Searched minus random, at the same budget: random architectures are ahead."
    return "Searched minus random, at the same budget: it cannot be told from chance."


def _value(figure: object) -> Any:
    return figure.get("value") if isinstance(figure, dict) else figure
