"""The command line: what needs no training; exit codes; one message per fault."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from enas.cli import app
from enas.cli.demos import choose_demo
from enas.cli.guard import guard
from enas.config import load_config

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = (
    "run",
    "search",
    "train",
    "cv",
    "evaluate",
    "predict",
    "explain",
    "demo",
    "draw",
    "show",
    "config",
    "embed",
    "export",
    "report",
)
runner = CliRunner()


def test_help_names_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(f"  {command} " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str) -> None:
    assert runner.invoke(app, [command, "-h"]).exit_code == 0


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("enas ")


def test_no_command_and_a_wrong_command_are_bad_input() -> None:
    assert runner.invoke(app, []).exit_code == 2
    assert runner.invoke(app, ["trian"]).exit_code == 2


@pytest.mark.parametrize("command", [["run"], ["config", "check"]])
def test_a_missing_config_is_bad_input(command: list[str], tmp_path: Path) -> None:
    result = runner.invoke(app, [*command, str(tmp_path / "absent.json")])
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: {tmp_path / 'absent.json'}: no such file")
    assert result.stderr.count("\n") == 1


def test_init_then_check(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    assert runner.invoke(app, ["config", "init", str(path)]).exit_code == 0
    checked = runner.invoke(app, ["config", "check", str(path)])
    assert checked.exit_code == 0
    assert checked.stdout == f"{path}: valid\n"
    assert checked.stderr.startswith("warning: data_train.args.features_file: ")
    again = runner.invoke(app, ["config", "init", str(path)])
    assert again.exit_code == 2
    assert "exists already" in again.stderr


def test_init_for_images_then_check(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    assert runner.invoke(app, ["config", "init", "--images", str(path)]).exit_code == 0
    checked = runner.invoke(app, ["config", "check", str(path), "--set", "trainer.batch_size=64"])
    assert checked.stdout == f"{path}: valid\n"
    missing = [line.split(": ")[1] for line in checked.stderr.splitlines()]
    assert missing == [f"trainer.{key}_data_dir" for key in ("train", "val", "test")]
    wrong = runner.invoke(app, ["config", "check", str(path), "--set", "trainer.child_fixed_arc=1 2 3"])
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("error: --set: trainer.child_fixed_arc: architecture [1 2 3] has 3 integers")


def test_demos_and_their_folders() -> None:
    assert choose_demo("genes", None) == ("genes", Path("enas_demo"))
    assert choose_demo("digits", None) == ("digits", Path("enas_digits"))
    assert choose_demo("digits", Path("here")) == ("digits", Path("here"))
    assert choose_demo("./digits", None) == ("genes", Path("digits"))
    result = runner.invoke(app, ["demo", "letters", "here"])
    assert result.exit_code == 2
    assert result.stderr == "error: enas demo letters here: there are two demos, genes and digits\n"


def test_init_where_no_file_can_be(tmp_path: Path) -> None:
    result = runner.invoke(app, ["config", "init", str(tmp_path / "absent" / "x.json")])
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_check_tells_notes_and_overrides(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"name": "x", "input_fn": {"capacity": 3}}')
    result = runner.invoke(app, ["config", "check", str(path), "--set", "trainer.batch_size=8"])
    assert result.stdout == f"note: {path}: input_fn.capacity: has no effect here\n{path}: valid\n"
    result = runner.invoke(app, ["config", "check", str(path), "--set", "trainer.batchsize=8"])
    assert result.exit_code == 2
    assert result.stderr == 'error: --set: trainer.batchsize: unknown key; did you mean "batch_size"?\n'


def test_the_example_is_valid() -> None:
    assert runner.invoke(app, ["config", "check", str(ROOT / "examples" / "autogenome.json")]).exit_code == 0


def test_schema_is_json() -> None:
    result = runner.invoke(app, ["config", "schema"])
    assert result.exit_code == 0
    assert "trainer" in json.loads(result.stdout)["$defs"]["ImageConfig"]["properties"]


def test_an_internal_error_says_how_to_report(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException, match="1") as caught, guard(verbose=False):
        raise ZeroDivisionError("by zero")
    assert caught.value.exit_code == 1  # type: ignore[attr-defined]
    quiet = capsys.readouterr().err
    assert quiet.startswith("internal error: ZeroDivisionError: by zero\n")
    assert "--verbose" in quiet
    with pytest.raises(BaseException, match="1"), guard(verbose=True):
        raise ZeroDivisionError("by zero")
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_exits_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BaseException, match="130") as caught, guard(verbose=False):
        raise KeyboardInterrupt
    assert caught.value.exit_code == 130  # type: ignore[attr-defined]
    assert capsys.readouterr().err == "interrupted\n"


def test_nothing_heavy_is_imported_for_help_and_config() -> None:
    code = (
        "import sys; import enas.cli; cli = set(sys.modules); import enas.config; "
        "heavy = {'torch', 'sklearn', 'scipy', 'matplotlib', 'polars', 'numpy', 'pandas', 'shap', 'yaml'}; "
        "print(sorted(heavy & set(sys.modules)), sorted({'pydantic', 'rich.progress', *heavy} & cli))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert result.stdout == "[] []\n"


def test_the_module_is_the_command(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "ascii"}
    (tmp_path / "ü.json").write_text('{"name": "x"}')
    command = [sys.executable, "-m", "enas", "config", "check", str(tmp_path / "ü.json")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert result.stdout.endswith(".json: valid\n")


@pytest.mark.skipif(os.name != "posix", reason="needs a POSIX shell")
def test_a_reader_that_has_seen_enough_is_no_fault() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = f"{sys.executable} -m enas config schema | head -n 1"
    result = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("{\n", "")


def test_starter_from_the_shell_equals_the_one_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert runner.invoke(app, ["config", "init"]).exit_code == 0
    assert load_config("enas.json")[0].name == "my_project"
