"""What the search maximises: scores of many architectures at once, in plain numpy.

A search scores thousands of architectures on some tens to a thousand rows, so every function takes a batch:
predictions of A architectures against one set of targets, and gives A numbers. All scores are "higher is better".
The definitions are scikit-learn's, with two departures: classes that do not occur in the targets are left out of every
average, and where a score is undefined (AUROC with one class, R² of a constant target) it is NaN instead of an error.
"""

from typing import TYPE_CHECKING, Any, Literal, Union, get_args

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from enas.metrics.scorers import ScorerReward

Floats = NDArray[np.float64]
FastReward = Literal["accuracy", "balanced_accuracy", "auroc", "neg_log_loss", "r2"]
"""Rewards that are computed here, for many architectures at once."""

Reward = Union[FastReward, "ScorerReward"]
"""What a search maximises: one of these, or any scikit-learn scorer."""

RewardName = Reward

FAST: tuple[FastReward, ...] = get_args(FastReward)


def score(name: FastReward, predictions: NDArray[Any], targets: NDArray[Any]) -> float:
    """Score one architecture; see `scores`.

    Args:
        name: which score.
        predictions: logits, shape (n, C); for ``r2`` predicted values, shape (n,) or (n, t).
        targets: class indices, shape (n,); for ``r2`` true values, shaped as the predictions.

    >>> score("accuracy", np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.0]]), np.array([0, 1, 1]))
    0.6666666666666666
    """
    return float(scores(name, np.asarray(predictions)[None], targets)[0])


def scores(name: FastReward, predictions: NDArray[Any], targets: NDArray[Any], weights: Floats | None = None) -> Floats:
    """Score A architectures on the same n rows.

    Args:
        name: ``accuracy``, ``balanced_accuracy`` (mean recall of the classes present), ``auroc`` (macro, one versus
            rest, ties count one half), ``neg_log_loss`` (mean log-probability of the true class, natural logarithm) or
            ``r2`` (mean over the targets that vary).
        predictions: logits, shape (A, n, C), any real numbers; for ``r2`` values, shape (A, n) or (A, n, t).
        targets: class indices in 0…C-1, shape (n,); for ``r2`` shape (n,) or (n, t).
        weights: of the rows, positive, shape (n,); None: all the same.

    Returns:
        Shape (A,). NaN where an architecture predicts anything that is not finite, and where the score is undefined.

    Raises:
        ValueError: no rows, shapes that do not match, a class index out of range, an unknown name.
    """
    predictions, targets = np.asarray(predictions), np.asarray(targets)
    if name == "r2":
        _check_values(predictions, targets)
        values = _r2(predictions, targets, weights)
    else:
        _check_logits(predictions, targets)
        values = _classification(name, predictions, targets, weights)
    finite = np.isfinite(predictions.reshape(len(predictions), -1)).all(axis=1)
    return values if finite.all() else np.where(finite, values, np.nan)


def tie_break(
    name: FastReward, predictions: NDArray[Any], targets: NDArray[Any], weights: Floats | None = None
) -> Floats:
    """Order architectures of equal reward, shape (A,), higher is better: negative log-loss, or R² for regression."""
    return scores("r2" if name == "r2" else "neg_log_loss", predictions, targets, weights)


def judge(reward: Reward, predictions: NDArray[Any], targets: NDArray[Any]) -> tuple[Floats, Floats]:
    """What orders A predictions, each of shape (A,): score, and tie-break of equal scores; -inf where undefined.

    Targets may bring weights (`WeightedLabels`).
    """
    weights = targets.weights if isinstance(targets, WeightedLabels) else None
    targets = np.asarray(targets)
    if isinstance(reward, str):
        score, tie = scores(reward, predictions, targets, weights), tie_break(reward, predictions, targets, weights)
    else:
        score = reward.scores(predictions, targets, weights)
        tie = scores(reward.tie_break, predictions, targets, weights)
    return np.nan_to_num(score, nan=-np.inf), np.nan_to_num(tie, nan=-np.inf)


