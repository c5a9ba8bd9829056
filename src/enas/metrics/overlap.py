"""Does a ranking of features hold when the model is fitted again?"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

TOPS = (20, 100)


def overlaps(importances: NDArray[np.float64]) -> dict[str, float]:
    """Mean share of the first 20 and 100 features that two refits have in common, over all pairs of refits.

    A feature without any importance is in no one's first; where a refit uses fewer features, the first are all of them.

    Args:
        importances: (R, p), at least 0, a row per refit; a place among the first is told only where there are twice as
            many features.

    Example:
        >>> steady = np.arange(50.0)
        >>> overlaps(np.stack([steady, steady + 1, steady[::-1]]))
        {'top20': 0.3333333333333333}
    """
    return {
        f"top{top}": float(np.mean([_share(one, other) for one, other in combinations(_firsts(importances, top), 2)]))
        for top in TOPS
        if 2 * top <= importances.shape[1] and len(importances) > 1
    }


def _firsts(importances: NDArray[np.float64], top: int) -> list[set[int]]:
    orders = np.argsort(-importances, axis=1, kind="stable")[:, :top]
    return [{int(i) for i in order if importance[i] > 0} for order, importance in zip(orders, importances, strict=True)]


def _share(one: set[int], other: set[int]) -> float:
    return len(one & other) / max(len(one), len(other), 1)
