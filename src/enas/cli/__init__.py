"""The command line: one thin function per command; whatever is slow to import is imported where it is used.

Exit codes: 0 done, 2 bad input (one clear message), 1 our fault, 130 interrupted, 143 terminated.
"""

from enas.cli import pipeline  # the help lists commands as they are imported

# isort: split
from enas.cli import models

# isort: split
from enas.cli import configs, demos
from enas.cli.app import app, main

__all__ = ["app", "configs", "demos", "main", "models", "pipeline"]
