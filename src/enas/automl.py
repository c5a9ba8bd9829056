"""What ``enas.auto(config)`` returns: the pipeline as four steps, each reading its data and writing its files."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enas.config import Config, Inference, load_config
from enas.console import Console
from enas.progress import Progress
from enas.run import Run, writing
from enas.runs import latest_run, open_run
from enas.trackers.mlflow_store import check_mlflow, log_to_mlflow
from enas.warned import Warned

if TYPE_CHECKING:
    from enas.cross_validation import CrossValidation
    from enas.evaluate import Evaluation
    from enas.families.source import Explained, Source
    from enas.job import Job
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
        self.progress = Warned(progress or Console())
        self.config, notes = load_config(config, overrides)
        self._run = open_run(Path(run)) if run is not None else None
        self._opened: Source | None = None
        words = [str(config), *(word for override in overrides for word in ("--set", override))]
        self._origin = shlex.join(words) if isinstance(config, str | Path) else None
        self.progress.line("=" * 58)
        self.progress.line(f"----------Use the config from {config if self._origin else 'a mapping'}")
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

    def run_all(self, *, resume: bool | str | Path = False) -> None:
        """Train, then evaluate, predict and explain, whichever the config has data for; then write the report.

        Args:
            resume: go on with a run that `run_all` began, see `train`.

        Raises: as each of them.
        """
        from enas.job import told_how_to_resume
        from enas.resume import check_config, find_run

        steps = todo = ["train", *self._source.steps(), "report"]
        if resume:
            run = find_run(self.config, resume, "run")
            grown = check_config(run, self.config)
            todo = steps if grown else _list_left(run, steps)
            self.progress.line(f"----------Resuming {run.path}; left: {', '.join(todo) or 'nothing'}")
            self._run, resume = run, run.path
        if "train" in todo:
            self._train("run", steps, None, resume)
        with told_how_to_resume(self.run, "run", self._origin):
            for step in todo:
                if step != "train":
                    getattr(self, step)()

    def search(self, *, resume: bool | str | Path = False) -> "Architecture":
        """Search without retraining; writes the leaderboard and the best architecture into a new run directory.

        Args:
            resume: go on with a run that `search` began, see `train`.

        Raises: as `train`.
        """
        from enas.train import search_only

        self.progress.line("----------In Search stage")
        with self._take("search", ["search"], None, resume) as job, self.progress.into(job.run):
            self._run = job.run
            found = search_only(
                job.run, job.ready.family, job.ready.recipe, progress=self.progress, resumed=job.resumed
            )
        self._track(job.run)
        return found

    def train(
        self, architecture: "str | Architecture | None" = None, *, resume: bool | str | Path = False
    ) -> "Training":
        """Search, retrain the best architectures, and write a new run directory.

        Args:
            architecture: retrain just this one, without a search; None: what the config says.
            resume: go on with a run that `train` began, from its last checkpoint: its directory, or True for the newest
                unfinished one of that name. The config must be the same but for more epochs, more candidates and
                another time limit.

        Raises:
            ConfigError: the config names no training data, or the architecture is not of its search space.
            DataError: the data cannot be read, or do not allow training.
            RunError: the run directory cannot be written, or training broke down, or what is to be resumed is not the
                same any more.
            Interrupted: the process was asked to stop, and the run was saved.
        """
        return self._train("train", ["train"], architecture, resume)

    def _train(
        self, command: str, steps: list[str], architecture: "str | Architecture | None", resume: bool | str | Path
    ) -> "Training":
        from enas.train import train

        self.progress.line("----------In Hyper & Training Search stage")
        with self._take(command, steps, architecture, resume) as job, self.progress.into(job.run):
            self._run = job.run
            training = train(
                job.run,
                job.ready.family,
                job.ready.recipe,
                architecture=job.architecture,
                progress=self.progress,
                resumed=job.resumed,
            )
        self._track(job.run)
        return training

    def cross_validate(
        self,
        folds: int | None = None,
        repeats: int | None = None,
        *,
        jobs: int = 1,
        resume: bool | str | Path = False,
    ) -> "CrossValidation":
        """Judge the pipeline, not one model: search, retrain and choose anew on the training rows of every fold.

        Only the training data are divided; test data are not touched. Each fold has a seed of its own, which derives
        from the config's, and computes on one thread (or OMP_NUM_THREADS), so that the numbers are the same for any
        number of jobs. ``time_limit`` and ``max_memory`` are those of each fold.

        Args:
            folds: parts into which rows are divided; None: 5, or as it was begun.
            repeats: how often they are divided anew; None: 3, or as it was begun.
            jobs: processes that work at the same time; in a script, more than one needs
                ``if __name__ == "__main__":`` around what begins them.
            resume: go on with a cross-validation: its directory, or True for the newest unfinished one of that name.

        Raises:
            ConfigError: fewer than two folds, no repeat, no job, or no training data.
            DataError: too few samples of a class for so many folds.
            RunError: a fold failed, or what is to be resumed is not the same any more.
            Interrupted: the process was asked to stop; what is done is kept.
        """
        from enas.cross_validation.validate import Demand, cross_validate

        self.progress.line("----------In Cross-validation stage")
        demand = Demand(self.config, self._origin, folds, repeats, jobs, resume)
        result = cross_validate(demand, self.progress)
        self.progress.line(result.to_text())
        self.progress.line(f"Everything is in {result.path}")
        return result

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
        with self._writing(run, "evaluate"):
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
        with self._writing(run, "predict"):
            result = self._source.predict(model, settings, run)
        self.progress.line(f'Predicted values file is "{result.file}"')
        return result

    def explain(self) -> "Explained":
        """Show what the model goes by: SHAP values of a table's features, attribution maps of test images.

        Raises: as `evaluate`.
        """
        run, model = self._load_model(self.config.evaluator or Inference())
        with self._writing(run, "explain"):
            result = self._source.explain(model, run)
        for line in result.summary:
            self.progress.line(line)
        self._list(result.files)
        return result

    def report(self) -> Path:
        """Write what the run found as one HTML page, which needs nothing else; returns its path.

        Raises:
            RunError: there is no finished run, or one of its files is damaged.
        """
        from enas.page import write_page

        with self._writing(self.run, "report"):
            file = write_page(self.run)
        self.progress.line(f'Report is "{file}"')
        return file

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

    def _take(
        self, command: str, steps: Sequence[str], architecture: "str | Architecture | None", resume: bool | str | Path
    ) -> "AbstractContextManager[Job]":
        from enas.job import Order, take

        check_mlflow(self.config.mlflow)
        return take(Order(self.config, self._origin, command, steps, architecture, resume), self._source, self.progress)

    @contextmanager
    def _writing(self, run: Run, step: str) -> Iterator[None]:
        """A step into a run: locked, its warnings kept, tracked in the end."""
        check_mlflow(self.config.mlflow)
        with writing(run, step), self.progress.into(run):
            yield
        self._track(run)

    def _track(self, run: Run) -> None:
        if self.config.mlflow:
            log_to_mlflow(run, self.config.mlflow, self.progress)

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


def _list_left(run: Run, steps: Sequence[str]) -> list[str]:
    """Steps that are not done; one that was killed between the two notes with which it ends is done, too."""
    left = [step for step in steps if step not in run.plan()["done"]]
    log = run.read_log() if left and left[0] != "train" else []
    if log and log[-1].get("stage") == left[0]:
        with run.lock():
            run.done(left.pop(0))
    return left
