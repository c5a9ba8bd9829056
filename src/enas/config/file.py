"""From a file to a plain dict: JSON with comments and trailing commas, or YAML; errors name file, line and column.

Comments are blanked out in place, so that the standard parser's positions are those of the file. (json5 was tried: it
takes 10 µs per character, reports wrong lines, and none at all for duplicate keys.)
"""

import codecs
import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from enas.errors import ConfigError

MAX_BYTES = 10_000_000
MAX_YAML_NODES = 100_000
STRING = r'"(?:\\.|[^"\\\n])*"'
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
        return _copy_plain(source, "config"), "config", Path.cwd()
    path = Path(os.path.expanduser(source))
    text = _read_text(path)
    if not text.strip():
        raise ConfigError(f"{path}: is empty; `enas config init` writes a config to start from")
    is_yaml = path.suffix.lower() in {".yaml", ".yml"}
    value = _parse_yaml(text, path) if is_yaml else _parse_json(text, path)
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: should hold one object of keys and values, but holds {_kind_of(value)}")
    return _copy_plain(value, str(path)), str(path), path.absolute().parent


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
            raise ConfigError(f"--set {override}: should look like trainer.batch_size=64")
        section = raw
        for key in keys[:-1]:
            if section.get(key) is None:
                section[key] = {}
            section = section[key]
            if not isinstance(section, dict):
                raise ConfigError(f"--set {override}: {key} is a value, not a section")
        section[keys[-1]] = _parse_value(value)
        paths.add(path.strip())
    return paths


def _parse_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _read_text(path: Path) -> str:
    """The file's text, line ends as ``\\n``."""
    try:
        if path.is_dir():
            raise ConfigError(f"{path}: is a folder, not a config file")
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: has {path.stat().st_size:,} bytes; is this a data file instead of a config?")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; `enas config init` writes a config to start from") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    encoding = next((name for mark, name in BYTE_ORDER_MARKS.items() if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError(f"{path}: line {line}, column {column}: is not UTF-8 text; save the file as UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _parse_json(text: str, path: Path) -> Any:
    for match in COMMENT.finditer(text):
        if match[2] is not None:
            raise _error_at(path, text, match.start(), "this comment /* never ends")
    plain = TRAILING_COMMA.sub(_blank, COMMENT.sub(_blank, text))
    try:
        value = json.loads(plain)
    except json.JSONDecodeError as error:
        hint = "; write / or \\\\ in Windows paths" if "escape" in error.msg else ""
        near = plain[error.pos : error.pos + 20].split("\n")[0].strip()
        near = f" at `{near}`" if near else ""
        raise _error_at(path, text, error.pos, f"{error.msg.removesuffix(' at')}{near}{hint}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as JSON: {error}") from None
    _refuse_duplicates(plain, path)
    return value


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
                    path, plain, match.start(), f'the key "{key}" stands here a second time (first: line {first})'
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
        _check_nodes(yaml.compose(text, yaml.SafeLoader), path)
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ConfigError(f"{path}: {place}{error.problem or error.context}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from None


def _check_nodes(root: Any, path: Path) -> None:
    """Refuse keys that stand twice, and aliases that unfold without end."""
    pending, n_nodes = [root], 0
    while pending:
        node, n_nodes = pending.pop(), n_nodes + 1
        if n_nodes > MAX_YAML_NODES:
            raise ConfigError(f"{path}: unfolds to more than {MAX_YAML_NODES:,} values; is an alias inside itself?")
        if node is None or isinstance(node.value, str):
            continue
        if node.id == "sequence":
            pending += node.value
            continue
        first: dict[str, int] = {}
        for key, value in node.value:
            line, column = key.start_mark.line + 1, key.start_mark.column + 1
            if str(key.value) in first:
                raise ConfigError(
                    f'{path}: line {line}, column {column}: the key "{key.value}" stands here a second time '
                    f"(first: line {first[str(key.value)]})"
                )
            first[str(key.value)] = line
            pending.append(value)


def _copy_plain(mapping: Mapping[Any, Any], where: str) -> dict[str, Any]:
    """A deep copy made of dicts, whose keys are all text."""
    try:
        return {_check_key(key, where): _copy_value(value, where) for key, value in mapping.items()}
    except RecursionError:
        raise ConfigError(f"{where}: is nested too deeply") from None


def _copy_value(value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        return _copy_plain(value, where)
    if isinstance(value, list | tuple):
        return [_copy_value(item, where) for item in value]
    return value


def _check_key(key: object, where: str) -> str:
    if not isinstance(key, str):
        raise ConfigError(f"{where}: the key {key!r} should be text")
    return key


def _kind_of(value: object) -> str:
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else f"only {str(value)[:40]!r}"
