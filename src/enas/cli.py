"""The command line: one thin function per command; whatever is slow to import is imported where it is used.

Exit codes: 0 done, 2 bad input (one clear message), 1 our fault, 130 interrupted.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enas.console import Console
from enas.errors import ConfigError, EnasError

if TYPE_CHECKING:
    from enas.automl import Auto

app = typer.Typer(
    name="enas",
    help="Efficient neural architecture search on tables: search, train, evaluate, predict, explain.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(
    help="Check a config, print its schema, write a starter.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(config_app, name="config")

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The config: JSON with comments, or YAML.")]
RunFolder = Annotated[
    Path | None,
    typer.Option("--run", metavar="PATH", help="Run folder to go on with; default: a new one, or the newest finished."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key, as in trainer.batch_size=32; repeatable."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Every step, and the traceback of an internal error.")]


def main() -> None:
    """Entry point of the command ``enas``."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait must not keep a busy machine's cores
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character gets "?" instead of a crash
            stream.reconfigure(errors="replace")
    app()


@app.callback(invoke_without_command=True)
def show_version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Efficient neural architecture search on tables: search, train, evaluate, predict, explain."""
    if version:
        from enas import __version__

        typer.echo(f"enas {__version__}")
        raise typer.Exit


@app.command()
def run(
    config: ConfigFile,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Do all that the config has sections for, training first."""
    with guard(verbose):
        open_auto(config, None, overrides, Console(quiet, verbose)).run_all()


@app.command()
def train(
    config: ConfigFile,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Search architectures and retrain the best."""
    with guard(verbose):
        open_auto(config, None, overrides, Console(quiet, verbose)).train()


@app.command()
def evaluate(
    config: ConfigFile,
    run: RunFolder = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure a finished run on data_evaluate."""
    with guard(verbose):
        open_auto(config, run, overrides, Console(quiet, verbose)).evaluate()


@app.command()
def predict(
    config: ConfigFile,
    run: RunFolder = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Predict data_predict with a finished run."""
    with guard(verbose):
        open_auto(config, run, overrides, Console(quiet, verbose)).predict()


@app.command()
def explain(
    config: ConfigFile,
    run: RunFolder = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Rank the features by what a finished run makes of them."""
    with guard(verbose):
        open_auto(config, run, overrides, Console(quiet, verbose)).explain()


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where its files go.")] = Path("enas_demo"),
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed simulates another table.")] = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Simulate a gene-expression table and run everything on it."""
    with guard(verbose):
        from enas.demo import run_demo

        run_demo(folder, seed, Console(quiet, verbose))


@app.command()
def show(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")], verbose: Verbose = False) -> None:
    """Print the leaderboard, the metrics and the files of a run."""
    with guard(verbose):
        from enas.show import show_run

        typer.echo(show_run(run))


@config_app.command("check")
def check_config(config: ConfigFile, overrides: Overrides = None, verbose: Verbose = False) -> None:
    """Check a config without running it."""
    with guard(verbose):
        from enas.config import list_missing_files, load_config

        checked, notes = load_config(config, overrides or ())
        for note in notes:
            typer.echo(f"note: {note}")
        for missing in list_missing_files(checked):
            Console().warn(missing)
        typer.echo(f"{config}: valid")


@config_app.command("schema")
def print_schema(verbose: Verbose = False) -> None:
    """Print the JSON Schema of a config, for editors."""
    with guard(verbose):
        import json

        from enas.config.starter import config_schema

        typer.echo(json.dumps(config_schema(), indent=2))


@config_app.command("init")
def write_starter(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to write; an existing file is kept.")] = Path(
        "enas.json"
    ),
    verbose: Verbose = False,
) -> None:
    """Write a commented config to start from."""
    with guard(verbose):
        from enas.config.starter import starter

        try:
            with file.open("x", encoding="utf-8") as stream:
                stream.write(starter())
        except FileExistsError:
            raise ConfigError(f"{file}: exists already; name another file") from None
        except OSError as error:
            raise ConfigError(f"{file}: cannot be written: {error.strerror}") from None
        typer.echo(f"{file}: written; name your data in it, then: enas run {file}")


def open_auto(config: Path, run: Path | None, overrides: list[str] | None, progress: Console) -> "Auto":
    """The pipeline of a config, on the given run or a new one."""
    from enas import auto

    return auto(config, run=run, overrides=overrides or (), progress=progress)


@contextmanager
def guard(verbose: bool) -> Iterator[None]:
    """Turn whatever a command raises into one message and its exit code."""
    try:
        yield
    except EnasError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(130) from None
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; nothing is left to be flushed to it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(141) from None
    except Exception as error:
        if verbose:
            import traceback

            traceback.print_exc()
        typer.echo(f"internal error: {type(error).__name__}: {error}", err=True)
        how = "with the config and the text above" if verbose else "with the config and what --verbose prints"
        typer.echo(f"This is a fault of enas, not yours. Please report it {how}.", err=True)
        raise typer.Exit(1) from None
