"""From a training table to a model: split, preprocess, search, derive, retrain, combine. Reads top to bottom; writes no files."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from enas.config import Config
from enas.controller import Controller
from enas.data.dataset import Dataset, Target
from enas.data.preprocess import Preprocessor, fit_preprocessor
from enas.data.splits import Split, cross_folds, single_split, usable_folds
from enas.device import choose_device, reduced_precision
from enas.ensemble import Selection, cross_fitted, select
from enas.errors import ConfigError
from enas.folds import Folds, make_folds
from enas.metrics.rewards import RewardName
from enas.model import Member, Model
from enas.networks.dense import DenseChild, DenseSupernet, skips_of
from enas.progress import Progress
from enas.retrain import Candidate, retrain
from enas.search import Scored, Search, SearchResult, choose_candidates
from enas.search_space import Architecture, DenseSpace, standard_widths

SCREENS = (5, 10, 20, 50, 100, 200, 500, 1000, 2000)
"""Numbers of features that ``screen: auto`` lets the search choose from, besides all of them."""

SMALL = 1000
"""Below this many rows ``folds: auto`` cross-fits."""

Record = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What training leaves.

    Args:
        model: the chosen candidate, or the weighted candidates.
        search: derived architectures and shared weights.
        candidates: the retrained ones, in the order of their shared-weight score.
        selection: epoch and weight of each.
        folds: the rows as the networks saw them.
        held_out: (n_judged, C) outputs for the rows ``folds.judged``. Under cross-fitting no row had a say in the epochs
            and weights that made its output; with a single split the same rows chose, and their score is optimistic.
    """

    model: Model
    search: SearchResult
    candidates: tuple[Candidate, ...]
    selection: Selection
    folds: Folds
    held_out: NDArray[np.float64]


def fit(
    dataset: Dataset,
    config: Config,
    *,
    validation_rows: NDArray[np.int64] | None = None,
    progress: Progress,
    record: Record,
) -> Fitted:
    """Search and train on ``dataset``, which must have a target.

    Args:
        dataset: the training table.
        config: all settings.
        validation_rows: rows of the table that come from a validation file: they judge, the others train.
        progress: where the log goes.
        record: takes one row of the training curves per epoch.

    Raises:
        DataError: the data do not allow the split.
        RunError: training broke down.
    """
    target = dataset.target
    assert target is not None, "a training table has a target"
    deadline = Deadline(config.time_limit)
    device = choose_device(config.device)
    generator = torch.Generator().manual_seed(config.seed)
    reward = choose_reward(config, target)
    splits = choose_splits(target, config, validation_rows, progress)
    space = make_space(config, dataset.n_features)
    preprocessors, folds = prepare(dataset, target, space, splits, config, device)
    with reduced_precision(device, config.precision):
        found = _search(space, folds, config, reward, generator, device, deadline, progress, record)
        chosen = choose_candidates(found.derived, config.trainer.top_k_candidates, space.screen)
        candidates = _retrain_all(chosen, space, folds, config, reward, generator, device, deadline, progress, record)
    outputs = [candidate.outputs for candidate in candidates]
    selection = select(outputs, folds.judged_labels, reward, ensemble=config.trainer.ensemble)
    held_out = cross_fitted(
        outputs, folds.judged_labels, folds.fold_of_judged.cpu().numpy(), reward, ensemble=config.trainer.ensemble
    )
    model = _make_model(dataset, target, space, candidates, selection, preprocessors, folds)
    return Fitted(model, found, candidates, selection, folds, held_out)


@dataclass(slots=True)
class Deadline:
    """A time limit that search and retraining share: the search may use half of it.

    Args:
        seconds: from now; None = no limit.
    """

    seconds: float | None
    _start: float = 0.0

    def __post_init__(self) -> None:
        self._start = time.monotonic()

    def passed(self, share: float = 1.0) -> bool:
        """Whether ``share`` of the time is over."""
        return self.seconds is not None and time.monotonic() - self._start > share * self.seconds


def choose_reward(config: Config, target: Target) -> RewardName:
    """The configured reward, or the default of the task.

    Raises:
        ConfigError: the reward does not belong to the task.
    """
    reward: RewardName = config.trainer.reward or ("accuracy" if target.classes else "r2")
    if (reward == "r2") == bool(target.classes):
        task = "classification" if target.classes else "regression"
        raise ConfigError(f'trainer.reward "{reward}" does not fit {task}')
    return reward


def choose_splits(
    target: Target, config: Config, validation_rows: NDArray[np.int64] | None, progress: Progress
) -> tuple[Split, ...]:
    """The validation file's rows, the config's single split, or K folds."""
    n_rows = len(target.values)
    if validation_rows is not None:
        return (Split(np.setdiff1d(np.arange(n_rows), validation_rows), validation_rows),)
    fraction = config.data_train.args.validation_split if config.data_train else None
    n_folds = config.trainer.folds
    if n_folds == "auto":
        n_folds = 5 if fraction is None and n_rows < SMALL else 0
    if n_folds:
        usable = usable_folds(target, n_folds)
        if usable < n_folds:
            progress.warn(f"{usable} folds instead of {n_folds}: the smallest class has {usable} samples")
        return cross_folds(target, usable, seed=config.seed)
    return (single_split(target, fraction or 0.2, seed=config.seed),)


