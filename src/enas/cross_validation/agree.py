"""Whether a cross-validation that is taken up again is still the same one."""

from collections.abc import Mapping
from typing import Any

from enas.config import Config, ImageConfig
from enas.cross_validation.place import Place
from enas.errors import RunError
from enas.progress import Progress
from enas.resume import check_config, check_environment


def check_place(
    place: Place,
    config: Config | ImageConfig,
    folds: int | None,
    repeats: int | None,
    facts: Mapping[str, Any],
    progress: Progress,
) -> None:
    """Refuse to go on with another config, another division, other versions or another device.

    Raises:
        RunError: the message names what differs.
    """
    asked = {"folds": (place.folds, folds), "repeats": (place.repeats, repeats)}
    wrong = [f"{name} was {was} and is {now}" for name, (was, now) in asked.items() if now not in (None, was)]
    if wrong:
        raise RunError(f"{place.path} cannot be resumed: {'; '.join(wrong)}; begin a new one, without --resume")
    if grown := check_config(place.record, config):
        raise RunError(
            f"{place.path} cannot be resumed with another config: {', '.join(grown)} has grown, and every fold needs "
            "the same; begin a new one, without --resume"
        )
    check_environment(place.record, facts, progress, place.plan)
