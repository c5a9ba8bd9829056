"""Names and numbers as the page shows them."""

import math

from markupsafe import Markup

from enas.printable import printable

LONGEST = 120
"""Characters of a name; what is longer loses its middle."""

_GUARDED = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def shown(name: object) -> str:
    """A name out of data: what rules a line or its direction is spelt out, and it is never endless.

    >>> shown("a\\nb"), len(shown("x" * 999))
    ('a\\\\nb', 120)
    """
    text = printable(str(name))
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[1 - LONGEST // 2 :]}"


def unguarded(cell: str) -> str:
    """A name from one of our CSV files, without the apostrophe that kept a spreadsheet from running it.

    >>> unguarded("'=cmd()"), unguarded("'quoted'")
    ('=cmd()', "'quoted'")
    """
    return cell[1:] if cell[:1] == "'" and cell[1:2] in _GUARDED else cell


def fixed(value: object) -> str:
    """A metric or a score with three decimals.

    >>> fixed(0.97149), fixed(-12.5), fixed(1234.5678), fixed(0.00012), fixed(None)
    ('0.971', '−12.500', '1,235', '1.20e−4', 'undefined')
    """
    if not is_number(value):
        return "undefined"
    assert isinstance(value, int | float)
    size = abs(value)
    if size >= 1000:
        text = f"{value:,.0f}" if size < 1e7 else _power(f"{value:.3e}")
    else:
        text = f"{value:.3f}" if size >= 0.001 or size == 0 else _power(f"{value:.2e}")
    return text.replace("-", "−")


def compact(value: float) -> str:
    """A number at an axis.

    >>> compact(0.25), compact(-3.0), compact(25000.0), compact(0.00002)
    ('0.25', '−3', '25,000', '2e−5')
    """
    if value and not 1e-4 <= abs(value) < 1e6:
        return _power(f"{value:.3g}").replace("-", "−")
    return f"{value:,.10g}".replace("-", "−")


def estimate(one: object) -> Markup:
    """``{value, low, high}`` as a value with its interval.

    >>> estimate({"value": 1.0, "low": 0.963, "high": 1.0})
    Markup('1.000 <span class="interval">[0.963, 1.000]</span>')
    """
    if not isinstance(one, dict) or not is_number(one.get("value")):
        return Markup("undefined")
    limits = [one.get("low"), one.get("high")]
    if not all(map(is_number, limits)):
        return Markup(fixed(one["value"]))
    interval = Markup('<span class="interval">[{}, {}]</span>').format(*map(fixed, limits))
    return Markup("{} {}").format(fixed(one["value"]), interval)


def is_number(value: object) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _power(text: str) -> str:
    digits, _, exponent = text.partition("e")
    return f"{digits}e{int(exponent)}" if exponent else digits