def make_space(config: Config, n_features: int) -> DenseSpace:
    """The search space for a table of this many features."""
    widths = standard_widths(config.trainer.max_search_channel)
    screen = config.preprocessing.screen
    screens: tuple[int | None, ...] = ()
    if screen == "auto":
        screens = (*(k for k in SCREENS if k < n_features), None)
    return DenseSpace(config.trainer.child_num_layers, widths, screens if len(screens) > 1 else ())


def prepare(
    dataset: Dataset, target: Target, space: DenseSpace, splits: tuple[Split, ...], config: Config, device: str
) -> tuple[tuple[Preprocessor, ...], Folds]:
    """Fit each fold's preprocessing on its training rows, and show all rows through it."""
    settings = config.preprocessing
    fixed = None if settings.screen in ("all", "auto") else min(int(settings.screen), dataset.n_features)
    fitted = [
        fit_preprocessor(
            dataset.features,
            target,
            split.train,
            transform=settings.transform,
            scale=settings.scale,
            screens=space.screens or (fixed,),
        )
        for split in splits
    ]
    folds = make_folds(
        [coordinates for _, coordinates in fitted],
        target,
        splits,
        stem=lambda architecture: space.screen(architecture) or 0,
        balanced=config.trainer.class_weight == "balanced",
        device=device,
    )
    return tuple(preprocessor for preprocessor, _ in fitted), folds


def _search(
    space: DenseSpace,
    folds: Folds,
    config: Config,
    reward: RewardName,
    generator: torch.Generator,
    device: str,
    deadline: Deadline,
    progress: Progress,
    record: Record,
) -> SearchResult:
    settings = config.controller
    controller = Controller(
        space,
        tanh_constant=settings.tanh_constant,
        hidden_size=settings.hidden_size,
        temperature=settings.temperature,
        skip_target=settings.skip_target,
        generator=generator,
    )
    supernet = DenseSupernet(
        space=space, n_networks=folds.n_folds, n_inputs=folds.n_inputs, n_outputs=folds.n_outputs, generator=generator
    ).to(device)
    search = Search(
        supernet=supernet,
        controller=controller,
        folds=folds,
        trainer=config.trainer,
        settings=settings,
        reward=reward,
        generator=generator,
        progress=progress,
        record=record,
        shuffle=_shuffles(config),
        out_of_time=lambda: deadline.passed(0.5),
    )
    return search.run()


def _retrain_all(
    chosen: tuple[Scored, ...],
    space: DenseSpace,
    folds: Folds,
    config: Config,
    reward: RewardName,
    generator: torch.Generator,
    device: str,
    deadline: Deadline,
    progress: Progress,
    record: Record,
) -> tuple[Candidate, ...]:
    """Retrain each chosen architecture; the first always, the rest while there is time."""
    candidates: list[Candidate] = []
    for scored in chosen:
        if candidates and deadline.passed():
            progress.warn(f"time limit: {len(candidates)} of {len(chosen)} candidates are retrained")
            break
        progress.line(f"training {scored.architecture}: {space.describe(scored.architecture)}")
        candidate = retrain(
            fresh_child(space, scored.architecture, folds, config.trainer.n_seeds, generator).to(device),
            scored.architecture,
            folds,
            trainer=config.trainer,
            reward=reward,
            generator=generator,
            progress=progress,
            record=record,
            shuffle=_shuffles(config),
        )
        progress.line(f"training arc: {candidate.architecture}, valid {reward}: {candidate.reward:.4f}")
        candidates.append(candidate)
    return tuple(candidates)


def fresh_child(
    space: DenseSpace, architecture: Architecture, folds: Folds, n_seeds: int, generator: torch.Generator
) -> DenseChild:
    """An untrained child, one network per fold and seed."""
    stem = folds.stem(architecture)
    start = DenseSupernet(
        space=space,
        n_networks=folds.n_folds * n_seeds,
        n_inputs=[n if i == stem else 0 for i, n in enumerate(folds.n_inputs)],  # the other stems are never used
        n_outputs=folds.n_outputs,
        generator=generator,
    )
    return DenseChild(start.slices(architecture), skips_of(space, architecture))


def _make_model(
    dataset: Dataset,
    target: Target,
    space: DenseSpace,
    candidates: tuple[Candidate, ...],
    selection: Selection,
    preprocessors: tuple[Preprocessor, ...],
    folds: Folds,
) -> Model:
    members = tuple(
        Member(candidate.architecture, float(weight), {name: t.cpu() for name, t in candidate.tensors.items()})
        for candidate, weight in zip(candidates, selection.weights, strict=True)
    )
    return Model(
        space=space,
        members=members,
        preprocessors=preprocessors,
        feature_names=dataset.feature_names,
        has_feature_names=dataset.has_feature_names,
        target_names=target.names,
        classes=target.classes,
        center=folds.center.cpu().numpy(),
        factor=folds.factor.cpu().numpy(),
    )


def _shuffles(config: Config) -> bool:
    return config.data_train is None or config.data_train.args.shuffle
