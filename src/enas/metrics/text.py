"""Tables of plain text for the log."""

from collections.abc import Sequence


def align(rows: Sequence[Sequence[str]]) -> str:
    """Pad the cells of each column to one width, two spaces between columns.

    >>> print(align([("accuracy", "0.9"), ("R²", "0.75")]))
    accuracy  0.9
    R²        0.75
    """
    from rich.cells import cell_len  # wide (Chinese) letters take two cells

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(c + " " * (w - cell_len(c)) for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)
