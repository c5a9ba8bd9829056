"""Every command as a page, from the program itself."""

from collections.abc import Iterator
from typing import Any

import typer.main

from enas.cli import app

OPENING = """# Commands

Every command, from the program itself; `enas COMMAND --help` says the same.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a fault of enas: please report it with what `--verbose` prints |
| 2 | bad input: one message says what is wrong, where, and what to do |
| 130, 143 | interrupted by Ctrl-C or a termination signal; a checkpoint is kept, `--resume` goes on |
"""


def command_page() -> str:
    """The page, a heading for each command."""
    return "\n\n".join([OPENING, *_commands(typer.main.get_command(app), "enas")]) + "\n"


def _commands(command: Any, name: str) -> Iterator[str]:
    for inner, one in command.commands.items():
        if hasattr(one, "commands"):
            yield from _commands(one, f"{name} {inner}")
        else:
            yield from _describe(one, f"{name} {inner}")


def _describe(command: Any, name: str) -> Iterator[str]:
    arguments = [one for one in command.params if not one.opts[0].startswith("-")]
    options = [one for one in command.params if one.opts[0].startswith("-")]
    usage = " ".join([name, *(_argument(one) for one in arguments), *(["[OPTIONS]"] if options else [])])
    yield f"## {name}"
    yield " ".join((command.help or "").split())
    yield f"```text\n{usage}\n```"
    rows = [f"| `{_argument(one)}` | {_meaning(one)} |" for one in arguments]
    rows += [f"| {_option(one)} | {_meaning(one)} |" for one in options]
    yield "\n".join(["| | meaning |", "|---|---|", *rows])


def _argument(one: Any) -> str:
    name = (one.metavar or one.name).strip("[]")
    return name if one.required else f"[{name}]"


def _option(one: Any) -> str:
    names = ", ".join(f"`{name}`" for name in sorted(one.opts, key=len, reverse=True))
    return names if one.is_flag else f"{names} `{one.metavar or one.name.upper()}`"


def _meaning(one: Any) -> str:
    default = one.default
    shown = default not in (None, False, ()) and not callable(default)
    text = " ".join((one.help or "").split()).replace("|", "\\|")
    return f"{text} Default: `{default}`." if shown else text
