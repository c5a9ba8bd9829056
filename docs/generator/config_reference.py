"""Every key of a configuration as a page, from the models that check configurations."""

import json
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from enas.config.starter import config_schema

Schema = dict[str, Any]
OPENING = """# Configuration

Every key, from the models that check configurations. A config is JSON with comments, or YAML. An unknown key is an
error that names the nearest known one. `null` is the same as leaving a key out. `enas config check FILE` checks a file
without running it, `enas config init FILE` writes one to start from, `enas config schema` prints all of it for editors.
`--set trainer.batch_size=32` changes a key for one command.

A config is one of images if it names a `preset`, a `model.args.search_space` or a `trainer.train_data_dir`; else it is
one of tables.
"""


def config_page() -> str:
    """The page: tables, then images; a heading for each section."""
    sections: Schema = config_schema()["$defs"]
    parts = [OPENING]
    for title, model in (("Tables", "Config"), ("Images", "ImageConfig")):
        parts += [f"## {title}", *_sections(sections, model, "")]
    return "\n\n".join(parts) + "\n"


def leaf_keys(model: type[BaseModel], told: set[str], prefix: str = "") -> Iterator[tuple[str, Any, str]]:
    """Every key with its path, default and description, but for keys and sections that are told elsewhere."""
    for name, field in model.model_fields.items():
        kinds = (field.annotation, *get_args(field.annotation))
        section = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)
        if prefix + name in told:
            continue
        if section is not None:
            yield from leaf_keys(section, told, f"{prefix}{name}.")
        elif field.is_required():
            yield prefix + name, None, field.description or ""
        else:
            yield prefix + name, field.default, field.description or ""


def _sections(sections: Schema, model: str, path: str) -> Iterator[str]:
    """The table of a section's own keys, then its sections."""
    properties: Schema = sections[model]["properties"]
    inner = {key: name for key, schema in properties.items() if (name := _section(schema)) is not None}
    required = sections[model].get("required", ())
    own = {key: schema for key, schema in properties.items() if key not in inner}
    current = {key: schema for key, schema in own.items() if not schema.get("deprecated")}
    if path and current:
        yield f"### `{path}`"
        yield f"{_escape(sections[model].get('description', ''))}".strip()
    rows = [_row(key, schema, key in required) for key, schema in current.items() if key != "$schema"]
    if rows:
        yield "\n".join(["| key | values | default | meaning |", "|---|---|---|---|", *rows])
    if names := [key for key, schema in own.items() if schema.get("deprecated")]:
        yield _accepted({key: own[key]["description"] for key in names})
    for key, name in inner.items():
        yield from _sections(sections, name, f"{path}.{key}".lstrip("."))


def _section(schema: Schema) -> str | None:
    """The name of the section that a property is, if it is one."""
    references = [one["$ref"] for one in (schema, *schema.get("anyOf", ())) if "$ref" in one]
    return references[0].rsplit("/", 1)[-1] if references else None


def _row(key: str, schema: Schema, required: bool) -> str:
    default = "required" if required else f"`{json.dumps(schema.get('default'), ensure_ascii=False)}`"
    return f"| `{key}` | {_escape(values(schema))} | {default} | {_escape(schema.get('description', ''))} |"


def _accepted(keys: dict[str, str]) -> str:
    """The predecessors' keys, folded away: those with another name here, then those without effect."""
    renamed = [f"`{key}`: {text}" for key, text in keys.items() if "no effect" not in text]
    inert = ", ".join(f"`{key}`" for key, text in keys.items() if "no effect" in text)
    lines = [*renamed, *([f"Accepted, without effect here: {inert}."] if inert else [])]
    return "\n".join(['??? note "Keys of the predecessors"', "", *(f"    - {_escape(line)}" for line in lines)])


def values(schema: Schema) -> str:
    """What a key may hold.

    Example:
        >>> values({"type": "integer", "minimum": 1, "exclusiveMaximum": 2147483648})
        'integer ≥ 1'
        >>> values({"anyOf": [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, {"type": "null"}]})
        'number > 0, ≤ 1'
        >>> values({"anyOf": [{"enum": ["all", "auto"], "type": "string"}, {"type": "integer", "minimum": 1}]})
        '`"all"`, `"auto"` or integer ≥ 1'
    """
    if "anyOf" in schema:
        return " or ".join(values(one) for one in schema["anyOf"] if one.get("type") != "null")
    if "const" in schema or "enum" in schema:
        return ", ".join(f"`{json.dumps(value)}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {values(schema['items'])}"
    name: str = schema.get("format") or schema["type"]
    return " ".join([{"boolean": "true, false", "string": "text"}.get(name, name), *_bounds(schema)])


def _bounds(schema: Schema) -> list[str]:
    """The least and the greatest value; pydantic names some bounds in its own words."""
    names = {
        "≥": ("minimum", "ge"),
        ">": ("exclusiveMinimum", "gt"),
        "≤": ("maximum", "le"),
        "<": ("exclusiveMaximum",),
    }
    known = [(sign, schema[one]) for sign, words in names.items() for one in words if schema.get(one, 2**31) < 2**31]
    text = ", ".join(f"{sign} {value:g}" for sign, value in known)
    return [text] if text else []


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
