"""Architectures as text and JSON: a valid one, or one ConfigError that says which integer is wrong."""

import os
import random
import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enas.errors import ConfigError
from enas.search_space import Architecture, DenseSpace, MicroSpace, SearchSpace

N_CASES = int(os.environ.get("ENAS_FUZZ_CASES", "300"))
LONGEST_MESSAGE = 500
DENSE = DenseSpace(3, (32, 64, 128), screens=(10, None))
MICRO = MicroSpace(2)
AUTHORS = "0 0 1 3 2 1 0 4 1 2 0 1 1 4 2 0"

REFUSED = {
    "empty": ("", "needs at least one integer"),
    "brackets": ("[]", "needs at least one integer"),
    "commas": (",,,", "needs at least one integer"),
    "half a bracket": ("[3 0", "integer 1 is '[3'"),
    "the other half": ("3 0]", "integer 2 is '0]'"),
    "two lists": ("[1][2]", "integer 1 is '1][2'"),
    "two brackets": ("[[1]]", "integer 1 is '[1]'"),
    "round brackets": ("(1, 2)", "integer 1 is '(1'"),
    "minus": ("1 -2", "integer 2 is '-2'"),
    "plus": ("1 +2", "integer 2 is '+2'"),
    "float": ("1 2 3.5", "integer 3 is '3.5'"),
    "power": ("1 1e3", "integer 2 is '1e3'"),
    "underscore": ("1_000", "integer 1 is '1_000'"),
    "hexadecimal": ("0x10", "integer 1 is '0x10'"),
    "semicolon": ("1;2", "integer 1 is '1;2'"),
    "not a number": ("nan", "integer 1 is 'nan'"),
    "Arabic digits": ("1 \u0663", "integer 2 is '\u0663'"),
    "superscript": ("1 ²", "integer 2 is '²'"),
    "full width": ("１", "integer 1 is '１'"),
    "a blank that does not break": ("1\u00a02", r"integer 1 is '1\xa02'"),
    "null character": ("1 2\0", r"integer 2 is '2\x00'"),
    "half a surrogate pair": ("\ud800", r"integer 1 is '\ud800'"),
    "nothing printable": ("\U000e0001" * 1000, r"integer 1 is '\U000e0001\U000e0001"),
    "ten digits": ("1 1000000000", "integer 2 is '1000000000'"),
    "10,000 digits": ("1 2 " + "9" * 10_000, "integer 3 is '99999"),
    "10,000 zeros": ("0" * 10_000, "integer 1 is '00000"),
    "1 MB of blanks": (" " * 1_000_000 + "x", "integer 1 is 'x'"),
    "1 MB of blanks inside": ("1" + " " * 1_000_000 + "x", "integer 2 is 'x'"),
    "1 MB of brackets": ("[" * 500_000 + "]" * 500_000, "integer 1 is '[[[["),
    "1 MB of commas": ("1" + "," * 1_000_000 + "]", "integer 2 is ']'"),
}


@pytest.mark.parametrize(("text", "problem"), REFUSED.values(), ids=REFUSED)
def test_refused_text(text: str, problem: str) -> None:
    start = time.monotonic()
    for read in (Architecture.from_text, Architecture.from_json):
        with pytest.raises(ConfigError, match="architecture") as caught:
            read(text)
        assert problem in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < LONGEST_MESSAGE
    assert time.monotonic() - start < 2


READ = {
    "brackets": ("[3 0 1]", (3, 0, 1)),
    "commas": ("3,0,1", (3, 0, 1)),
    "both": (" [ 3, 0,, 1, ]\r\n", (3, 0, 1)),
    "leading zeros": ("003 000", (3, 0)),
    "nine digits": ("999999999", (999_999_999,)),
}


@pytest.mark.parametrize(("text", "values"), READ.values(), ids=READ)
def test_read_text(text: str, values: tuple[int, ...]) -> None:
    assert Architecture.from_text(text).values == values


ITSELF: list[object] = [1]
ITSELF.append(ITSELF)
REFUSED_JSON: dict[str, tuple[object, str]] = {
    "nothing": (None, "None is not an architecture; it must be a list of integers"),
    "a number": (3, "3 is not an architecture"),
    "a huge number": (10**5000, "a number of 16610 bits is not an architecture"),
    "an object": ({"values": [1]}, "a dict of 1 is not an architecture"),
    "an object with a huge number": ({"a": 10**5000}, "a dict of 1 is not an architecture"),
    "an empty list": ([], "needs at least one integer"),
    "text inside": ([1, "2"], "integer 2 of an architecture is '2'"),
    "a float inside": ([1, 2.0], "integer 2 of an architecture is 2.0"),
    "true inside": ([True], "integer 1 of an architecture is True"),
    "null inside": ([0, None], "integer 2 of an architecture is None"),
    "a list inside": ([[1, 2]], "integer 1 of an architecture is a list of 2"),
    "itself inside": (ITSELF, "integer 2 of an architecture is a list of 2"),
    "negative": ([0, -1], "integer 2 of an architecture is -1; it must be an integer from 0 to 999,999,999"),
    "huge": ([0, 0, 10**5000], "integer 3 of an architecture is a number of 16610 bits"),
    "huge and negative": ([-(10**5000)], "integer 1 of an architecture is a number of 16610 bits"),
    "not a number inside": ([float("nan")], "integer 1 of an architecture is nan"),
    "endless text inside": (["x" * 10**6], "integer 1 of an architecture is 'xxx"),
}


