"""The keys of image configurations: the predecessors' names and defaults, and what two families share."""

from pathlib import Path
from typing import Any, get_args

import pytest

from enas.config import Config, ImageConfig, load_config, load_image_config, load_table_config
from enas.errors import ConfigError

SEARCH_FLAGS = {
    **{"child_num_layers": 6, "child_out_filters": 20, "child_num_cells": 5, "child_l2_reg": 1e-4},
    **{"child_keep_prob": 0.9, "child_use_aux_heads": True, "child_lr_max": 0.05, "child_lr_min": 0.0005},
    **{"child_lr_T_0": 10, "child_lr_T_mul": 2, "child_grad_bound": 5.0, "child_cutout_size": None},
    **{"child_fixed_arc": None, "controller_lr": 0.0035, "controller_tanh_constant": 1.10},
    **{"controller_op_tanh_reduce": 2.5, "controller_temperature": None, "controller_entropy_weight": 0.0001},
    **{"controller_bl_dec": 0.99, "controller_train_steps": 30, "controller_num_aggregate": 10},
    **{"controller_train_every": 1, "num_epochs": 150, "batch_size": 160, "n_aug_img": 1},
}
"""`main_controller_child_trainer.py` and `cifar10_micro_search.sh`."""

RETRAINING_FLAGS = {
    **{"child_num_layers": 15, "child_out_filters": 16, "child_l2_reg": 2e-4, "child_keep_prob": 0.8},
    **{"child_drop_path_keep_prob": 0.6, "child_use_aux_heads": True, "child_lr_max": 0.05, "child_lr_min": 1e-5},
    **{"child_lr_T_0": 10, "child_lr_T_mul": 2, "child_grad_bound": 5.0, "child_cutout_size": None},
    **{"num_epochs": 310, "batch_size": 128, "n_aug_img": 1},
}
"""`main_child_trainer.py`."""


def load(trainer: dict[str, Any] | None = None, **rest: Any) -> ImageConfig:
    raw = {"name": "x", "trainer": {"train_data_dir": "train", **(trainer or {})}, **rest}
    return load_image_config(raw)[0]


def test_flags_have_the_predecessors_names_and_defaults() -> None:
    config = load()
    assert {key: getattr(config.trainer, key) for key in SEARCH_FLAGS} == SEARCH_FLAGS
    assert {key: getattr(config.retrain, key) for key in RETRAINING_FLAGS} == RETRAINING_FLAGS
    assert (config.trainer.channel, config.trainer.img_size, config.trainer.child_num_reductions) == (
        None,
        None,
        "auto",
    )
    assert config.trainer.output_dir == config.trainer.save_dir == Path.cwd() / "output"


def test_what_departs_from_the_original_can_be_restored() -> None:
    config = load()
    assert (config.trainer.controller_convolution_bias, config.trainer.train_auxiliary) == (0.0, True)
    original = load({"controller_convolution_bias": 10, "train_auxiliary": False, "child_grad_bound": 0})
    trainer = original.trainer
    assert (trainer.controller_convolution_bias, trainer.train_auxiliary, trainer.child_grad_bound) == (10, False, 0)


@pytest.mark.parametrize(
    "raw",
    [
        {"preset": "micro-small", "trainer": {"train_data_dir": "t"}},
        {"name": "x", "model": {"args": {"search_space": "micro"}}, "trainer": {"train_data_dir": "t"}},
        {"name": "x", "trainer": {"train_data_dir": "t"}},
    ],
)
def test_a_config_of_images_is_recognised(raw: dict[str, Any]) -> None:
    assert isinstance(load_config(raw)[0], ImageConfig)
    with pytest.raises(ConfigError, match="is a configuration of images, but a table is needed here"):
        load_table_config(raw)


def test_a_config_of_tables_stays_one() -> None:
    assert type(load_config({"name": "x", "trainer": {"batch_size": 8}})[0]) is Config
    with pytest.raises(ConfigError, match="folders of images are needed here"):
        load_image_config({"name": "x"})


def test_both_families_mean_the_same_by_the_same_keys() -> None:
    for key in (
        "input_fn",
        "evaluator",
        "predictor",
        "seed",
        "device",
        "precision",
        "time_limit",
        "checkpoint_seconds",
        "checkpoint_epochs",
        "max_memory",
    ):
        ours, theirs = ImageConfig.model_fields[key], Config.model_fields[key]
        assert (ours.annotation, ours.default, ours.description) == (
            theirs.annotation,
            theirs.default,
            theirs.description,
        )


def test_every_key_is_explained() -> None:
    pending: list[Any] = [ImageConfig]
    while pending:
        for key, field in pending.pop().model_fields.items():
            assert field.description, key
            kinds = (field.annotation, *get_args(field.annotation))
            pending += [kind for kind in kinds if hasattr(kind, "model_fields")]


def test_images_are_held_back_only_without_a_validation_folder() -> None:
    assert load().trainer.validation_split == 0.1
    assert load({"validation_split": 0.25}).trainer.validation_split == 0.25
    assert load({"val_data_dir": "valid"}).trainer.validation_split is None
    assert load({"val_data_dir": ""}).trainer.validation_split == 0.1


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "name: x\ntrainer: {train_data_dir: a/train, val_data_dir: ../v, test_data_dir: t, output_dir: o}\n"
        "data_predict: {args: {data_dir: new}}\npredictor: {checkpoint_path: m}\n"
    )
    config, notes = load_image_config(tmp_path / "c.yaml")
    trainer, predict, predictor = config.trainer, config.data_predict, config.predictor
    assert notes == []
    assert trainer.train_data_dir == tmp_path / "a" / "train"
    assert trainer.val_data_dir == tmp_path.parent / "v"
    assert (trainer.test_data_dir, trainer.output_dir) == (tmp_path / "t", tmp_path / "o")
    assert predict is not None
    assert predict.args.data_dir == tmp_path / "new"
    assert predictor is not None
    assert predictor.checkpoint_path == tmp_path / "m"


def test_a_resolved_config_loads_to_itself(tmp_path: Path) -> None:
    config = load({"img_size": None, "val_data_dir": "v"}, preset="micro-mnist", seed=3)
    (tmp_path / "config.json").write_text(config.model_dump_json())
    assert load_config(tmp_path / "config.json") == (config, [])
    assert config.trainer.img_size is None
