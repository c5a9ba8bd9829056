"""Plain values: what JSON can hold, copied out of whatever was read or given; and how values are shown in messages.

After this everything deals with text, finite numbers, booleans, lists and dicts of bounded size and depth, and paths.
"""

import json
import reprlib
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NoReturn

from enas.errors import ConfigError
from enas.printable import printable

MAX_VALUES = 100_000
MAX_DEPTH = 50
LARGEST_INTEGER = 2**63 - 1


def copy_plain(value: object, where: str, path: str = "") -> Any:
    """A deep copy of text, numbers, booleans, None, lists, dicts with keys of text, and paths.

    Tuples become lists; scalars and arrays of numpy become numbers and lists.

    Args:
        value: what was read from a file or given from Python.
        where: the source, for messages.
        path: the dotted key under which the value stands.

    Raises:
        ConfigError: another type, a key that is no text, a number that is not finite or beyond 64 bits, text that is no
            Unicode or has null characters, more than MAX_VALUES values, or more than MAX_DEPTH levels.

    Example:
        >>> copy_plain({"lr": 1, "columns": ("a", "b")}, "config")
        {'lr': 1, 'columns': ['a', 'b']}
    """
    n_values = 0

    def copy(value: Any, path: str, depth: int) -> Any:
        nonlocal n_values
        n_values += 1
        if n_values > MAX_VALUES:
            _refuse(
                where, path, f"unfolds to more than {MAX_VALUES:,} values; is this data, or an alias inside itself?"
            )
        if depth > MAX_DEPTH:
            _refuse(where, path, f"is nested too deeply: more than {MAX_DEPTH} levels")
        value = value.tolist() if hasattr(value, "tolist") else value
        if isinstance(value, Mapping):
            keys = ((_check_key(key, where, path), item) for key, item in value.items())
            return {key: copy(item, f"{path}.{key}" if path else key, depth + 1) for key, item in keys}
        if isinstance(value, list | tuple):
            return [copy(item, path, depth + 1) for item in value]
        if problem := _problem_of_scalar(value):
            _refuse(where, path, problem)
        return value

    return copy(value, path, 0)


def show(value: object) -> str:
    """The value as it stands in a JSON file, on one line; long ones are cut.

    >>> show("a"), show(None), show("\\x1b[31m" + "x" * 100)[-12:]
    ('"a"', 'null', 'xxxxxxxxxxx…')
    """
    if isinstance(value, str):
        return show_text(json.dumps(value[:100], ensure_ascii=False))
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:  # Python refuses to write thousands of digits
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, int | float):
        return json.dumps(value)
    return show_text(reprlib.repr(value))


def show_text(text: str, limit: int = 80) -> str:
    """Text for a message: what is not printable escaped, cut at ``limit`` characters.

    >>> show_text("a\\x1bb")
    'a\\\\x1bb'
    """
    cut = text if len(text) <= limit else f"{text[: limit - 3]}…"
    return printable(cut).replace("\t", "\\t")


def _refuse(where: str, path: str, problem: str) -> NoReturn:
    raise ConfigError(": ".join(part for part in (where, show_text(path), problem) if part))


def _check_key(key: object, where: str, path: str) -> str:
    if not isinstance(key, str):
        shown = show(key) if key is None or isinstance(key, int | float) else f"of type {type(key).__name__}"
        _refuse(where, path, f"the key {shown} should be text")
    if problem := _problem_of_text(key):
        _refuse(where, path, f"the key {problem}")
    return key


def _problem_of_scalar(value: object) -> str | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return "is a number of more than 64 bits" if abs(value) > LARGEST_INTEGER else None
    if isinstance(value, float):
        is_finite = value - value == 0
        return None if is_finite else f"{json.dumps(value)} should be a finite number"
    if isinstance(value, str | PurePath):
        return _problem_of_text(str(value))
    kind = type(value).__name__
    return f"a value of type {kind} has no place here; give text (in YAML between quotes), a number or a list"


def _problem_of_text(text: str) -> str | None:
    if "\0" in text:
        return f"{show(text)} should be text without null characters"
    try:
        text.encode()
    except UnicodeEncodeError:
        return f"{show(text)} should be text; it has half a surrogate pair, which is no character"
    return None
