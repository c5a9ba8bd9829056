"""What a table's config names, as the pipeline's steps take it."""

from dataclasses import dataclass, field

from enas.config import Config, Explainer, Inference
from enas.data.dataset import Dataset
from enas.errors import RunError
from enas.evaluate import Evaluation, evaluate
from enas.explain import Explanation, explain
from enas.families.source import Ready, check_samples, seen_hashes
from enas.families.table import prepare_table, table_recipe
from enas.honesty import note_ranking, note_test
from enas.inputs import Tables, describe
from enas.model import Model
from enas.predict import Prediction, predict
from enas.progress import Progress
from enas.run import Run
from enas.table_model import TableModel


@dataclass(slots=True)
class TableSource:
    """The tables of a config.

    Args:
        config: names them.
        progress: where the log goes.
    """

    config: Config
    progress: Progress
    _training: Dataset | None = field(default=None, init=False)

    def steps(self) -> tuple[str, ...]:
        sections = {
            "evaluate": self.config.data_evaluate,
            "predict": self.config.data_predict,
            "explain": self.config.explainer,
        }
        return tuple(step for step, section in sections.items() if section)

    def prepare(self) -> Ready:
        table, validation_rows = self._tables.read_training()
        self._training = table
        family = prepare_table(table, self.config, validation_rows=validation_rows, progress=self.progress)
        return Ready(family, table_recipe(self.config), describe(self.config.data_train, table))

    def evaluate(self, model: Model, settings: Inference, run: Run) -> Evaluation:
        model = _of_table(model, run)
        table = self._tables.read("data_evaluate", model, settings)
        size, seen = settings.batch_size, seen_hashes(run)
        result = evaluate(model, table, seen, run.output_files, batch_size=size, progress=self.progress)
        if not settings.arc:
            note_test(run, model, table, result, size, self.progress)
        return result

    def predict(self, model: Model, settings: Inference, run: Run) -> Prediction:
        model = _of_table(model, run)
        table = self._tables.read("data_predict", model, settings)
        return predict(model, table, run.output_files, batch_size=settings.batch_size, progress=self.progress)

    def explain(self, model: Model, run: Run) -> Explanation:
        """Rank the features of the training table by SHAP."""
        model = _of_table(model, run)
        args = (self.config.explainer or Explainer()).args
        self.progress.line("----------Initialize Shap class")
        if self._training is None:
            self._training, _ = self._tables.read_training()
            check_samples(run, describe(self.config.data_train, self._training))
        table = self._tables.match(self._training, model)
        n_samples = min(args.num_samples, table.n_samples)
        self.progress.line(f"----------Computing shap_values with {n_samples} examples and {table.n_features} features")
        result = explain(
            model,
            table,
            run.output_files,
            n_samples=n_samples,
            n_shown=args.ranked_outputs,
            seed=self.config.seed,
            progress=self.progress,
        )
        note_ranking(run, result.attribution)
        return result

    @property
    def _tables(self) -> Tables:
        return Tables(self.config, self.progress)


def _of_table(model: Model, run: Run) -> TableModel:
    if not isinstance(model, TableModel):
        raise RunError(f"{run.path} is a run on images, and this config is one of tables")
    return model
