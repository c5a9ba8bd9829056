"""What cross-validation asks of the training data of a config, tables or folders of images alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from enas.config import Config, ImageConfig
from enas.data.dataset import IntArray
from enas.families.source import Ready
from enas.model import Model, Samples
from enas.progress import Progress
from enas.run import Run


class TrainingRows(Protocol):
    """Training data, of which a fold takes rows.

    Rows of a validation file, or images of a validation folder, are not divided: they are on the training side of every
    fold, where they choose epochs and architectures as they do in a run, and they are never held out. For the result
    that is sound as long as they are no copies of training rows; it is one of a pipeline that has them.
    """

    @property
    def samples(self) -> Samples:
        """Those that are divided."""

    @property
    def groups(self) -> IntArray | None:
        """(n,), of the samples that are divided; rows of one group are held out together."""

    @property
    def has_validation(self) -> bool:
        """Whether there are rows that are not divided."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """Hashes by which files and samples are known again; those of the validation rows last."""

    def prepare(self, rows: IntArray, config: Config | ImageConfig, progress: Progress) -> Ready:
        """What trains on these rows alone, preprocessing included."""

    def take(self, rows: IntArray) -> Samples:
        """These rows, as a model takes them."""

    def load(self, run: Run) -> Model:
        """The model of a fold, where the config wants it to compute."""


@dataclass(frozen=True, slots=True)
class FoldRows:
    """The rows that one fold trains on.

    Args:
        data: of all folds.
        rows: the numbers of its training rows.
        config: with the fold's seed.
        progress: where the log goes.
    """

    data: TrainingRows
    rows: IntArray
    config: Config | ImageConfig
    progress: Progress

    def prepare(self) -> Ready:
        return self.data.prepare(self.rows, self.config, self.progress)


def open_rows(config: Config | ImageConfig, progress: Progress) -> TrainingRows:
    """Read the training data of a config.

    Raises:
        ConfigError: the config names none.
        DataError: they cannot be read.
    """
    if isinstance(config, Config):
        from enas.cross_validation.table_rows import read_table_rows

        return read_table_rows(config, progress)
    from enas.cross_validation.image_rows import read_image_rows

    return read_image_rows(config, progress)


def facts_of(facts: Mapping[str, Any], rows: IntArray, n_divided: int) -> dict[str, Any]:
    """The facts of some of the divided rows, and of the validation rows behind them."""
    hashes = facts["row_hashes"]
    kept = [hashes[row] for row in rows] + hashes[n_divided:]
    return {**facts, "n_samples": len(kept), "row_hashes": kept}
