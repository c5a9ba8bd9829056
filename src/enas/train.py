"""Training as a stage: `fit`, then everything that it found, written into the run directory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from enas.baselines import fit_baselines
from enas.checkpoint import Checkpoints, State
from enas.deadline import Deadline
from enas.errors import RunError
from enas.evaluate import Metrics, draw_points, headline_figure, measure
from enas.family import Family, Recipe
from enas.files import write_csv, write_json, write_text
from enas.fit import Breakdown, Fit, Fitted
from enas.honesty import note_training
from enas.interrupts import deferred_signals
from enas.journal import Journal
from enas.model_files import save_model
from enas.progress import Progress
from enas.retrain import Candidate
from enas.run import Run
from enas.scored import Scored
from enas.search_space import Architecture, SearchSpace
from enas.trackers.event_files import event_files

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
    family: Family,
    recipe: Recipe,
    *,
    architecture: Architecture | None = None,
    progress: Progress,
    resumed: State | None = None,
    draws: bool = True,
) -> Training:
    """Fit and fill ``run``; the caller holds its lock.

    Args:
        run: where files go.
        family: rows and networks.
        recipe: how long and how.
        architecture: retrain just this one, without a search.
        progress: where the log goes.
        resumed: the run's last checkpoint; None: from the beginning.
        draws: whether the run gets pictures.

    Raises:
        RunError: training broke down; the last good state, if there is one, is in ``run.models``.
        Interrupted: the process was asked to stop; there is a checkpoint.
    """
    with _fitting(run, family, recipe, architecture, progress, resumed) as (fit, keep):
        try:
            fitted = fit.run(resumed)
        except Breakdown as error:
            if error.model is None:
                raise
            save_model(error.model, run.models)
            raise RunError(f"{error}; evaluator.checkpoint_path takes the last good state, {run.models}") from None
        keep(fit.state())
    run.log(stage="search and retraining", seconds=round(fit.journal.deadline.elapsed, 3))
    return _write_all(run, family, fitted, progress, draws)


def _write_all(run: Run, family: Family, fitted: Fitted, progress: Progress, draws: bool) -> Training:
    """Every file of what was found; the choice, which marks a finished run, last."""
    save_model(fitted.model, run.models)
    with progress.stage("linear models for comparison", 2 * fitted.folds.n_folds) as advance:
        baselines = fit_baselines(family.linear_rows(), family.reward, advance)
    note_training(run, fitted, baselines, family.reward, progress)
    metrics = measure(fitted.model, fitted.held_out, fitted.folds.judged_labels)
    how = describe_held_out(fitted)
    best = fitted.candidates[int(fitted.selection.shares.argmax())]
    write_leaderboard(run.leaderboard, fitted.space, fitted.search.derived if fitted.search else (), fitted)
    if draws:
        family.draw(run, best.architecture)
    curves = draw_points(fitted.model, fitted.held_out, fitted.folds.judged_labels)
    write_json(run.output_files / "validation.json", {"rows": how, "metrics": metrics.to_dict(), "curves": curves})
    write_json(
        run.best_architecture,
        {
            "architecture": best.architecture.to_json(),
            "text": str(best.architecture),
            "description": fitted.space.describe(best.architecture),
            "epoch": best.best_epoch + 1,
            "shares": {
                str(candidate.architecture): float(share)
                for candidate, share in zip(fitted.candidates, fitted.selection.shares, strict=True)
            },
            "held_out": {"figure": headline_figure(metrics), "rows": how},
        },
    )
    _report(fitted, best.architecture, metrics, how, run, progress)
    return Training(best.architecture, metrics, how, run.path, fitted)


def search_only(
    run: Run, family: Family, recipe: Recipe, *, progress: Progress, resumed: State | None = None
) -> Architecture:
    """Search without retraining: fills the leaderboard and names the best architecture; the caller holds the lock.

    Raises:
        RunError: the search broke down.
        Interrupted: the process was asked to stop; there is a checkpoint.
    """
    with _fitting(run, family, recipe, None, progress, resumed) as (fit, keep), family.computing():
        found = fit.search(resumed)
        if found.failure:
            raise RunError(found.failure)
        keep(fit.state())
    best = found.derived[0]
    write_leaderboard(run.leaderboard, family.space, found.derived)
    family.draw(run, best.architecture)
    write_json(
        run.best_architecture,
        {
            "architecture": best.architecture.to_json(),
            "text": str(best.architecture),
            "description": family.space.describe(best.architecture),
            "shared_weight_score": best.reward,
        },
    )
    progress.line(f"Best arc:{best.architecture}, {family.reward} with shared weights {best.reward:.4f}")
    progress.line(f"Everything is in {run.path}")
    return best.architecture


@contextmanager
def _fitting(
    run: Run,
    family: Family,
    recipe: Recipe,
    architecture: Architecture | None,
    progress: Progress,
    resumed: State | None,
) -> Iterator[tuple[Fit, Callable[[State], None]]]:
    """What fits, and what keeps its state at the end; inside, signals wait for a checkpoint."""
    progress.line(_HEADER)
    write_text(run.metrics, resumed.facts["log"] if resumed else "")
    spent = resumed.facts["elapsed"] if resumed else 0.0
    deadline = Deadline(recipe.time_limit, spent)
    show = event_files(run.tensorboard, run.read_log(), lambda: run.created.timestamp() + deadline.elapsed)

    def record(row: Mapping[str, object]) -> None:
        run.log(**row)
        show(row)

    with deferred_signals() as stopping:
        checkpoints = Checkpoints(
            run.checkpoint,
            recipe.checkpoint_seconds,
            recipe.checkpoint_epochs,
            extra=lambda: {"log": run.metrics.read_text(encoding="utf-8")},
            stopping=stopping,
        )
        journal = Journal(progress, recipe.log_every, family.randomness, record, checkpoints.offer, deadline)
        fit = Fit(family, recipe, journal, architecture, keep=lambda model: save_model(model, run.models))
        yield fit, checkpoints.save


def describe_held_out(fitted: Fitted) -> str:
    """Which rows the held-out score stands for, in words that do not promise too much."""
    n_rows = len(fitted.held_out)
    groups = " of groups held out as a whole" if fitted.folds.keeps_groups else ""
    if fitted.folds.n_folds > 1:
        return (
            f"out-of-fold over all {n_rows} training rows{groups} ({fitted.folds.n_folds} folds; epochs and candidates "
            "were chosen without the rows they are judged on, the architectures with all rows: slightly optimistic)"
        )
    return f"on {n_rows} validation rows{groups} that also chose epoch and architecture: optimistic"


def write_leaderboard(path: Path, space: SearchSpace, derived: Sequence[Scored], fitted: Fitted | None = None) -> None:
    """Every derived architecture and, where it was retrained, how it did."""
    retrained: dict[Architecture, tuple[Candidate, float]] = {}
    if fitted:
        shares = fitted.selection.shares.tolist()
        retrained = {c.architecture: (c, share) for c, share in zip(fitted.candidates, shares, strict=True)}
    scores = {one.architecture: (one.reward, one.tie) for one in derived}
    rows = []
    for rank, architecture in enumerate(dict.fromkeys([*scores, *retrained]), start=1):
        candidate, share = retrained.get(architecture, (None, None))
        after = (candidate.reward, candidate.tie, candidate.best_epoch + 1) if candidate else (None, None, None)
        before = scores.get(architecture, (None, None))
        rows.append((rank, str(architecture), space.describe(architecture), *before, *after, share))
    header = ["rank", "architecture", "description", "shared_weight_score", "shared_weight_tie_break"]
    write_csv(path, [*header, "retrained_score", "retrained_tie_break", "best_epoch", "share_of_model"], rows)


def _report(fitted: Fitted, best: Architecture, metrics: Metrics, how: str, run: Run, progress: Progress) -> None:
    n_skipped = (fitted.search.n_skipped if fitted.search else 0) + sum(
        candidate.n_skipped for candidate in fitted.candidates
    )
    if n_skipped:
        progress.warn(f"{n_skipped} training steps were skipped because their loss was not finite")
    for candidate, share in zip(fitted.candidates, fitted.selection.shares, strict=True):
        progress.line(f"arc: {candidate.architecture}\tvalid score: {candidate.reward:.4f}\tshare: {share:.2f}")
    progress.line(f"Best arc:{best}, max_k:{len(fitted.candidates)}")
    progress.line(f"{headline_figure(metrics)} {how}")
    progress.line(f"Everything is in {run.path}")
