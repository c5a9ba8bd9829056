"""What no single key of an image configuration shows: keys that do not fit one another, and cycles cut short."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from enas.config.problems import Problem
from enas.errors import ConfigError
from enas.search_space import Architecture, MicroSpace

if TYPE_CHECKING:
    from enas.config.image_sections import ImageConfig, ImageTrainer, Retraining

SHARED_SHAPE = ("child_num_layers", "child_out_filters", "child_num_reductions")


def image_contradictions(config: ImageConfig) -> list[Problem]:
    """All contradictions, a key and a text for each."""
    problems = [*_architecture_problems(config), *_data_problems(config.trainer)]
    for name, section in (("trainer", config.trainer), ("retrain", config.retrain)):
        problems += [(f"{name}.{key}", text) for key, text in _network_problems(section, config.trainer.img_size)]
    problems += _warm_start_problems(config)
    trainer = config.trainer
    if trainer.top_k_candidates > trainer.n_derived:
        text = f"{trainer.top_k_candidates} is more than n_derived, {trainer.n_derived}, of which they are taken"
        problems.append(("trainer.top_k_candidates", text))
    return problems


def cycle_notes(config: ImageConfig) -> list[Problem]:
    """A note for each stage whose epochs end inside a cycle of the learning rate."""
    stages = (("trainer", config.trainer), ("retrain", config.retrain))
    return [(f"{name}.num_epochs", text) for name, section in stages if (text := _note_cut_cycle(section))]


def _architecture_problems(config: ImageConfig) -> Iterator[Problem]:
    n_nodes = config.trainer.child_num_cells
    named = [("trainer.child_fixed_arc", config.trainer.child_fixed_arc)]
    named += [(f"{key}.arc", section.arc) for key in ("evaluator", "predictor") if (section := getattr(config, key))]
    for path, text in named:
        if text is not None and (problem := _problem_of_architecture(text, n_nodes)):
            yield path, problem


def _problem_of_architecture(text: str, n_nodes: int) -> str | None:
    try:
        architecture = Architecture.from_text(text)
    except ConfigError as error:
        return str(error)
    try:
        MicroSpace(n_nodes).validate(architecture)
    except ConfigError as error:
        is_short = len(architecture.values) != 8 * n_nodes
        return f"{error}: 8 for each of child_num_cells, {n_nodes}" if is_short else str(error)
    return None


def _data_problems(trainer: ImageTrainer) -> Iterator[Problem]:
    if trainer.val_data_dir is not None and trainer.validation_split is not None:
        yield "trainer.validation_split", "has no place beside val_data_dir; give one of the two"
    folders = [trainer.train_data_dir, trainer.val_data_dir, trainer.test_data_dir]
    keys = ("train_data_dir", "val_data_dir", "test_data_dir")
    for index, (key, folder) in enumerate(zip(keys, folders, strict=True)):
        if folder is not None and folder in folders[:index]:
            yield f"trainer.{key}", f"is the folder of {keys[folders.index(folder)]}; scores on it would mean nothing"


def _network_problems(section: ImageTrainer | Retraining, side: int | None) -> Iterator[Problem]:
    n_layers, n_reductions = section.child_num_layers, section.child_num_reductions
    if section.child_lr_min > section.child_lr_max:
        yield "child_lr_min", f"{section.child_lr_min} is more than child_lr_max, {section.child_lr_max}"
    if section.child_aux_after is not None and section.child_aux_after > n_layers + 1:
        yield (
            "child_aux_after",
            f"{section.child_aux_after} should be at most {n_layers + 1}: child_num_layers is {n_layers}, "
            f"so there are {n_layers + 2} layers, counted from 0",
        )
    if n_reductions != "auto" and n_reductions > n_layers + 1:
        yield (
            "child_num_reductions",
            f"{n_reductions} do not fit: child_num_layers is {n_layers}, so there may be at most {n_layers + 1}",
        )
    if side is None:
        return
    if n_reductions != "auto" and 2**n_reductions > side:
        yield "child_num_reductions", f"{n_reductions} halvings leave nothing of img_size {side}"
    if section.child_cutout_size is not None and section.child_cutout_size >= side:
        yield "child_cutout_size", f"{section.child_cutout_size} should be less than img_size, {side}"


def _warm_start_problems(config: ImageConfig) -> Iterator[Problem]:
    """The supernet's weights fit only a child of its shape."""
    if not config.retrain.warm_start:
        return
    for key in SHARED_SHAPE:
        found, given = getattr(config.retrain, key), getattr(config.trainer, key)
        if found != given:
            yield "retrain.warm_start", f"needs retrain.{key} ({found}) to be that of trainer ({given})"


def _note_cut_cycle(section: ImageTrainer | Retraining) -> str | None:
    n_epochs, length = section.num_epochs, section.child_lr_T_0
    before, end = 0, length
    while end < n_epochs:
        length *= section.child_lr_T_mul
        before, end = end, end + length
    if end == n_epochs:
        return None
    better = f"{before} or {end}" if before else f"{end}"
    return f"{n_epochs} epochs end inside a cycle of the learning rate, above its minimum; {better} would end at it"
