"""Commands on a config: run, search, train, cv, evaluate, predict, explain."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enas.cli.app import app
from enas.cli.guard import guard
from enas.cli.options import ConfigFile, Overrides, Quiet, Resume, ResumedRun, RunFolder, Verbose
from enas.console import Console
from enas.errors import ConfigError

if TYPE_CHECKING:
    from enas.automl import Auto


@app.command()
def run(
    config: ConfigFile,
    resumed: ResumedRun = None,
    resume: Resume = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Do all that the config has sections for, training first."""
    with guard(verbose):
        which = choose_run(resume, resumed)
        open_auto(config, None, overrides, Console(quiet, verbose)).run_all(resume=which)


@app.command()
def search(
    config: ConfigFile,
    resumed: ResumedRun = None,
    resume: Resume = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Search only; prints the architecture and how to train it."""
    with guard(verbose):
        which = choose_run(resume, resumed)
        found = open_auto(config, None, overrides, Console(quiet, verbose)).search(resume=which)
        text = str(found).strip("[]")
        typer.echo(f"architecture: {text}")
        typer.echo(f'train it:     enas train {shlex.quote(str(config))} --architecture "{text}"')


@app.command()
def train(
    config: ConfigFile,
    resumed: ResumedRun = None,
    resume: Resume = False,
    architecture: Annotated[
        str | None,
        typer.Option("--architecture", metavar="INTEGERS", help='Only train this one, as in "1 2 1 3 …" (images).'),
    ] = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Search architectures and retrain the best, or train a given one."""
    with guard(verbose):
        which = choose_run(resume, resumed)
        open_auto(config, None, overrides, Console(quiet, verbose)).train(architecture, resume=which)


@app.command()
def cv(
    config: ConfigFile,
    resumed: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="With --resume: the cross-validation to go on with.")
    ] = None,
    folds: Annotated[int | None, typer.Option("--folds", help="Parts of the training data; default 5.")] = None,
    repeats: Annotated[int | None, typer.Option("--repeats", help="How often they are divided; default 3.")] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", help="Processes; the numbers do not depend on them.")] = 1,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with DIR, or with the newest unfinished cross-validation.")
    ] = False,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Judge the whole pipeline by repeated cross-validation."""
    with guard(verbose):
        which = choose_run(resume, resumed)
        automl = open_auto(config, None, overrides, Console(quiet, verbose))
        automl.cross_validate(folds, repeats, jobs=jobs, resume=which)


@app.command()
def evaluate(
    config: ConfigFile,
    run: RunFolder = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Measure a finished run on its test table or test images."""
    with guard(verbose):
        open_auto(config, run, overrides, Console(quiet, verbose)).evaluate()


@app.command()
def predict(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG|DATA", help="The config; with --model: a table, - for one on standard input, or images."
        ),
    ],
    run: RunFolder = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="Predict DATA with this run, models folder or exported model."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="With --model: where predictions go; - for the terminal."),
    ] = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Predict the samples of data_predict, or DATA by a model."""
    with guard(verbose):
        if model is None and output is None:
            open_auto(source, run, overrides, Console(quiet, verbose)).predict()
            return
        if model is None or output is None or run is not None or overrides:
            raise ConfigError("enas predict CONFIG [--run PATH] [--set …], or enas predict --model DIR DATA -o FILE")
        from enas.export.predictions import predict_file

        predict_file(model, source, output, Console(quiet or str(output) == "-", verbose))


@app.command()
def explain(
    config: ConfigFile,
    run: RunFolder = None,
    overrides: Overrides = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Show what a finished run goes by: features or pixels."""
    with guard(verbose):
        open_auto(config, run, overrides, Console(quiet, verbose)).explain()


def open_auto(config: Path, run: Path | None, overrides: list[str] | None, progress: Console) -> "Auto":
    """The pipeline of a config, on the given run or a new one."""
    from enas import auto

    return auto(config, run=run, overrides=overrides or (), progress=progress)


def choose_run(resume: bool, run: Path | None) -> bool | Path:
    """What is to be resumed.

    Raises:
        ConfigError: a run is named, but not that it is to be resumed.
    """
    if run is not None and not resume:
        raise ConfigError(f"{run}: a run is named after the config; to go on with it, add --resume")
    return run if run is not None else resume
