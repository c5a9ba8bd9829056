"""Presets of image configurations: settings that fill what a config leaves out.

micro-small    grey or colour images of some 30 pixels on a CPU, in minutes
micro-mnist    ENAS-Tensorflow's MNIST: three reductions, an augmented copy of each image in retraining
micro-cifar10  the paper's CIFAR-10 without CutOut: two reductions, 36 channels, 630 epochs of retraining
"""

from collections.abc import Mapping
from typing import Any

PRESETS: dict[str, dict[str, Any]] = {
    "micro-small": {
        "trainer": {
            "child_num_layers": 3,
            "child_out_filters": 8,
            "child_num_reductions": 2,
            "child_use_aux_heads": False,  # its last convolution alone would weigh more than the rest
            "num_epochs": 40,  # with 16 its cells were no better than random ones (CIFAR-10)
            "batch_size": 32,  # many small steps: each architecture moves only its own weights
            "child_lr_max": 0.2,
            "child_lr_min": 0.002,
            "child_lr_T_0": 40,
            "augment_crop": 2,
            "controller_train_steps": 20,
            "controller_exploration": 0.005,
            "n_derived": 60,
        },
        "retrain": {
            "child_num_layers": 3,
            "child_out_filters": 12,
            "child_num_reductions": 2,
            "child_use_aux_heads": False,
            "child_keep_prob": 0.9,
            "child_drop_path_keep_prob": 0.9,
            "num_epochs": 9,
            "child_lr_T_0": 9,
            "batch_size": 64,
            "n_aug_img": 4,
        },
    },
    "micro-mnist": {
        "trainer": {
            "channel": 1,
            "img_size": 32,
            "child_num_layers": 6,
            "child_out_filters": 20,
            "child_num_reductions": 3,
            "num_epochs": 150,
            "batch_size": 160,
        },
        "retrain": {
            "child_num_layers": 15,
            "child_out_filters": 16,
            "child_num_reductions": 3,
            "n_aug_img": 2,
            "num_epochs": 310,
            "batch_size": 128,
        },
    },
    "micro-cifar10": {
        "trainer": {
            "channel": 3,
            "img_size": 32,
            "augment_crop": 4,
            "augment_flip": True,
            "child_num_layers": 6,
            "child_out_filters": 20,
            "child_num_reductions": 2,
            "num_epochs": 150,
            "batch_size": 160,
        },
        "retrain": {
            "child_num_layers": 15,
            "child_out_filters": 36,
            "child_num_reductions": 2,
            "child_lr_min": 1e-4,
            "num_epochs": 630,
            "batch_size": 144,
        },
    },
}


def apply_preset(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with what its preset says about keys that it lacks; also the preset's name, if it has none.

    A key that is there wins, even with ``null``, which means the key's own default. An unknown preset fills nothing;
    validation will tell.

    Example:
        >>> filled = apply_preset({"preset": "micro-small", "trainer": {"batch_size": 64}})
        >>> filled["name"], filled["trainer"]["batch_size"], filled["trainer"]["child_num_layers"]
        ('micro-small', 64, 3)
    """
    preset = raw.get("preset")
    if not isinstance(preset, str) or preset not in PRESETS:
        return dict(raw)
    return _fill(raw, {"name": preset, **PRESETS[preset]})


def _fill(given: Mapping[str, Any], preset: Mapping[str, Any]) -> dict[str, Any]:
    filled = {**preset, **given}
    for key, value in preset.items():
        inner = {} if given.get(key) is None else given[key]
        if isinstance(value, dict) and isinstance(inner, dict):
            filled[key] = _fill(inner, value)
    return filled
