"""What a config means for a table: the reward, the splits, the search space, and the rows as the networks see them."""

from collections.abc import Sequence

import numpy as np
import psutil
from numpy.typing import NDArray

from enas.config import Config
from enas.data.dataset import Dataset, FloatArray, Target
from enas.data.matrix import row_blocks
from enas.data.preprocess import Preprocessor, changes_basis, fit_preprocessor
from enas.data.source import show
from enas.data.splits import (
    Split,
    confined_classes,
    cross_folds,
    group_folds,
    group_split,
    single_split,
    usable_folds,
    usable_group_folds,
)
from enas.errors import ConfigError, DataError
from enas.folds import Folds, make_folds
from enas.metrics.rewards import Reward
from enas.progress import Progress
from enas.search_space import DenseSpace, standard_widths

SCREENS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Numbers of features that ``screen: auto`` lets the search choose from, besides all of them."""

SHARPNESS = (0, 1, 2, 3)
"""Powers of a feature's score that ``screen: soft`` lets the search choose from; 0 weighs all alike."""

SMALL = 1000
"""Below this many rows ``folds: auto`` cross-fits."""

_SEARCHED = ("auto", "soft")  # values of screen that leave it to the search
_LARGE = 1 << 24  # cells of a table, 64 MiB


def choose_reward(config: Config, target: Target) -> Reward:
    """The configured reward, or the default of the task.

    Raises:
        ConfigError: the reward does not belong to the task, or cannot be computed for this target.
    """
    named = config.trainer.reward
    if named is None:
        return "accuracy" if target.classes else "r2"
    from enas.metrics.scorers import make_reward

    try:
        return make_reward(named, target.values, np.array(target.classes) if target.classes else None)
    except ConfigError as error:
        raise ConfigError(f"trainer.reward: {error}") from None


def choose_splits(
    target: Target,
    config: Config,
    validation_rows: NDArray[np.int64] | None,
    progress: Progress,
    groups: NDArray[np.int64] | None = None,
) -> tuple[Split, ...]:
    """The validation file's rows, the config's single split, or K folds; ``groups`` (n,) are held out as a whole."""
    n_rows = len(target.values)
    if validation_rows is not None:
        return (Split(np.setdiff1d(np.arange(n_rows), validation_rows), validation_rows),)
    fraction = config.data_train.args.validation_split if config.data_train else None
    n_folds = config.trainer.folds
    if n_folds == "auto":
        n_folds = 5 if fraction is None and n_rows < SMALL else 0
    if groups is not None:
        return _split_groups(target, groups, n_folds, fraction or 0.2, config.seed, progress)
    if n_folds:
        usable = usable_folds(target, n_folds)
        if usable < n_folds:
            progress.warn(f"{usable} folds instead of {n_folds}: the smallest class has {usable} samples")
        return cross_folds(target, usable, seed=config.seed)
    return (single_split(target, fraction or 0.2, seed=config.seed),)


def _split_groups(
    target: Target, groups: NDArray[np.int64], n_folds: int, fraction: float, seed: int, progress: Progress
) -> tuple[Split, ...]:
    """Folds, or for 0 a single split, of whole groups."""
    n_groups = len(np.unique(groups))
    if n_folds:
        usable = usable_group_folds(target, groups, n_folds)
        splits = group_folds(target, groups, usable, seed=seed)
        if len(splits) < n_folds:
            why = f"there are {n_groups} groups" if usable == n_groups else "classes and groups allow no more"
            progress.warn(f"{len(splits)} folds instead of {n_folds}: {why}")
    else:
        splits = (group_split(target, groups, fraction, seed=seed),)
    n_held_out = [len(np.unique(groups[split.held_out])) for split in splits]
    progress.line(f"whole groups are held out: {', '.join(map(str, n_held_out))} of {n_groups} groups")
    confined = confined_classes(target, groups) if target.classes else ()
    if confined:
        progress.warn(
            f"{len(confined)} classes occur in one group alone ({', '.join(map(show, confined[:3]))}, …): where that "
            "group is held out, nothing of them is trained on"
        )
    return splits


def make_space(config: Config, n_features: int, *, with_all: bool = True, weighs: bool = False) -> DenseSpace:
    """The search space for a table of this many features.

    Args:
        config: all settings.
        n_features: of the table.
        with_all: ``screen: auto`` may keep them all.
        weighs: ``screen: soft`` weighs them; without, it is the same as auto.
    """
    widths = standard_widths(config.trainer.max_search_channel)
    if weighs:
        return DenseSpace(config.trainer.child_num_layers, widths, sharpness=SHARPNESS)
    screens: tuple[int | None, ...] = ()
    if config.preprocessing.screen in _SEARCHED:
        screens = (*(k for k in SCREENS if k < n_features), *((None,) if with_all else ()))
    return DenseSpace(config.trainer.child_num_layers, widths, screens if len(screens) > 1 else ())


