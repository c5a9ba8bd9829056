"""From a file to a plain dict: JSON with comments and trailing commas, or YAML; errors name file, line and column.

Comments are blanked out in place, so that the standard parser's positions are those of the file. (json5 was tried: it
takes 10 µs per character, reports wrong lines, and none at all for duplicate keys.)
"""

import codecs
import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from enas.config.plain import MAX_VALUES, copy_plain, show, show_text
from enas.errors import ConfigError

MAX_BYTES = 1_000_000
MAX_YAML_BYTES = 200_000  # its parser takes some 10 µs per character
STRING = r'"(?:\\.|[^"\\\n])*"?'  # also one that never ends: without it each quote would be searched from anew
COMMENT = re.compile(rf"({STRING})|//[^\n]*|/\*.*?(?:\*/|(\Z))", re.DOTALL)
TRAILING_COMMA = re.compile(rf"({STRING})|,(?=\s*[}}\]])")
KEY_OR_BRACE = re.compile(rf"({STRING})(\s*:)?|[{{}}]")
BYTE_ORDER_MARKS = {  # UTF-32 first: its mark begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_source(source: str | Path | Mapping[str, Any]) -> tuple[dict[str, Any], str, Path]:
    """The raw configuration, how to call its source in messages, and the folder where relative paths start.

    Raises:
        ConfigError: the file is missing, not readable, not valid, or holds no object.
    """
    if isinstance(source, Mapping):
        return copy_plain(source, "config"), "config", _current_folder()
    if not isinstance(source, str | Path):
        raise ConfigError(f"a config should be a file or a dict, not of type {type(source).__name__}")
    path, text = _read_text(source)
    if not text.strip():
        raise ConfigError(f"{path}: is empty; `enas config init` writes a config to start from")
    value = _parse_yaml(text, path) if _is_yaml(path) else _parse_json(text, path)
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: should hold one object of keys and values, but holds {_kind_of(value)}")
    return copy_plain(value, str(path)), str(path), path.absolute().parent


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str]) -> set[str]:
    """Set ``key.path=value`` in place; the value is JSON, or else text.

    Returns:
        The dotted paths that were set.

    Raises:
        ConfigError: an override without ``=``, or a path through something that is no section.

    Example:
        >>> raw = {"trainer": {"batch_size": 64}}
        >>> apply_overrides(raw, ["trainer.batch_size=32", "device=cpu"]) == {"trainer.batch_size", "device"}
        True
        >>> raw
        {'trainer': {'batch_size': 32}, 'device': 'cpu'}
    """
    paths = set()
    for override in overrides:
        path, equals, value = override.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise ConfigError(f"--set {show_text(override)}: should look like trainer.batch_size=64")
        section = raw
        for key in keys[:-1]:
            if section.get(key) is None:
                section[key] = {}
            section = section[key]
            if not isinstance(section, dict):
                raise ConfigError(f"--set {show_text(override)}: {show_text(key)} is a value, not a section")
        section[keys[-1]] = copy_plain(_parse_value(value), "--set", path.strip())
        paths.add(path.strip())
    return paths


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:
        raise ConfigError("config: the current folder, where its paths would start, is gone") from None


