"""The application: its name, its version, where it begins."""

import os
import sys
from typing import Annotated

import typer

from enas.interrupts import raise_on_terminate

app = typer.Typer(
    name="enas",
    help="Efficient neural architecture search on tables and image folders: search, train, evaluate, predict, explain.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
