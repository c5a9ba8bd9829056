"""Load a configuration: read it, apply overrides, refuse what is wrong, make its paths absolute."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from enas.config.file import apply_overrides, read_source
from enas.config.image_legacy import settle_image_keys
from enas.config.image_problems import cycle_notes, image_contradictions
from enas.config.image_sections import ImageConfig
from enas.config.legacy import settle_legacy_keys
from enas.config.paths import resolve_image_paths, resolve_paths
from enas.config.presets import apply_preset
from enas.config.problems import Problem, contradictions, describe, report
from enas.config.sections import Config
from enas.errors import ConfigError

AnyConfig = TypeVar("AnyConfig", Config, ImageConfig)
Tell = Callable[[str, str], str]


def load_config(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()
) -> tuple[Config | ImageConfig, list[str]]:
    """Read and check a configuration, of tables or of images.

    It is one of images if it names a ``preset``, a ``model.args.search_space`` or a ``trainer.train_data_dir``.

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
        >>> type(config).__name__, config.trainer.batch_size, notes
        ('Config', 32, [])
        >>> config, _ = load_config({"preset": "micro-mnist", "trainer": {"train_data_dir": "mnist/train"}})
        >>> type(config).__name__, config.name, config.trainer.batch_size
        ('ImageConfig', 'micro-mnist', 160)
    """
    raw, where, folder = read_source(source)
    tell = partial(report, where=where, overridden=apply_overrides(raw, overrides))
    if _is_of_images(raw):
        return _load_images(raw, folder, tell)
    return _load_tables(raw, folder, tell)


def load_table_config(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()
) -> tuple[Config, list[str]]:
    """Read and check a configuration of tables; see `load_config`.

    Raises:
        ConfigError: as `load_config`, and if the configuration is one of images.
    """
    config, notes = load_config(source, overrides)
    if not isinstance(config, Config):
        raise ConfigError(f"{config.name}: is a configuration of images, but a table is needed here")
    return config, notes


def load_image_config(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()
) -> tuple[ImageConfig, list[str]]:
    """Read and check a configuration of images; see `load_config`.

    Raises:
        ConfigError: as `load_config`, and if the configuration is one of tables.
    """
    config, notes = load_config(source, overrides)
    if not isinstance(config, ImageConfig):
        raise ConfigError(f"{config.name}: is a configuration of tables, but folders of images are needed here")
    return config, notes


def _is_of_images(raw: Mapping[str, Any]) -> bool:
    named = raw.get("preset"), _value(raw, "model", "args", "search_space"), _value(raw, "trainer", "train_data_dir")
    return any(value is not None for value in named)


def _value(raw: Any, *keys: str) -> Any:
    for key in keys:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw


def _load_tables(raw: dict[str, Any], folder: Path, tell: Tell) -> tuple[Config, list[str]]:
    notes, clashes = settle_legacy_keys(raw)
    _refuse(clashes, tell)
    config = _validate(raw, Config, tell)
    _refuse(contradictions(config), tell)
    return resolve_paths(config, folder), [tell(*note) for note in notes]


def _load_images(raw: dict[str, Any], folder: Path, tell: Tell) -> tuple[ImageConfig, list[str]]:
    notes, clashes = settle_image_keys(raw)
    _refuse(clashes, tell)
    config = _validate(apply_preset(raw), ImageConfig, tell)
    _refuse(image_contradictions(config), tell)
    return resolve_image_paths(config, folder), [tell(*note) for note in [*notes, *cycle_notes(config)]]


def _validate(raw: Mapping[str, Any], model: type[AnyConfig], tell: Tell) -> AnyConfig:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ConfigError("\n".join(tell(*problem) for problem in describe(error, model))) from None


def _refuse(problems: Sequence[Problem], tell: Tell) -> None:
    if problems:
        raise ConfigError("\n".join(tell(*problem) for problem in problems))
