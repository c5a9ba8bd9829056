"""What ``enas.auto(config)`` returns: the pipeline as four steps, each reading its table and writing its files."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enas.config import Inference, load_table_config
from enas.console import Console
from enas.data.dataset import Dataset
from enas.files import read_json, write_json
from enas.inputs import Tables, describe
from enas.progress import Progress
from enas.run import Run, create_run, latest_run, open_run

if TYPE_CHECKING:
    from enas.evaluate import Evaluation
    from enas.explain import Explanation
    from enas.model import Model
    from enas.predict import Prediction
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
        self.config, notes = load_table_config(config, overrides)
        self._run = open_run(Path(run)) if run is not None else None
        self._tables = Tables(self.config, self.progress)
        self._training_table: Dataset | None = None
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
        """Train, then evaluate, predict and explain, whichever the config has sections for.

        Raises: as each of them.
        """
        self.train()
        if self.config.data_evaluate:
            self.evaluate()
        if self.config.data_predict:
            self.predict()
        if self.config.explainer:
            self.explain()

    def train(self) -> "Training":
        """Search, retrain the best architectures, and write a new run directory.

        Raises:
            ConfigError: the config has no ``data_train``.
            DataError: the data cannot be read, or do not allow training.
            RunError: the run directory cannot be written, or training broke down.
        """
        from enas.train import train

        self.progress.line("----------In Hyper & Training Search stage")
        table, validation_rows = self._tables.read_training()
        self._training_table = table
        self._run = create_run(
            self.config.trainer.save_dir, self.config.name, now=datetime.now(), facts={"seed": self.config.seed}
        )
        with _writing(self._run, "train"):
            write_json(self._run.config, self.config.model_dump(mode="json"))
            write_json(self._run.data, {"data_train": describe(self.config.data_train, table)})
            return train(self._run, table, self.config, validation_rows=validation_rows, progress=self.progress)

    def evaluate(self) -> "Evaluation":
        """Score the model on ``data_evaluate``; says which rows it has seen.

        Raises:
            ConfigError: the config has no ``data_evaluate``.
            DataError: the data cannot be read or do not fit the model.
            RunError: there is no finished run; call ``train()`` first.
        """
        from enas.evaluate import evaluate

        self.progress.line("----------In Evaluation stage")
        settings = self.config.evaluator or Inference()
        run, model = self._load_model(settings)
        table = self._tables.read("data_evaluate", model, settings)
        seen = {int(row, 16) for row in read_json(run.data)["data_train"]["row_hashes"]}
        with _writing(run, "evaluate"):
            result = evaluate(model, table, seen, run.output_files, batch_size=settings.batch_size)
        self.progress.line(result.headline)
        self.progress.line(result.metrics.to_text())
        self._list(result.files)
        return result

    def predict(self) -> "Prediction":
        """Predict the samples of ``data_predict``.

        Raises: as `evaluate`.
        """
        from enas.predict import predict

        self.progress.line("----------In Prediction stage")
        settings = self.config.predictor or Inference()
        run, model = self._load_model(settings)
        table = self._tables.read("data_predict", model, settings)
        with _writing(run, "predict"):
            result = predict(model, table, run.output_files, batch_size=settings.batch_size)
        self.progress.line(f'Predicted values file is "{result.file}"')
        return result

    def explain(self) -> "Explanation":
        """Rank the features of the training table by SHAP.

        Raises: as `evaluate`.
        """
        from enas.config import Explainer
        from enas.explain import explain

        self.progress.line("----------Initialize Shap class")
        args = (self.config.explainer or Explainer()).args
        run, model = self._load_model(self.config.evaluator or Inference())
        if self._training_table is None:
            self._training_table, _ = self._tables.read_training()
        table = self._tables.match(self._training_table, model)
        n_samples = min(args.num_samples, table.n_samples)
        self.progress.line(f"----------Computing shap_values with {n_samples} examples and {table.n_features} features")
        with _writing(run, "explain"):
            result = explain(
                model,
                table,
                run.output_files,
                n_samples=n_samples,
                n_shown=args.ranked_outputs,
                seed=self.config.seed,
                progress=self.progress,
            )
        error = result.attribution.additivity_error
        self.progress.line(f"values add up to the outputs with a relative error of {error:.1e}")
        self.progress.line(f"most important: {', '.join(result.ranking[:10])}")
        self._list(result.files)
        return result

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
