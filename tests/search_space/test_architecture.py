import pytest
from hypothesis import given
from hypothesis import strategies as st

from enas.errors import ConfigError
from enas.search_space import Architecture


@given(st.lists(st.integers(min_value=0, max_value=10**6), min_size=1))
def test_text_and_json_round_trip(values: list[int]) -> None:
    architecture = Architecture(tuple(values))
    assert Architecture.from_text(str(architecture)) == architecture
    assert Architecture.from_json(architecture.to_json()) == architecture


@pytest.mark.parametrize("text", ["[3 0 1 2 1 1]", "3 0 1 2 1 1", "3,0,1,2,1,1", " [3, 0, 1, 2, 1, 1]\n"])
def test_reads_the_usual_ways_of_writing(text: str) -> None:
    assert str(Architecture.from_text(text)) == "[3 0 1 2 1 1]"


@pytest.mark.parametrize("text", ["[3 0", "3 x", "3.5", "-1 2", "", "[]", "[1][2]"])
def test_refuses_other_text(text: str) -> None:
    with pytest.raises(ConfigError, match="architecture"):
        Architecture.from_text(text)


@pytest.mark.parametrize("value", [None, 3, {"values": [1]}, [1, "2"], [1, 2.0], [True], [-1]])
def test_refuses_other_json(value: object) -> None:
    with pytest.raises(ConfigError, match="architecture"):
        Architecture.from_json(value)


def test_names_the_integer_that_is_wrong() -> None:
    with pytest.raises(ConfigError, match="integer 2 of an architecture is -4"):
        Architecture((0, -4))


def test_equal_architectures_are_one_key() -> None:
    assert len({Architecture((1, 2)), Architecture((1, 2)), Architecture((2, 1))}) == 2
