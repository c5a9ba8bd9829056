import pytest

from enas.errors import ConfigError
from enas.search_space import Architecture, MicroSpace
from enas.search_space.base import ChooseEarlier, ChooseOperation
from enas.search_space.micro import Branch

AUTHORS = "0 2 0 0 0 4 0 1 0 4 1 1 1 0 0 1 0 2 1 1 1 0 1 0 0 3 0 2 1 1 3 1 1 0 0 4 0 3 1 1"
SPACE = MicroSpace(n_nodes=5)


def test_reads_the_authors_cells() -> None:
    architecture = Architecture.from_text(AUTHORS)
    SPACE.validate(architecture)
    normal, reduction = SPACE.cells(architecture)
    assert len(normal) == len(reduction) == 5
    assert normal[0] == (Branch(source=0, operation=2), Branch(source=0, operation=0))
    assert reduction[2] == (Branch(source=1, operation=1), Branch(source=3, operation=1))


def test_samples_both_inputs_of_a_node_before_its_operations() -> None:
    positions = [d.position for d in SPACE.decisions if isinstance(d, ChooseEarlier | ChooseOperation)]
    assert positions[:8] == [0, 2, 1, 3, 4, 6, 5, 7]
    assert sorted(positions) == list(range(40))


def test_only_the_normal_cell_has_a_fixed_bias() -> None:
    biases = [d.fixed_bias for d in SPACE.decisions if isinstance(d, ChooseOperation)]
    assert biases == [(0.25, 0.25, -0.25, -0.25, -0.25)] * 10 + [None] * 10


def test_a_node_may_read_what_stands_before_it() -> None:
    inputs = [integer.n_options for integer in SPACE.integers[::2]]
    assert inputs == [2, 2, 3, 3, 4, 4, 5, 5, 6, 6] * 2
    values = Architecture.from_text(AUTHORS).values
    with pytest.raises(ConfigError, match=r"integer 21 .* is 2, but input 1 of node 0 of the reduction cell must be"):
        SPACE.validate(Architecture((*values[:20], 2, *values[21:])))


def test_needs_a_node() -> None:
    with pytest.raises(ConfigError, match="n_nodes=0"):
        MicroSpace(0)
