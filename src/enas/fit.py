"""From a training table to a model: split, preprocess, search, derive, retrain, combine. Writes no files."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from enas.config import Config
from enas.controller import Controller
from enas.data.dataset import Dataset, Target
from enas.data.preprocess import Preprocessor
from enas.device import choose_device, reduced_precision, threads_for
from enas.ensemble import Selection, cross_fitted, select
from enas.errors import RunError
from enas.folds import Folds
from enas.metrics.rewards import RewardName
from enas.model import Member, Model
from enas.networks.dense import DenseChild, DenseSupernet, skips_of
from enas.plan import choose_reward, choose_splits, make_space, prepare
from enas.progress import Progress
from enas.retrain import Candidate, retrain
from enas.search import Scored, Search, SearchResult, choose_candidates
from enas.search_space import Architecture, DenseSpace

Record = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What training leaves.

    Args:
        model: the chosen candidate, or the weighted candidates.
        search: derived architectures and shared weights.
        candidates: the retrained ones, in the order in which `choose_candidates` took them.
        selection: epoch and weight of each.
        folds: the rows as the networks saw them.
        held_out: (n_judged, C) outputs for the rows ``folds.judged``. Under cross-fitting no row had a say in the
            epochs and weights that made its output; with a single split the same rows chose, and their score is
            optimistic.
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

    Where training breaks down, the model made of the last good state goes with the error.

    Args:
        dataset: the training table.
        config: all settings.
        validation_rows: rows of the table that come from a validation file: they judge, the others train.
        progress: where the log goes.
        record: takes one row of the training curves per epoch.

    Raises:
        ConfigError: the reward does not belong to the task, or the device is not there.
        DataError: the data do not allow the split.
        Breakdown: the loss was not finite five times in a row.
    """
    target = dataset.target
    assert target is not None, "a training table has a target"
    deadline = Deadline(config.time_limit)
    reward, device = choose_reward(config, target), choose_device(config.device)
    space = make_space(config, dataset.n_features)
    splits = choose_splits(target, config, validation_rows, progress)
    preprocessors, folds = prepare(dataset, target, space, splits, config, device, progress)
    generator = torch.Generator().manual_seed(config.seed)
    workshop = _Workshop(config, space, folds, reward, device, generator, deadline, progress, record)
    start = time.perf_counter()
    with threads_for(max(folds.n_inputs)), reduced_precision(device, config.precision):
        found = workshop.search()
        if found.failure:
            raise Breakdown(found.failure, _make_model(dataset, target, space, _of_shared(found), preprocessors, folds))
        candidates = workshop.retrain(choose_candidates(found.derived, config.trainer.top_k_candidates, space.screen))
    record({"stage": "search and retraining", "seconds": round(time.perf_counter() - start, 3)})
    outputs = [candidate.outputs for candidate in candidates]
    labels, fold_of_row = folds.judged_labels, folds.fold_of_judged.cpu().numpy()
    selection = select(outputs, labels, reward, ensemble=config.trainer.ensemble)
    held_out = cross_fitted(outputs, labels, fold_of_row, reward, ensemble=config.trainer.ensemble)
    model = _make_model(dataset, target, space, _of_candidates(candidates, selection), preprocessors, folds)
    if candidates[-1].failure:
        raise Breakdown(candidates[-1].failure, model)
    return Fitted(model, found, candidates, selection, folds, held_out)


class Breakdown(RunError):
    """Training stopped because its loss was not finite; ``model`` is made of the last good state."""

    def __init__(self, message: str, model: Model) -> None:
        super().__init__(message)
        self.model = model