def weighs_features(dataset: Dataset, splits: Sequence[Split], config: Config, progress: Progress) -> bool:
    """Whether ``screen: soft`` weighs the features: where they outnumber the training rows, so that it costs nothing.

    Elsewhere a network learns by itself what a feature is worth.
    """
    if config.preprocessing.screen != "soft":
        return False
    weighs = all(changes_basis(len(split.train), dataset.n_features) for split in splits)
    if not weighs:
        progress.line("screen soft is the same as auto here: it is for tables of more features than training rows")
    return weighs


def offers_all(dataset: Dataset, splits: Sequence[Split], config: Config, progress: Progress) -> bool:
    """Whether ``screen: auto`` lets networks see all features: not where it alone would make a large table dense."""
    n_train = min(len(split.train) for split in splits)
    grows = dataset.n_samples * dataset.n_features > _LARGE and dataset.n_features > SCREENS[-1]
    settled = isinstance(dataset.features, np.ndarray) or config.preprocessing.screen not in _SEARCHED
    if settled or changes_basis(n_train, dataset.n_features) or not grows:
        return True
    progress.line(
        f"{dataset.source}: screen auto offers up to {SCREENS[-1]:,} of {dataset.n_features:,} features: all of them "
        'would make the table dense (preprocessing.screen "all" does)'
    )
    return False


def check_room(dataset: Dataset, splits: Sequence[Split], screens: Sequence[int | None]) -> None:
    """Refuse to make so much of a table dense that memory does not hold it.

    Raises:
        DataError: names preprocessing.screen.
    """
    if isinstance(dataset.features, np.ndarray):
        return
    widths = [screen or dataset.n_features for screen in screens]
    n_numbers = sum(min(width, _n_coordinates(len(split.train), width)) for split in splits for width in widths)
    needed = 4 * dataset.n_samples * (n_numbers + max(widths))  # which are first taken together
    free = psutil.virtual_memory().available
    if needed > free:
        raise DataError(
            f"{dataset.source}: preprocessing.screen makes {n_numbers:,} numbers of each of {dataset.n_samples:,} "
            f"rows, which takes {needed / 2**30:.1f} GiB; {free / 2**30:.1f} GiB are free. Set it to fewer features, "
            "such as 200"
        )


def _n_coordinates(n_train: int, n_features: int) -> int:
    return n_train if changes_basis(n_train, n_features) else n_features


def prepare(
    dataset: Dataset,
    target: Target,
    space: DenseSpace,
    splits: tuple[Split, ...],
    config: Config,
    device: str,
    progress: Progress,
    weights: FloatArray | None = None,
) -> tuple[tuple[Preprocessor, ...], Folds]:
    """Fit each fold's preprocessing on its training rows, and show all rows through it.

    ``weights`` (n,) count in the loss and where rows judge.

    Raises:
        DataError: no feature varies over the training rows, or memory does not hold what networks see.
    """
    settings = config.preprocessing
    fixed = None if isinstance(settings.screen, str) else min(settings.screen, dataset.n_features)
    screens = space.screens or (fixed,)
    check_room(dataset, splits, (None,) * len(space.sharpness) or screens)
    fitted = [
        fit_preprocessor(
            dataset.features,
            target,
            split.train,
            transform=settings.transform,
            scale=settings.scale,
            screens=screens,
            sharpness=space.sharpness,
            seed=config.seed,
        )
        for split in splits
    ]
    _report_features(dataset, [preprocessor for preprocessor, _ in fitted], progress)
    folds = make_folds(
        [coordinates for _, coordinates in fitted],
        target,
        splits,
        stem=lambda architecture: space.screen(architecture) or 0,
        balanced=config.trainer.class_weight == "balanced",
        weights=weights,
        device=device,
        keeps_groups=dataset.groups is not None,
    )
    return tuple(preprocessor for preprocessor, _ in fitted), folds


def _report_features(dataset: Dataset, preprocessors: Sequence[Preprocessor], progress: Progress) -> None:
    """Say what was imputed, what carries nothing, and how values were transformed."""
    n_missing = sum(int(np.isnan(block).sum()) for block in row_blocks(dataset.features))
    if n_missing:
        progress.line(f"{n_missing:,} missing values: replaced by the median of the training rows")
    is_constant = np.stack([preprocessor.scaler.factor == 0 for preprocessor in preprocessors])
    if is_constant.all(axis=1).any():
        raise DataError(f"{dataset.source}: no feature varies over the training rows, there is nothing to learn from")
    n_constant = int(is_constant.any(axis=0).sum())
    if n_constant:
        names = ", ".join(dataset.feature_names[i] for i in np.flatnonzero(is_constant.any(axis=0))[:3])
        progress.line(f"{n_constant:,} features are constant over training rows and carry nothing ({names}, …)")
    transforms = {preprocessor.scaler.transform for preprocessor in preprocessors} - {"none"}
    if transforms:
        progress.line(f"values are transformed by {', '.join(sorted(transforms))}")
