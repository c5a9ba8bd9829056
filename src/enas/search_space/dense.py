"""The dense space (tables): a chain of layers, each with a width of its own and skips from any earlier layer.

Encoding (AutoGenome's): for each layer its width's index, then one skip bit per earlier layer; three layers give
``[3 0 1 2 1 1]``. With `screens` there is one more integer in front: how many features are kept; with `sharpness`: how
sharply all of them are weighed by their score. The same chain with operations in place of widths is the macro space of
Pham et al. 2018, section 2.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from enas.errors import ConfigError
from enas.search_space.architecture import Architecture
from enas.search_space.base import (
    ChooseOperation,
    ChooseSubset,
    Decision,
    Integer,
    Vocabulary,
    count_architectures,
    validate_integers,
)

MAX_LAYERS = 64


@dataclass(frozen=True, slots=True)
class DenseLayer:
    """One layer of an architecture.

    Args:
        width: number of units.
        skips: earlier layers (0-based, ascending) whose outputs are added to this one's.
    """

    width: int
    skips: tuple[int, ...]


@dataclass(frozen=True)
class DenseSpace:
    """Widths and skips of `n_layers` layers and, if asked for, what the first of them sees of the features.

    Args:
        n_layers: searched layers, 1 to MAX_LAYERS.
        widths: the widths that a layer may have, distinct.
        screens: the numbers of features that may be kept, distinct (None = all); empty: no such choice.
        sharpness: the powers of a feature's score that it may be weighed by, distinct (0 = all alike); in place of
            `screens`.

    Raises:
        ConfigError: one of these is out of range.

    Example:
        >>> space = DenseSpace(3, widths=(32, 64, 128, 256, 512))
        >>> space.layers(Architecture.from_text("[3 0 1 2 1 1]"))[2]
        DenseLayer(width=128, skips=(0, 1))
    """

    n_layers: int
    widths: tuple[int, ...]
    screens: tuple[int | None, ...] = ()
    sharpness: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.n_layers <= MAX_LAYERS:
            raise ConfigError(f"a dense space has 1 to {MAX_LAYERS} layers, not n_layers={self.n_layers}")
        _check_options("widths", self.widths)
        if not self.widths:
            raise ConfigError("a dense space needs at least one width")
        _check_options("screens", self.screens)
        _check_options("sharpness", self.sharpness, least=0)
        if self.screens and self.sharpness:
            raise ConfigError("a dense space has screens or sharpness, not both")

    @cached_property
    def integers(self) -> tuple[Integer, ...]:
        """The encoding: [screen or sharpness,] width, then for each further layer its width and its skip bits."""
        what = "the number of features" if self.screens else "the weighing of features"
        entries = [Integer(what, self.n_stems, self._stem_reason())] if self._has_choice else []
        widths = ", ".join(f"{index} = {width} units" for index, width in enumerate(self.widths))
        for layer in range(self.n_layers):
            entries.append(Integer(f"the width of layer {layer + 1}", len(self.widths), widths))
            for earlier in range(layer):
                meaning = f"the skip from layer {earlier + 1} to layer {layer + 1}"
                entries.append(Integer(meaning, 2, "0 = no, 1 = yes"))
        return tuple(entries)

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """Per layer the width, then the subset of earlier layers; the screen or sharpness, if any, first of all."""
        width = Vocabulary("width", len(self.widths))
        decisions: list[Decision] = []
        if self._has_choice:
            decisions.append(ChooseOperation(0, Vocabulary("screen", self.n_stems)))
        for layer, start in enumerate(self._starts()):
            decisions.append(ChooseOperation(start, width))
            decisions.append(ChooseSubset(tuple(range(start + 1, start + 1 + layer))))
        return tuple(decisions)

    @property
    def n_stems(self) -> int:
        """How many ways there are to see the features."""
        return max(1, len(self.screens), len(self.sharpness))

    @property
    def n_architectures(self) -> int:
        """How many architectures there are."""
        return count_architectures(self.integers)

    def validate(self, architecture: Architecture) -> None:
        """Raise ConfigError, naming the integer, if the architecture is not of this space."""
        validate_integers(architecture, self.integers)

    def screen(self, architecture: Architecture) -> int | None:
        """Index into `screens` or `sharpness`; None where the space has neither."""
        return architecture.values[0] if self._has_choice else None

    def layers(self, architecture: Architecture) -> tuple[DenseLayer, ...]:
        """The layers, first to last."""
        values = architecture.values
        return tuple(
            DenseLayer(
                width=self.widths[values[start]],
                skips=tuple(earlier for earlier in range(layer) if values[start + 1 + earlier]),
            )
            for layer, start in enumerate(self._starts())
        )

    def prefixes(self, architecture: Architecture) -> tuple[tuple[int, ...], ...]:
        """The beginnings of the encoding that determine the first layer and each searched one.

        Example:
            >>> DenseSpace(2, widths=(32, 64), screens=(500, None)).prefixes(Architecture.from_text("0 1 0 1"))
            ((0,), (0, 1), (0, 1, 0, 1))
        """
        starts = list(self._starts())
        return tuple(architecture.values[:end] for end in (*starts, len(architecture.values)))

    def describe(self, architecture: Architecture) -> str:
        """The architecture in words; layers count from 1.

        Example:
            >>> space = DenseSpace(3, widths=(32, 64, 128), screens=(500, None))
            >>> space.describe(Architecture.from_text("0 2 1 0 0 1 0"))
            '500 features → 128 → 64 → 32 (+ layer 1)'
        """
        parts = [_describe_layer(layer) for layer in self.layers(architecture)]
        screen = self.screen(architecture)
        return " → ".join(parts if screen is None else [self._describe_stem(screen), *parts])

    def _starts(self) -> Iterator[int]:
        """Position of each layer's width in the encoding."""
        first = 1 if self._has_choice else 0
        return (first + layer * (layer + 1) // 2 for layer in range(self.n_layers))

    @property
    def _has_choice(self) -> bool:
        return bool(self.screens or self.sharpness)

    def _stem_reason(self) -> str:
        return ", ".join(f"{index} = {self._describe_stem(index)}" for index in range(self.n_stems))

    def _describe_stem(self, index: int) -> str:
        if self.screens:
            return _describe_screen(self.screens[index])
        power = self.sharpness[index]
        return f"all features{f' by score^{power}' if power else ''}"


def standard_widths(maximum: int) -> tuple[int, ...]:
    """The five widths of this project: W/16, W/8, W/4, W/2, W.

    Raises:
        ConfigError: W is below 16.

    Example:
        >>> standard_widths(512)
        (32, 64, 128, 256, 512)
    """
    if maximum < 16:
        raise ConfigError(f"max_search_channel is {maximum}; it must be at least 16, as the narrowest layer is W/16")
    return tuple(maximum // divisor for divisor in (16, 8, 4, 2, 1))


def _check_options(name: str, options: tuple[int | None, ...], *, least: int = 1) -> None:
    if any(option is not None and option < least for option in options) or len(set(options)) < len(options):
        raise ConfigError(f"{name} of a dense space must be {least} or more and distinct, not {options}")


def _describe_screen(screen: int | None) -> str:
    return "all features" if screen is None else f"{screen} features"


def _describe_layer(layer: DenseLayer) -> str:
    if not layer.skips:
        return str(layer.width)
    names = ", ".join(str(earlier + 1) for earlier in layer.skips)
    return f"{layer.width} (+ layer{'s' if len(layer.skips) > 1 else ''} {names})"
