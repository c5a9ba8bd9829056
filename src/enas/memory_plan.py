"""How steps are divided so that training stays within ``max_memory``; settled before a run begins."""

from enas.errors import ConfigError
from enas.family import Family, Recipe
from enas.memory import GIB, Need, measure_need, used
from enas.progress import Progress
from enas.search import SearchResult
from enas.search_space import Architecture

N_TRIED = 5
"""Sampled architectures, of which the one that needs most is planned for."""


def plan_parts(
    family: Family, recipe: Recipe, limit: float | None, architecture: Architecture | None, progress: Progress
) -> tuple[int, int]:
    """Into how many parts the steps of the search and of retraining are divided.

    Args:
        family: rows and networks; its generators are left where they stand.
        recipe: of the training.
        limit: GiB that the process may take; None: all there is.
        architecture: to be trained without a search.
        progress: where the log goes.

    Raises:
        ConfigError: not even steps of one sample fit.
    """
    if limit is None:
        return 1, 1
    randomness, free = family.randomness, limit * GIB - used()
    with randomness.at(randomness.position()), family.computing():
        controller, shared = family.make_controller(recipe.settings), family.learn_shared()
        sampled = controller.sample(N_TRIED, family.generator).architectures
        needs = {one: measure_need(shared, one) for one in sampled}
        heaviest = max(sampled, key=lambda one: needs[one].per_row)
        n_rows = shared.batches()[0].shape[1]
        search = 1 if architecture else _divide("the search", needs[heaviest], n_rows, free, limit, progress)
        found = SearchResult((), shared, controller, 0, None)
        alone = family.learn_alone(architecture or heaviest, found)
        n_rows = alone.batches()[0].shape[1]
        need = measure_need(alone, architecture or heaviest)
        return search, _divide("retraining", need, n_rows, free, limit, progress)


def _divide(title: str, need: Need, n_rows: int, free: float, limit: float, progress: Progress) -> int:
    n_parts = need.n_parts(n_rows, free)
    if n_parts is None:
        least = limit + (need.fixed + need.per_row - free) / GIB
        raise ConfigError(
            f"max_memory: {limit:g} GiB are too little: {title} needs about {least:.1f} GiB even if a step takes one "
            "sample at a time; raise max_memory, or choose a smaller network"
        )
    if n_parts > 1:
        whole = limit + (need.fixed + need.per_row * n_rows - free) / GIB
        progress.warn(
            f"max_memory: {title} would need about {whole:.1f} GiB; each of its steps takes {n_parts} parts of up to "
            f"{-(-n_rows // n_parts)} samples, one after the other, and adds up their gradients"
        )
    return n_parts