@pytest.mark.parametrize(("value", "problem"), REFUSED_JSON.values(), ids=REFUSED_JSON)
def test_refused_json(value: object, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Architecture.from_json(value)
    assert problem in str(caught.value)
    assert len(str(caught.value)) < LONGEST_MESSAGE


@pytest.mark.parametrize(
    ("space", "text", "problem"),
    [
        (DENSE, "1 2 0 1 2 1", "architecture [1 2 0 1 2 1] has 6 integers, but this search space needs 7"),
        (DENSE, "2 2 0 1 2 1 1", "integer 1 of architecture [2 2 0 1 2 1 1] is 2, but the number of features must be"),
        (DENSE, "1 2 0 3 2 1 1", "integer 4 of architecture [1 2 0 3 2 1 1] is 3, but the skip from layer 1"),
        (MICRO, f"9{AUTHORS[1:]}", "integer 1 of architecture [9 0"),
        (MICRO, f"{AUTHORS[:-1]}999999999", "integer 16 of architecture [0 0"),
        (MICRO, "1 " * 400_000, "has 400000 integers, but this search space needs 16"),
    ],
    ids=["short", "screen", "skip", "input", "operation", "long"],
)
def test_refused_by_the_space(space: SearchSpace, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        space.validate(Architecture.from_text(text))
    assert problem in str(caught.value)
    assert len(str(caught.value)) < LONGEST_MESSAGE


@pytest.mark.parametrize("n", [0, -1, 10**9, 10**30])
def test_a_space_of_absurd_size_is_refused(n: int) -> None:
    with pytest.raises(ConfigError, match="1 to 64 layers, not n_layers="):
        DenseSpace(n, (8,))
    with pytest.raises(ConfigError, match="1 to 16 nodes, not n_nodes="):
        MicroSpace(n)


TEXTS = st.one_of(
    st.text(max_size=30),
    st.text(alphabet="0123456789 ,[]", max_size=60),
    st.lists(st.integers(0, 5), max_size=20).map(lambda values: " ".join(map(str, values))),
    st.from_regex(r"\A\s*\[?\s*\d+([\s,]+[+-]?\d+)*\s*\]?\s*\Z"),
)
VALUES = st.one_of(
    st.lists(st.integers() | st.integers(0, 5), max_size=20),
    st.lists(st.integers() | st.floats() | st.text(max_size=3) | st.none() | st.booleans(), max_size=6),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.binary(max_size=3),
    TEXTS,
)
HYPOTHESIS = settings(
    max_examples=N_CASES // 2,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@HYPOTHESIS
@given(value=VALUES)
def test_any_value(value: object) -> None:
    check(value)


def test_mutated_text() -> None:
    generator = random.Random(0)
    parts = [*"0123456789 ,[]-+._eExX\t\n\0\u0663\u2003\ud800", "99999999999", "  ", "[]"]
    n_read = 0
    for _ in range(N_CASES // 2):
        text = generator.choice([AUTHORS, "1 2 0 1 2 1 1", "[3,0,1]"])
        for _ in range(generator.randint(0, 4)):
            i = generator.randrange(len(text) + 1)
            text = text[:i] + generator.choice(parts) + text[i + generator.randint(0, 2) :]
        n_read += check(text)
    assert 0 < n_read < N_CASES // 2


def check(value: object) -> bool:
    """Whether it was read; then it is what the text says, and the spaces take it or name what they refuse."""
    try:
        architecture = Architecture.from_json(value)
    except ConfigError as error:
        check_message(str(error), r"integer \d+ |is not an architecture|needs at least one integer")
        return False
    assert Architecture.from_text(str(architecture)) == architecture
    numbers = re.findall(r"\d+", value, re.ASCII) if isinstance(value, str) else value
    assert architecture.values == tuple(map(int, numbers))  # type: ignore[call-overload]
    for space in (DENSE, MICRO):
        try:
            space.validate(architecture)
        except ConfigError as error:
            check_message(str(error), r"integer \d+ of|has \d+ integers, but this search space needs")
        else:
            assert space.describe(architecture)
    return True


def check_message(message: str, pattern: str) -> None:
    assert re.search(pattern, message)
    assert len(message) < LONGEST_MESSAGE
