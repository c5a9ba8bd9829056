"""Arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

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
