"""The errors that a user can mend.

Each message says what is wrong, where (file, row, column, key, value) and what to do. The command line prints it as one
line and exits with code 2; from Python it is an ordinary exception. Anything else that escapes is our fault (exit code
1).
"""


class EnasError(Exception):
    """Base of all errors that a user can mend."""


class ConfigError(EnasError):
    """The configuration is wrong: the message names the file, the key's path and the value."""


class DataError(EnasError):
    """A data file is wrong: the message names the file and, where it can, row, column and value."""


class RunError(EnasError):
    """A run cannot go on, or cannot be found, read or locked."""
