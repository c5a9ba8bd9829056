"""What a table's config names, as the pipeline's steps take it."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from enas.config import Config, DataSection, Explainer, Inference
from enas.data.anndata_result import Findings, find_rows, write_copy
from enas.data.dataset import Dataset
from enas.errors import RunError
from enas.evaluate import Evaluation, evaluate
from enas.explain import Explanation, explain
from enas.families.source import Ready, check_samples, seen_hashes
from enas.families.table import prepare_table, table_recipe
from enas.honesty import note_ranking, note_test
from enas.inputs import Tables, describe
from enas.model import Model, probabilities_of
from enas.predict import Prediction, predict
from enas.progress import Progress
from enas.run import Run
from enas.table_model import TableModel

COPIES = {
    "data_train": "enas_explained.h5ad",
    "data_evaluate": "enas_evaluated.h5ad",
    "data_predict": "enas_predicted.h5ad",
}
"""What copies of a section's AnnData file are called, to which results are added."""


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
        values = probabilities_of(result.outputs) if model.classes else result.outputs
        self._annotate("data_evaluate", run, model, table, values, size)
        return result

    def predict(self, model: Model, settings: Inference, run: Run) -> Prediction:
        model = _of_table(model, run)
        table = self._tables.read("data_predict", model, settings)
        size = settings.batch_size
        result = predict(model, table, run.output_files, batch_size=size, progress=self.progress)
        values = np.asarray(result.predicted) if result.probabilities is None else result.probabilities
        self._annotate("data_predict", run, model, table, values, size)
        return result

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
        self._write_importance(run, result)
        return result

    def _annotate(
        self, name: str, run: Run, model: TableModel, table: Dataset, values: NDArray[np.float64], batch_size: int
    ) -> None:
        """Write what was predicted into a copy of the section's AnnData file, if it is one."""
        if getattr(self.config, name).args.h5ad:
            with self.progress.stage(f"embedding {table.n_samples:,} rows", -(-table.n_samples // batch_size)) as step:
                blocks = []
                for block in model.embeddings(table.features, batch_size=batch_size):
                    blocks.append(block)
                    step("")
            found = find_rows(values, np.concatenate(blocks), model.classes, model.target_names)
            self._write_copy(name, run, found)

    def _write_importance(self, run: Run, explanation: Explanation) -> None:
        """Write it into a copy of the training data and into those of other data that are there."""
        for name, copy in COPIES.items():
            section: DataSection | None = getattr(self.config, name)
            if section and section.args.h5ad and (name == "data_train" or (run.output_files / copy).is_file()):
                pairs = zip(explanation.feature_names, explanation.importance.tolist(), strict=True)
                self._write_copy(name, run, Findings(var=dict(pairs)))

    def _write_copy(self, name: str, run: Run, findings: Findings) -> None:
        args, path = getattr(self.config, name).args, run.output_files / COPIES[name]
        adds = findings.var and path.is_file() and name != "data_train"
        is_whole = write_copy(path if adds else (args.data_dir or Path()) / args.h5ad, path, findings)
        without = "" if is_whole else ", without matrices, since the file is large"
        self.progress.line(f"{args.h5ad}: a copy with {', '.join(findings.keys)}{without}: {path}")

    @property
    def _tables(self) -> Tables:
        return Tables(self.config, self.progress)


def _of_table(model: Model, run: Run) -> TableModel:
    if not isinstance(model, TableModel):
        raise RunError(f"{run.path} is a run on images, and this config is one of tables")
    return model
