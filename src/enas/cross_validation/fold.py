"""One fold: the whole pipeline on its training rows, as a run of its own, then one look at the held-out rows."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enas.config import Config, ImageConfig, Inference
from enas.console import Silent
from enas.cross_validation.division import Fold
from enas.cross_validation.result import CLASSIFICATION, JUDGED, REGRESSION, FoldResult, is_done, read_fold
from enas.cross_validation.rows import FoldRows, TrainingRows
from enas.errors import EnasError, RunError
from enas.evaluate import Metrics, measure
from enas.files import read_json, write_json
from enas.job import Order, take
from enas.memory import first_line, is_out_of_memory
from enas.metrics import ClassificationMetrics
from enas.model import run_model
from enas.progress import Progress
from enas.run import Run, writing
from enas.runs import open_run
from enas.tensor_files import read_tensors, write_tensors
from enas.train import train
from enas.warned import Warned

OUTPUTS = "held_out.safetensors"
"""``rows`` (n,) and what the model gives for them, ``outputs`` (n, C): logits or values."""


@dataclass(frozen=True, slots=True)
class Done:
    """A fold that is done, as it is told.

    Args:
        result: what it gave.
        seconds: that it took now.
        warnings: of its pipeline.
    """

    result: FoldResult
    seconds: float
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FoldLog:
    """A `Progress` that says nothing, or shows bars alone, and keeps warnings, which many folds share.

    Args:
        bars: where stages are shown.
        warnings: what was warned of.
    """

    bars: Progress
    warnings: list[str] = field(default_factory=list)

    def line(self, text: str) -> None:
        """Lines of single folds would bury those about folds."""

    def warn(self, text: str) -> None:
        self.warnings.append(text.removeprefix("warning:").strip())

    def stage(self, title: str, total: int) -> AbstractContextManager[Callable[[str], None]]:
        return self.bars.stage(title, total)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What is done in every fold.

    Args:
        config: all settings; each fold has a seed of its own, and no random architectures beside what it found.
        folder: of the cross-validation.
    """

    config: Config | ImageConfig
    folder: Path

    def run(self, data: TrainingRows, fold: Fold, bars: Progress | None = None) -> Done:
        """Train on the fold's training rows and judge on the others, each unless it is done already.

        Args:
            data: all rows.
            fold: which of them train and judge.
            bars: where stages are shown.

        Raises:
            RunError: the message begins with the fold.
            Interrupted: the process was asked to stop; there is a checkpoint.
        """
        log, start = FoldLog(bars or Silent()), time.monotonic()
        with _naming(fold):
            if not is_done(self.folder, fold):
                progress = Warned(log)
                run = self._train(data, fold, progress)
                with writing(run, "evaluate"), progress.into(run):
                    self._judge(data, fold, run, progress)
            return Done(read_fold(self.folder, fold), time.monotonic() - start, tuple(log.warnings))

    def _train(self, data: TrainingRows, fold: Fold, progress: Warned) -> Run:
        path, begun = self.folder / fold.folder, False
        if (path / "steps.json").is_file():
            run, begun = open_run(path), True
            if "train" in run.plan()["done"]:
                return run
        config = self.config.model_copy(update={"seed": fold.seed, "compare_with_random": False})
        order = Order(config, None, "cv", ("train", "evaluate"), None, path if begun else False, path)
        source = FoldRows(data, fold.split.train, config, progress)
        with take(order, source, progress) as job, progress.into(job.run):
            train(
                job.run,
                job.ready.family,
                job.ready.recipe,
                architecture=job.architecture,
                progress=progress,
                resumed=job.resumed,
                draws=False,  # nobody looks at fifteen of them
            )
        return job.run

    def _judge(self, data: TrainingRows, fold: Fold, run: Run, progress: Progress) -> None:
        """The only look at the held-out rows."""
        samples, model = data.take(fold.split.held_out), data.load(run)
        assert samples.target is not None, "training rows have a target"
        outputs = run_model(model, samples, (self.config.evaluator or Inference()).batch_size, progress)
        if bad := int((~np.isfinite(outputs).all(axis=1)).sum()):
            raise RunError(f"the model's outputs for {bad} held-out {samples.noun} are not finite")
        metrics = measure(model, outputs, samples.target.values)
        write_tensors(run.path / OUTPUTS, {"rows": fold.split.held_out, "outputs": outputs})
        best = read_json(run.best_architecture)
        write_json(
            run.path / JUDGED,
            {
                "n_train": len(fold.split.train),
                "n_held_out": len(outputs),
                "n_twins": count_twins(data.facts["row_hashes"], fold),
                "architecture": best["text"],
                "description": best["description"],
                "figures": figures_of(metrics),
                "metrics": metrics.to_dict(),
            },
        )


def read_outputs(folder: Path, fold: Fold) -> NDArray[np.float64]:
    """(n, C) of its held-out rows, in the order of the fold.

    Raises:
        RunError: the file is damaged, or of other rows.
    """
    path = folder / fold.folder / OUTPUTS
    tensors, _ = read_tensors(path)
    if not np.array_equal(tensors.get("rows", ()), fold.split.held_out) or "outputs" not in tensors:
        raise RunError(f"{path} is of other rows; delete {path.with_name(JUDGED)} to have the fold judged again")
    return np.asarray(tensors["outputs"], np.float64)


def figures_of(metrics: Metrics) -> dict[str, float]:
    """The values by the keys of `FIGURES`; of several targets their mean."""
    if isinstance(metrics, ClassificationMetrics):
        return {name: float(getattr(metrics, name).value) for name in CLASSIFICATION}
    return {name: float(getattr(metrics.mean, name).value) for name in REGRESSION}


def count_twins(hashes: Sequence[str], fold: Fold) -> int:
    """Held-out rows that equal a training row in every value."""
    seen = {hashes[row] for row in fold.split.train}
    return sum(hashes[row] in seen for row in fold.split.held_out)


@contextmanager
def _naming(fold: Fold) -> Iterator[None]:
    """What stops a fold, and is no fault of ours, is said with the fold."""
    try:
        yield
    except EnasError as error:
        raise RunError(f"{fold}: {error}") from error
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise RunError(f"{fold}: out of memory ({first_line(error)}); fewer --jobs need less") from error
