"""Brings the columns of new data into the order that a model was trained on."""

from dataclasses import replace

import numpy as np

from enas.data.dataset import Dataset
from enas.data.matrix import Matrix, take_columns
from enas.data.source import show
from enas.errors import DataError
from enas.progress import Progress

_SHOWN = 5


def match_features(data: Dataset, names: tuple[str, ...], *, by_name: bool, progress: Progress) -> Dataset:
    """Matches new data to the training features: by name where both have names, else by count.

    Args:
        data: new samples.
        names: names of the training features, in order.
        by_name: whether the training names come from the files.
        progress: told of columns that are ignored.

    Returns:
        ``data`` with exactly the training features in their order.

    Raises:
        DataError: features that are missing, or another number of them.
    """
    if not (by_name and data.has_feature_names):
        return _match_by_count(data, names, progress)
    if data.feature_names == names:
        return data
    place = {name: at for at, name in enumerate(data.feature_names)}
    missing = [name for name in names if name not in place]
    if missing:
        shown = ", ".join(map(show, missing[:_SHOWN])) + (", …" if len(missing) > _SHOWN else "")
        raise DataError(
            f"'{data.source}' lacks {len(missing):,} of the {len(names):,} features that the model was trained on: "
            f"{shown}; its own names begin {', '.join(map(show, data.feature_names[:_SHOWN]))}"
        )
    n_extra = data.n_features - len(names)
    if n_extra:
        known = set(names)
        first = next(name for name in data.feature_names if name not in known)
        progress.line(f"{data.source}: {n_extra:,} columns that the model does not know are ignored ({show(first)}, …)")
    order = np.array([place[name] for name in names])
    if np.any(np.diff(order) < 0):
        progress.line(f"{data.source}: columns brought into the order of the training data, by name")
    return _replace(data, take_columns(data.features, order), names)


def _match_by_count(data: Dataset, names: tuple[str, ...], progress: Progress) -> Dataset:
    if data.n_features != len(names):
        raise DataError(
            f"'{data.source}' has {data.n_features:,} features, the model was trained on {len(names):,}; "
            "without names in both files their numbers must be equal"
        )
    progress.line(f"{data.source}: features matched by position (not both files name them)")
    return _replace(data, data.features, names)


def _replace(data: Dataset, features: Matrix, names: tuple[str, ...]) -> Dataset:
    return replace(data, features=features, feature_names=names)
