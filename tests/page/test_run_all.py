"""The report as the last step of a run that can be killed and resumed."""

import json
from collections.abc import Callable

import pytest

from enas.automl import Auto
from enas.files import write_json

OpenAuto = Callable[..., Auto]


@pytest.mark.parametrize("step", ["evaluate", "report"])
def test_a_step_that_was_killed_between_its_last_two_notes_is_not_repeated(open_auto: OpenAuto, step: str) -> None:
    auto = open_auto()
    auto.run_all()
    run, steps = auto.run, auto.run.plan()["steps"]
    assert steps == ["train", "evaluate", "predict", "explain", "report"]
    before = run.metrics.read_text(encoding="utf-8").splitlines()
    at = next(k for k, line in enumerate(before) if json.loads(line)["stage"] == step)
    run.metrics.write_text("\n".join(before[: at + 1]) + "\n", encoding="utf-8")
    write_json(run.steps, run.plan() | {"done": steps[: steps.index(step)]})
    page = (run.output_files / "report.html").read_bytes()
    open_auto().run_all(resume=True)
    after = run.metrics.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["stage"] for line in after] == [json.loads(line)["stage"] for line in before]
    assert run.plan()["done"] == steps
    assert (run.output_files / "report.html").read_bytes() == page
