"""The data, and what is needed to make the run again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from enas.page.saved import Facts, Saved, reading
from enas.page.text import shown

MOST_CLASSES = 100
STEPS = ("evaluate", "predict", "explain")


@dataclass(frozen=True, slots=True)
class DataSummary:
    """What the run read.

    Args:
        facts: name and text.
        files: name of each file with its hash.
        class_columns: which rows are counted.
        classes: per class its counts.
    """

    facts: Sequence[tuple[str, str]]
    files: Sequence[tuple[str, str]]
    class_columns: Sequence[str]
    classes: Sequence[tuple[str, Sequence[str]]]


def read_data(saved: Saved) -> DataSummary:
    """Read it.

    Raises:
        RunError: a file is damaged.
    """
    with reading(saved.run.data):
        read: Facts = saved.data.get("data_train", {})
        hashes = [str(value) for value in read.get("row_hashes", ())]
        noun = "images" if saved.is_of_images else "rows"
        facts = [(f"training {noun}", f"{len(hashes):,}")] if hashes else []
        if "n_features" in read:
            facts.append(("features", f"{int(read['n_features']):,}"))
        digest = hashlib.sha256("\n".join(hashes).encode()).hexdigest()
        files = [(str(name), str(value)) for name, value in read.get("files", {}).items()]
        files += [(f"the {len(hashes):,} training {noun}, SHA-256 of their hashes", digest)] if hashes else []
        folders = {str(name): int(n) for name, n in read.get("folders", {}).items()}
    with reading(saved.output("evaluation.json")):
        if saved.evaluation:
            facts.append((f"test {noun}", f"{int(saved.evaluation['n_rows']):,}"))
            n_seen = int(saved.evaluation["n_rows_seen_in_training"])
            facts.append(("of these in the training data, too", f"{n_seen:,}"))
        supports = _supports(saved)
    if folders:
        supports = _of_folders(folders) | {name: counts for name, counts in supports.items() if name == "test images"}
    columns, classes = [*supports], _of_supports(supports)
    return DataSummary(facts, files, columns, classes[:MOST_CLASSES])


def _supports(saved: Saved) -> dict[str, dict[str, int]]:
    """Rows of each class, by kind of rows."""
    both = {"validation": saved.validation, "test": saved.evaluation}
    noun = "images" if saved.is_of_images else "rows"
    return {
        f"{kind} {noun}": {str(one["class"]): int(one["support"]) for one in facts["metrics"]["per_class"]}
        for kind, facts in both.items()
        if "per_class" in facts.get("metrics", {})
    }


def _of_supports(supports: Mapping[str, Mapping[str, int]]) -> list[tuple[str, list[str]]]:
    names = dict.fromkeys(name for counts in supports.values() for name in counts)
    return [(shown(name), [f"{counts.get(name, 0):,}" for counts in supports.values()]) for name in names]


def _of_folders(folders: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """A class is a folder of that name in each folder of images."""
    parents = dict.fromkeys(PurePath(path).parent for path in folders)
    return {
        f"images in {shown(parent.name)}": {
            PurePath(path).name: n for path, n in folders.items() if PurePath(path).parent == parent
        }
        for parent in parents
    }


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What makes the run again.

    Args:
        commands: of the shell.
        facts: name and text: seed, device, versions.
        config: the configuration as JSON.
    """

    commands: Sequence[str]
    facts: Sequence[tuple[str, str]]
    config: str


def read_reproduction(saved: Saved) -> Reproduction:
    """Read it.

    Raises:
        RunError: a file is damaged.
    """
    environment = saved.environment
    with reading(saved.run.environment):
        facts = [(name, shown(environment[key])) for key, name in _FACTS.items() if environment.get(key) is not None]
        versions = environment.get("versions", {})
        facts += [(shown(name), shown(version)) for name, version in versions.items() if version]
    with reading(saved.run.steps):
        commands = _commands(saved.steps)
    return Reproduction(commands, facts, json.dumps(dict(saved.config), indent=2, ensure_ascii=False))


_FACTS = {
    "seed": "seed",
    "device": "device",
    "n_threads": "threads",
    "python": "Python",
    "platform": "platform",
}


def _commands(steps: Facts) -> list[str]:
    command, done = str(steps.get("command", "run")), steps.get("done", ())
    given = f' --architecture "{steps["architecture"].strip("[]")}"' if steps.get("architecture") else ""
    first = f"enas {command} config.json{given}"
    return [first, *(f"enas {step} config.json" for step in STEPS if step in done and command != "run")]
