"""The README keeps its word: its table of keys is the configuration's, the file tree is the source's."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from documents import blocks
from pydantic import BaseModel

from config_reference import leaf_keys
from enas.config import Config, ImageConfig
from enas.config.file import read_source

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def keys_of(content: object, prefix: str = "") -> Iterator[str]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from keys_of(value, f"{prefix}{key}.")
    else:
        yield prefix.rstrip(".")


def table_of_keys(model: type[BaseModel], told: set[str]) -> str:
    rows = [
        f"| `{path}` | `{json.dumps(default, default=str)}` | {description.replace('|', chr(92) + '|')} |"
        for path, default, description in leaf_keys(model, told)
    ]
    return "\n".join(["| key | default | meaning |", "|---|---|---|", *rows]) + "\n"


def test_the_tables_of_keys_are_the_configuration() -> None:
    example, _, _ = read_source(ROOT / "examples" / "autogenome.json")
    wanted = table_of_keys(Config, {"data_evaluate", "data_predict", "predictor", *keys_of(example)})
    assert wanted in README, f"README.md should hold this table:\n{wanted}"
    tables, images = Config.model_fields, ImageConfig.model_fields
    alike = {key for key in images if key in tables and images[key].annotation == tables[key].annotation} - {"name"}
    assert {f"`{key}`" for key in alike} <= set(re.findall(r"`\w+`", README))
    wanted = table_of_keys(ImageConfig, {"model.type", *alike})
    assert wanted in README, f"README.md should hold this table, too:\n{wanted}"


def test_the_file_tree_is_the_source() -> None:
    tree = next(block.code for block in blocks(ARCHITECTURE) if block.code.startswith("src/enas/"))
    listed, folders = set(), dict[int, str]()
    for line in tree.splitlines()[1:]:
        name, depth = line.split()[0], len(line) - len(line.lstrip())
        path = "".join(folder for above, folder in sorted(folders.items()) if above < depth) + name
        folders = {above: folder for above, folder in folders.items() if above < depth}
        if name.endswith("/"):
            folders[depth] = name
        listed.add(path)
    source = ROOT / "src" / "enas"
    modules = [path for path in source.rglob("*.py") if path.parent == source or path.name != "__init__.py"]
    found = {path.relative_to(source).as_posix() for path in modules}
    assert {name for name in listed if not name.endswith("/")} == found
