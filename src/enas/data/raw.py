"""A table as a reader hands it over, before labels are matched to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from enas.data.matrix import Matrix


@dataclass(frozen=True, slots=True)
class RawTable:
    """Numbers, names, ids and the cells of the columns that were asked for as text.

    Args:
        features: shape (n, p), float32.
        names: p names; made up where the file has none.
        has_names: whether the names come from the file.
        ids: n ids, or None where the file has none.
        texts: cells of the target columns, by name.
        how: how the file was read, for the log ("tab-delimited, with header, …").
        notes: what the user should know about, one sentence each.
    """

    features: Matrix
    names: tuple[str, ...]
    has_names: bool
    ids: tuple[str, ...] | None
    texts: dict[str, list[str]] = field(default_factory=dict)
    how: str = ""
    notes: tuple[str, ...] = ()


def unique_names(names: Sequence[str]) -> tuple[tuple[str, ...], int]:
    """Appends .1, .2, … to repeated names; also the number of names that had to change.

    >>> unique_names(["TP53", "MYC", "TP53", "TP53.1"])
    (('TP53', 'MYC', 'TP53.2', 'TP53.1'), 1)
    """
    taken = set(names)
    if len(taken) == len(names):
        return tuple(names), 0
    seen: dict[str, int] = {}
    unique: list[str] = []
    for name in names:
        count = seen.get(name, 0)
        chosen = name
        if name in seen:
            count += 1
            while f"{name}.{count}" in taken:
                count += 1
            chosen = f"{name}.{count}"
            taken.add(chosen)
        seen[name] = count
        unique.append(chosen)
    return tuple(unique), sum(old != new for old, new in zip(names, unique, strict=True))
