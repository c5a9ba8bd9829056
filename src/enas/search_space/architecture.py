"""An architecture: one point of a search space, as plain data apart from any network."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from enas.errors import ConfigError


@dataclass(frozen=True, slots=True, order=True)
class Architecture:
    """A short sequence of integers, hashable and immutable; what each one means is its search space's affair.

    Args:
        values: non-negative integers, in the order of the space's encoding.

    Raises:
        ConfigError: a value is not a non-negative integer, or there is none.

    Example:
        >>> str(Architecture((3, 0, 1, 2, 1, 1)))
        '[3 0 1 2 1 1]'
    """

    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ConfigError("an architecture needs at least one integer, but this one is empty")
        for position, value in enumerate(self.values, start=1):
            if type(value) is not int or value < 0:
                raise ConfigError(
                    f"integer {position} of an architecture is {value!r}; it must be an integer from 0 up"
                )

    def __str__(self) -> str:
        """The text of AutoGenome's logs."""
        return f"[{' '.join(map(str, self.values))}]"

    @classmethod
    def from_text(cls, text: str) -> "Architecture":
        """Read the integers from text, between brackets or not, separated by spaces or commas.

        Raises:
            ConfigError: the text is anything else.

        Example:
            >>> Architecture.from_text("3,0,1") == Architecture.from_text("[3 0 1]")
            True
        """
        body = re.fullmatch(r"\s*(?:\[([\d\s,]*)\]|([\d\s,]*))\s*", text, flags=re.ASCII)
        if body is None:
            raise ConfigError(f"{text!r} is not an architecture; write integers such as '[3 0 1 2 1 1]' or '3,0,1'")
        return cls(tuple(int(number) for number in re.split(r"[\s,]+", body[1] or body[2] or "") if number))

    @classmethod
    def from_json(cls, value: object) -> "Architecture":
        """Read what `to_json` gave, a list of integers; a string is read as text.

        Raises:
            ConfigError: the value is anything else.
        """
        if isinstance(value, str):
            return cls.from_text(value)
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{value!r} is not an architecture; it must be a list of integers")
        return cls(tuple(value))

    def to_json(self) -> list[int]:
        """The integers as a JSON value."""
        return list(self.values)

    @classmethod
    def from_integers(cls, integers: Iterable[int]) -> "Architecture":
        """Take the integers from any sequence of numbers, such as a row of an array."""
        return cls(tuple(int(value) for value in integers))
