"""The command line: one thin function per command; whatever is slow to import is imported where it is used.

Exit codes: 0 done, 2 bad input (one clear message), 1 our fault, 130 interrupted, 143 terminated.
"""

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from enas.console import Console
from enas.errors import ConfigError, EnasError
from enas.interrupts import Interrupted, raise_on_terminate
from enas.printable import printable

if TYPE_CHECKING:
    from enas.automl import Auto
    from enas.export.description import Kind

app = typer.Typer(
    name="enas",
    help="Efficient neural architecture search on tables and image folders: search, train, evaluate, predict, explain.",
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

DEMO_FOLDERS = {"genes": "enas_demo", "digits": "enas_digits"}
"""Kind of demo → where its files go unless told otherwise."""

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The config: JSON with comments, or YAML.")]
RunFolder = Annotated[
    Path | None,
    typer.Option("--run", metavar="PATH", help="Run folder to go on with; default: a new one, or the newest finished."),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key, as in trainer.batch_size=32; repeatable."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with RUN, or with the newest unfinished run, from its last checkpoint.")
]
ResumedRun = Annotated[Path | None, typer.Argument(metavar="RUN", help="With --resume: the run folder to go on with.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Every step, and the traceback of an internal error.")]


def main() -> None:
    """Entry point of the command ``enas``."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait must not keep a busy machine's cores
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a terminal that cannot show a character gets "?" instead of a crash
            stream.reconfigure(errors="replace")
    raise_on_terminate()
    app()


@app.callback(invoke_without_command=True)
def show_version(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    """Efficient neural architecture search on tables and image folders: search, train, evaluate, predict, explain."""
    if version:
        from enas import __version__

        typer.echo(f"enas {__version__}")
        raise typer.Exit


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
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run, or its folder of models.")],
    kind: Annotated[str, typer.Option("--to", metavar="onnx|torch|script", help="What it becomes.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Where its files go.")],
    int8: Annotated[bool, typer.Option("--int8", help="Also an ONNX file of 8 bits, its loss measured.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write a run's model as ONNX, torch program or Python script."""
    with guard(verbose):
        if kind not in ("onnx", "torch", "script") or (int8 and kind != "onnx"):
            raise ConfigError("--to is onnx, torch or script; --int8 goes with onnx")
        from enas.export.exporter import export_model

        progress = Console(quiet, verbose)
        for file in export_model(run, cast("Kind", kind), output, int8=int8, progress=progress).files:
            progress.line(f"  {file}  ({file.stat().st_size:,} bytes)")


@app.command()
def embed(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run, or its folder of models.")],
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A table, - for one on standard input, or images.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Where they go: .parquet or .csv.")],
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Write samples as a run's network sees them: its last layer."""
    with guard(verbose):
        from enas.embed import embed_file

        embed_file(run, data, output, Console(quiet, verbose))


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


@app.command()
def demo(
    kind: Annotated[str, typer.Argument(metavar="genes|digits", help="Which demo.")] = "genes",
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="Where its files go.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed, another table or search.")] = 0,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Run everything on simulated genes or handwritten digits."""
    with guard(verbose):
        kind, folder = choose_demo(kind, folder)
        if kind == "digits":
            from enas.demo_digits import run_demo
        else:
            from enas.demo import run_demo
        run_demo(folder, seed, Console(quiet, verbose))


@app.command()
def draw(
    architecture: Annotated[
        str, typer.Argument(metavar="ARCHITECTURE", help='Of image cells, as in "1 2 1 3 0 1 …": 8 integers a node.')
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Where the picture goes: .svg or .png.")
    ] = Path("cell.svg"),
    verbose: Verbose = False,
) -> None:
    """Draw the two cells of an architecture; no run is needed."""
    with guard(verbose):
        from enas.draw import draw_architecture

        for path in draw_architecture(architecture, output):
            typer.echo(path)


@app.command()
def show(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")], verbose: Verbose = False) -> None:
    """Print the leaderboard, the metrics and the files of a run."""
    with guard(verbose):
        from enas.show import show_run

        typer.echo(show_run(run))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Where the page goes; default: into the run."),
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Write what a run found as one HTML page."""
    with guard(verbose):
        from enas.page import report_run

        typer.echo(report_run(run, output))


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
    images: Annotated[bool, typer.Option("--images", help="For image folders instead of a table.")] = False,
    verbose: Verbose = False,
) -> None:
    """Write a commented config to start from."""
    with guard(verbose):
        from enas.config.starter import starter

        try:
            with file.open("x", encoding="utf-8") as stream:
                stream.write(starter(images=images))
        except FileExistsError:
            raise ConfigError(f"{file}: exists already; name another file") from None
        except OSError as error:
            raise ConfigError(f"{file}: cannot be written: {error.strerror}") from None
        typer.echo(f"{file}: written; name your data in it, then: enas run {file}")


def open_auto(config: Path, run: Path | None, overrides: list[str] | None, progress: Console) -> "Auto":
    """The pipeline of a config, on the given run or a new one."""
    from enas import auto

    return auto(config, run=run, overrides=overrides or (), progress=progress)


def choose_demo(kind: str, folder: Path | None) -> tuple[str, Path]:
    """The kind of demo and its folder; a folder alone may stand in the place of the kind: ``./digits`` is one.

    Raises:
        ConfigError: the kind is none, and a folder stands beside it.

    Example:
        >>> choose_demo("my_folder", None)[0], choose_demo("digits", Path("my_folder"))[0]
        ('genes', 'digits')
    """
    if kind in DEMO_FOLDERS:
        return kind, folder or Path(DEMO_FOLDERS[kind])
    if folder is not None:
        raise ConfigError(f"enas demo {kind} {folder}: there are two demos, {' and '.join(DEMO_FOLDERS)}")
    return "genes", Path(kind)


def choose_run(resume: bool, run: Path | None) -> bool | Path:
    """What is to be resumed.

    Raises:
        ConfigError: a run is named, but not that it is to be resumed.
    """
    if run is not None and not resume:
        raise ConfigError(f"{run}: a run is named after the config; to go on with it, add --resume")
    return run if run is not None else resume


@contextmanager
def guard(verbose: bool) -> Iterator[None]:
    """Turn whatever a command raises into one message and its exit code."""
    try:
        yield
    except EnasError as error:
        typer.echo("\n".join(map(printable, f"error: {error}".split("\n"))), err=True)
        raise typer.Exit(2) from None
    except Interrupted as stop:
        typer.echo(stop, err=True)
        raise typer.Exit(stop.exit_code) from None
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