class WeightedLabels(np.ndarray[Any, np.dtype[Any]]):
    """Labels of n rows that bring the rows' weights (n,); a choice of rows takes theirs along.

    Nothing between the table and `judge` has to know of weights, which few tables have.
    """

    weights: Floats | None

    def __new__(cls, labels: NDArray[Any], weights: Floats) -> "WeightedLabels":
        made = np.asarray(labels).view(cls)
        made.weights = weights
        return made

    def __array_finalize__(self, made_of: object) -> None:
        self.weights = None  # what is computed from labels has none

    def __getitem__(self, rows: Any) -> Any:
        taken = super().__getitem__(rows)
        if isinstance(rows, np.ndarray) and isinstance(taken, WeightedLabels) and self.weights is not None:
            taken.weights = self.weights[rows]
        return taken


def midranks(values: NDArray[Any]) -> Floats:
    """Ranks from 1 along the last axis; equal values share the mean of their ranks.

    >>> midranks(np.array([3.0, 1.0, 3.0, 2.0]))
    array([3.5, 1. , 3.5, 2. ])
    """
    n = values.shape[-1]
    order = np.argsort(values, axis=-1)
    ordered = np.take_along_axis(values, order, axis=-1)
    new = np.ones(values.shape, bool)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    position = np.arange(n, dtype=np.float64)
    if new.all():  # no ties, by far the most frequent case
        ranks = np.broadcast_to(position + 1, values.shape)
    else:
        last = np.concatenate([new[..., 1:], np.ones((*values.shape[:-1], 1), bool)], axis=-1)
        first_of_group = np.maximum.accumulate(np.where(new, position, 0), axis=-1)
        last_of_group = np.minimum.accumulate(np.where(last, position, n)[..., ::-1], axis=-1)[..., ::-1]
        ranks = (first_of_group + last_of_group) / 2 + 1
    result = np.empty(values.shape)
    np.put_along_axis(result, order, ranks, axis=-1)
    return result


def auroc_by_class(class_scores: NDArray[Any], targets: NDArray[Any]) -> Floats:
    """One-versus-rest area under the ROC curve by ranks (Mann and Whitney 1947).

    Args:
        class_scores: shape (…, n, C), higher = more likely; probabilities or anything increasing with them.
        targets: class indices, shape (n,).

    Returns:
        Shape (…, C); NaN for a class that none or all of the rows have.

    >>> auroc_by_class(np.array([[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]), np.array([0, 1, 0]))
    array([0.5, 0.5])
    """
    n_classes = class_scores.shape[-1]
    return _areas(np.swapaxes(class_scores, -1, -2), targets == np.arange(n_classes)[:, None])


def _areas(values: NDArray[Any], positive: NDArray[np.bool_]) -> Floats:
    """Areas under K curves: values (…, K, n) against positive (K, n) give (…, K)."""
    ranks = midranks(np.ascontiguousarray(values))
    rank_sums = np.einsum("...kn,kn->...k", ranks, positive.astype(np.float64))
    counts = positive.sum(axis=-1).astype(np.float64)
    pairs = counts * (positive.shape[-1] - counts)
    return np.asarray((rank_sums - counts * (counts + 1) / 2) / np.where(pairs > 0, pairs, np.nan))


def _classification(name: str, logits: NDArray[Any], targets: NDArray[Any], weights: Floats | None) -> Floats:
    if name in ("accuracy", "balanced_accuracy"):
        hit = logits.argmax(axis=-1) == targets
        if name == "balanced_accuracy":
            return np.asarray(hit @ _balanced_weights(targets, weights))
        return np.asarray(hit.mean(axis=-1) if weights is None else np.average(hit, axis=-1, weights=weights))
    if name == "auroc":
        return _macro_auroc(logits.astype(np.float64), targets, weights)
    if name == "neg_log_loss":
        with np.errstate(invalid="ignore"):
            log_p = _log_softmax(logits)[:, np.arange(len(targets)), targets]
            return np.asarray(log_p.mean(axis=-1) if weights is None else np.average(log_p, axis=-1, weights=weights))
    raise ValueError(f"unknown reward {name!r}: one of {', '.join(FAST)}")


