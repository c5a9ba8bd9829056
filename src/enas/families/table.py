"""Tables as a family: a dense space, folds of rows, dense networks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.baselines import Rows
from enas.config import Config, ControllerSettings
from enas.controller import Controller
from enas.data.dataset import Dataset, FloatArray, Target
from enas.data.preprocess import Preprocessor
from enas.data.splits import Split
from enas.device import choose_device, reduced_precision, threads_for
from enas.families.linear_start import linear_start
from enas.families.table_learners import DenseAlone, Lesson, SharedDense
from enas.family import Recipe
from enas.folds import Folds
from enas.metrics.rewards import Reward
from enas.model import Member
from enas.networks.dense import DenseChild, DenseSupernet, skips_of
from enas.networks.dropout import Dropout
from enas.plan import choose_reward, choose_splits, make_space, offers_all, prepare, weighs_features
from enas.progress import Progress
from enas.randomness import Randomness
from enas.run import Run
from enas.search import N_DERIVED, SearchResult
from enas.search_space import Architecture, DenseSpace
from enas.table_model import TableModel
from enas.training import make_optimizer


def table_recipe(config: Config) -> Recipe:
    """The numbers of a table's config."""
    trainer = config.trainer
    return Recipe(
        n_epochs_search=trainer.max_number_of_epoches_in_search,
        n_epochs_fixed=trainer.max_number_of_epoches_in_fixed,
        top_k=trainer.top_k_candidates,
        n_judges=trainer.batch_size,
        n_derived=N_DERIVED,
        train_every=1,
        derive_on_minibatch=False,
        log_every=trainer.log_every_n_steps,
        settings=config.controller,
        ensemble=trainer.ensemble,
        compare_with_random=config.compare_with_random,
        time_limit=config.time_limit,
        checkpoint_seconds=config.checkpoint_seconds,
        checkpoint_epochs=config.checkpoint_epochs,
    )


