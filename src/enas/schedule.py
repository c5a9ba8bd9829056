"""Learning rates and keep probabilities as pure functions of step, epoch and depth.

Departure from the original ENAS code: there the first step of a restarted epoch still divides the old time since the
restart by the new period, which at a factor of 2 gives the middle of the range; here it has the peak, as in the paper
and as the rest of that epoch.
"""

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


def cosine_restarts(epoch: int, *, peak: float, trough: float, first: int = 10, factor: int = 2) -> float:
    """Learning rate of a whole epoch: half a cosine from ``peak`` towards ``trough``, begun anew at every restart
    (SGDR, Loshchilov and Hutter 2017).

    Args:
        epoch: from 0.
        peak: rate of epoch 0 and of every epoch that restarts.
        trough: where the cosine would end at the next restart.
        first: epochs up to the first restart (T_0), at least 1.
        factor: each period is this many times the one before (T_mul), at least 1.

    Example:
        >>> [round(cosine_restarts(epoch, peak=0.05, trough=0.001), 4) for epoch in (0, 5, 9, 10, 20, 29, 30)]
        [0.05, 0.0255, 0.0022, 0.05, 0.0255, 0.0013, 0.05]
    """
    period = first
    while epoch >= period:
        epoch -= period
        period *= factor
    return trough + 0.5 * (peak - trough) * (1 + math.cos(math.pi * epoch / period))


def drop_path_keep(layer: int, n_layers: int, epoch_fraction: float, keep: float) -> float:
    """Probability of keeping a branch: falls linearly with depth and with the progress of training.

    Args:
        layer: from 0.
        n_layers: all layers, those that reduce included.
        epoch_fraction: share of the training that will be done after this step, (0, 1]; more counts as 1.
        keep: probability in the last layer at the end of the training.

    Example:
        >>> [drop_path_keep(layer, 4, 1.0, 0.6) for layer in range(4)], drop_path_keep(3, 4, 0.25, 0.6)
        ([0.9, 0.8, 0.7, 0.6], 0.9)
    """
    return 1 - min(1.0, epoch_fraction) * (layer + 1) / n_layers * (1 - keep)
