"""Load a configuration: read it, apply overrides, refuse what is wrong, make its paths absolute."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from enas.config.file import apply_overrides, read_source
from enas.config.legacy import settle_legacy_keys
from enas.config.problems import contradictions, describe, report
from enas.config.sections import Config, DataArgs, Section
from enas.errors import ConfigError

TABLES = ("data_train", "data_evaluate", "data_predict")
TABLE_FILES = ("features_file", "labels_file", "validation_features", "validation_labels")
AnySection = TypeVar("AnySection", bound=Section)


def load_config(source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> tuple[Config, list[str]]:
    """Read and check a configuration.

    Args:
        source: a JSON file (comments and trailing commas allowed), a YAML file, or a mapping of the same shape.
        overrides: changes such as ``trainer.batch_size=64``, applied as if they stood in the file.

    Returns:
        The configuration, all its paths absolute (relative ones start at the config file's folder, or at the current
        folder for a mapping), and notes for the user, such as keys that have no effect here.

    Raises:
        ConfigError: naming every problem in a line of its own.

    Example:
        >>> config, notes = load_config({"name": "demo"}, ["trainer.batch_size=32"])
        >>> config.trainer.batch_size, config.trainer.top_k_candidates, notes
        (32, 2, [])
    """
    raw, where, folder = read_source(source)
    tell = partial(report, where=where, overridden=apply_overrides(raw, overrides))
    notes, clashes = settle_legacy_keys(raw)
    _refuse(clashes, tell)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(tell(*problem) for problem in describe(error, Config))) from None
    _refuse(contradictions(config), tell)
    return _resolve_paths(config, folder), [tell(*note) for note in notes]


def list_missing_files(config: Config) -> list[str]:
    """The data files that a loaded configuration names and that are not there, a line for each."""
    named: list[tuple[str, Path | None]] = []
    for table in TABLES:
        if section := getattr(config, table):
            named += [(f"{table}.args.{key}", getattr(section.args, key)) for key in TABLE_FILES]
    for stage in ("evaluator", "predictor"):
        if section := getattr(config, stage):
            named += [(f"{stage}.checkpoint_path", section.checkpoint_path)]
    if config.explainer:
        named += [("explainer.args.features_name_file", config.explainer.args.features_name_file)]
    return [f"{key}: {path}: no such file" for key, path in named if path and not path.exists()]


def _refuse(problems: Sequence[tuple[str, str]], tell: Callable[[str, str], str]) -> None:
    if problems:
        raise ConfigError("\n".join(tell(*problem) for problem in problems))


def _resolve_paths(config: Config, folder: Path) -> Config:
    """All paths absolute: the files of a table start at its data_dir, the others at ``folder``."""
    update: dict[str, Any] = {"trainer": _absolute(config.trainer, folder, "save_dir")}
    for key in TABLES:
        if section := getattr(config, key):
            update[key] = section.model_copy(update={"args": _resolve_table(section.args, folder)})
    for key in ("evaluator", "predictor"):
        if section := getattr(config, key):
            update[key] = _absolute(section, folder, "checkpoint_path")
    if config.explainer:
        args = _absolute(config.explainer.args, folder, "features_name_file")
        update["explainer"] = config.explainer.model_copy(update={"args": args})
    return config.model_copy(update=update)


def _resolve_table(args: DataArgs, folder: Path) -> DataArgs:
    data_dir = _join(folder, args.data_dir or Path())
    args = _absolute(args, data_dir, *TABLE_FILES)
    return args.model_copy(update={"data_dir": data_dir})


def _absolute(section: AnySection, folder: Path, *keys: str) -> AnySection:
    """The section with the named paths, where given, made absolute."""
    paths = {key: getattr(section, key) for key in keys}
    return section.model_copy(update={key: _join(folder, path) for key, path in paths.items() if path})


def _join(folder: Path, path: Path) -> Path:
    return Path(os.path.abspath(folder / os.path.expanduser(path)))
