"""Names of classes and features as labels: cleaned, wrapped, never cut off."""

import math
import re

LONGEST = 200
"""Characters; what is longer loses its middle."""

_PIECES = re.compile(r"[^\s_\-/.,;:|]*[\s_\-/.,;:|]+|[^\s_\-/.,;:|]+")


def clean(name: str) -> str:
    """Make one line of a name; control characters become spaces, the middle of an endless name becomes an ellipsis.

    >>> clean("a\\tb\\n c ")
    'a b c'
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 + 1 :]}"


def wrap(name: str, n_lines: int, *, shortest: int = 16) -> str:
    """Break a name into at most ``n_lines`` lines of about the same length, after spaces, dashes and the like.

    Args:
        name: cleaned.
        n_lines: at least 1.
        shortest: names up to this length stay whole.

    >>> print(wrap("embryonal_tumour_of_the_central_nervous_system", 2))
    embryonal_tumour_of_the_
    central_nervous_system
    """
    if n_lines <= 1 or len(name) <= shortest:
        return name
    pieces = _PIECES.findall(name)
    width = max(shortest, math.ceil(len(name) / n_lines), min(max(map(len, pieces)), 24))
    while len(lines := _fill(pieces, width)) > n_lines:
        width += 1
    return "\n".join(line.rstrip() for line in lines)


def _fill(pieces: list[str], width: int) -> list[str]:
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
        while len(lines[-1].rstrip()) > width:  # one word longer than the line
            lines[-1:] = [lines[-1][:width], lines[-1][width:]]
    return lines
