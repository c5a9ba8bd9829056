"""The log of a run as curves: which numbers belong to which, epoch by epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from enas.files import plain


@dataclass(frozen=True, slots=True)
class Point:
    """The numbers of one epoch.

    Args:
        curve: ``search``, or ``candidate_1``, ``candidate_2``, … in the order in which they were retrained.
        architecture: of a candidate, as text; empty for the search.
        epoch: from 0.
        values: by name; finite.
    """

    curve: str
    architecture: str
    epoch: int
    values: dict[str, float]


@dataclass(slots=True)
class Curves:
    """Tells the points of a log, row after row; candidates are counted as they come.

    Example:
        >>> curves = Curves()
        >>> curves.point({"stage": "retrain", "architecture": "3 1", "epoch": 4, "lr": 0.1, "valid_score": None})
        Point(curve='candidate_1', architecture='3 1', epoch=4, values={'lr': 0.1})
        >>> curves.point({"stage": "evaluate", "seconds": 2.0})
    """

    _candidates: dict[str, int] = field(default_factory=dict)

    def point(self, row: Mapping[str, object]) -> Point | None:
        """The numbers of this row; None if it is of no epoch."""
        epoch, architecture = row.get("epoch"), str(row.get("architecture", ""))
        if not isinstance(epoch, int):
            return None
        curve = str(row["stage"])
        if architecture:
            curve = f"candidate_{self._candidates.setdefault(architecture, len(self._candidates) + 1)}"
        numbers = {key: value for key, value in plain(row).items() if type(value) in (int, float) and key != "epoch"}
        values = {key: float(value) for key, value in numbers.items() if math.isfinite(value)}
        return Point(curve, architecture, epoch, values)
