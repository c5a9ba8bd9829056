"""Metrics of predicted values, for one target or several."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.metrics.intervals import UNDEFINED, Estimate, bootstrap, percentiles, rank_correlation
from enas.metrics.rewards import Floats
from enas.metrics.text import align


@dataclass(frozen=True, slots=True)
class TargetMetrics:
    """One regression target; R² and Spearman are undefined if the true values are all equal."""

    name: str
    r2: Estimate
    rmse: Estimate
    mae: Estimate
    spearman: Estimate


@dataclass(frozen=True, slots=True)
class RegressionMetrics:
    """Quality of predicted values.

    Args:
        n_samples: rows scored.
        per_target: in target order; RMSE and MAE in the target's own unit.
        mean: over the targets for which a metric is defined. The interval of the mean rank correlation takes the
            targets as fully dependent, so it is rather too wide.
        notes: what a reader should know, one sentence each.
    """

    n_samples: int
    per_target: tuple[TargetMetrics, ...]
    mean: TargetMetrics
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON; an undefined metric is null."""
        return {
            "n_samples": self.n_samples,
            "mean": _target_dict(self.mean),
            "per_target": [{"target": t.name} | _target_dict(t) for t in self.per_target],
            "notes": list(self.notes),
        }

    def to_text(self) -> str:
        """Aligned lines for the log: one per target, the mean if there are several, the notes."""
        rows = [*self.per_target, self.mean] if len(self.per_target) > 1 else self.per_target
        cells = [(t.name, str(t.r2), str(t.rmse), str(t.mae), str(t.spearman)) for t in rows]
        table = align([("target", "R²", "RMSE", "MAE", "Spearman"), *cells])
        return "\n".join([table, *(f"note: {note}" for note in self.notes)])


def evaluate_regression(
    predictions: NDArray[Any], targets: NDArray[Any], names: Sequence[str], *, seed: int = 0
) -> RegressionMetrics:
    """Score predicted values.

    Args:
        predictions: shape (n, t), or (n,) for one target.
        targets: true values, same shape.
        names: t names.
        seed: of the bootstrap.

    Raises:
        ValueError: no rows, shapes that do not match, values that are not finite.
    """
    predictions, targets = (np.asarray(v, np.float64) for v in (predictions, targets))
    predictions, targets = (v[:, None] if v.ndim == 1 else v for v in (predictions, targets))
    if predictions.ndim != 2 or predictions.shape != targets.shape or targets.shape != (len(targets), len(names)):
        raise ValueError(f"shapes do not match: {predictions.shape=}, {targets.shape=}, {len(names)} names")
    if not targets.size:
        raise ValueError(f"nothing to evaluate: {targets.shape=}")
    if not (np.isfinite(predictions).all() and np.isfinite(targets).all()):
        raise ValueError("predictions and targets must be finite")
    weights = bootstrap(np.zeros(len(targets), np.int64), seed)
    points = _errors(np.ones((1, len(targets)), np.float32), predictions, targets)
    drawn = _errors(weights, predictions, targets)
    ranks = [rank_correlation(predictions[:, i], targets[:, i]) for i in range(len(names))]
    columns = [
        [percentiles(d[:, i], float(p[0, i])) for p, d in zip(points, drawn, strict=True)] for i in range(len(names))
    ]
    means = [percentiles(_defined_mean(d), float(_defined_mean(p)[0])) for p, d in zip(points, drawn, strict=True)]
    return RegressionMetrics(
        n_samples=len(targets),
        per_target=tuple(
            TargetMetrics(name, r2, rmse, mae, rank)
            for name, (r2, rmse, mae), rank in zip(names, columns, ranks, strict=True)
        ),
        mean=TargetMetrics("mean", means[0], means[1], means[2], _mean_estimate(ranks)),
        notes=_constant_notes(targets, names),
    )


def _errors(weights: NDArray[np.float32], predictions: Floats, targets: Floats) -> tuple[Floats, Floats, Floats]:
    """R², RMSE and MAE under row weights (B, n), each of shape (B, t)."""
    n, residuals, centred = len(targets), predictions - targets, targets - targets.mean(axis=0)
    squared, absolute = weights @ residuals**2 / n, weights @ np.abs(residuals) / n
    variance = weights @ centred**2 / n - (weights @ centred / n) ** 2
    constant = variance <= 1e-12 * np.square(targets).mean(axis=0)
    r2 = 1 - np.divide(squared, variance, out=np.full_like(squared, np.nan), where=~constant)
    return r2, np.sqrt(squared), absolute


def _defined_mean(values: Floats) -> Floats:
    """Mean over the last axis of what is not NaN; NaN where nothing is."""
    defined = ~np.isnan(values)
    counts = defined.sum(axis=-1)
    return np.asarray(np.where(defined, values, 0).sum(axis=-1) / np.where(counts > 0, counts, np.nan))


def _mean_estimate(estimates: Sequence[Estimate]) -> Estimate:
    defined = [(e.value, e.low, e.high) for e in estimates if not np.isnan(e.value)]
    return Estimate(*np.mean(defined, axis=0).tolist()) if defined else UNDEFINED


def _constant_notes(targets: Floats, names: Sequence[str]) -> tuple[str, ...]:
    constant = [name for name, same in zip(names, (targets == targets[0]).all(axis=0), strict=True) if same]
    if not constant:
        return ()
    return (f"all true values are equal, so R² and Spearman are undefined: {', '.join(map(repr, constant[:5]))}",)


def _target_dict(target: TargetMetrics) -> dict[str, Any]:
    return {name: getattr(target, name).to_dict() for name in ("r2", "rmse", "mae", "spearman")}
