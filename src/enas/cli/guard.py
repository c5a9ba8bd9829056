"""What every command is run in: errors become one message and an exit code."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from enas.errors import EnasError
from enas.interrupts import Interrupted
from enas.printable import printable


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
