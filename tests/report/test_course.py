import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enas.report import image_search_curves, retraining_curves
from enas.report.canvas import style
from enas.report.course import draw_image_search, draw_retraining

SHARES = [0.5, 0.2, 0.1, 0.15, 0.05]
RECORDS: list[dict[str, Any]] = [
    {"epoch": k, "reward": 0.1 * k, "baseline": 0.05 * k, "entropy": 9 - k, "child_loss": 2 / k, "lr": 0.05 / k}
    | {f"operation_{i}": share for i, share in enumerate(SHARES)}
    for k in range(1, 8)
]
TRAINING: list[dict[str, Any]] = [
    {"epoch": k, "child_loss": 2 / k, "lr": 0.05 / k, "valid_score": 1 - 0.5 / k, "test_score": 1 - 0.6 / k}
    for k in range(1, 8)
]


def test_a_search_has_five_panels() -> None:
    with style():
        panels = draw_image_search(RECORDS).axes
    titles = [axes.get_title(loc="left") for axes in panels]
    assert titles == ["reward", "entropy, nats", "shared-weight loss", "learning rate", "operations in the policy"]
    assert [len(axes.lines) for axes in panels] == [2, 1, 1, 1, 0]
    assert np.array_equal(panels[3].lines[0].get_xydata(), [(k, 0.05 / k) for k in range(1, 8)])


def test_shares_are_stacked_and_named() -> None:
    with style():
        axes = draw_image_search(RECORDS).axes[-1]
    tops = [float(np.asarray(area.get_paths()[0].vertices)[:, 1].max()) for area in axes.collections]
    assert tops == pytest.approx(np.cumsum(SHARES).tolist())
    legend = axes.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["identity", "max pool 3×3", "avg pool 3×3", "sep conv 5×5", "sep conv 3×3"]


def test_the_legend_of_shares_stays_on_the_page() -> None:
    with style():
        figure = draw_image_search(RECORDS)
        figure.canvas.draw()
        legend = figure.axes[-1].get_legend()
        assert legend is not None
        assert legend.get_window_extent().x1 < figure.bbox.x1


def test_what_records_lack_is_left_out() -> None:
    bare: list[dict[str, Any]] = [
        {"epoch": 3, "reward": 0.5},
        {"epoch": 4, "reward": None},
        {"epoch": 5, "reward": 0.7, "operation_1": 1.0},
    ]
    with style():
        panels = draw_image_search(bare).axes
        assert len(draw_image_search(bare[:2]).axes) == 4
    assert np.array_equal(panels[0].lines[0].get_xydata(), [[3, 0.5], [5, 0.7]])
    assert len(panels[4].collections) == 5  # one epoch is an area, too


def test_one_epoch_has_whole_numbers_below() -> None:
    with style():
        figure = draw_image_search(RECORDS[:1])
        figure.canvas.draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_training_shows_both_accuracies_where_given() -> None:
    with style():
        both = draw_retraining(TRAINING).axes[2]
        one = draw_retraining([{**record, "test_score": None} for record in TRAINING]).axes[2]
    legend = both.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["validation", "test"]
    assert both.get_title(loc="left") == "accuracy"
    assert one.get_title(loc="left") == "validation accuracy"
    assert one.get_legend() is None


def test_files_are_repeatable(tmp_path: Path) -> None:
    files = [*image_search_curves(RECORDS, tmp_path / "search"), *retraining_curves(TRAINING, tmp_path / "training")]
    again = [*image_search_curves(RECORDS, tmp_path / "a"), *retraining_curves(TRAINING, tmp_path / "b")]
    assert [file.name for file in files] == ["search.svg", "search.png", "training.svg", "training.png"]
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]
    for file in files[::2]:
        ElementTree.fromstring(file.read_text())
        assert "<dc:date>" not in file.read_text()


def test_no_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no records"):
        image_search_curves([], tmp_path / "x")
    with pytest.raises(ValueError, match="no records"):
        retraining_curves([], tmp_path / "x")
    assert not list(tmp_path.iterdir())
