"""The tables that a config names, as the steps take them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from enas.config import Config, DataSection, Inference
from enas.data.dataset import Dataset, IntArray, Target
from enas.data.groups import refuse_shared_groups
from enas.data.tables import file_hash, match_features, read_dataset, read_validation, row_hashes
from enas.errors import ConfigError
from enas.progress import Progress

if TYPE_CHECKING:
    from enas.table_model import TableModel


@dataclass(frozen=True, slots=True)
class Tables:
    """Reads what a config names.

    Args:
        config: names the files.
        progress: told what is read, and how.
    """

    config: Config
    progress: Progress

    def read_training(self) -> tuple[Dataset, IntArray | None]:
        """The training table, with the rows of a validation file appended, and which rows those are."""
        table, validation = self.read_parts()
        return with_validation(table, validation)

    def read_parts(self) -> tuple[Dataset, Dataset | None]:
        """The training table, and that of a validation file with the same features."""
        args, regression = self._section("data_train").args, self.config.model.args.is_regression
        names_file = self._names_file()
        table = read_dataset(
            args,
            regression=regression,
            names_file=names_file,
            progress=self.progress,
            n_threads=self._n_threads(),
            max_memory=self.config.max_memory,
        )
        _check_outputs(self.config, table.target)
        target = table.target
        assert target is not None, "the reader refuses a training table without labels"
        validation = read_validation(
            args,
            regression=regression,
            classes=target.classes or None,
            target_names=target.names if regression else None,
            names_file=names_file,
            progress=self.progress,
        )
        if validation is None:
            return table, None
        refuse_shared_groups(table, validation)
        by_name = table.has_feature_names
        return table, match_features(validation, table.feature_names, by_name=by_name, progress=self.progress)

    def read(self, name: str, model: "TableModel", settings: Inference | None = None) -> Dataset:
        """A section's table with the columns that the model knows, and its target if it has one.

        ``settings`` limit the number of rows.
        """
        table = read_dataset(
            self._section(name).args,
            regression=not model.classes,
            classes=model.classes or None,
            target_names=model.target_names if not model.classes else None,
            names_file=self._names_file(),
            progress=self.progress,
            n_threads=self._n_threads(),
            max_memory=self.config.max_memory,
        )
        table = self.match(table, model)
        return _first_rows(table, settings, self.progress) if settings else table

    def match(self, table: Dataset, model: "TableModel") -> Dataset:
        """The table with the columns that the model knows, in their order.

        Raises:
            DataError: columns are missing.
        """
        return match_features(table, model.feature_names, by_name=model.has_feature_names, progress=self.progress)

    def _section(self, name: str) -> DataSection:
        section: DataSection | None = getattr(self.config, name)
        if section is None:
            raise ConfigError(f"the config has no section {name}; this step reads its table from there")
        return section

    def _names_file(self) -> Path | None:
        return self.config.explainer.args.features_name_file if self.config.explainer else None

    def _n_threads(self) -> int | None:
        return self.config.input_fn.num_threads


def _check_outputs(config: Config, target: Target | None) -> None:
    expected = config.model.args.output_classes
    found = len(target.classes or target.names) if target else 0
    if expected is not None and expected != found:
        what = "target columns" if config.model.args.is_regression else "classes"
        raise ConfigError(f"model.args.output_classes is {expected}, but the labels hold {found} {what}")
    if target and not target.classes and found > 1 and not config.model.args.multi_tasks:
        raise ConfigError(
            f"the labels hold {found} target columns ({', '.join(target.names[:3])}, …); set model.args.multi_tasks to "
            "true to learn all of them, or name one in data_train.args.label_column"
        )


def describe(section: DataSection | None, table: Dataset) -> dict[str, object]:
    """Hashes by which the files and the rows that trained are known again."""
    keys = ("h5ad", "features_file", "labels_file", "validation_features", "validation_labels")
    files = [getattr(section.args, key) for key in keys] if section else []
    return {
        "files": {str(file): file_hash(file) for file in files if file},
        "n_samples": table.n_samples,
        "n_features": table.n_features,
        "row_hashes": [f"{value:016x}" for value in row_hashes(table.features)],
    }


def with_validation(table: Dataset, validation: Dataset | None) -> tuple[Dataset, IntArray | None]:
    """One table of both, and which of its rows are of the validation file."""
    if validation is None:
        return table, None
    rows = np.arange(table.n_samples, table.n_samples + validation.n_samples)
    return _append(table, validation), rows


def _append(table: Dataset, more: Dataset) -> Dataset:
    """One table of both, features in the same order; without groups, since the validation file's rows judge."""
    assert table.target is not None, "a training table has a target"
    assert more.target is not None, "a validation table has a target"
    return replace(
        table,
        features=np.concatenate([table.features, more.features]),
        sample_ids=(*table.sample_ids, *more.sample_ids),
        target=replace(table.target, values=np.concatenate([table.target.values, more.target.values])),
        groups=None,
    )


def _first_rows(table: Dataset, settings: Inference, progress: Progress) -> Dataset:
    """At most ``max_number_of_steps`` batches."""
    n_rows = (settings.max_number_of_steps or table.n_samples) * settings.batch_size
    if n_rows >= table.n_samples:
        return table
    progress.warn(
        f"{settings.max_number_of_steps} steps of {settings.batch_size} rows: the other {table.n_samples - n_rows} of "
        f"{table.n_samples} rows are left out (max_number_of_steps)"
    )
    return table.take(slice(n_rows))
