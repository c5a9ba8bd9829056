"""What ``enas.auto(config)`` returns: the pipeline as four steps, each reading its data and writing its files."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enas.config import Config, Inference, load_config
from enas.console import Console
from enas.files import write_json
from enas.progress import Progress
from enas.run import Run, create_run, latest_run, open_run

if TYPE_CHECKING:
    from enas.evaluate import Evaluation
    from enas.families.source import Explained, Ready, Source
    from enas.model import Model
    from enas.predict import Prediction
    from enas.search_space import Architecture
    from enas.train import Training


class Auto:
    """One configuration and, once there is one, its run.

    Args: see `enas.auto`.
    """

    def __init__(
        self,
        config: str | Path | Mapping[str, Any],
        *,
        run: str | Path | None = None,
        overrides: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> None:
        self.progress: Progress = progress or Console()
        self.config, notes = load_config(config, overrides)
        self._run = open_run(Path(run)) if run is not None else None
        self._opened: Source | None = None
        origin = config if isinstance(config, str | Path) else "a mapping"
        self.progress.line("=" * 58)
        self.progress.line(f"----------Use the config from {origin}")
        for note in notes:
            self.progress.line(f"----------note: {note}")
        self.progress.line("=" * 58)

    @property
    def run(self) -> Run:
        """The run that the other steps use: the one just trained, the one named, or the newest finished one.

        Raises:
            RunError: there is none yet.
        """
        if self._run is None:
            self._run = latest_run(self.config.trainer.save_dir, self.config.name)
        return self._run

    def run_all(self) -> None:
        """Train, then evaluate, predict and explain, whichever the config has data for.

        Raises: as each of them.
        """
        self.train()
        for step in self._source.steps():
            getattr(self, step)()

    def search(self) -> "Architecture":
        """Search without retraining; writes the leaderboard and the best architecture into a new run directory.

        Raises: as `train`.
        """
        from enas.train import search_only

        self.progress.line("----------In Search stage")
        ready = self._source.prepare()
        with self._new_run(ready, "search only") as run:
            return search_only(run, ready.family, ready.recipe, progress=self.progress)

    def train(self, architecture: "str | Architecture | None" = None) -> "Training":
        """Search, retrain the best architectures, and write a new run directory.

        Args:
            architecture: retrain just this one, without a search; None: what the config says.

        Raises:
            ConfigError: the config names no training data, or the architecture is not of its search space.
            DataError: the data cannot be read, or do not allow training.
            RunError: the run directory cannot be written, or training broke down.
        """
        from enas.train import train

        self.progress.line("----------In Hyper & Training Search stage")
        given = self._given(architecture)
        ready = self._source.prepare()
        if given:
            ready.family.space.validate(given)
        with self._new_run(ready, "train") as run:
            return train(run, ready.family, ready.recipe, architecture=given, progress=self.progress)

    def evaluate(self) -> "Evaluation":
        """Score the model on the config's test data; says which samples it has seen.

        Raises:
            ConfigError: the config names no test data.
            DataError: the data cannot be read or do not fit the model.
            RunError: there is no finished run; call ``train()`` first.
        """
        self.progress.line("----------In Evaluation stage")
        settings = self.config.evaluator or Inference()
        run, model = self._load_model(settings)
        with _writing(run, "evaluate"):
            result = self._source.evaluate(model, settings, run)
        self.progress.line(result.headline)
        self.progress.line(result.metrics.to_text())
        self._list(result.files)
        return result

    def predict(self) -> "Prediction":
        """Predict the samples of ``data_predict``.

        Raises: as `evaluate`.
        """
        self.progress.line("----------In Prediction stage")
        settings = self.config.predictor or Inference()
        run, model = self._load_model(settings)
        with _writing(run, "predict"):
            result = self._source.predict(model, settings, run)
        self.progress.line(f'Predicted values file is "{result.file}"')
        return result

    def explain(self) -> "Explained":
        """Show what the model goes by: SHAP values of a table's features, attribution maps of test images.

        Raises: as `evaluate`.
        """
        run, model = self._load_model(self.config.evaluator or Inference())
        with _writing(run, "explain"):
            result = self._source.explain(model, run)
        for line in result.summary:
            self.progress.line(line)
        self._list(result.files)
        return result

    @property
    def _source(self) -> "Source":
        """The config's data, opened at first use: what a family needs is imported only then."""
        if self._opened is None:
            if isinstance(self.config, Config):
                from enas.families.table_source import TableSource

                self._opened = TableSource(self.config, self.progress)
            else:
                from enas.families.image_source import ImageSource

                self._opened = ImageSource(self.config, self.progress)
        return self._opened

    @contextmanager
    def _new_run(self, ready: "Ready", step: str) -> Iterator[Run]:
        """A new run directory, locked, with the config and what was read."""
        config = self.config
        run = create_run(config.trainer.save_dir, config.name, now=datetime.now(), facts={"seed": config.seed})
        self._run = run
        with _writing(run, step):
            write_json(run.config, config.model_dump(mode="json"))
            write_json(run.data, {"data_train": ready.facts})
            yield run

    def _given(self, architecture: "str | Architecture | None") -> "Architecture | None":
        """The architecture that is named, here or in the config; one of images is checked before they are read."""
        from enas.search_space import Architecture, MicroSpace

        trainer = None if isinstance(self.config, Config) else self.config.trainer
        named = architecture or (trainer.child_fixed_arc if trainer else None)
        if named is None:
            return None
        given = Architecture.from_text(named) if isinstance(named, str) else named
        if trainer:
            MicroSpace(trainer.child_num_cells).validate(given)
        return given

    def _load_model(self, settings: Inference) -> tuple[Run, "Model"]:
        """The model, and the run that knows its training rows and takes its results: that of the checkpoint, if it lies
        in one."""
        from enas.model_files import load_model
        from enas.search_space import Architecture

        folder = settings.checkpoint_path or self.run.models
        folder = folder / "models" if (folder / "models").is_dir() else folder
        run = open_run(folder.parent) if (folder.parent / "environment.json").is_file() else self.run
        self.progress.line(f"Restoring parameters from {folder}")
        model = load_model(folder)
        return run, model.only(Architecture.from_text(settings.arc)) if settings.arc else model

    def _list(self, files: Sequence[Path]) -> None:
        for file in files:
            self.progress.line(f"  {file}")


@contextmanager
def _writing(run: Run, step: str) -> Iterator[None]:
    """Hold the run's lock; log the seconds that the step took."""
    with run.lock():
        start = time.perf_counter()
        yield
        run.log(stage=step, seconds=round(time.perf_counter() - start, 3))
