"""``enas demo``: a simulated table of AutoGenome's shape, a config beside it, and everything run on them.

The simulation knows which genes are causal, so the demo can say how many of them the ranking finds.
"""

import json
from pathlib import Path

from enas.automl import Auto
from enas.data.simulate import SimulatedTable, simulate_expression
from enas.explain import Explanation
from enas.progress import Progress

CONFIG = "enas_demo.json"
N_TOP = 20


def run_demo(folder: Path, seed: int, progress: Progress) -> Path:
    """Simulate 100 samples of 23,361 genes, 20 of them causal, and run everything; returns the run directory.

    Args:
        folder: for data, config and runs; made if it is missing.
        seed: of the simulation and of the run.
        progress: where the log goes.

    Raises:
        RunError: the files cannot be written.
    """
    progress.line(f"simulating 100 + 100 samples of 23,361 genes into {folder}")
    table = simulate_expression(folder, seed=seed)
    config = folder / CONFIG
    config.write_text(json.dumps(demo_config(table, seed), indent=4) + "\n", encoding="utf-8")
    automl = Auto(config, progress=progress)
    training = automl.train()
    evaluation = automl.evaluate()
    automl.predict()
    explanation = automl.explain()
    assert isinstance(explanation, Explanation), "a table is explained by its features"
    n_found = count_causal(explanation, table)
    report = automl.report()
    progress.line("")
    progress.line(f"validation   {training.metrics.to_text().splitlines()[0]}  {training.how}")
    progress.line(f"test         {evaluation.headline}")
    progress.line(f"explanation  {n_found} of {len(table.causal_genes)} causal genes stand among the top {N_TOP}")
    progress.line(f"config       {config}")
    progress.line(f"results      {automl.run.path}")
    progress.line(f"report       {report}")
    return automl.run.path


def demo_config(table: SimulatedTable, seed: int) -> dict[str, object]:
    """The config of AutoGenome's case on the simulated files; both candidates are kept, the test samples evaluated."""
    train = {
        "features_file": table.features.name,
        "labels_file": table.labels.name,
        "validation_split": 0.2,
        "shuffle": True,
        "delimiter": "\t",
    }
    test = {"features_file": table.test_features.name, "labels_file": table.test_labels.name, "delimiter": "\t"}
    return {
        "name": "enas_demo",
        "model": {"type": "enas", "args": {"output_classes": 2}},
        "data_train": {"args": train},
        "data_evaluate": {"args": test},
        "data_predict": {"args": {key: test[key] for key in ("features_file", "delimiter")}},
        "trainer": {
            "child_num_layers": 3,
            "batch_size": 64,
            "max_number_of_epoches_in_search": 10,
            "max_number_of_epoches_in_fixed": 50,
            "top_k_candidates": 2,
            "child_l2_reg": 1e-4,
            "max_search_channel": 512,
            "ensemble": True,
            "save_dir": "experiments",
        },
        "evaluator": {"max_number_of_steps": 10, "batch_size": 100},
        "predictor": {"max_number_of_steps": 10, "batch_size": 100},
        "explainer": {
            "args": {
                "plot_type": "bar",
                "features_name_file": table.names.name,
                "num_samples": 80,
                "ranked_outputs": N_TOP,
            }
        },
        "seed": seed,
    }


def count_causal(explanation: Explanation, table: SimulatedTable) -> int:
    """How many causal genes stand among the first `N_TOP` of the ranking."""
    return len(set(explanation.ranking[:N_TOP]) & set(table.causal_genes))
