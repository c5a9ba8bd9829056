"""Warnings of a run are kept once each, wherever the run was when it was killed."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from enas.automl import Auto
from enas.console import Silent
from enas.errors import RunError
from enas.runs import create_run
from enas.show import show_run
from enas.warned import FILE, Warned, read_warnings


def test_what_was_warned_of_before_the_run_is_kept_with_what_comes_after(tmp_path: Path, log: Any) -> None:
    warned, run = Warned(log), create_run(tmp_path, "quick", now=datetime.now())
    warned.warn("warning: early")
    with warned.into(run):
        assert read_warnings(run.path / FILE) == ["early"]
        warned.warn("late")
        warned.warn("late")
    assert read_warnings(run.path / FILE) == ["early", "late"]
    assert log.warnings == ["warning: early", "late", "late"]


def test_a_resumed_run_repeats_none(tmp_path: Path) -> None:
    run = create_run(tmp_path, "quick", now=datetime.now())
    for texts in (("data", "search"), ("data", "search", "evaluation")):
        warned = Warned(Silent())
        with warned.into(run):
            for text in texts:
                warned.warn(text)
    assert read_warnings(run.path / FILE) == ["data", "search", "evaluation"]


def test_no_warning_no_file(tmp_path: Path) -> None:
    run = create_run(tmp_path, "quick", now=datetime.now())
    with Warned(Silent()).into(run):
        pass
    assert not (run.path / FILE).exists()


@pytest.mark.parametrize("content", ["{}", "[3]", "["])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"warnings\.json is damaged"):
        read_warnings(tmp_path / FILE)


def test_a_whole_run_keeps_its_warnings_and_ends_with_a_report(open_auto: Callable[..., Auto], log: Any) -> None:
    auto = open_auto("trainer.folds=21")
    auto.run_all()
    kept = json.loads((auto.run.path / FILE).read_text(encoding="utf-8"))
    assert kept == list(dict.fromkeys(log.warnings))
    assert len(kept) > 0
    page = (auto.run.output_files / "report.html").read_text(encoding="utf-8")
    assert f"Warnings ({len(kept)})" in page
    assert f'Report is "{auto.run.output_files / "report.html"}"' in log.lines
    assert auto.run.plan()["done"][-1] == "report"
    assert not auto.run.is_unfinished
    assert "\n\nwarnings\n  " in show_run(auto.run.path)
