"""``honesty.json``: what each stage of a run finds out against the run."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.attribution import Attribution
from enas.baselines import Baseline, LinearModel, load_linear, save_linear
from enas.evaluate import Evaluation, headline, measure
from enas.files import read_json, write_json
from enas.fit import Fitted
from enas.metrics.differences import independent_difference, paired_difference
from enas.metrics.intervals import Estimate
from enas.metrics.overlap import overlaps
from enas.metrics.rewards import Reward, judge
from enas.model import Model, Samples, run_model
from enas.progress import Progress
from enas.rivals import Rivals, rank_correlation
from enas.run import Run

FILE = "honesty.json"


def note_training(run: Run, fitted: Fitted, baselines: Sequence[Baseline], reward: Reward, progress: Progress) -> None:
    """What training knows: the linear models, which are kept, and random architectures, on the held-out rows."""
    labels = fitted.folds.judged_labels
    linear = []
    for i, one in enumerate(_best_first(baselines, reward, labels), start=1):
        save_linear(one.model, run.models / f"linear_{i}.safetensors")
        linear.append(_describe_linear(fitted.held_out, one.model, one.held_out, labels))
    facts: dict[str, Any] = {"linear": linear}
    if fitted.rivals and fitted.search:
        facts |= _describe_rivals(fitted, fitted.rivals)
    write_json(run.output_files / FILE, facts)
    _tell(facts, "validation rows", progress)


def note_test(
    run: Run, model: Model, samples: Samples, result: Evaluation, batch_size: int, progress: Progress
) -> None:
    """What new rows add: the linear models there, and how much the choice by validation rows has flattered."""
    assert samples.target is not None, "evaluation needs a target"
    labels, ours = samples.target.values[result.judged], result.outputs[result.judged]
    facts = read_facts(run)
    linear = []
    for path in sorted(run.models.glob("linear_*.safetensors")):
        one = load_linear(path, model.classes, model.target_names)
        theirs = run_model(one, samples, batch_size, progress)[result.judged]
        linear.append(_describe_linear(ours, one, theirs, labels))
    validation = run.output_files / "validation.json"
    if validation.is_file() and result.n_seen < result.n_rows:
        before = read_json(validation)["metrics"]
        before = before["mean"]["r2"] if "mean" in before else before["accuracy"]
        gap = independent_difference(_estimate(before), headline(result.metrics))
        facts["validation_test_gap"] = gap.to_dict()
    write_json(run.output_files / FILE, facts | {"linear": linear})
    _tell({"linear": linear}, "test rows", progress)


def note_ranking(run: Run, attribution: Attribution) -> None:
    """What explaining knows: whether the ranking of the features holds over refits."""
    shares = overlaps(attribution.of_refits)
    if shares:
        stability = {**shares, "n": len(attribution.of_refits), "of": attribution.refits}
        write_json(run.output_files / FILE, read_facts(run) | {"ranking_stability": stability})


def read_facts(run: Run) -> dict[str, Any]:
    """What is known so far.

    Raises:
        RunError: the file is damaged.
    """
    path = run.output_files / FILE
    return dict(read_json(path)) if path.is_file() else {}


def _best_first(baselines: Sequence[Baseline], reward: Reward, labels: NDArray[Any]) -> list[Baseline]:
    """By the run's own measure on the held-out rows: the first is the one that stands for all."""
    score, tie = judge(reward, np.stack([one.held_out for one in baselines]), labels)
    return [baselines[i] for i in np.lexsort((tie, score))[::-1]]


def _describe_linear(
    ours: NDArray[np.float64], linear: LinearModel, theirs: NDArray[np.float64], labels: NDArray[Any]
) -> dict[str, Any]:
    difference = paired_difference(ours, theirs, labels, is_regression=not linear.classes)
    figure = headline(measure(linear, theirs, labels))
    return {"name": linear.name, "figure": figure.to_dict(), "difference": difference.to_dict()}


def _describe_rivals(fitted: Fitted, rivals: Rivals) -> dict[str, Any]:
    assert fitted.search is not None, "rivals are compared with a search"
    labels, is_regression = fitted.folds.judged_labels, fitted.folds.is_regression
    difference = paired_difference(fitted.held_out, rivals.held_out, labels, is_regression=is_regression)
    scored = {one.architecture: one for one in (*rivals.chosen, *fitted.search.derived)}
    retrained = {one.architecture: one for one in (*rivals.candidates, *fitted.candidates)}
    tau = rank_correlation([scored[one] for one in retrained], list(retrained.values()))
    facts: dict[str, Any] = {
        "random_difference": {
            **difference.to_dict(),
            "n": len(rivals.candidates),
            "n_scored": rivals.n_scored,
            "architectures": [
                {
                    "architecture": str(one.architecture),
                    "shared_weight_score": scored[one.architecture].reward,
                    "retrained_score": one.reward,
                }
                for one in rivals.candidates
            ],
        }
    }
    if tau is not None:
        facts["kendall_tau"] = {"value": tau, "n": len(retrained)}
    return facts


def _estimate(kept: Mapping[str, float | None]) -> Estimate:
    """The inverse of `Estimate.to_dict`."""
    values = [kept[key] for key in ("value", "low", "high")]
    return Estimate(*(np.nan if value is None else value for value in values))


def _tell(facts: Mapping[str, Any], rows: str, progress: Progress) -> None:
    """The same in the log; with what a simpler model does better said first."""
    for one in facts["linear"]:
        ahead = " A LINEAR MODEL DOES BETTER:" if (one["difference"]["value"] or 0) < 0 else ""
        figure, difference = _estimate(one["figure"]), _signed(one["difference"])
        progress.line(
            f"for comparison:{ahead} {one['name']} {figure} on the same {rows}; ours minus theirs {difference}"
        )
    if random := facts.get("random_difference"):
        what = f"{random['n']} random architectures at the same budget, searched minus random"
        progress.line(f"for comparison: {what} {_signed(random)}")


def _signed(kept: Mapping[str, float | None]) -> str:
    one = _estimate(kept)
    return f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"
