"""Random architectures at the budget of the search: as many are scored with the shared weights, as many retrained.

What the search has beyond them is what its controller has learned (Li and Talwalkar 2020, "Random search and
reproducibility for neural architecture search": published searches were often not ahead).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from enas.ensemble import cross_fitted
from enas.errors import RunError
from enas.family import Family, Recipe
from enas.retrain import Candidate
from enas.scored import Scored
from enas.search_space import Architecture, SearchSpace


@dataclass(frozen=True, slots=True, eq=False)
class Rivals:
    """Random architectures beside the searched ones.

    Args:
        n_scored: how many were scored with the shared weights.
        chosen: the best of them, which were retrained.
        candidates: these, retrained.
        held_out: (n_judged, C) outputs of what is made of them, as `enas.fit.Fitted.held_out` of the searched ones.
    """

    n_scored: int
    chosen: tuple[Scored, ...]
    candidates: tuple[Candidate, ...]
    held_out: NDArray[np.float64]


def draw_random(space: SearchSpace, n: int, generator: torch.Generator) -> list[Architecture]:
    """Up to ``n`` distinct architectures, each as likely as any other; fewer where the space hardly has more.

    Example:
        >>> from enas.search_space import DenseSpace
        >>> space = DenseSpace(1, widths=(16, 32))
        >>> len(draw_random(space, 100, torch.Generator().manual_seed(0)))
        2
    """
    sizes = torch.tensor([integer.n_options for integer in space.integers])
    drawn: dict[Architecture, None] = {}
    for values in (torch.rand(20 * n, len(sizes), generator=generator, dtype=torch.float64) * sizes).long().tolist():
        drawn[Architecture(tuple(values))] = None
        if len(drawn) == n:
            break
    return list(drawn)


def combine_rivals(
    family: Family, recipe: Recipe, n_scored: int, chosen: Sequence[Scored], candidates: Sequence[Candidate]
) -> Rivals:
    """Choose among the rivals, or weigh them, exactly as among the searched candidates.

    Raises:
        RunError: some were not trained to their end, so that they would be at a disadvantage.
    """
    if failures := [candidate.failure for candidate in candidates if candidate.failure]:
        raise RunError(failures[0])
    if len(candidates) < len(chosen) or any(len(one.outputs) < recipe.n_epochs_fixed for one in candidates):
        raise RunError("the time limit did not let them be trained to their end")
    folds = family.folds
    held_out = cross_fitted(
        [candidate.outputs for candidate in candidates],
        folds.judged_labels,
        folds.fold_of_judged.cpu().numpy(),
        family.reward,
        ensemble=recipe.ensemble,
    )
    return Rivals(n_scored, tuple(chosen), tuple(candidates), held_out)


def rank_correlation(scored: Sequence[Scored], candidates: Sequence[Candidate]) -> float | None:
    """Kendall's τ-b of shared-weight score and retrained score; None of two, or where a score is the same for all.

    Ties of the reward are ordered by the tie-break, as everywhere.
    """
    from scipy.stats import kendalltau  # takes half a second, for which no search need wait

    if len(candidates) < 3:
        return None
    shared = _ranks([(one.reward, one.tie) for one in scored])
    retrained = _ranks([(one.reward, one.tie) for one in candidates])
    tau = float(kendalltau(shared, retrained).statistic) if len(set(shared)) > 1 and len(set(retrained)) > 1 else np.nan
    return tau if np.isfinite(tau) else None


def _ranks(pairs: list[tuple[float, float]]) -> list[int]:
    places = {pair: place for place, pair in enumerate(sorted(set(pairs)))}
    return [places[pair] for pair in pairs]