@dataclass(frozen=True, slots=True, eq=False)
class TableFamily:
    """A training table, split and preprocessed.

    Args:
        config: all settings.
        dataset, target: the table.
        space: for its number of features.
        preprocessors: one per fold.
        splits: per fold.
        folds: the rows as the networks see them.
        reward: what is maximised.
        device: where the networks live.
        generator: the source of all randomness.
    """

    config: Config
    dataset: Dataset
    target: Target
    space: DenseSpace
    preprocessors: tuple[Preprocessor, ...]
    splits: tuple[Split, ...]
    folds: Folds
    reward: Reward
    device: str
    generator: torch.Generator

    @property
    def randomness(self) -> Randomness:
        return Randomness((self.generator,))

    @contextmanager
    def computing(self) -> Iterator[None]:
        """As many threads as pay, and the config's precision."""
        with threads_for(max(self.folds.n_inputs)), reduced_precision(self.device, self.config.precision):
            yield

    def make_controller(self, settings: ControllerSettings) -> Controller:
        return Controller(
            self.space,
            tanh_constant=settings.tanh_constant,
            hidden_size=settings.hidden_size,
            temperature=settings.temperature,
            skip_target=settings.skip_target,
            generator=self.generator,
        )

    def learn_shared(self) -> SharedDense:
        supernet = self._supernet(self.folds.n_folds, self.folds.n_inputs).to(self.device)
        rate = self.config.trainer.child_lr
        return SharedDense(supernet, self._lesson(), make_optimizer(supernet.parameters(), lr=rate, l2=0.0), rate)

    def learn_alone(self, architecture: Architecture, found: SearchResult | None) -> DenseAlone:
        """From new weights, one network per fold and seed; unused first layers stay empty."""
        trainer = self.config.trainer
        stem = self.folds.stem(architecture)
        n_inputs = tuple(n if i == stem else 0 for i, n in enumerate(self.folds.n_inputs))
        start = self._supernet(self.folds.n_folds * trainer.n_seeds, n_inputs)
        tensors = start.slices(architecture)
        if self.space.sharpness:
            linear = linear_start(self.folds, stem, self.reward)
            tensors |= {name: one.repeat(trainer.n_seeds, 1, 1) for name, one in linear.items()}
        child = DenseChild(tensors, skips_of(self.space, architecture)).to(self.device)
        optimizer = make_optimizer(child.parameters(), lr=trainer.child_lr, l2=trainer.child_l2_reg)
        return DenseAlone(child, self._lesson(), optimizer, trainer.n_seeds, trainer.child_lr)

    def linear_rows(self) -> Rows:
        """The table as the networks' own preprocessing takes it."""
        settings = self.config.preprocessing
        weights = self.folds.row_weights.cpu().numpy()
        splits, seed = self.splits, self.config.seed
        return Rows(self.dataset.features, self.target, splits, weights, settings.transform, settings.scale, seed)

    def group(self, architecture: Architecture) -> int | None:
        """Networks on different features, or on features weighed differently, err differently."""
        return self.space.screen(architecture)

    def make_model(self, members: Sequence[Member]) -> TableModel:
        return TableModel(
            space=self.space,
            members=tuple(members),
            preprocessors=self.preprocessors,
            feature_names=self.dataset.feature_names,
            has_feature_names=self.dataset.has_feature_names,
            target_names=self.target.names,
            classes=self.target.classes,
            center=self.folds.center.cpu().numpy(),
            factor=self.folds.factor.cpu().numpy(),
        )

    def draw(self, run: Run, architecture: Architecture) -> tuple[Path, ...]:
        """The course of the search."""
        from enas import report

        searched = [row for row in run.read_log() if row.get("stage") == "search"]
        if not searched:
            return ()
        records = [{**row, "loss": row.get("child_loss")} for row in searched]
        return report.search_curves(records, run.output_files / "enas_search_curves")

    def salvage(self, found: SearchResult) -> TableModel:
        """The best derived architecture with the shared weights."""
        best = found.derived[0].architecture
        tensors: dict[str, Tensor] = {name: tensor.cpu() for name, tensor in found.learner.part(best).items()}
        return self.make_model([Member(best, 1.0, 1.0, tensors)])

    def _lesson(self) -> Lesson:
        trainer, data = self.config.trainer, self.config.data_train
        keep = trainer.child_keep_prob
        return Lesson(
            folds=self.folds,
            batch_size=trainer.batch_size,
            loss=trainer.loss,
            dropout=Dropout(keep, self.generator) if keep < 1 else None,
            l2=trainer.child_l2_reg,
            generator=self.generator if data is None or data.args.shuffle else None,
        )

    def _supernet(self, n_networks: int, n_inputs: tuple[int, ...]) -> DenseSupernet:
        return DenseSupernet(
            space=self.space,
            n_networks=n_networks,
            n_inputs=n_inputs,
            n_outputs=self.folds.n_outputs,
            generator=self.generator,
        )


def prepare_table(
    dataset: Dataset,
    config: Config,
    *,
    validation_rows: NDArray[np.int64] | None = None,
    splits: tuple[Split, ...] | None = None,
    weights: FloatArray | None = None,
    reward: Reward | None = None,
    progress: Progress,
) -> TableFamily:
    """Split and preprocess a training table, which must have a target.

    Args:
        dataset: the training table.
        config: all settings.
        validation_rows: rows of the table that come from a validation file: they judge, the others train.
        splits: which rows train and which judge; None: as the config says.
        weights: (n,) of the rows, in the loss and where they judge; None: all the same.
        reward: what is maximised; None: as the config says.
        progress: where the log goes.

    Raises:
        ConfigError: the reward does not belong to the task, or the device is not there.
        DataError: the data do not allow the split.
    """
    target = dataset.target
    assert target is not None, "a training table has a target"
    reward, device = reward or choose_reward(config, target), choose_device(config.device)
    splits = splits or choose_splits(target, config, validation_rows, progress, dataset.groups)
    space = make_space(
        config,
        dataset.n_features,
        with_all=offers_all(dataset, splits, config, progress),
        weighs=weighs_features(dataset, splits, config, progress),
    )
    preprocessors, folds = prepare(dataset, target, space, splits, config, device, progress, weights)
    generator = torch.Generator().manual_seed(config.seed)
    return TableFamily(config, dataset, target, space, preprocessors, splits, folds, reward, device, generator)
