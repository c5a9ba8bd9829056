"""What is wrong with a configuration, a line per problem: key path, offending value, what is expected."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Iterator
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from enas.config.plain import show, show_text

if TYPE_CHECKING:
    from enas.config.sections import Config, DataArgs

Problem = tuple[str, str]  # dotted key path, text

MAX_PROBLEMS = 20  # told in one error
MAX_CHOICES = 3  # told of one value

NOT_OF_ANNDATA = (
    "features_file",
    "labels_file",
    "validation_features",
    "validation_labels",
    "delimiter",
    "header",
    "sample_ids",
    "label_column",
    "group_column",
)
"""Keys of text tables."""

EXPECTED = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_long": "a single character",
    "string_too_short": "a single character",
    "path_type": "a path",
    "model_type": "an object of keys and values",
    "list_type": "a list",
    "literal_error": "{expected}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
}


def report(path: str, text: str, *, where: str, overridden: Container[str]) -> str:
    """One line: the source (the file, or ``--set`` for an override), the key's path, the text."""
    return f"{'--set' if path in overridden else where}: {show_text(path)}: {text}"


def describe(error: ValidationError, model: type[BaseModel]) -> list[Problem]:
    """The problems that pydantic found, one for each key; of very many the first."""
    sections = dict(walk_sections(model))
    found: dict[tuple[str, str], list[Any]] = {}
    for item in error.errors(include_url=False):
        found.setdefault(_locate(item["loc"], sections), []).append(item)
    problems = []
    for (parent, key), items in list(found.items())[:MAX_PROBLEMS]:
        texts = [_describe_item(item, parent, key, sections) for item in items[:MAX_CHOICES]]
        problems.append((_dotted(parent, key), _join_choices(texts)))
    if len(found) > MAX_PROBLEMS:
        problems.append(("…", f"and {len(found) - MAX_PROBLEMS:,} more keys are wrong"))
    return problems