class Deadline:
    """A time limit that search and retraining share.

    Args:
        seconds: from now; None = no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._start = time.monotonic()

    def passed(self, share: float = 1.0) -> bool:
        """Whether ``share`` of the time is over."""
        return self._seconds is not None and time.monotonic() - self._start > share * self._seconds


@dataclass(frozen=True, slots=True, eq=False)
class _Workshop:
    """What search and retraining both need."""

    config: Config
    space: DenseSpace
    folds: Folds
    reward: RewardName
    device: str
    generator: torch.Generator
    deadline: Deadline
    progress: Progress
    record: Record

    def search(self) -> SearchResult:
        """Search and derive; half of a time limit is the search's."""
        settings = self.config.controller
        controller = Controller(
            self.space,
            tanh_constant=settings.tanh_constant,
            hidden_size=settings.hidden_size,
            temperature=settings.temperature,
            skip_target=settings.skip_target,
            generator=self.generator,
        )
        search = Search(
            supernet=self._supernet(self.folds.n_folds, self.folds.n_inputs).to(self.device),
            controller=controller,
            folds=self.folds,
            trainer=self.config.trainer,
            settings=settings,
            reward=self.reward,
            generator=self.generator,
            progress=self.progress,
            record=self.record,
            shuffle=self._shuffles,
            out_of_time=lambda: self.deadline.passed(0.5),
        )
        return search.run()

    def retrain(self, chosen: tuple[Scored, ...]) -> tuple[Candidate, ...]:
        """Retrain each chosen architecture, the first always, the rest while there is time; stop at a failure."""
        candidates: list[Candidate] = []
        for scored in chosen:
            if candidates and candidates[-1].failure:
                break
            if candidates and self.deadline.passed():
                self.progress.warn(f"time limit: {len(candidates)} of {len(chosen)} candidates are retrained")
                break
            self.progress.line(f"training {scored.architecture}: {self.space.describe(scored.architecture)}")
            candidates.append(self._retrain(scored.architecture))
            self.progress.line(f"training arc: {scored.architecture}, valid {self.reward}: {candidates[-1].reward:.4f}")
        return tuple(candidates)

    def _retrain(self, architecture: Architecture) -> Candidate:
        return retrain(
            self._fresh_child(architecture).to(self.device),
            architecture,
            self.folds,
            trainer=self.config.trainer,
            reward=self.reward,
            generator=self.generator,
            progress=self.progress,
            record=self.record,
            shuffle=self._shuffles,
        )

    def _fresh_child(self, architecture: Architecture) -> DenseChild:
        """An untrained child, one network per fold and seed, cut from new weights; unused first layers stay empty."""
        stem = self.folds.stem(architecture)
        n_inputs = tuple(n if i == stem else 0 for i, n in enumerate(self.folds.n_inputs))
        start = self._supernet(self.folds.n_folds * self.config.trainer.n_seeds, n_inputs)
        return DenseChild(start.slices(architecture), skips_of(self.space, architecture))

    def _supernet(self, n_networks: int, n_inputs: tuple[int, ...]) -> DenseSupernet:
        return DenseSupernet(
            space=self.space,
            n_networks=n_networks,
            n_inputs=n_inputs,
            n_outputs=self.folds.n_outputs,
            generator=self.generator,
        )

    @property
    def _shuffles(self) -> bool:
        return self.config.data_train is None or self.config.data_train.args.shuffle


def _of_candidates(candidates: tuple[Candidate, ...], selection: Selection) -> tuple[Member, ...]:
    """The members of a model, one per retrained candidate."""
    return tuple(
        Member(
            candidate.architecture,
            float(share),
            float(temperature),
            {name: tensor.cpu() for name, tensor in candidate.tensors.items()},
        )
        for candidate, share, temperature in zip(candidates, selection.shares, selection.temperatures, strict=True)
    )


def _of_shared(found: SearchResult) -> tuple[Member, ...]:
    """The best derived architecture with the shared weights."""
    best = found.derived[0].architecture
    tensors = {name: tensor.detach().cpu().clone() for name, tensor in found.supernet.slices(best).items()}
    return (Member(best, 1.0, 1.0, tensors),)


def _make_model(
    dataset: Dataset,
    target: Target,
    space: DenseSpace,
    members: tuple[Member, ...],
    preprocessors: tuple[Preprocessor, ...],
    folds: Folds,
) -> Model:
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