def _balanced_weights(targets: NDArray[Any], weights: Floats | None) -> Floats:
    """Row weights that sum to one and give every class present the same weight."""
    counts = np.bincount(targets, weights)
    each = 1.0 / (np.count_nonzero(counts) * counts[targets])
    return np.asarray(each if weights is None else each * weights)


def _macro_auroc(logits: Floats, targets: NDArray[Any], weights: Floats | None) -> Floats:
    if weights is not None:
        return np.array([_weighted_auroc(one, targets, weights) for one in logits])
    if logits.shape[-1] == 2:  # both classes have the same area, and a difference of logits never saturates
        return _areas((logits[..., 1] - logits[..., 0])[:, None, :], (targets == 1)[None])[:, 0]
    areas = auroc_by_class(_log_softmax(logits), targets)
    defined = np.isin(np.arange(logits.shape[-1]), targets) & (targets != targets[0]).any()
    return areas[:, defined].mean(axis=-1) if defined.any() else np.full(len(areas), np.nan)


def _weighted_auroc(logits: Floats, targets: NDArray[Any], weights: Floats) -> float:
    """Of one architecture: weights are rare, and scikit-learn has them."""
    from sklearn.metrics import roc_auc_score

    present = np.unique(targets)
    if len(present) < 2 or not np.isfinite(logits).all():
        return np.nan
    columns = logits[:, 1:] - logits[:, :1] if logits.shape[1] == 2 else _log_softmax(logits)
    present = np.array([1]) if logits.shape[1] == 2 else present
    areas = [
        roc_auc_score(targets == c, columns[:, min(c, columns.shape[1] - 1)], sample_weight=weights) for c in present
    ]
    return float(np.mean(areas))


def _log_softmax(logits: NDArray[Any]) -> Floats:
    shifted = logits - logits.max(axis=-1, keepdims=True).astype(np.float64)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def _r2(predictions: NDArray[Any], targets: NDArray[Any], weights: Floats | None) -> Floats:
    targets = targets.reshape(len(targets), -1).astype(np.float64)
    errors = predictions.reshape(*predictions.shape[:2], -1) - targets
    mean = targets.mean(axis=0) if weights is None else np.average(targets, axis=0, weights=weights)
    squares = (targets - mean) ** 2
    total = squares.sum(axis=0) if weights is None else weights @ squares
    varies = total > 0
    if not varies.any():
        return np.full(len(predictions), np.nan)
    with np.errstate(invalid="ignore", over="ignore"):
        weighted = errors if weights is None else errors * weights[:, None]
        residual = np.einsum("ant,ant->at", errors, weighted)
        return np.asarray((1.0 - residual[:, varies] / total[varies]).mean(axis=-1))


def _check_logits(logits: NDArray[Any], targets: NDArray[Any]) -> None:
    if logits.ndim != 3 or targets.shape != logits.shape[1:2] or not targets.size:
        raise ValueError(f"expected logits (A, n, C) and targets (n,), n > 0; got {logits.shape} and {targets.shape}")
    if targets.min() < 0 or targets.max() >= logits.shape[2]:
        raise ValueError(f"class indices {targets.min()}…{targets.max()} do not fit {logits.shape=}")


def _check_values(predictions: NDArray[Any], targets: NDArray[Any]) -> None:
    if predictions.ndim < 2 or targets.shape != predictions.shape[1:] or not targets.size:
        raise ValueError(
            f"predictions (A, n) or (A, n, t) and targets (n,) or (n, t) with n > 0 expected, "
            f"got {predictions.shape} and {targets.shape}"
        )
