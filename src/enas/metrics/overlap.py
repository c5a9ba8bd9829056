"""Does a ranking of features hold when the model is fitted again?"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

TOPS = (20, 100)


def overlaps(importances: NDArray[np.float64]) -> dict[str, float]:
    """Mean share of the first 20 and 100 features that two refits have in common, over all pairs of refits.

    Args:
        importances: (R, p), a row per refit; a place among the first is told only where there are twice as many.

    Example:
        >>> steady = np.arange(50.0)
        >>> overlaps(np.stack([steady, steady + 1, steady[::-1]]))
        {'top20': 0.3333333333333333}
    """
    orders = np.argsort(-importances, axis=1, kind="stable")
    shares = {}
    for top in TOPS:
        firsts = [set(order[:top].tolist()) for order in orders]
        common = [len(one & other) / top for one, other in combinations(firsts, 2)]
        if common and 2 * top <= importances.shape[1]:
            shares[f"top{top}"] = float(np.mean(common))
    return shares
