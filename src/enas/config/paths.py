"""The paths in a configuration: made absolute, and those that lead nowhere."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from enas.config.image_sections import ImageConfig
from enas.config.sections import Config, DataArgs, Section

TABLES = ("data_train", "data_evaluate", "data_predict")
TABLE_FILES = ("h5ad", "features_file", "labels_file", "validation_features", "validation_labels")
IMAGE_FOLDERS = ("train_data_dir", "val_data_dir", "test_data_dir")
STAGES = ("evaluator", "predictor")
AnySection = TypeVar("AnySection", bound=Section)


def list_missing_files(config: Config | ImageConfig) -> list[str]:
    """The data that a loaded configuration names and that are not there, a line for each file or folder."""
    if isinstance(config, ImageConfig):
        folders = [
            f"{key}: {path}: no such folder" for key, path in _image_folders(config) if not os.path.isdir(path)
        ]  # never raises
        return folders + _missing(_checkpoints(config))
    return _missing([*_table_files(config), *_checkpoints(config), *_feature_names(config)])


def resolve_paths(config: Config, folder: Path) -> Config:
    """All paths absolute: the files of a table start at its data_dir, the others at ``folder``."""
    update: dict[str, Any] = {"trainer": _absolute(config.trainer, folder, "save_dir"), **_common(config, folder)}
    for key in TABLES:
        if section := getattr(config, key):
            update[key] = section.model_copy(update={"args": _resolve_table(section.args, folder)})
    if config.explainer:
        args = _absolute(config.explainer.args, folder, "features_name_file")
        update["explainer"] = config.explainer.model_copy(update={"args": args})
    return config.model_copy(update=update)


def resolve_image_paths(config: ImageConfig, folder: Path) -> ImageConfig:
    """All paths absolute; relative ones start at ``folder``."""
    trainer = _absolute(config.trainer, folder, *IMAGE_FOLDERS, "output_dir")
    update: dict[str, Any] = {"trainer": trainer, **_common(config, folder)}
    if config.data_predict:
        args = _absolute(config.data_predict.args, folder, "data_dir")
        update["data_predict"] = config.data_predict.model_copy(update={"args": args})
    return config.model_copy(update=update)


def _missing(named: list[tuple[str, Path | None]]) -> list[str]:
    return [f"{key}: {path}: no such file" for key, path in named if path and not os.path.exists(path)]


def _table_files(config: Config) -> Iterator[tuple[str, Path | None]]:
    for table in TABLES:
        if section := getattr(config, table):
            yield from ((f"{table}.args.{key}", getattr(section.args, key)) for key in TABLE_FILES)


def _feature_names(config: Config) -> Iterator[tuple[str, Path | None]]:
    if config.explainer:
        yield "explainer.args.features_name_file", config.explainer.args.features_name_file


def _image_folders(config: ImageConfig) -> Iterator[tuple[str, Path]]:
    yield from ((f"trainer.{key}", path) for key in IMAGE_FOLDERS if (path := getattr(config.trainer, key)))
    if config.data_predict:
        yield "data_predict.args.data_dir", config.data_predict.args.data_dir


def _checkpoints(config: Config | ImageConfig) -> list[tuple[str, Path | None]]:
    sections = ((key, getattr(config, key)) for key in STAGES)
    return [(f"{key}.checkpoint_path", section.checkpoint_path) for key, section in sections if section]


def _common(config: Config | ImageConfig, folder: Path) -> dict[str, Any]:
    sections = ((key, getattr(config, key)) for key in STAGES)
    stages = {key: _absolute(section, folder, "checkpoint_path") for key, section in sections if section}
    return stages | ({"mlflow": _resolve_store(config.mlflow, folder)} if config.mlflow else {})


def _resolve_store(uri: str, folder: Path) -> str:
    """A tracking URI, its folder or file absolute."""
    scheme = urlsplit(uri).scheme
    if scheme.startswith("http"):
        return uri
    if scheme == "sqlite":
        return f"sqlite:///{_join(folder, Path(uri.removeprefix('sqlite:///'))).as_posix()}"
    path = url2pathname(urlsplit(uri).path) if scheme == "file" else uri
    return _join(folder, Path(path)).as_uri()


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
