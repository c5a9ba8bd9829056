"""What ``enas.auto(config)`` returns: the pipeline as four steps, each reading its table and writing its files."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from enas.config import Config, DataSection, Inference, load_config
from enas.console import Console
from enas.data.dataset import Dataset, Target
from enas.data.tables import file_hash, match_features, read_dataset, read_validation, row_hashes
from enas.errors import ConfigError
from enas.files import read_json, write_json
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
        self.config, notes = load_config(config, overrides)
        self._run = open_run(Path(run)) if run is not None else None
        self._training_table: Dataset | None = None
        origin = config if isinstance(config, str | Path) else "a mapping"
        self.progress.line("=" * 58)
        self.progress.line(f"----------Use the config from {origin}")
        for note in notes:
            self.progress.line(f"----------note: {note}")
        self.progress.line("=" * 58)

    @property
    def run(self) -> Run:
        """The run that evaluate, predict and explain use: the one just trained, the one named, or the newest finished
        one.

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
        table, validation_rows = self._read_training()
        self._run = create_run(
            self.config.trainer.save_dir, self.config.name, now=datetime.now(), facts={"seed": self.config.seed}
        )
        with _writing(self._run, "train"):
            write_json(self._run.config, self.config.model_dump(mode="json"))
            write_json(self._run.data, {"data_train": _describe(self.config.data_train, table)})
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
        table = _first_rows(self._read("data_evaluate", model), settings, self.progress)
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
        table = _first_rows(self._read("data_predict", model), settings, self.progress)
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
        table = self._training_table or self._read("data_train", model)
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

    def _read_training(self) -> tuple[Dataset, "np.ndarray[Any, np.dtype[np.int64]] | None"]:
        """The training table, with the rows of a validation file appended, and which rows those are."""
        args, regression = self._section("data_train").args, self.config.model.args.is_regression
        names_file = self._names_file()
        table = read_dataset(
            args, regression=regression, names_file=names_file, progress=self.progress, n_threads=self._n_threads()
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
        rows = None
        if validation is not None:
            matched = match_features(
                validation, table.feature_names, by_name=table.has_feature_names, progress=self.progress
            )
            rows = np.arange(table.n_samples, table.n_samples + matched.n_samples)
            table = _append(table, matched)
        self._training_table = table
        return table, rows

    def _read(self, name: str, model: "Model") -> Dataset:
        """A table with the columns that the model knows; with its target, if it has one."""
        table = read_dataset(
            self._section(name).args,
            regression=not model.classes,
            classes=model.classes or None,
            target_names=model.target_names if not model.classes else None,
            names_file=self._names_file(),
            progress=self.progress,
            n_threads=self._n_threads(),
        )
        return match_features(table, model.feature_names, by_name=model.has_feature_names, progress=self.progress)

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

    def _section(self, name: str) -> DataSection:
        section: DataSection | None = getattr(self.config, name)
        if section is None:
            raise ConfigError(f"the config has no section {name}; this step reads its table from there")
        return section

    def _names_file(self) -> Path | None:
        return self.config.explainer.args.features_name_file if self.config.explainer else None

    def _n_threads(self) -> int | None:
        return self.config.input_fn.num_threads

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


def _check_outputs(config: Config, target: Target | None) -> None:
    expected = config.model.args.output_classes
    found = len(target.classes or target.names) if target else 0
    if expected is not None and expected != found:
        what = "target columns" if config.model.args.is_regression else "classes"
        raise ConfigError(f"model.args.output_classes is {expected}, but the labels hold {found} {what}")


def _describe(section: DataSection | None, table: Dataset) -> dict[str, object]:
    """Hashes by which the files and the rows that trained are known again."""
    keys = ("features_file", "labels_file", "validation_features", "validation_labels")
    files = [getattr(section.args, key) for key in keys] if section else []
    return {
        "files": {str(file): file_hash(file) for file in files if file},
        "n_samples": table.n_samples,
        "n_features": table.n_features,
        "row_hashes": [f"{value:016x}" for value in row_hashes(table.features)],
    }


def _append(table: Dataset, more: Dataset) -> Dataset:
    """One table of both; their features are in the same order."""
    assert table.target is not None, "a training table has a target"
    assert more.target is not None, "a validation table has a target"
    return replace(
        table,
        features=np.concatenate([table.features, more.features]),
        sample_ids=(*table.sample_ids, *more.sample_ids),
        target=replace(table.target, values=np.concatenate([table.target.values, more.target.values])),
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
    target = replace(table.target, values=table.target.values[:n_rows]) if table.target else None
    return replace(table, features=table.features[:n_rows], sample_ids=table.sample_ids[:n_rows], target=target)
