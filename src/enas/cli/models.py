"""Commands on a finished run: export, embed, show, report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from enas.cli.app import app
from enas.cli.guard import guard
from enas.cli.options import Quiet, Verbose
from enas.console import Console
from enas.errors import ConfigError

if TYPE_CHECKING:
    from enas.export.description import Kind


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
