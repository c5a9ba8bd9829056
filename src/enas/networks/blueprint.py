"""What a micro network looks like before any weight exists: its layers, their sizes and channels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, log2

from enas.errors import ConfigError

LARGEST_LAST_SIDE = 8
"""`count_reductions` halves until the smaller side is at most this."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: a cell with its place.

    Args:
        is_reduction: whether it halves the side and doubles the channels.
        n_channels: C of every node.
        size: (height, width) of its output.
    """

    is_reduction: bool
    n_channels: int
    size: tuple[int, int]


@dataclass(frozen=True)
class Blueprint:
    """The skeleton of a micro network (Pham et al. 2018, section 2.4): stem, L + 2 cells, head.

    Args:
        size: (height, width) of the images.
        n_image_channels: 1 or 3.
        n_classes: of the labels.
        n_layers: L, at least 1.
        n_filters: C of the first layers; even, as reductions split channels in two halves.
        reductions: the layers, from 0, that halve the side; their channels double.
        auxiliary_after: the layer whose output feeds the auxiliary head; None: no such head.
        n_nodes: nodes of a cell.

    Raises:
        ConfigError: one of these is out of range.

    Example:
        >>> plan = Blueprint((32, 32), 3, 10, n_layers=6, n_filters=20, reductions=place_reductions(6, 2))
        >>> [(layer.n_channels, layer.size[0]) for layer in plan.layers]
        [(20, 32), (20, 32), (40, 16), (40, 16), (40, 16), (80, 8), (80, 8), (80, 8)]
    """

    size: tuple[int, int]
    n_image_channels: int
    n_classes: int
    n_layers: int
    n_filters: int
    reductions: tuple[int, ...]
    auxiliary_after: int | None = None
    n_nodes: int = 5

    def __post_init__(self) -> None:
        if self.n_layers < 1:
            raise ConfigError(f"child_num_layers is {self.n_layers}; a network needs at least 1")
        if self.n_filters < 2 or self.n_filters % 2:
            raise ConfigError(f"child_out_filters is {self.n_filters}; it must be even and at least 2")
        if not all(0 <= layer < self.n_cells for layer in self.reductions) or sorted(set(self.reductions)) != list(
            self.reductions
        ):
            raise ConfigError(f"reductions {self.reductions} must be ascending layers from 0 to {self.n_cells - 1}")
        if self.auxiliary_after is not None and not 0 <= self.auxiliary_after < self.n_cells:
            raise ConfigError(f"the auxiliary head must follow a layer from 0 to {self.n_cells - 1}")

    @property
    def n_cells(self) -> int:
        """L + 2."""
        return self.n_layers + 2

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The cells, first to last."""
        n_channels, (height, width) = self.n_filters, self.size
        layers = []
        for index in range(self.n_cells):
            is_reduction = index in self.reductions
            if is_reduction:
                n_channels, height, width = 2 * n_channels, -(-height // 2), -(-width // 2)
            layers.append(Layer(is_reduction, n_channels, (height, width)))
        return tuple(layers)


def count_reductions(size: tuple[int, int], n_layers: int) -> int:
    """As many as bring the smaller side to 8 pixels, at least 2, as far as the layers allow.

    Example:
        >>> [count_reductions((side, side), 6) for side in (8, 32, 64, 224)]
        [2, 2, 3, 5]
    """
    wanted = ceil(log2(max(min(size), 1) / LARGEST_LAST_SIDE)) if min(size) > LARGEST_LAST_SIDE else 0
    return min(max(2, wanted), n_layers + 1)


def place_reductions(n_layers: int, n_reductions: int) -> tuple[int, ...]:
    """Where they stand: the paper's two, ENAS-Tensorflow's three, or any number, evenly.

    Raises:
        ConfigError: there are not enough layers.

    Example:
        >>> place_reductions(6, 2), place_reductions(6, 3), place_reductions(15, 3), place_reductions(6, 5)
        ((2, 5), (1, 3, 6), (3, 7, 15), (1, 2, 4, 5, 6))
    """
    n_cells = n_layers + 2
    if n_reductions >= n_cells:
        raise ConfigError(f"{n_reductions} reductions do not fit into {n_cells} layers; raise child_num_layers")
    if n_reductions == 2:
        return n_layers // 3, 2 * (n_layers // 3) + 1
    if n_reductions == 3 and n_layers >= 3:
        return n_layers // 4, 2 * (n_layers // 4) + 1, n_layers
    return tuple(k * n_cells // (n_reductions + 1) for k in range(1, n_reductions + 1))


def place_auxiliary(reductions: Sequence[int], n_layers: int) -> int:
    """The layer before the auxiliary head: after the second reduction (the authors' place with two of them, and
    ENAS-Tensorflow's with three); after the only one where there is one.

    Example:
        >>> place_auxiliary((2, 5), 6), place_auxiliary((1, 3, 6), 6)
        (6, 4)
    """
    after = reductions[1] if len(reductions) > 1 else (*reductions, 0)[0]
    return min(after + 1, n_layers + 1)


def describe_plan(plan: Blueprint) -> str:
    """The skeleton in words.

    Example:
        >>> describe_plan(Blueprint((32, 32), 3, 10, n_layers=2, n_filters=20, reductions=(1,)))
        '4 layers on 32×32 pixels: 20@32×32, 40@16×16*, 40@16×16, 40@16×16 (* reduction), no auxiliary head, 10 classes'
    """
    layers = ", ".join(
        f"{layer.n_channels}@{layer.size[0]}×{layer.size[1]}{'*' if layer.is_reduction else ''}"
        for layer in plan.layers
    )
    auxiliary = "no auxiliary head" if plan.auxiliary_after is None else f"auxiliary head after {plan.auxiliary_after}"
    height, width = plan.size
    return (
        f"{plan.n_cells} layers on {height}×{width} pixels: {layers} (* reduction), {auxiliary}, "
        f"{plan.n_classes} classes"
    )
