"""What a report draws of predictions: ROC curves, calibration, predicted against true values; JSON of bounded size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.metrics.intervals import wilson

MOST_CLASSES = 20
"""With a curve of their own: those with the smallest areas, which need attention."""
MOST_POINTS = 200
"""Of a curve."""
MOST_ROWS = 1000
"""Of a scatter plot; more are thinned evenly in the order of true values."""
N_BINS = 10


def classification_curves(probabilities: NDArray[Any], y: NDArray[Any], classes: Sequence[str]) -> dict[str, Any]:
    """ROC curves one-versus-rest and a calibration curve.

    Args:
        probabilities: shape (n, C), rows sum to one.
        y: true class indices, shape (n,).
        classes: C names.

    Returns:
        ``roc``: per class ``{class, auroc, points}``, points as (false, true positive rate); of two classes only the
        second, classes without samples or with all of them left out. ``calibration``: ``of`` what the probability is,
        ``bins`` of ``{n, predicted, observed: {value, low, high}}`` where there are samples.
    """
    shown = [1] if len(classes) == 2 else range(len(classes))
    curves = [_roc(probabilities[:, c], y == c, classes[c]) for c in shown if 0 < int((y == c).sum()) < len(y)]
    worst = sorted(curves, key=lambda curve: float(curve["auroc"]))[:MOST_CLASSES]
    if len(classes) == 2:
        calibration = {"of": f"class {classes[1]}", "bins": _bins(probabilities[:, 1], y == 1)}
    else:
        hits = probabilities.argmax(axis=1) == y
        calibration = {"of": "the predicted class", "bins": _bins(probabilities.max(axis=1), hits)}
    return {"roc": worst, "calibration": calibration}


def regression_points(predictions: NDArray[Any], targets: NDArray[Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """Pairs of true and predicted values per target, at most 1,000.

    Args:
        predictions: shape (n, t).
        targets: shape (n, t), or (n,) for one target.
        names: t names.

    Returns:
        Per target ``{target, n, points}``, points as (true, predicted) in ascending order of the true value.
    """
    targets = targets.reshape(len(targets), -1)
    result = []
    for index, name in enumerate(names):
        order = np.argsort(targets[:, index], kind="stable")
        kept = order[_spread(len(order), MOST_ROWS)]
        pairs = np.stack([targets[kept, index], predictions[kept, index]], axis=1)
        result.append({"target": name, "n": len(order), "points": _rounded(pairs)})
    return result


def _roc(scores: NDArray[Any], positive: NDArray[np.bool_], name: str) -> dict[str, Any]:
    from sklearn.metrics import auc, roc_curve

    alarms, hits, _ = roc_curve(positive, scores)
    kept = _spread(len(alarms), MOST_POINTS)
    return {
        "class": name,
        "auroc": float(auc(alarms, hits)),
        "points": _rounded(np.stack([alarms[kept], hits[kept]], axis=1)),
    }


def _bins(predicted: NDArray[Any], observed: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Ten of equal width; where nothing is predicted there is none."""
    number = np.minimum((predicted * N_BINS).astype(int), N_BINS - 1)
    inside = [number == k for k in range(N_BINS)]
    return [
        {
            "n": int(rows.sum()),
            "predicted": float(predicted[rows].mean()),
            "observed": wilson(int(observed[rows].sum()), int(rows.sum())).to_dict(),
        }
        for rows in inside
        if rows.any()
    ]


def _spread(n: int, n_most: int) -> NDArray[np.intp]:
    """At most so many of n, evenly, the first and the last among them."""
    return np.linspace(0, n - 1, min(n, n_most)).round().astype(np.intp)


def _rounded(points: NDArray[Any]) -> list[list[float]]:
    return [[float(f"{value:.5g}") for value in point] for point in points.tolist()]
