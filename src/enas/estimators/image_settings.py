"""From the image estimator's parameters to a config, with the estimator's names in every error.

What has no parameter is as in the preset ``micro-small``, but for augmented copies, which are kept on the disk.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from enas.cache_folder import cache_folder
from enas.config import ImageConfig
from enas.config.image_problems import image_contradictions
from enas.config.presets import apply_preset
from enas.estimators.settings import InputError, ParameterError, build_config
from enas.estimators.training import sklearn_errors

NAMES = {
    "trainer.num_epochs": "search_epochs",
    "trainer.child_lr_T_0": "search_epochs",  # one cycle of the rate
    "trainer.controller_train_steps": "controller_steps",
    "trainer.n_derived": "n_derived",
    "trainer.top_k_candidates": "top_k",
    "trainer.child_num_cells": "n_nodes",
    "trainer.child_num_layers": "n_layers",
    "trainer.child_cutout_size": "cutout",
    "trainer.augment_crop": "augment_crop",
    "trainer.augment_flip": "augment_flip",
    "trainer.validation_split": "validation_split",
    "trainer.img_size": "image_size",
    "trainer.skip_unreadable": "skip_unreadable",
    "retrain.num_epochs": "epochs",
    "retrain.child_lr_T_0": "epochs",
    "retrain.child_num_layers": "n_layers",
    "retrain.child_out_filters": "n_filters",
    "retrain.child_cutout_size": "cutout",
    "retrain.batch_size": "batch_size",
    "retrain.child_lr_max": "learning_rate",
    "retrain.child_l2_reg": "l2",
    "retrain.child_keep_prob": "keep_prob",
    "retrain.child_drop_path_keep_prob": "path_keep_prob",
    "time_limit": "time_limit",
    "device": "device",
}
"""Key of the configuration → parameter; a parameter may stand for several keys."""

_WORDS = {key.rpartition(".")[2]: name for key, name in NAMES.items()} | NAMES | {"trainer.train_data_dir": "X"}
_KEY = re.compile(r"\b(?:(?:trainer|retrain|data_train\.args)\.)?(\w+)\b")


def make_image_config(parameters: Mapping[str, Any], folder: Path | None, seed: int) -> ImageConfig:
    """The configuration of these parameters, of images in ``folder`` or in memory.

    Raises:
        ParameterError: naming each parameter that is wrong.
    """
    tree = apply_preset(
        {
            "name": "estimator",
            "preset": "micro-small",
            "seed": seed,
            "compare_with_random": False,
            "trainer": {
                "train_data_dir": folder or Path(),
                "output_dir": cache_folder() if folder else Path(),
                "child_num_reductions": "auto",
            },
            "retrain": {"child_num_reductions": "auto", "n_aug_img": 1},
        }
    )
    config = build_config(ImageConfig, tree, parameters, NAMES)
    if problems := image_contradictions(config):
        told = [in_parameters(f"{NAMES.get(key, key)}: {text}") for key, text in problems]
        raise ParameterError("\n".join(dict.fromkeys(told)))
    return config


def in_parameters(text: str) -> str:
    """A message with parameters in place of the configuration's keys.

    >>> in_parameters("5 reductions do not fit into 3 layers; raise child_num_layers")
    '5 reductions do not fit into 3 layers; raise n_layers'
    """
    return _KEY.sub(lambda found: _WORDS.get(found[0]) or _WORDS.get(found[1]) or found[0], text)


@contextmanager
def parameter_errors() -> Iterator[None]:
    """Errors are ValueErrors, too, and speak of parameters."""
    try:
        with sklearn_errors():
            yield
    except (ParameterError, InputError) as error:
        raise type(error)(in_parameters(str(error))) from None
