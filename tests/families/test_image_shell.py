"""The commands on image folders: search, train, draw, run and what comes after."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from enas.cli import app

pytestmark = pytest.mark.usefixtures("one_thread")
TEXT = "0 0 1 3 2 1 0 4 1 2 0 1 1 4 2 0"
SHORT = ("--set", "retrain.num_epochs=1", "--set", "trainer.num_epochs=1", "--quiet")


def enas(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_two_steps_of_the_predecessor(folders: Path) -> None:
    """Search, then train with what was printed; evaluate, predict, explain and show what came of it."""
    config = folders / "config.json"
    searched = enas("search", config, *SHORT)
    assert searched.exit_code == 0, searched.output
    found = re.fullmatch(r"architecture: (\d( \d){15})\ntrain it: +(enas train .*)\n", searched.stdout)
    assert found is not None
    command = shlex.split(found[3])
    assert command[:3] == ["enas", "train", str(config)]
    assert enas(*command[1:], *SHORT).exit_code == 0
    for step in ("evaluate", "predict", "explain"):
        done = enas(step, config, "--quiet")
        assert done.exit_code == 0, done.output
    (run,) = [path.parent for path in (folders / "runs").rglob("enas_misclassified.csv")]
    shown = enas("show", run.parent)
    assert shown.exit_code == 0
    assert f"best architecture [{found[1]}]" in shown.stdout
    assert "accuracy" in shown.stdout


def test_a_search_alone_can_be_shown(folders: Path) -> None:
    assert enas("search", folders / "config.json", *SHORT).exit_code == 0
    (run,) = (folders / "runs" / "enas" / "pictures").iterdir()
    shown = enas("show", run)
    assert shown.exit_code == 0, shown.output
    assert "best_architecture.json" in shown.stdout


def test_run_does_it_all(folders: Path) -> None:
    done = enas("run", folders / "config.json", "--set", f"trainer.child_fixed_arc={TEXT}", *SHORT[:2])
    assert done.exit_code == 0, done.output
    assert f"Best arc:[{TEXT}]" in done.stdout
    assert "on 25 images that the model has not seen" in done.stdout
    assert "Predicted values file is" in done.stdout
    assert "attribution maps of 6 images" in done.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"0 0 1 7{TEXT[7:]}", r"integer 4 .* is 7, but operation 2 of node 0 of the normal cell must be from 0 to 4"),
        (f"{TEXT} 0", r"17 integers, but this search space needs 16"),
    ],
)
def test_a_wrong_architecture_is_told_and_nothing_written(folders: Path, text: str, message: str) -> None:
    before = set(folders.rglob("*"))
    refused = enas("train", folders / "config.json", "--architecture", text)
    assert refused.exit_code == 2
    assert re.match(f"error: .*{message}", refused.stderr)
    assert refused.stderr.count("\n") == 1
    by_key = enas("run", folders / "config.json", "--set", f"trainer.child_fixed_arc={text}")
    assert by_key.exit_code == 2
    assert re.match(r"error: --set: trainer\.child_fixed_arc: .*" + message, by_key.stderr)
    drawn = enas("draw", f"{text} 1", "-o", folders / "cell.svg")
    assert drawn.exit_code == 2
    assert set(folders.rglob("*")) == before


def test_draw_needs_no_run(folders: Path) -> None:
    drawn = enas("draw", TEXT, "-o", folders / "cell.svg")
    assert drawn.exit_code == 0
    assert drawn.stdout == f"{folders / 'cell.svg'}\n"
    assert (folders / "cell.svg").read_text().startswith("<?xml")


def test_a_missing_folder_is_bad_input(folders: Path) -> None:
    refused = enas("search", folders / "config.json", "--set", "trainer.train_data_dir=nowhere")
    assert refused.exit_code == 2
    assert "nowhere" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_the_examples_are_valid() -> None:
    examples = Path(__file__).resolve().parents[2] / "examples"
    checked = enas("config", "check", examples / "enas_tensorflow.json")
    assert checked.exit_code == 0
    assert checked.stdout.endswith("enas_tensorflow.json: valid\n")
