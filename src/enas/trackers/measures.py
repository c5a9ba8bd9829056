"""What is told of a run by name: its settings, and every number that it found, under names that a tracker takes."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from enas.files import flatten, read_json
from enas.run import Run
from enas.trackers.curves import Curves

LONGEST_NAME, LONGEST_VALUE = 200, 500
_OTHER = re.compile(r"[^A-Za-z0-9_. -]|^[. ]+|[. ]+$")

Measure = tuple[str, int, float]
"""Name, epoch (0 where there is none) and value."""


def settings_of(run: Run) -> dict[str, str]:
    """The config, a name and a text per key; what is long is cut."""
    config = {key: value for key, value in read_json(run.config).items() if key != "mlflow"}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in flatten(config)}
    return {allowed(key): text[:LONGEST_VALUE] for key, text in texts.items()}


def measures_of(run: Run) -> Iterator[Measure]:
    """Every number of the log's curves, then the metrics of validation and evaluation with the ends of their intervals.

    Raises:
        RunError: a file of the run is damaged.
    """
    curves = Curves()
    for point in filter(None, map(curves.point, run.read_log())):
        yield from ((allowed(f"{point.curve}/{key}"), point.epoch, value) for key, value in point.values.items())
    for name in ("validation", "evaluation"):
        path = run.output_files / f"{name}.json"
        if path.is_file():
            yield from ((allowed(key), 0, value) for key, value in _numbers(read_json(path), name))


def _numbers(value: Any, name: str) -> Iterator[tuple[str, float]]:
    """Numbers of nested objects; a list of objects goes by the text that comes first in each."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield name, float(value)
    elif isinstance(value, Mapping):
        for key in value.keys() - {"curves"}:
            yield from _numbers(value[key], _below(name, key))
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping):
                text = next((text for text in item.values() if isinstance(text, str)), "")
                yield from _numbers(item, f"{name}/{_clean(text)}")


def _below(name: str, key: str) -> str:
    """A metric and the ends of its interval stand side by side."""
    if key in ("low", "high"):
        return f"{name}_{key}"
    return name if key in ("metrics", "value") else f"{name}/{key}"


def allowed(name: str) -> str:
    """A name of letters, digits and ``_-. /`` and of bounded length, unlike the name of anything else.

    >>> allowed("search/child_loss"), allowed("validation/per_class/Type β/f1")
    ('search/child_loss', 'validation/per_class/Type _-687bee85/f1')
    """
    cleaned = "/".join(map(_clean, name.split("/")))
    return cleaned if len(cleaned) <= LONGEST_NAME else f"{cleaned[:LONGEST_NAME]}-{_digest(name)}"


def _clean(part: str) -> str:
    cleaned = _OTHER.sub("_", part)
    return part if cleaned == part and part else f"{cleaned}-{_digest(part)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
