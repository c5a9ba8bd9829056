"""What every search space promises, with the controller that walks it. A new space joins by one line in CASES."""

from dataclasses import dataclass, field

import pytest
import torch

from enas.controller import Controller
from enas.errors import ConfigError
from enas.reinforce import advantages, make_optimizer, policy_loss
from enas.search_space import Architecture, DenseSpace, MicroSpace, SearchSpace
from enas.search_space.base import ChooseEarlier, ChooseOperation, ChooseSubset, CloseNode, OpenCell


@dataclass(frozen=True, slots=True)
class Case:
    """A space, what is planted in it for the controller to find, in how many steps, and how the controller is set."""

    space: SearchSpace
    planted: str
    n_steps: int = 200
    settings: dict[str, float] = field(default_factory=lambda: {"tanh_constant": 1.5})


WIDTHS = (32, 64, 128, 256, 512)
MICRO_SETTINGS = {"tanh_constant": 1.10, "op_tanh_reduce": 2.5}
CASES = {
    "dense": Case(DenseSpace(3, WIDTHS), "3 0 1 2 1 0"),
    "dense with screens": Case(DenseSpace(3, WIDTHS, screens=(10, 50, 500, None)), "1 4 0 1 2 0 1"),
    "macro": Case(DenseSpace(6, widths=(1, 2, 3, 4, 5, 6)), "5 1 1 0 0 1 2 0 0 1 3 0 0 0 1 4 0 0 0 0 1", n_steps=350),
    "micro": Case(MicroSpace(5), " ".join(["1 2 0 4"] * 10), settings=MICRO_SETTINGS),
    # Without the biases, which hide from the controller how one convolution differs from the other; and nothing planted
    # asks for one cell input rather than both: their keys are too much alike to be told apart soon.
    "small micro": Case(
        MicroSpace(2, convolution_bias=0, normal_bias=0),
        "0 2 0 4 2 1 2 3 0 0 0 1 2 4 2 2",
        n_steps=400,
        settings={"tanh_constant": 2.5},
    ),
}
LEARNABLE = [name for name in CASES if name != "micro"]


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def controller(case: Case) -> Controller:
    return make_controller(case, seed=1)


def make_controller(case: Case, seed: int) -> Controller:
    return Controller(case.space, generator=torch.Generator().manual_seed(seed), **case.settings)  # type: ignore[arg-type]


def test_the_decisions_fill_every_integer_once_with_as_many_options_as_the_encoding_says(case: Case) -> None:
    n_options: dict[int, int] = {}
    n_anchors = 0
    for decision in case.space.decisions:
        match decision:
            case ChooseOperation(position, vocabulary):
                assert position not in n_options
                n_options[position] = vocabulary.n_options
            case ChooseEarlier(position):
                assert position not in n_options
                n_options[position] = n_anchors
            case ChooseSubset(positions):
                assert not n_options.keys() & set(positions)
                assert len(positions) == n_anchors
                n_options.update(dict.fromkeys(positions, 2))
                n_anchors += 1
            case CloseNode():
                n_anchors += 1
            case OpenCell(n_inputs):
                n_anchors = n_inputs
    assert [n_options[position] for position in range(len(n_options))] == [i.n_options for i in case.space.integers]


def test_samples_are_valid_and_describable(case: Case, controller: Controller) -> None:
    with torch.no_grad():
        sample = controller.sample(100, torch.Generator().manual_seed(0))
    for architecture in sample.architectures:
        case.space.validate(architecture)
        assert case.space.describe(architecture)
        assert Architecture.from_text(str(architecture)) == architecture


def test_every_value_of_every_integer_is_sampled(case: Case, controller: Controller) -> None:
    with torch.no_grad():
        integers = controller.sample(2000, torch.Generator().manual_seed(0)).integers
    assert [len(column.unique()) for column in integers.T] == [i.n_options for i in case.space.integers]


def test_evaluating_a_sample_gives_its_numbers(controller: Controller) -> None:
    sample = controller.sample(20, torch.Generator().manual_seed(0))
    again = controller.evaluate(sample.architectures)
    torch.testing.assert_close(again.log_prob, sample.log_prob, rtol=1e-6, atol=0)
    torch.testing.assert_close(again.entropy, sample.entropy, rtol=1e-6, atol=0)
    torch.testing.assert_close(again.skip_penalty, sample.skip_penalty, rtol=1e-6, atol=0)
    assert again.log_prob.requires_grad
    assert sample.log_prob.requires_grad


def test_the_same_seed_gives_the_same_samples_to_the_bit(case: Case) -> None:
    first, second = (make_controller(case, seed=3).sample(10, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(first.integers, second.integers)
    assert torch.equal(first.log_prob, second.log_prob)
    other = make_controller(case, seed=3).sample(10, torch.Generator().manual_seed(5))
    assert not torch.equal(first.integers, other.integers)


def test_every_integer_out_of_range_is_refused_with_its_position_and_value(case: Case) -> None:
    for position, integer in enumerate(case.space.integers):
        values = [0] * len(case.space.integers)
        values[position] = integer.n_options
        with pytest.raises(
            ConfigError, match=f"integer {position + 1} of .* is {integer.n_options}, but {integer.meaning} "
        ):
            case.space.validate(Architecture(tuple(values)))


def test_the_controller_refuses_what_the_space_refuses(case: Case, controller: Controller) -> None:
    with pytest.raises(ConfigError, match="integers, but this search space needs"):
        controller.evaluate([Architecture((0,) * (len(case.space.integers) + 1))])


@pytest.mark.parametrize("name", LEARNABLE)
def test_the_controller_finds_a_planted_architecture(name: str) -> None:
    """Toy reward: the share of integers that match. At the end no change of one integer is more probable."""
    case = CASES[name]
    planted = Architecture.from_text(case.planted)
    controller = make_controller(case, seed=0)
    train(controller, planted, case.n_steps)
    with torch.no_grad():
        log_prob = controller.evaluate([planted, *neighbours(planted, case.space)]).log_prob
    assert (log_prob[0] > log_prob[1:]).all()


def train(controller: Controller, planted: Architecture, n_steps: int) -> None:
    generator = torch.Generator().manual_seed(100)
    optimizer = make_optimizer(controller, lr=0.005)
    goal = torch.tensor(planted.values)
    entropy_weight = 0.35 / len(goal)  # a good decision earns 1 / len(goal)
    baseline = 0.0
    for _ in range(n_steps):
        sample = controller.sample(40, generator)
        rewards = (sample.integers == goal).double().mean(dim=1).tolist()
        advantage, baseline = advantages(rewards, baseline, decay=0.95)
        optimizer.zero_grad()
        policy_loss(sample, advantage, entropy_weight=entropy_weight).backward()
        optimizer.step()


def neighbours(architecture: Architecture, space: SearchSpace) -> list[Architecture]:
    """All architectures that differ in one integer."""
    values = architecture.values
    return [
        Architecture((*values[:position], value, *values[position + 1 :]))
        for position, integer in enumerate(space.integers)
        for value in range(integer.n_options)
        if value != values[position]
    ]
