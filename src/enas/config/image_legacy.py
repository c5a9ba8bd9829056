"""The predecessors' flags for images that have another name here, another place, or no effect; never silently."""

from typing import Any

from enas.config.legacy import INERT_KEYS, TABLE_KEYS, Note, drop_inert_keys
from enas.config.plain import show

INERT_FLAGS = (
    *("child_block_size", "child_filter_size", "child_lr", "child_lr_cosine", "child_lr_dec_every"),
    *("child_lr_dec_rate", "child_num_aggregate", "child_num_branches", "child_num_replicas", "child_optim_algo"),
    *("child_out_filters_scale", "child_skip_pattern", "child_sync_replicas"),
    *("controller_forwards_limit", "controller_keep_prob", "controller_l2_reg", "controller_lr_dec_rate"),
    *("controller_num_replicas", "controller_search_whole_channels", "controller_skip_target"),
    *("controller_skip_weight", "controller_sync_replicas", "controller_training", "controller_use_critic"),
    *("data_format", "data_path", "eval_every_epochs", "num_workers", "reset_output_dir", "search_for"),
)
"""Flags of the scripts that the micro space does not use in the original either, or that have no counterpart here."""

INERT_IMAGE_KEYS: dict[str, tuple[str, ...]] = {
    **{section: INERT_KEYS[section] for section in ("", "input_fn", "evaluator", "predictor")},
    "trainer": (*INERT_KEYS["trainer"], *INERT_FLAGS),
    "retrain": INERT_FLAGS,
    "data_predict.args": TABLE_KEYS,
}
"""Dotted section → keys that are accepted there and have no effect."""

OTHER_NAMES = {"save_dir": "output_dir", "saver": "output_dir", "log_every": "log_every_n_steps"}
"""Key of ``trainer`` → what it is called here."""

DROP_PATH = "child_drop_path_keep_prob"


def settle_image_keys(raw: dict[str, Any]) -> tuple[list[Note], list[Note]]:
    """Rename, move or remove, in place, what later stages do not know.

    Returns:
        Notes for the user, and clashes between two names of one setting.

    Example:
        >>> raw = {"trainer": {"save_dir": "out", "search_for": "micro"}}
        >>> settle_image_keys(raw)
        ([('trainer.search_for', 'has no effect here')], [])
        >>> raw
        {'trainer': {'output_dir': 'out'}}
    """
    raw.pop("$schema", None)  # for editors
    notes: list[Note] = []
    clashes: list[Note] = []
    if raw.get("trainer") is None:
        raw["trainer"] = {}  # so that the missing folder is named, not the missing section
    trainer = raw["trainer"]
    if isinstance(trainer, dict):
        clashes = _rename(trainer)
        notes = _move_drop_path(raw, trainer)
    return notes + drop_inert_keys(raw, INERT_IMAGE_KEYS), clashes


def _rename(trainer: dict[str, Any]) -> list[Note]:
    clashes = []
    for other, name in OTHER_NAMES.items():
        value = trainer.pop(other, None)
        if value is None:
            continue
        if trainer.get(name) is None:
            trainer[name] = value
        if trainer[name] != value:
            clashes.append(
                (f"trainer.{other}", f"{show(value)} is not {show(trainer[name])}, but the key means {name}")
            )
    return clashes


def _move_drop_path(raw: dict[str, Any], trainer: dict[str, Any]) -> list[Note]:
    """The scripts share the flag, but only retraining drops paths."""
    value = trainer.pop(DROP_PATH, None)
    if value is None:
        return []
    retrain = {} if raw.get("retrain") is None else raw["retrain"]
    if not isinstance(retrain, dict) or retrain.get(DROP_PATH) is not None:
        return [(f"trainer.{DROP_PATH}", "has no effect here: the supernet drops no paths")]
    raw["retrain"] = {**retrain, DROP_PATH: value}
    return [(f"trainer.{DROP_PATH}", f"taken as retrain.{DROP_PATH}: the supernet drops no paths")]
