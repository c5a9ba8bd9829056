from hypothesis import given
from hypothesis import strategies as st

from enas.report.labels import LONGEST, clean, wrap


def test_endless_names_lose_their_middle() -> None:
    name = clean("a" * 300 + "z" * 300)
    assert len(name) == LONGEST
    assert name.startswith("aaa")
    assert "…" in name
    assert name.endswith("zzz")


def test_short_names_stay_whole() -> None:
    assert wrap("acute leukaemia", 3) == "acute leukaemia"
    assert wrap("a name of some twenty letters", 1) == "a name of some twenty letters"


def test_one_long_word_is_broken() -> None:
    assert wrap("x" * 48, 2) == "x" * 24 + "\n" + "x" * 24


@given(st.text(max_size=300), st.integers(1, 8))
def test_wrapping_keeps_every_letter(name: str, n_lines: int) -> None:
    text = clean(name)
    wrapped = wrap(text, n_lines)
    assert wrapped.count("\n") < n_lines
    assert wrapped.replace("\n", "").replace(" ", "") == text.replace(" ", "")
