"""A small run on simulated genes, made at every build: pages show its report, its curves and its ranking."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from enas.automl import Auto
from enas.console import Console
from enas.data.simulate import SimulatedTable, simulate_expression

N_GENES, N_CAUSAL, CLASSES = 2_000, 4, (40, 20)
SHOWN = {
    "report.html": "sample/report.html",
    "enas_search_curves.png": "pictures/sample_search.png",
    "_barTotal_feature_importance_summary.png": "pictures/sample_ranking.png",
}
"""File of the run → place in the site's sources."""


def sample_files() -> Iterator[tuple[str, bytes]]:
    """Path in the site's sources, and content."""
    with tempfile.TemporaryDirectory() as folder:
        table = simulate_expression(
            Path(folder), seed=0, n_samples=sum(CLASSES), n_features=N_GENES, n_causal=N_CAUSAL, class_sizes=CLASSES
        )
        config = Path(folder) / "sample.json"
        config.write_text(json.dumps(sample_config(table)), encoding="utf-8")
        automl = Auto(config, progress=Console(quiet=True))
        automl.run_all()
        for name, place in SHOWN.items():
            content = (automl.run.output_files / name).read_bytes()
            yield place, content.replace(folder.encode(), b"study") if name.endswith(".html") else content


def sample_config(table: SimulatedTable) -> dict[str, Any]:
    """Cross-fitted, as small tables are, with a test set as large as the training set."""
    train = {"features_file": table.features.name, "labels_file": table.labels.name}
    test = {"features_file": table.test_features.name, "labels_file": table.test_labels.name}
    return {
        "name": "sample",
        "data_train": {"args": train},
        "data_evaluate": {"args": test},
        "trainer": {"save_dir": "runs", "max_search_channel": 64},
        "explainer": {"args": {"num_samples": 60, "ranked_outputs": 12, "features_name_file": table.names.name}},
        "input_fn": {"num_threads": 1},
        "device": "cpu",
    }
