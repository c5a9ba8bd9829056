"""Presets fill what a configuration leaves out, and nothing else."""

import pytest

from enas.config import load_image_config
from enas.config.presets import PRESETS, apply_preset
from enas.errors import ConfigError

FOLDERS = {"train_data_dir": "train", "val_data_dir": "valid", "test_data_dir": "test"}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_and_the_folders_are_enough(preset: str) -> None:
    config, notes = load_image_config({"preset": preset, "trainer": FOLDERS})
    assert notes == []  # every cycle of the learning rate ends with the training
    assert (config.name, config.preset, config.model.args.search_space) == (preset, preset, "micro")


def test_the_settings_of_the_publications() -> None:
    mnist, _ = load_image_config({"preset": "micro-mnist", "trainer": FOLDERS})
    search, final = mnist.trainer, mnist.retrain
    assert (search.channel, search.img_size, search.child_num_layers, search.child_out_filters) == (1, 32, 6, 20)
    assert (search.child_num_reductions, search.batch_size, search.num_epochs) == (3, 160, 150)
    assert (final.child_num_layers, final.child_out_filters, final.child_num_reductions) == (15, 16, 3)
    assert (final.n_aug_img, final.num_epochs) == (2, 310)
    cifar, _ = load_image_config({"preset": "micro-cifar10", "trainer": FOLDERS})
    search, final = cifar.trainer, cifar.retrain
    assert (search.channel, search.img_size, search.child_num_reductions, search.num_epochs) == (3, 32, 2, 150)
    assert (search.augment_crop, search.augment_flip) == (4, True)
    assert (final.child_num_layers, final.child_out_filters, final.child_num_reductions) == (15, 36, 2)
    assert (final.num_epochs, final.batch_size, final.child_lr_min, final.child_cutout_size) == (630, 144, 1e-4, None)


def test_the_users_keys_win() -> None:
    raw = {"name": "mine", "preset": "micro-mnist", "trainer": {**FOLDERS, "batch_size": 32, "img_size": None}}
    config, _ = load_image_config(raw, ["retrain.num_epochs=30", "trainer.channel=3"])
    assert (config.name, config.trainer.batch_size, config.retrain.num_epochs) == ("mine", 32, 30)
    assert (config.trainer.img_size, config.trainer.channel, config.trainer.child_num_reductions) == (None, 3, 3)


def test_a_preset_may_be_chosen_by_an_override() -> None:
    config, _ = load_image_config({"trainer": FOLDERS, "retrain": None}, ["preset=micro-cifar10"])
    assert (config.name, config.retrain.child_out_filters) == ("micro-cifar10", 36)


def test_filling_changes_neither_side() -> None:
    raw = {"preset": "micro-small", "trainer": {"batch_size": 1}}
    filled = apply_preset(raw)
    filled["trainer"]["num_epochs"] = 7
    assert raw == {"preset": "micro-small", "trainer": {"batch_size": 1}}
    assert PRESETS["micro-small"]["trainer"]["num_epochs"] != 7


def test_an_unknown_preset_and_a_section_that_is_none() -> None:
    with pytest.raises(ConfigError, match="preset: \"tiny\" should be 'micro-small', 'micro-mnist' or 'micro-cifar10'"):
        load_image_config({"name": "x", "preset": "tiny", "trainer": FOLDERS})
    with pytest.raises(ConfigError, match=r"retrain: \[\] should be an object"):
        load_image_config({"preset": "micro-small", "trainer": FOLDERS, "retrain": []})
