"""Commands that need no data of the user: demo, draw."""

from pathlib import Path
from typing import Annotated

import typer

from enas.cli.app import app
from enas.cli.guard import guard
from enas.cli.options import Quiet, Verbose
from enas.console import Console
from enas.errors import ConfigError

DEMO_FOLDERS = {"genes": "enas_demo", "digits": "enas_digits"}
"""Kind of demo → where its files go unless told otherwise."""


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
