"""Learning rates as pure functions of the step."""

import math


def one_cycle(step: int, n_steps: int, peak: float, *, warm_up: float = 0.2) -> float:
    """Linear rise to ``peak`` over the first ``warm_up`` of the steps, then half a cosine down to zero (Smith 2018).

    Example:
        >>> [round(one_cycle(step, 10, 1.0), 3) for step in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    n_rising = max(1, round(warm_up * n_steps))
    if step < n_rising:
        return peak * (step + 1) / n_rising
    return peak * 0.5 * (1 + math.cos(math.pi * (step - n_rising) / max(1, n_steps - n_rising)))
