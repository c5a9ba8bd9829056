"""Saved files of runs, written by hand: what a page is made from."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enas.files import write_csv, write_json
from enas.metrics import evaluate_classification, evaluate_regression
from enas.metrics.curves import classification_curves, regression_points
from enas.run import Run

NASTY = "<script>document.title='run'</script>"
CLASSES = ("high {{ 7 * 7 }}", NASTY, "a&b</script>")
N_FEATURES = 300
SaveRun = Callable[..., Run]


def feature_names() -> list[str]:
    return [NASTY, "=cmd()", "</td>{{ 1 }}", *(f"gene {i}" for i in range(3, N_FEATURES))]


def write_classification(run: Run) -> None:
    """Three classes; 60 test rows of which a few are mistaken."""
    generator = np.random.default_rng(0)
    for name, n in (("validation", 30), ("evaluation", 60)):
        y = np.arange(n) % 3
        p = generator.dirichlet([0.3] * 3, n) + 0.8 * np.eye(3)[y]
        p /= p.sum(axis=1, keepdims=True)
        metrics = evaluate_classification(p, y, CLASSES).to_dict()
        facts = {"metrics": metrics, "curves": classification_curves(p, y, CLASSES)}
        head = {"rows": "on 30 validation rows that also chose epoch and architecture: optimistic"}
        if name == "evaluation":
            text = "accuracy 0.9 [0.8, 1.0] on 60 rows that the model has not seen"
            head = {"headline": text, "n_rows": n, "n_rows_seen_in_training": 0}  # type: ignore[dict-item]
        write_json(run.output_files / f"{name}.json", head | facts)


def write_regression(run: Run) -> None:
    """One target, 40 validation rows, no test rows."""
    y = np.random.default_rng(0).normal(size=(40, 1))
    predicted = y + 0.1
    metrics = evaluate_regression(predicted, y, ["size"]).to_dict()
    facts = {"rows": "on 40 validation rows", "metrics": metrics, "curves": regression_points(predicted, y, ["size"])}
    write_json(run.output_files / "validation.json", facts)


def write_explanation(run: Run) -> None:
    importance = 1 / np.arange(1, N_FEATURES + 1)
    importance[-50:] = 0
    rows = [(i + 1, name, importance[i], importance[i]) for i, name in enumerate(feature_names())]
    header = ["rank", "feature", "importance", *(f"importance_{name}" for name in CLASSES[:1])]
    write_csv(run.output_files / "_features_orders.csv", header, rows)
    facts = {"outputs": CLASSES[:1], "n_samples": 20, "additivity_error": 1.7e-7}
    write_json(run.output_files / "explanation.json", facts)


def write_course(run: Run) -> None:
    for epoch in range(4):
        run.log(
            stage="search", epoch=epoch, child_loss=1 / (epoch + 1), reward=0.5, baseline=None, entropy=float("nan")
        )
    for epoch in range(3):
        run.log(stage="retrain", architecture="[0 1]", epoch=epoch, child_loss=1 / (epoch + 1), valid_score=0.9)
    header = ["rank", "architecture", "description", "shared_weight_score", "shared_weight_tie_break"]
    header += ["retrained_score", "retrained_tie_break", "best_epoch", "share_of_model"]
    rows: list[tuple[object, ...]] = [(1, "[0 1]", "64 → 32 (+ layer 1)", 0.9, -0.1, 0.95, -0.2, 3, 1.0)]
    rows += [(k, f"[0 {k}]", "64 → 64", 1 / k, -0.1, None, None, None, None) for k in range(2, 16)]
    write_csv(run.leaderboard, header, rows)


@pytest.fixture
def save_run(tmp_path: Path) -> SaveRun:
    """``save_run("classification")`` or ``save_run("regression")``, with further files of ``output_files`` by name."""

    def save(kind: str = "classification", **files: Any) -> Run:
        folder = tmp_path / "run"
        (folder / "output_files").mkdir(parents=True)
        run = Run(folder, datetime(2026, 1, 1, tzinfo=UTC))
        config = {"name": NASTY, "data_train": {}, "trainer": {"max_search_channel": 64}, "seed": 5}
        write_json(run.config, config)
        write_json(run.environment, {"created": run.created.isoformat(), "seed": 5, "versions": {"enas": "0.1.0"}})
        hashes = {"x.tsv": "ab" * 32}
        write_json(run.data, {"data_train": {"files": hashes, "n_features": N_FEATURES, "row_hashes": ["01", "02"]}})
        write_json(run.steps, {"command": "train", "architecture": "[0 1]", "steps": ["train"], "done": ["evaluate"]})
        write_json(run.best_architecture, {"text": "[0 1]", "description": "64 → 32 (+ layer 1)"})
        write_course(run)
        if kind == "classification":
            write_classification(run)
            write_explanation(run)
        else:
            write_regression(run)
        for name, content in files.items():
            write_json(run.output_files / f"{name}.json", content)
        return run

    return save


def features_in(page: str) -> dict[str, Any]:
    """The data that the page's script searches."""
    start = page.index('id="features">') + len('id="features">')
    found: dict[str, Any] = json.loads(page[start : page.index("</script>", start)])
    return found
