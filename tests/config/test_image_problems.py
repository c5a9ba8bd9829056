"""What is wrong with an image configuration, and which flags of the predecessors do nothing: all of it is told."""

from pathlib import Path
from typing import Any

import pytest

from enas.config import ImageConfig, list_missing_files, load_config, load_image_config
from enas.config.image_legacy import INERT_FLAGS
from enas.config.starter import config_schema, starter
from enas.errors import ConfigError

ARC = "1 2 1 3 0 1 0 4 1 1 1 1 0 1 0 1 1 0 0 1 0 1 0 4 1 0 2 0 0 3 1 1 0 0 0 0 4 1 1 0"  # ENAS-Tensorflow's MNIST


def load(*overrides: str, **trainer: Any) -> tuple[ImageConfig, list[str]]:
    return load_image_config({"name": "x", "trainer": {"train_data_dir": "train", **trainer}}, overrides)


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("trainer.channel=2", "trainer.channel: 2 should be 1 or 3"),
        ("trainer.channel=true", "trainer.channel: true should be a number, not true or false"),
        ("trainer.child_out_filters=21", "trainer.child_out_filters: 21 should be even"),
        ("retrain.child_num_reductions=7", "retrain.child_num_reductions: 7 should be at most 6 or 'auto'"),
        ("trainer.child_keep_prob=0", "trainer.child_keep_prob: 0 should be more than 0"),
        ("trainer.child_lr_T_mul=0", "trainer.child_lr_T_mul: 0 should be at least 1"),
        ("trainer.controller_bl_dec=1", "trainer.controller_bl_dec: 1 should be less than 1"),
        ("trainer.controler_lr=1", 'trainer.controler_lr: unknown key; did you mean "controller_lr"?'),
        ("trainer.warm_start=true", 'trainer.warm_start: unknown key; did you mean "retrain.warm_start"?'),
        ("model.args.search_space=macro", "model.args.search_space: \"macro\" should be 'micro'"),
        ("model.args.output_classes=1", "model.args.output_classes: 1 should be at least 2"),
        ("trainer.child_fixed_arc=1 2", "trainer.child_fixed_arc: architecture [1 2] has 2 integers, but this search "),
        ("evaluator.arc=1 2", "evaluator.arc: architecture [1 2] has 2 integers"),
        ("retrain.child_lr_min=0.1", "retrain.child_lr_min: 0.1 is more than child_lr_max, 0.05"),
        ("trainer.child_aux_after=8", "trainer.child_aux_after: 8 should be at most 7: child_num_layers is 6, so"),
        ("trainer.top_k_candidates=101", "trainer.top_k_candidates: 101 is more than n_derived, 100"),
        ("trainer.test_data_dir=train", "trainer.test_data_dir: is the folder of train_data_dir"),
        ("trainer.child_cutout_size=32", "trainer.child_cutout_size: 32 should be less than img_size, 32"),
    ],
)  # fmt: skip
def test_each_wrong_value_is_told(override: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(override, img_size=32, child_num_reductions=3)
    (line,) = str(caught.value).split("\n")
    assert line.startswith(f"--set: {problem}")


@pytest.mark.parametrize(
    ("trainer", "problem"),
    [
        ({"child_lr_max": 1e-4}, "child_lr_min: 0.0005 is more than child_lr_max, 0.0001"),
        (
            {"child_num_layers": 1, "child_num_reductions": 3},
            "child_num_reductions: 3 do not fit: child_num_layers is 1",
        ),
        ({"img_size": 8, "child_num_reductions": 4}, "child_num_reductions: 4 halvings leave nothing of img_size 8"),
        ({"val_data_dir": "v", "validation_split": 0.1}, "validation_split: has no place beside val_data_dir"),
        ({"save_dir": "a", "output_dir": "b"}, 'save_dir: "a" is not "b", but the key means output_dir'),
        ({"child_num_cells": 4, "child_fixed_arc": ARC}, "child_fixed_arc: architecture [1 2 1 3"),
    ],
)
def test_keys_that_contradict_one_another(trainer: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(**trainer)
    assert str(caught.value).startswith(f"config: trainer.{problem}")


def test_an_architecture_that_is_none_says_which_integer_and_how_many() -> None:
    with pytest.raises(
        ConfigError, match=r"integer 3 of architecture .* is 2, but input 2 of node 0 of the normal cell"
    ):
        load(child_fixed_arc=ARC.replace("1 2 1 3", "1 2 2 3", 1))
    with pytest.raises(ConfigError, match=r"needs 40: 8 for each of child_num_cells, 5$"):
        load(child_fixed_arc=f"{ARC} 0")
    config, notes = load(child_fixed_arc=[int(value) for value in ARC.split()])
    assert (config.trainer.child_fixed_arc, notes) == (ARC, [])


def test_a_warm_start_needs_a_child_of_the_supernets_shape() -> None:
    shape = {"child_num_layers": 6, "child_out_filters": 20}
    raw = {"name": "x", "trainer": {"train_data_dir": "t"}, "retrain": {"warm_start": True, **shape}}
    assert load_image_config(raw)[0].retrain.warm_start
    with pytest.raises(ConfigError, match=r"needs retrain.child_out_filters \(16\) to be that of trainer \(20\)"):
        load_image_config(raw, ["retrain.child_out_filters=16"])


def test_the_first_missing_thing_is_the_folder() -> None:
    for raw in (
        {"preset": "micro-small"},
        {"name": "x", "model": {"args": {"search_space": "micro"}}, "trainer": None},
    ):
        with pytest.raises(
            ConfigError, match=r"^config: trainer.train_data_dir: missing; Folder of the training images"
        ):
            load_config(raw)


def test_flags_without_effect_are_noted() -> None:
    _, notes = load(data_format="NHWC", reset_output_dir=True, num_gpus=2)
    assert notes == [
        f"config: trainer.{key}: has no effect here" for key in ("data_format", "reset_output_dir", "num_gpus")
    ]
    for section in ("trainer", "retrain"):
        assert load(*(f"{section}.{key}=1" for key in INERT_FLAGS))[0] == load()[0]
    assert load(log_every=7)[0].trainer.log_every_n_steps == 7
    assert load(save_dir="out")[0].trainer.output_dir == Path.cwd() / "out"


def test_drop_path_belongs_to_retraining() -> None:
    config, (note,) = load(child_drop_path_keep_prob=0.7)
    assert config.retrain.child_drop_path_keep_prob == 0.7
    assert "taken as retrain.child_drop_path_keep_prob" in note
    config, (note,) = load("retrain.child_drop_path_keep_prob=0.5", child_drop_path_keep_prob=0.7)
    assert config.retrain.child_drop_path_keep_prob == 0.5
    assert "has no effect here: the supernet drops no paths" in note


@pytest.mark.parametrize(
    ("trainer", "better"),
    [
        ({"num_epochs": 5}, "10 would"),
        ({"num_epochs": 100}, "70 or 150 would"),
        ({"num_epochs": 25, "child_lr_T_mul": 1}, "20 or 30 would"),
        ({"num_epochs": 21, "child_lr_T_0": 3}, None),
    ],
)
def test_a_cycle_of_the_learning_rate_that_is_cut_short_is_noted(trainer: dict[str, int], better: str | None) -> None:
    notes = load(**trainer)[1]
    assert [better in note for note in notes if better] == ([True] if better else [])
    assert len(notes) == (better is not None)


def test_missing_folders_are_listed(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "file").touch()
    folders = {
        "train_data_dir": tmp_path / "train",
        "val_data_dir": tmp_path / "file",
        "test_data_dir": tmp_path / "no",
    }
    raw = {"name": "x", "trainer": folders, "data_predict": {"args": {"data_dir": tmp_path / "new"}}}
    config, _ = load_config(raw)
    assert list_missing_files(config) == [
        f"trainer.val_data_dir: {tmp_path / 'file'}: no such folder",
        f"trainer.test_data_dir: {tmp_path / 'no'}: no such folder",
        f"data_predict.args.data_dir: {tmp_path / 'new'}: no such folder",
    ]


def test_the_starter_loads(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(starter(images=True))
    config, notes = load_image_config(tmp_path / "c.json")
    assert notes == []
    assert config.trainer.train_data_dir == tmp_path / "data" / "train"


def test_the_schema_describes_both_families() -> None:
    schema = config_schema()
    assert schema["anyOf"] == [{"$ref": "#/$defs/Config"}, {"$ref": "#/$defs/ImageConfig"}]
    trainer = schema["$defs"]["ImageTrainer"]["properties"]
    assert (trainer["child_num_layers"]["minimum"], trainer["child_num_layers"]["default"]) == (1, 6)
    assert all(trainer[key]["deprecated"] for key in (*INERT_FLAGS, "save_dir", "child_drop_path_keep_prob"))
    assert schema["$defs"]["ImageConfig"]["required"] == ["trainer"]
