"""An architecture: one point of a search space, as plain data apart from any network."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from enas.errors import ConfigError

LARGEST = 999_999_999
_BLANKS = " \t\n\r\f\v"


@dataclass(frozen=True, slots=True, order=True)
class Architecture:
    """A short sequence of integers, hashable and immutable; what each one means is its search space's affair.

    Args:
        values: integers from 0 to LARGEST, in the order of the space's encoding.

    Raises:
        ConfigError: a value is anything else, or there is none.

    Example:
        >>> str(Architecture((3, 0, 1, 2, 1, 1)))
        '[3 0 1 2 1 1]'
    """

    values: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ConfigError("an architecture needs at least one integer, but this one is empty")
        for position, value in enumerate(self.values, start=1):
            if type(value) is not int or not 0 <= value <= LARGEST:
                raise ConfigError(
                    f"integer {position} of an architecture is {_show(value)}; "
                    f"it must be an integer from 0 to {LARGEST:,}"
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
        body = text.strip(_BLANKS)
        body = body[1:-1] if body.startswith("[") and body.endswith("]") else body
        parts = [part for part in re.split(rf"[{_BLANKS},]+", body) if part]
        for position, part in enumerate(parts, start=1):
            if not (part.isascii() and part.isdigit() and len(part) <= len(str(LARGEST))):
                raise ConfigError(
                    f"{_show(text)} is not an architecture: integer {position} is {_show(part)}; "
                    "write integers such as '[3 0 1 2 1 1]' or '3,0,1'"
                )
        return cls(tuple(map(int, parts)))

    @classmethod
    def from_json(cls, value: object) -> "Architecture":
        """Read what `to_json` gave, a list of integers; a string is read as text.

        Raises:
            ConfigError: the value is anything else.
        """
        if isinstance(value, str):
            return cls.from_text(value)
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{_show(value)} is not an architecture; it must be a list of integers")
        return cls(tuple(value))

    def to_json(self) -> list[int]:
        """The integers as a JSON value."""
        return list(self.values)

    @classmethod
    def from_integers(cls, integers: Iterable[int]) -> "Architecture":
        """Take the integers from any sequence of numbers, such as a row of an array."""
        return cls(tuple(int(value) for value in integers))


def _show(value: object) -> str:
    """The value for a message: short, whatever it is (Python refuses to write integers of thousands of digits)."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, list | tuple | dict | set | frozenset):
        return f"a {type(value).__name__} of {len(value):,}"
    text = repr(value[:100]) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
