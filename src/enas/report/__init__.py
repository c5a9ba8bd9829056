"""Figures, each from plain arrays to ``<stem>.pdf`` and ``<stem>.png``."""

from enas.report.beeswarm import importance_dots
from enas.report.confusion import confusion_matrix
from enas.report.curves import roc_curves, search_curves
from enas.report.importance import importance_bar, importance_bar_total
from enas.report.scatter import scatter

__all__ = [
    "confusion_matrix",
    "importance_bar",
    "importance_bar_total",
    "importance_dots",
    "roc_curves",
    "scatter",
    "search_curves",
]