def _read_text(source: str | Path) -> tuple[Path, str]:
    """The file's path and its text, line ends as ``\\n``."""
    path = Path(source)
    try:
        path = Path(os.path.expanduser(path))
        data = _read_bytes(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `enas config init` writes a config to start from") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        problem = getattr(error, "strerror", None) or error
        raise ConfigError(f"{show_text(str(path), 1000)}: cannot be read: {problem}") from None
    return path, _decode(data, path).replace("\r\n", "\n").replace("\r", "\n")


def _read_bytes(path: Path) -> bytes:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ConfigError(f"{path}: is a folder, not a config file")
    if not stat.S_ISREG(mode):  # a device or a pipe may never end
        raise ConfigError(f"{path}: is no regular file; write the config to one")
    limit = MAX_YAML_BYTES if _is_yaml(path) else MAX_BYTES
    with path.open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ConfigError(f"{path}: has more than {limit:,} bytes; is this a data file instead of a config?")
    return data


def _is_yaml(path: Path) -> bool:
    return path.suffix.lower() in {".yaml", ".yml"}


def _decode(data: bytes, path: Path) -> str:
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError(f"{path}: line {line}, column {column}: is not UTF-8 text; save the file as UTF-8") from None
    if "\0" in text:
        raise _error_at(path, text, text.index("\0"), "holds a null character; save the file as UTF-8 text")
    return text


def _parse_json(text: str, path: Path) -> Any:
    for match in COMMENT.finditer(text):
        if match[2] is not None:
            raise _error_at(path, text, match.start(), "this comment /* never ends")
    plain = TRAILING_COMMA.sub(_blank, COMMENT.sub(_blank, text))
    try:
        value = json.loads(plain, parse_int=_parse_integer)
    except json.JSONDecodeError as error:
        hint = "; write / or \\\\ in Windows paths" if "escape" in error.msg else ""
        near = plain[error.pos : error.pos + 20].split("\n")[0].strip()
        near = f" at `{show_text(near)}`" if near else ""
        raise _error_at(path, text, error.pos, f"{error.msg.removesuffix(' at')}{near}{hint}") from None
    except RecursionError:
        raise ConfigError(f"{path}: cannot be read as JSON: it is nested too deeply") from None
    _refuse_duplicates(plain, path)
    return value


def _parse_integer(digits: str) -> int | float:
    """Python refuses to read thousands of digits; as a float they are read, and refused later by their key."""
    return int(digits) if len(digits) < 100 else float(digits)


def _blank(match: re.Match[str]) -> str:
    """A string as it is; anything else as blanks of the same shape."""
    return match[1] or re.sub(r"[^\n]", " ", match[0])


def _refuse_duplicates(plain: str, path: Path) -> None:
    """Valid JSON lets a key stand twice, and the first silently loses."""
    objects: list[dict[str, int]] = []
    for match in KEY_OR_BRACE.finditer(plain):
        if match[0] == "{":
            objects.append({})
        elif match[0] == "}":
            objects.pop()
        elif match[2] is not None:
            key = json.loads(match[1])
            if key in objects[-1]:
                first = plain.count("\n", 0, objects[-1][key]) + 1
                raise _error_at(
                    path, plain, match.start(), f"the key {show(key)} stands here a second time (first: line {first})"
                )
            objects[-1][key] = match.start()


def _error_at(path: Path, text: str, position: int, problem: str) -> ConfigError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return ConfigError(f"{path}: line {line}, column {column}: {problem}")


def _parse_yaml(text: str, path: Path) -> Any:
    try:
        import yaml
    except ImportError:
        raise ConfigError(f"{path}: YAML needs a library: pip install pyyaml; or write the config as JSON") from None
    try:
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        _check_nodes(root, path)
        return None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError(f"{path}: {place}{show_text(error.problem or error.context or '', 200)}") from None
    except RecursionError:
        raise ConfigError(f"{path}: cannot be read as YAML: it is nested too deeply") from None
    except (yaml.YAMLError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # all but the first: a value that does not fit its tag, such as `!!int ""` or the date 2020-13-45
        problem = show_text(" ".join(str(error).split()), 200)
        raise ConfigError(f"{path}: cannot be read as YAML: {type(error).__name__}: {problem}") from None


def _check_nodes(root: Any, path: Path) -> None:
    """Refuse keys that stand twice or are no text, and aliases that unfold without end."""
    pending, n_nodes = [root], 0
    while pending:
        node, n_nodes = pending.pop(), n_nodes + 1
        if n_nodes > MAX_VALUES:
            raise ConfigError(f"{path}: unfolds to more than {MAX_VALUES:,} values; is an alias inside itself?")
        if node is None or isinstance(node.value, str):
            continue
        if node.id == "sequence":
            pending += node.value
            continue
        pending += [value for _, value in node.value]
        _check_keys([key for key, _ in node.value], path)


def _check_keys(keys: Sequence[Any], path: Path) -> None:
    first: dict[str, int] = {}
    for key in keys:
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        place = f"{path}: line {line}, column {column}"
        if not isinstance(key.value, str):
            raise ConfigError(f"{place}: a {key.id} stands as a key; it should be text")
        if key.value in first:
            raise ConfigError(
                f"{place}: the key {show(key.value)} stands here a second time (first: line {first[key.value]})"
            )
        first[key.value] = line


def _kind_of(value: object) -> str:
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else f"only {show(value)}"
