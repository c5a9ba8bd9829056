"""Text out of data files, such as names of files, as it may stand in a line on a terminal or in a message.

A name may hold line feeds, the sequences by which a terminal is ruled, or marks that turn the direction of writing.
"""

from pathlib import Path

LONGEST = 160
"""Characters of a quoted name; what is longer loses its middle."""


def printable(text: str) -> str:
    """The text with all that is not printable written as Python would escape it; a tab stays.

    >>> printable("a\\nb \\x1b[2J")
    'a\\\\nb \\\\x1b[2J'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in text)


def quoted(name: str | Path) -> str:
    """A name or path in quotes, printable and never endless.

    >>> quoted("a\\nb")
    "'a\\\\nb'"
    """
    text = printable(str(name))
    return f"'{text}'" if len(text) <= LONGEST else f"'{text[: LONGEST // 2]}…{text[1 - LONGEST // 2 :]}'"
