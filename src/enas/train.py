"""Training as a stage: `fit` on the table, then everything that it found, written into the run directory."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enas.config import Config
from enas.data.dataset import Dataset
from enas.errors import RunError
from enas.evaluate import Metrics, headline_figure, measure
from enas.files import write_csv, write_json
from enas.fit import Breakdown, Fitted, fit
from enas.model_files import save_model
from enas.progress import Progress
from enas.run import Run
from enas.search_space import Architecture

_HEADER = """\
#################################################################################
         Ready to search the best neural arch for enas model
#################################################################################"""


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What training found.

    Args:
        architecture: the best one.
        metrics: of held-out rows.
        how: which rows those are, and whether they had a say.
        run: the run directory.
        fitted: all of it.
    """

    architecture: Architecture
    metrics: Metrics
    how: str
    run: Path
    fitted: Fitted


def train(
    run: Run,
    table: Dataset,
    config: Config,
    *,
    validation_rows: NDArray[np.int64] | None,
    progress: Progress,
) -> Training:
    """Fit on ``table`` and fill ``run``; the caller holds its lock.

    Raises:
        DataError: as `fit`.
        RunError: training broke down; the last good state is in ``run.models``.
    """
    progress.line(_HEADER)

    def record(row: Mapping[str, object]) -> None:
        run.log(**row)

    start = time.perf_counter()
    try:
        fitted = fit(table, config, validation_rows=validation_rows, progress=progress, record=record)
    except Breakdown as error:
        save_model(error.model, run.models)
        raise RunError(f"{error}; evaluator.checkpoint_path takes the last good state, {run.models}") from None
    run.log(stage="fit", seconds=round(time.perf_counter() - start, 3))
    save_model(fitted.model, run.models)
    metrics = measure(fitted.model, fitted.held_out, fitted.folds.judged_labels)
    how = describe_held_out(fitted)
    best = fitted.candidates[int(fitted.selection.shares.argmax())]
    _write_leaderboard(run.leaderboard, fitted)
    _draw_curves(run)
    write_json(run.output_files / "validation.json", {"rows": how, "metrics": metrics.to_dict()})
    write_json(
        run.best_architecture,
        {
            "architecture": best.architecture.to_json(),
            "text": str(best.architecture),
            "description": fitted.model.space.describe(best.architecture),
            "epoch": best.best_epoch + 1,
            "shares": {str(m.architecture): m.share for m in fitted.model.members},
            "held_out": {"figure": headline_figure(metrics), "rows": how},
        },
    )
    _report(fitted, best.architecture, metrics, how, run, progress)
    return Training(best.architecture, metrics, how, run.path, fitted)


def describe_held_out(fitted: Fitted) -> str:
    """Which rows the held-out score stands for, in words that do not promise too much."""
    n_rows = len(fitted.held_out)
    if fitted.folds.n_folds > 1:
        return (
            f"out-of-fold over all {n_rows} training rows ({fitted.folds.n_folds} folds; epochs and candidates were "
            "chosen without the rows they are judged on, the architectures with all rows: slightly optimistic)"
        )
    return f"on {n_rows} validation rows that also chose epoch and architecture: optimistic"


def _write_leaderboard(path: Path, fitted: Fitted) -> None:
    retrained = {c.architecture: (c, w) for c, w in zip(fitted.candidates, fitted.selection.shares, strict=True)}
    header = ["rank", "architecture", "description", "shared_weight_score", "shared_weight_tie_break"]
    rows = []
    for rank, scored in enumerate(fitted.search.derived, start=1):
        candidate, share = retrained.get(scored.architecture, (None, None))
        rows.append(
            (
                rank,
                str(scored.architecture),
                fitted.model.space.describe(scored.architecture),
                scored.reward,
                scored.tie,
                candidate and candidate.reward,
                candidate and candidate.tie,
                candidate and candidate.best_epoch + 1,
                share,
            )
        )
    write_csv(path, [*header, "retrained_score", "retrained_tie_break", "best_epoch", "share_of_model"], rows)


def _draw_curves(run: Run) -> None:
    from enas import report

    searched = [row for row in run.read_log() if row.get("stage") == "search"]
    if searched:
        report.search_curves(
            [{**row, "loss": row.get("child_loss")} for row in searched], run.output_files / "enas_search_curves"
        )


def _report(fitted: Fitted, best: Architecture, metrics: Metrics, how: str, run: Run, progress: Progress) -> None:
    n_skipped = fitted.search.n_skipped + sum(candidate.n_skipped for candidate in fitted.candidates)
    if n_skipped:
        progress.warn(f"{n_skipped} training steps were skipped because their loss was not finite")
    for candidate, share in zip(fitted.candidates, fitted.selection.shares, strict=True):
        progress.line(f"arc: {candidate.architecture}\tvalid score: {candidate.reward:.4f}\tshare: {share:.2f}")
    progress.line(f"Best arc:{best}, max_k:{len(fitted.candidates)}")
    progress.line(f"{headline_figure(metrics)} {how}")
    progress.line(f"Everything is in {run.path}")
