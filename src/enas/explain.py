"""Explanation: SHAP values of the logits per class and feature, ranked, written as tables and drawn.

AutoGenome explained the softmax, whose values vanish (1e-11) where the network is sure; logits do not saturate.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from enas.attribution import Attribution, attribute
from enas.data.dataset import Dataset, FloatArray
from enas.files import guard_cell, replacing, write_csv, write_json
from enas.progress import Progress
from enas.table_model import TableModel

MAX_BACKGROUND = 100
"""Rows that stand for "what is usual"."""


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """What `explain` found.

    Args:
        attribution: the values.
        feature_names: p names.
        order: (p,) feature numbers, the most important first (mean |SHAP|, summed over the outputs).
        importance: (p,) that measure, by feature number.
        files: what was written.
    """

    attribution: Attribution
    feature_names: tuple[str, ...]
    order: NDArray[np.int64]
    importance: NDArray[np.float64]
    files: tuple[Path, ...]

    @property
    def summary(self) -> tuple[str, ...]:
        """Lines of the log."""
        error = self.attribution.additivity_error
        return (
            f"values add up to the outputs with a relative error of {error:.1e}",
            f"most important: {', '.join(self.ranking[:10])}",
        )

    @property
    def ranking(self) -> tuple[str, ...]:
        """Feature names, the most important first."""
        return tuple(self.feature_names[i] for i in self.order)


def explain(
    model: TableModel,
    dataset: Dataset,
    folder: Path,
    *,
    n_samples: int,
    n_shown: int,
    seed: int,
    progress: Progress,
) -> Explanation:
    """Explain ``n_samples`` rows of ``dataset`` against up to 100 of its rows; write tables and figures into
    ``folder``.

    Args:
        model: the trained model.
        dataset: the training table, columns as the model knows them.
        folder: where files go.
        n_samples: rows to explain, drawn by ``seed`` (all, if there are fewer).
        n_shown: features that a figure shows.
        seed: draws the rows.
        progress: shows how far the computation is.
    """
    generator = np.random.default_rng(seed)
    rows = np.sort(generator.permutation(dataset.n_samples)[:n_samples])
    background = np.sort(generator.permutation(dataset.n_samples)[:MAX_BACKGROUND])
    with progress.stage(f"SHAP values of {len(rows)} samples, {dataset.n_features} features", model.n_folds) as advance:
        attribution = attribute(model, dataset.features[rows], dataset.features[background], advance)
    attribution = _beside_others(attribution, model, dataset.features[rows], dataset.features[background])
    per_output = np.abs(attribution.values).mean(axis=1, dtype=np.float64)
    importance = per_output.sum(axis=0)
    order = np.argsort(-importance, kind="stable")
    ids = [dataset.sample_ids[i] for i in rows]
    tables = _write_tables(model, attribution, per_output, order, dataset.feature_names, ids, folder)
    figures = _draw(model, attribution, dataset.features[rows], dataset.feature_names, folder, n_shown)
    return Explanation(attribution, dataset.feature_names, order, importance, (*tables, *figures))


def _beside_others(
    attribution: Attribution, model: TableModel, rows: FloatArray, background: FloatArray
) -> Attribution:
    """With the rankings of the other candidates where there is a single network, so that it is not the only refit."""
    if len(attribution.of_refits) > 1:
        return attribution
    others = [model.only(member.architecture) for member in model.members if not member.share]
    rankings = [attribute(other, rows, background).of_refits for other in others]
    return replace(attribution, of_refits=np.concatenate([attribution.of_refits, *rankings]))


def _write_tables(
    model: TableModel,
    attribution: Attribution,
    per_output: NDArray[np.float64],
    order: NDArray[np.int64],
    names: Sequence[str],
    ids: Sequence[str],
    folder: Path,
) -> list[Path]:
    outputs = _output_names(model)
    orders = folder / "_features_orders.csv"
    header = ["rank", "feature", "importance", *(f"importance_{name}" for name in outputs)]
    total = per_output.sum(axis=0)
    rows = ((rank, names[i], total[i], *per_output[:, i].tolist()) for rank, i in enumerate(order, start=1))
    write_csv(orders, header, rows)
    files = [orders]
    for name, values in zip(file_names(outputs), attribution.values, strict=True):
        files.append(folder / f"_class_{name}shap_values.csv")
        _write_values(files[-1], values, names, ids)
    summary = folder / "explanation.json"
    write_json(
        summary,
        {
            "outputs": outputs,
            "base_values": attribution.base,
            "additivity_error": attribution.additivity_error,
            "n_samples": len(ids),
            "top_features": [names[i] for i in order[:100]],
        },
    )
    return [*files, summary]


def _write_values(path: Path, values: FloatArray, names: Sequence[str], ids: Sequence[str]) -> None:
    """Samples in rows, features in columns; formatted a row at a time, as a table may have millions of cells."""
    line = ",".join(["%.6g"] * len(names))
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        file.write(",".join(["sample_id", *map(_csv_text, names)]) + "\n")
        file.writelines(
            f"{_csv_text(name)},{line % tuple(row)}\n" for name, row in zip(ids, values.tolist(), strict=True)
        )


def _csv_text(text: str) -> str:
    text = guard_cell(text)
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]', text) else text


def _draw(
    model: TableModel, attribution: Attribution, features: FloatArray, names: Sequence[str], folder: Path, n_shown: int
) -> list[Path]:
    from enas import report

    outputs = _output_names(model)
    files: list[Path] = []
    for output, file_name, values in zip(outputs, file_names(outputs), attribution.values, strict=True):
        kind = "class" if model.classes else "target"
        dots, bars = f"_dot{file_name}_feature_importance_summary", f"class_{file_name}feature_importance_summary"
        title = f"{kind} {output}"
        files += report.importance_dots(values, features, names, folder / dots, n_top=n_shown, title=title)
        files += report.importance_bar(values, names, folder / bars, n_top=n_shown, title=title)
    total = folder / "_barTotal_feature_importance_summary"
    files += report.importance_bar_total(attribution.values, names, outputs, total, n_top=n_shown)
    return files


def _output_names(model: TableModel) -> tuple[str, ...]:
    return model.classes or model.target_names


def file_names(names: Sequence[str]) -> list[str]:
    """Names as parts of file names: letters, digits, dots and dashes stay; distinct names stay distinct.

    Example:
        >>> file_names(["0", "a/b", "a:b"])
        ['0', 'a_b', 'a_b_2']
    """
    result: list[str] = []
    taken: set[str] = set()
    for i, name in enumerate(names):
        safe = re.sub(r"[^\w.-]", "_", normalize("NFC", name)).encode()[:80].decode(errors="ignore")
        part, n = safe, i
        while part.casefold() in taken:
            part, n = f"{safe}_{n}", n + 1
        taken.add(part.casefold())
        result.append(part)
    return result
