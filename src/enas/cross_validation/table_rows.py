"""The training table of a config, of which folds take rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from enas.config import Config, ImageConfig
from enas.cross_validation.rows import facts_of
from enas.data.dataset import Dataset, IntArray
from enas.families.source import Ready
from enas.families.table import prepare_table, table_recipe
from enas.inputs import Tables, describe, with_validation
from enas.model import Model
from enas.model_files import load_model
from enas.progress import Progress
from enas.run import Run


@dataclass(frozen=True, slots=True, eq=False)
class TableRows:
    """A training table.

    Args:
        samples: its rows.
        validation: rows of a validation file.
        facts: see `TrainingRows`.
    """

    samples: Dataset
    validation: Dataset | None
    facts: Mapping[str, Any]

    @property
    def groups(self) -> IntArray | None:
        return self.samples.groups

    @property
    def has_validation(self) -> bool:
        return self.validation is not None

    def prepare(self, rows: IntArray, config: Config | ImageConfig, progress: Progress) -> Ready:
        """Only these rows are copied out of the table: what is fitted can see no other."""
        assert isinstance(config, Config), "a table's config"
        table, validation_rows = with_validation(self.samples.take(rows), self.validation)
        family = prepare_table(table, config, validation_rows=validation_rows, progress=progress)
        return Ready(family, table_recipe(config), facts_of(self.facts, rows, self.samples.n_samples))

    def take(self, rows: IntArray) -> Dataset:
        return self.samples.take(rows)

    def load(self, run: Run) -> Model:
        return load_model(run.models)


def read_table_rows(config: Config, progress: Progress) -> TableRows:
    """Read the table, and a validation file's."""
    table, validation = Tables(config, progress).read_parts()
    return TableRows(table, validation, describe(config.data_train, with_validation(table, validation)[0]))
