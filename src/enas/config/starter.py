"""A config to start from, and the schema that editors check configs against."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic.json_schema import models_json_schema

from enas.config.image_legacy import DROP_PATH, INERT_IMAGE_KEYS, OTHER_NAMES
from enas.config.image_sections import ImageConfig
from enas.config.legacy import INERT_KEYS
from enas.config.problems import walk_sections
from enas.config.sections import Config, Section

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
        "screen": "auto"      // keep the best k features: the search chooses k; or a number, "all" or "soft"
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


IMAGE_STARTER = """\
// Relative paths start at the folder of this file. `enas config check FILE` checks it, `enas run FILE` runs it all.
// Or in two steps: `enas search FILE`, then `enas train FILE --architecture "1 2 1 3 ..."` with what it found.
{
    "name": "my_images",  // the results go to <output_dir>/enas/<name>/<date_time>/

    // What stands nowhere below is filled in from here: "micro-small" takes minutes on a CPU;
    // "micro-mnist" and "micro-cifar10" are the settings of the publications, for a GPU.
    "preset": "micro-small",

    "model": {"type": "enas", "args": {"search_space": "micro"}},

    "trainer": {
        "train_data_dir": "data/train",  // one folder per class, with PNG, JPEG, BMP, TIFF or WebP files
        "val_data_dir": "data/valid",    // the same classes; or, instead: "validation_split": 0.1
        "test_data_dir": "data/test",    // the same classes; remove the line if there is no test
        "output_dir": "output"
        // "channel": 1,                 // 1: grey, 3: colour; without it, as most images are
        // "img_size": 32,               // without it, their most common size
        // "batch_size": 160,
        // "num_epochs": 150,            // of the search
        // "child_fixed_arc": "1 2 1 3 0 1 0 4 1 1 1 1 0 1 0 1 1 0 0 1 0 1 0 4 1 0 2 0 0 3 1 1 0 0 0 0 4 1 1 0"
        //                               // a known architecture: nothing is searched
    },

    // Training of the architecture found, from scratch.
    // "retrain": {"num_epochs": 310, "child_num_layers": 15, "child_out_filters": 16, "n_aug_img": 2},

    // A folder of images without classes, to be predicted.
    // "data_predict": {"args": {"data_dir": "data/new"}},

    "explainer": {"args": {"num_samples": 80}},  // which pixels decide

    "seed": 0  // the same seed gives the same run
}
"""


def starter(*, images: bool = False) -> str:
    """A commented config, of a table or of image folders, valid as it stands once its data are there."""
    return IMAGE_STARTER if images else STARTER


def config_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of both families; keys without effect are listed as deprecated."""
    _, schema = models_json_schema([(Config, "validation"), (ImageConfig, "validation")])
    sections = schema["$defs"]
    _add_inert_keys(sections, Config, INERT_KEYS)
    _add_inert_keys(sections, ImageConfig, INERT_IMAGE_KEYS)
    _add_names(sections["Trainer"], {"child_lr_reg": "child_l2_reg", "monitor": "reward", "saver": "save_dir"})
    _add_names(sections["ImageTrainer"], {**OTHER_NAMES, DROP_PATH: f"retrain.{DROP_PATH}"})
    sections["ImageConfig"]["required"].remove("name")  # a preset has one
    for config in ("Config", "ImageConfig"):
        text = "Where an editor finds this schema."
        sections[config]["properties"]["$schema"] = {"type": "string", "description": text}
    either = [{"$ref": "#/$defs/Config"}, {"$ref": "#/$defs/ImageConfig"}]
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "anyOf": either, "$defs": sections}
    return cast("dict[str, Any]", _spell_bounds(whole))


_BOUNDS = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}


def _spell_bounds(schema: Any) -> Any:
    """With JSON Schema's words for bounds where pydantic leaves its own, which editors pass over."""
    if isinstance(schema, list):
        return [_spell_bounds(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {_BOUNDS.get(key, key): _spell_bounds(part) for key, part in schema.items()}


def _add_inert_keys(sections: dict[str, Any], model: type[Section], inert: Mapping[str, Sequence[str]]) -> None:
    models = dict(walk_sections(model))
    for path, keys in inert.items():
        for key in (key for key in keys if key not in models[path].model_fields):
            sections[models[path].__name__]["properties"][key] = {
                "deprecated": True,
                "description": "Accepted from the predecessors; no effect here.",
            }


def _add_names(section: dict[str, Any], names: Mapping[str, str]) -> None:
    for key, new in names.items():
        section["properties"][key] = {"deprecated": True, "description": f"The predecessors' other name of {new}."}