def walk_sections(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Every section's dotted path ("" for the whole) and its model."""
    yield path, model
    for key, field in model.model_fields.items():
        for candidate in (field.annotation, *get_args(field.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                yield from walk_sections(candidate, _dotted(path, key))


def contradictions(config: Config) -> list[Problem]:
    """What no single key shows: keys that need or exclude one another."""
    from enas.config.sections import rewards_numbers

    problems = list(_data_contradictions(config))
    model, trainer = config.model.args, config.trainer
    if model.is_regression:
        if trainer.reward and not rewards_numbers(trainer.reward):
            problems.append(("trainer.reward", f'"{trainer.reward}" needs classes; a regression is rewarded with "r2"'))
        if trainer.class_weight or trainer.loss == "focal":
            key = "class_weight" if trainer.class_weight else "loss"
            problems.append((f"trainer.{key}", f'"{getattr(trainer, key)}" needs classes, but is_regression is true'))
    elif trainer.reward and rewards_numbers(trainer.reward):
        problems.append(("trainer.reward", f'"{trainer.reward}" needs model.args.is_regression: true'))
    elif model.output_classes == 1:
        problems.append(("model.args.output_classes", "1 should be at least 2 (or set is_regression: true)"))
    return problems


def _data_contradictions(config: Config) -> Iterator[Problem]:
    for key in ("data_train", "data_evaluate", "data_predict"):
        if section := getattr(config, key):
            find = _anndata_contradictions if section.args.h5ad else _text_contradictions
            yield from ((f"{key}.args.{name}", text) for name, text in find(section.args, key != "data_predict"))
    if config.data_train:
        yield from ((f"data_train.args.{name}", text) for name, text in _split_contradictions(config.data_train.args))


def _anndata_contradictions(args: DataArgs, needs_labels: bool) -> Iterator[Problem]:
    for key in NOT_OF_ANNDATA:
        if getattr(args, key) is not None:
            yield key, "has no place beside h5ad, which holds features, names and labels; give one of the two"
    if needs_labels and not args.label_key:
        yield "label_key", "missing; name the column of obs that is to be predicted"
    labels = [args.label_key] if isinstance(args.label_key, str) else args.label_key or []
    if args.batch_key in labels:
        yield "batch_key", f"{show(args.batch_key)} is the label_key; batches are not predicted"


def _text_contradictions(args: DataArgs, needs_labels: bool) -> Iterator[Problem]:
    for key in ("label_key", "layer", "batch_key"):
        if getattr(args, key) is not None:
            yield key, "needs h5ad"
    if args.features_file is None:
        yield "features_file", "missing; name the table of features, or with h5ad an AnnData file"
    elif needs_labels:
        yield from _label_contradictions(args)


def _label_contradictions(args: DataArgs) -> Iterator[Problem]:
    if args.labels_file is None and args.label_column is None:
        yield "labels_file", "missing; name the file of the labels, or with label_column their column in features_file"
    if args.label_column == []:
        yield "label_column", "[] should name at least one column"
    labels = [args.label_column] if isinstance(args.label_column, str) else args.label_column or []
    if args.group_column in labels:
        yield (
            "group_column",
            f"{show(args.group_column)} is the label_column; groups are not predicted",
        )


def _split_contradictions(args: DataArgs) -> Iterator[Problem]:
    if args.validation_features is None:
        if args.validation_labels is not None:
            yield "validation_labels", "needs validation_features"
        return
    if args.validation_labels is None and args.label_column is None:
        yield "validation_features", "needs validation_labels"
    if args.validation_split is not None:
        yield "validation_split", "has no place beside validation_features; give one of the two"


def _describe_item(item: Any, parent: str, key: str, sections: dict[str, type[BaseModel]]) -> str:
    kind, value = item["type"], show(item["input"])
    if kind == "extra_forbidden":
        return f"unknown key; {_suggest(parent, key, sections)}"
    if kind == "missing":
        return f"missing; {sections[parent].model_fields[key].description}"
    if kind == "value_error":
        return f"{value} {item['msg'].removeprefix('Value error, ')}"
    if kind == "string_pattern_mismatch":
        return f"{value} should be: {sections[parent].model_fields[key].description}"
    if kind in EXPECTED:
        return f"{value} should be {EXPECTED[kind].format(**item.get('ctx', {}))}"
    return f"{value}: {item['msg']}"


def _suggest(parent: str, key: str, sections: dict[str, type[BaseModel]]) -> str:
    """The nearest known key: the same name elsewhere, or a like name here, or a like name elsewhere."""
    name_given = key.rpartition(".")[2].lower()[:60]
    here = list(sections[parent].model_fields)
    elsewhere = {_dotted(section, name): name for section, model in sections.items() for name in model.model_fields}
    same = [full for full, name in elsewhere.items() if name == name_given]
    same.sort(key=lambda full: not full.startswith(f"{parent}."))
    like_here = difflib.get_close_matches(name_given, here, n=1)
    like = difflib.get_close_matches(name_given, elsewhere.values(), n=1, cutoff=0.75)
    nearest = same[:1] or like_here or [full for full, name in elsewhere.items() if name in like][:1]
    if not nearest:
        return f"known here: {', '.join(here)}"
    inner = nearest[0].removeprefix(f"{parent}.")
    return f'did you mean "{nearest[0] if "." in inner else inner}"?'


def _locate(location: Iterable[int | str], sections: dict[str, type[BaseModel]]) -> tuple[str, str]:
    """The section and the key of a location, without the tags that pydantic adds below a value."""
    parent = key = ""
    for part in location:
        parent, key = _dotted(parent, key), str(part)
        if key not in sections[parent].model_fields or _dotted(parent, key) not in sections:
            break
    return parent, key


def _dotted(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _join_choices(texts: list[str]) -> str:
    """The problems of one value, told once: ``"x" should be a whole number or 'auto'``."""
    first, *rest = dict.fromkeys(texts)
    return " or ".join([first, *(text.partition(" should be ")[2] or text for text in rest)])
