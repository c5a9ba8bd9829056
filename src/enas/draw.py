"""Pictures of an architecture given as text, without a run: ``enas draw "1 2 1 3 …" -o cell.svg``."""

from pathlib import Path

from enas.errors import ConfigError
from enas.report.canvas import style, write
from enas.report.cell import cell_pictures, draw_cells
from enas.search_space import Architecture, MicroSpace

ONE_FILE = (".svg", ".png", ".pdf")
OTHER_PICTURES = (".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".eps", ".ps", ".svgz")
INTEGERS_PER_NODE = 8
"""Two cells, two branches, an input and an operation each."""


def draw_architecture(text: str, output: Path) -> tuple[Path, ...]:
    """Draw the normal and the reduction cell of a micro architecture.

    Args:
        text: its integers, 8 a node, such as the string of 40 that `child_fixed_arc` takes.
        output: a file ending in .svg, .png or .pdf: both cells in it. A directory: ``architecture_normal_cell`` and
            ``architecture_reduction_cell`` in it, each as .svg and .png. Anything else: these four files with `output`
            in place of ``architecture``.

    Returns:
        The files.

    Raises:
        ConfigError: the text is no micro architecture (says which integer is wrong and why), or `output` ends in the
            suffix of a picture that is not written.
        RunError: the system refuses to write.
    """
    architecture = Architecture.from_text(text)
    space = infer_space(architecture)
    if output.is_dir():
        return cell_pictures(space, architecture, output / "architecture")
    if output.suffix.lower() in OTHER_PICTURES:
        raise ConfigError(f"cannot draw {output}: pictures are written as {', '.join(ONE_FILE)}")
    if output.suffix.lower() not in ONE_FILE:
        return cell_pictures(space, architecture, output)
    with style():
        return (write(draw_cells(space, architecture), output),)


def infer_space(architecture: Architecture) -> MicroSpace:
    """The micro space with as many nodes as the architecture is long.

    Raises:
        ConfigError: no number of nodes fits, or an integer is out of range.

    Example:
        >>> infer_space(Architecture.from_text("0 2 1 0 1 4 1 3")).n_nodes
        1
    """
    n_integers = len(architecture.values)
    if n_integers % INTEGERS_PER_NODE:
        nearest = max(1, round(n_integers / INTEGERS_PER_NODE))
        raise ConfigError(
            f"architecture {architecture} has {n_integers} integers, but two cells of micro search have "
            f"{INTEGERS_PER_NODE} a node: {INTEGERS_PER_NODE * nearest} for {nearest} node{'s' * (nearest > 1)}"
        )
    space = MicroSpace(n_integers // INTEGERS_PER_NODE)
    space.validate(architecture)
    return space
