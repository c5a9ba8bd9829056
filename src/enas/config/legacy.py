"""AutoGenome's keys that mean something else here, or nothing: renamed or set aside, with a note, never silently."""

from collections.abc import Mapping, Sequence
from typing import Any

from enas.config.plain import show

Note = tuple[str, str]  # dotted key path, text

TABLE_KEYS = ("batch_size", "num_workers")
VALIDATION_KEYS = ("validation_split", "validation_features", "validation_labels")
INERT_KEYS: dict[str, tuple[str, ...]] = {
    "": ("n_gpu", "num_gpus", "visualization"),
    "input_fn": (
        *("allow_smaller_final_batch", "batch_size", "buffer_size", "capacity", "dynamic_pad", "enqueue_many"),
        *("min_after_dequeue", "num_epochs", "prefetch", "queue_capacity", "shuffle"),
    ),
    "trainer": (
        *("allow_soft_placement", "gpu_memory_fraction", "keep_checkpoint_max", "log_device_placement", "max_to_keep"),
        *("num_gpus", "save_checkpoints_secs", "save_checkpoints_steps", "save_summary_steps", "sync_replicas"),
        *("tensorboard", "tensorboardX", "verbosity"),
    ),
    "evaluator": ("num_gpus", "log_every_n_steps", "save_dir"),
    "predictor": ("num_gpus", "log_every_n_steps", "save_dir"),
    "data_train.args": TABLE_KEYS,
    "data_evaluate.args": (*TABLE_KEYS, *VALIDATION_KEYS),
    "data_predict.args": (*TABLE_KEYS, *VALIDATION_KEYS, "labels_file"),
}
"""Dotted section → keys that are accepted there and have no effect."""

MONITORS = {
    "acc": "accuracy",
    "accuracy": "accuracy",
    "valid_acc": "accuracy",
    "val_acc": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "auc": "auroc",
    "auroc": "auroc",
    "loss": "neg_log_loss",
    "val_loss": "neg_log_loss",
    "valid_loss": "neg_log_loss",
    "neg_log_loss": "neg_log_loss",
    "r2": "r2",
}
"""AutoGenome's ``trainer.monitor`` → ``trainer.reward``."""


def settle_legacy_keys(raw: dict[str, Any]) -> tuple[list[Note], list[Note]]:
    """Rename or remove, in place, what later stages do not know.

    Returns:
        Notes for the user, and clashes between two names of one setting.

    Example:
        >>> raw = {"trainer": {"child_lr_reg": 0.1}, "input_fn": {"capacity": 9}}
        >>> settle_legacy_keys(raw)
        ([('input_fn.capacity', 'has no effect here')], [])
        >>> raw
        {'trainer': {'child_l2_reg': 0.1}, 'input_fn': {}}
    """
    notes: list[Note] = []
    clashes: list[Note] = []
    raw.pop("$schema", None)  # for editors
    trainer = raw.get("trainer")
    if isinstance(trainer, dict):
        regression = _section(_section(raw, "model"), "args").get("is_regression") is True
        clashes += _settle_regularisation(trainer)
        notes += _settle_monitor(trainer, regression)
        notes += _settle_saver(trainer)
    return notes + drop_inert_keys(raw, INERT_KEYS), clashes


def drop_inert_keys(raw: dict[str, Any], inert: Mapping[str, Sequence[str]]) -> list[Note]:
    """Remove, in place, the keys that are listed by section and have no effect here; a note for each with a value."""
    notes: list[Note] = []
    for path, keys in inert.items():
        section = raw
        for part in path.split(".") if path else ():
            section = _section(section, part)
        found = {key: section.pop(key) for key in list(section) if key in keys}
        notes += [(f"{path}.{key}".lstrip("."), "has no effect here") for key in found if found[key] is not None]
    return notes


def _section(raw: dict[str, Any], key: str) -> dict[str, Any]:
    """The section, or an empty one where there is none to look into."""
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _settle_regularisation(trainer: dict[str, Any]) -> list[Note]:
    if "child_lr_reg" not in trainer:
        return []
    value = trainer.pop("child_lr_reg")
    if trainer.setdefault("child_l2_reg", value) != value:
        return [
            (
                "trainer.child_lr_reg",
                f"{show(value)} is not {show(trainer['child_l2_reg'])}, but the key means child_l2_reg",
            )
        ]
    return []


def _settle_monitor(trainer: dict[str, Any], regression: bool) -> list[Note]:
    """``monitor`` becomes ``reward``, unless that is given or the metric does not fit the task."""
    if "monitor" not in trainer:
        return []
    monitor = trainer.pop("monitor")
    reward = MONITORS.get(str(monitor).lower())
    if trainer.get("reward") is not None:
        return [("trainer.monitor", "has no effect here, since trainer.reward is given")]
    if reward is None or regression != (reward == "r2"):
        return [("trainer.monitor", f"{show(monitor)} has no effect here; trainer.reward chooses what is maximised")]
    trainer["reward"] = reward
    return []


def _settle_saver(trainer: dict[str, Any]) -> list[Note]:
    """``saver``, where it is a folder, is the older name of ``save_dir``."""
    if "saver" not in trainer:
        return []
    saver = trainer.pop("saver")
    if isinstance(saver, str) and saver and trainer.get("save_dir") is None:
        trainer["save_dir"] = saver
        return []
    return [("trainer.saver", "has no effect here; trainer.save_dir is the folder of the results")]
