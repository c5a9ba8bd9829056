"""Commands on a config file itself: check, schema, init."""

from pathlib import Path
from typing import Annotated

import typer

from enas.cli.app import app
from enas.cli.guard import guard
from enas.cli.options import ConfigFile, Overrides, Verbose
from enas.console import Console
from enas.errors import ConfigError

config_app = typer.Typer(
    help="Check a config, print its schema, write a starter.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(config_app, name="config")


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
