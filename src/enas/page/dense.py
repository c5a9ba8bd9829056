"""A drawing of a network for tables: its layers from top to bottom, and what skips some of them."""

import re
from dataclasses import dataclass

from markupsafe import Markup

from enas.page.chart import short, svg, text

WIDTH, BOX, BOX_HEIGHT, STEP = 340, 168, 28, 46
MIDDLE = 160
_LAYER = re.compile(r"(\d+)(?: \(\+ layers? ([\d, ]+)\))?")
_SCREEN = re.compile(r"(\d+|all) features( by score\^\d+)?")


@dataclass(frozen=True, slots=True)
class Layer:
    """A searched layer.

    Args:
        width: number of units.
        skips: numbers of earlier searched layers, from 1, whose outputs are added to this one's.
    """

    width: int
    skips: tuple[int, ...]


def read_description(description: str) -> tuple[str, list[Layer]] | None:
    """The number of features, empty where it was no choice, and the layers; None if the text is of another kind.

    >>> read_description("20 features → 64 → 256 (+ layer 1)")
    ('20 features', [Layer(width=64, skips=()), Layer(width=256, skips=(1,))])
    """
    parts = description.split(" → ")
    screen = parts.pop(0) if _SCREEN.fullmatch(parts[0]) else ""
    found = [_LAYER.fullmatch(part) for part in parts]
    layers = [Layer(int(one[1]), tuple(map(int, (one[2] or "").split(", "))) if one[2] else ()) for one in found if one]
    return (screen, layers) if layers and len(layers) == len(found) else None


def draw_dense(description: str, n_features: int, first_width: int, outputs: str) -> Markup:
    """Draw an architecture that is given in words; empty if it is not one of tables.

    Args:
        description: as `enas.search_space.DenseSpace.describe` gives it.
        n_features: columns of the table.
        first_width: units of the first layer.
        outputs: what comes out, as in "3 classes".
    """
    read = read_description(description)
    if read is None:
        return Markup("")
    screen, layers = read
    boxes = [f"{n_features:,} features"]
    if screen and screen != "all features":
        boxes.append(screen if screen.startswith("all") else f"{screen} kept")
    first = len(boxes)
    boxes += [
        f"first layer: {first_width} units",
        *(f"layer {k}: {one.width}" for k, one in enumerate(layers, start=1)),
    ]
    boxes.append(outputs)
    parts = [_box(row, label, row >= first and row < len(boxes) - 1) for row, label in enumerate(boxes)]
    parts += [_straight(row) for row in range(len(boxes) - 1)]
    parts += [_skip(first + earlier, first + k) for k, one in enumerate(layers, start=1) for earlier in one.skips]
    parts.append(_shortcut(first - 1, len(boxes) - 1))
    title = f"The network: {description}, with a linear shortcut from the features to the outputs"
    return svg(title, WIDTH, len(boxes) * STEP - STEP + BOX_HEIGHT + 4, Markup("").join(parts))


def _top(row: int) -> float:
    return 2 + row * STEP


def _box(row: int, label: str, is_layer: bool) -> Markup:
    shape = '<rect class="box {}" x="{}" y="{}" width="{}" height="{}" rx="3"/>'
    kind = "layer" if is_layer else ""
    rectangle = Markup(shape).format(kind, short(MIDDLE - BOX / 2), short(_top(row)), BOX, BOX_HEIGHT)
    return rectangle + text(MIDDLE, _top(row) + 18, label, "middle", "label")


def _straight(row: int) -> Markup:
    start, end = _top(row) + BOX_HEIGHT, _top(row + 1)
    return Markup('<path class="edge" d="M{} {}V{}"/>').format(MIDDLE, short(start), short(end)) + _head(MIDDLE, end, 0)


def _skip(start: int, end: int) -> Markup:
    """On the right, the further the longer it is."""
    x, y1, y2 = MIDDLE + BOX / 2, _top(start) + BOX_HEIGHT / 2, _top(end) + BOX_HEIGHT / 2 - 5
    out = x + min(24 + 26 * (end - start - 1), 90)
    path = f"M{short(x)} {short(y1)}C{short(out)} {short(y1)} {short(out)} {short(y2)} {short(x)} {short(y2)}"
    return Markup('<path class="edge skip" d="{}"/>').format(path) + _head(x, y2, 1)


def _shortcut(start: int, end: int) -> Markup:
    """On the left, past all layers."""
    x, y1, y2 = MIDDLE - BOX / 2, _top(start) + BOX_HEIGHT / 2, _top(end) + BOX_HEIGHT / 2
    out = x - 30
    path = f"M{short(x)} {short(y1)}H{short(out + 8)}Q{short(out)} {short(y1)} {short(out)} {short(y1 + 8)}"
    path += f"V{short(y2 - 8)}Q{short(out)} {short(y2)} {short(out + 8)} {short(y2)}H{short(x)}"
    along = Markup('<text class="aside" text-anchor="middle" transform="translate({} {}) rotate(-90)">{}</text>')
    label = along.format(short(out - 7), short((y1 + y2) / 2), "linear shortcut")
    return Markup('<path class="edge shortcut" d="{}"/>').format(path) + _head(x, y2, -1) + label


def _head(x: float, y: float, side: int) -> Markup:
    """The point of an arrow: downward, or toward a box from its right (1) or its left (-1)."""
    shape = "l-3.5 -6h7z" if side == 0 else f"l{6 * side} -3.5v7z"
    return Markup('<path class="head" d="M{} {}{}"/>').format(short(x), short(y), shape)
