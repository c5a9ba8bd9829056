"""Figures, each from plain arrays to ``<stem>.pdf`` and ``<stem>.png``; of image runs ``.svg`` and ``.png``."""

import enas.report.font_cache  # noqa: F401 - comes before matplotlib
from enas.report.beeswarm import importance_dots
from enas.report.cell import cell_pictures
from enas.report.confusion import confusion_matrix
from enas.report.course import image_search_curves, retraining_curves
from enas.report.curves import roc_curves, search_curves
from enas.report.importance import importance_bar, importance_bar_total
from enas.report.network import Row, network_picture
from enas.report.scatter import scatter
from enas.report.sheet import attribution_sheet, augmentation_sheet, class_mean_sheet, image_sheet

__all__ = [
    "Row",
    "attribution_sheet",
    "augmentation_sheet",
    "cell_pictures",
    "class_mean_sheet",
    "confusion_matrix",
    "image_search_curves",
    "image_sheet",
    "importance_bar",
    "importance_bar_total",
    "importance_dots",
    "network_picture",
    "retraining_curves",
    "roc_curves",
    "scatter",
    "search_curves",
]
