"""A config to start from, and the schema that editors check configs against."""

from typing import Any

from enas.config.legacy import INERT_KEYS
from enas.config.problems import walk_sections
from enas.config.sections import Config

STARTER = """\
// Relative paths start at the folder of this file. `enas config check FILE` checks it, `enas run FILE` runs it all.
{
    "name": "my_project",  // the results go to <save_dir>/enas/<name>/<date_time>/

    "data_train": {
        "args": {
            "data_dir": "data",
            "features_file": "features.tsv",  // a row per sample; .csv, .gz, .zst and .parquet are read too
            "labels_file": "labels.tsv"       // one column; or, instead: "label_column": "a column of features_file"
            // "validation_split": 0.2        // without it, small data are cross-fitted in 5 folds
        }
    },

    // An independent table; remove the section if there is none.
    // "data_evaluate": {"args": {"data_dir": "data", "features_file": "test.tsv", "labels_file": "test_labels.tsv"}},

    // A table without labels, to be predicted.
    // "data_predict": {"args": {"data_dir": "data", "features_file": "new.tsv"}},

    "model": {
        "type": "enas",
        "args": {"is_regression": false}  // true: the labels are numbers to be predicted
    },

    "preprocessing": {
        "scale": "standard",  // or "robust", "none"
        "transform": "auto",  // asinh where values exceed 1,000; or "none", "log1p", "asinh"
        "screen": "auto"      // keep the best k features: the search chooses k; or a number, or "all"
    },

    "trainer": {
        "max_number_of_epoches_in_search": 10,
        "max_number_of_epoches_in_fixed": 50,  // epochs of retraining
        "top_k_candidates": 2,                 // how many of the best architectures are retrained
        "batch_size": 64,
        "save_dir": "experiments"
    },

    "explainer": {"args": {"num_samples": 80, "ranked_outputs": 20}},  // rank the features

    "seed": 0  // the same seed gives the same run
}
"""


def starter() -> str:
    """A commented config, valid as it stands once its data files exist."""
    return STARTER


def config_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a configuration; keys without effect are listed as deprecated."""
    schema = Config.model_json_schema()
    sections = dict(walk_sections(Config))
    for path, keys in INERT_KEYS.items():
        model = sections[path]
        section = schema if model is Config else schema["$defs"][model.__name__]
        for key in (key for key in keys if key not in model.model_fields):
            section["properties"][key] = {
                "deprecated": True,
                "description": "Accepted from AutoGenome; no effect here.",
            }
    trainer = schema["$defs"]["Trainer"]["properties"]
    for key, new in {"child_lr_reg": "child_l2_reg", "monitor": "reward", "saver": "save_dir"}.items():
        trainer[key] = {"deprecated": True, "description": f"AutoGenome's other name of {new}."}
    schema["properties"]["$schema"] = {"type": "string", "description": "Where an editor finds this schema."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
