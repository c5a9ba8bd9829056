"""What only the controller promises: probabilities and entropies that are what they say."""

from itertools import product
from math import log

import pytest
import torch

from enas.controller import Controller, Sample
from enas.search_space import Architecture, DenseSpace, MicroSpace, SearchSpace

TINY: dict[str, SearchSpace] = {
    "dense": DenseSpace(3, widths=(8, 16)),
    "screens": DenseSpace(2, widths=(8, 16, 32), screens=(10, 50, None)),
    "micro": MicroSpace(n_nodes=1),
}


@pytest.fixture(params=list(TINY))
def space(request: pytest.FixtureRequest) -> SearchSpace:
    return TINY[request.param]


def make_controller(space: SearchSpace, temperature: float | None = None) -> Controller:
    """A controller with strong opinions, in double precision."""
    controller = Controller(
        space, tanh_constant=1.5, temperature=temperature, generator=torch.Generator().manual_seed(0)
    ).double()
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.mul_(8)
    return controller


def every_architecture(space: SearchSpace) -> list[Architecture]:
    return [Architecture(values) for values in product(*(range(i.n_options) for i in space.integers))]


def evaluate_all(controller: Controller) -> Sample:
    with torch.no_grad():
        return controller.evaluate(every_architecture(controller.space))


def test_probabilities_of_all_architectures_sum_to_one(space: SearchSpace) -> None:
    sample = evaluate_all(make_controller(space))
    assert len(sample.log_prob) == space.n_architectures
    assert float(sample.log_prob.exp().sum()) == pytest.approx(1, abs=1e-10)
    assert float(sample.log_prob.std()) > 0.1


def test_the_mean_entropy_of_the_decisions_is_the_entropy_over_all_architectures(space: SearchSpace) -> None:
    sample = evaluate_all(make_controller(space))
    p = sample.log_prob.exp()
    assert float((p * sample.entropy).sum()) == pytest.approx(float(-(p * sample.log_prob).sum()), rel=1e-10)


def test_samples_come_as_often_as_their_probability_says() -> None:
    controller = make_controller(DenseSpace(2, widths=(8, 16)))
    expected = evaluate_all(controller).log_prob.exp()
    with torch.no_grad():
        integers = controller.sample(20_000, torch.Generator().manual_seed(0)).integers
    index = (integers * torch.tensor([4, 2, 1])).sum(dim=1)
    share = torch.bincount(index, minlength=8).double() / len(index)
    torch.testing.assert_close(share, expected, rtol=0, atol=0.01)  # three standard errors


def test_an_architecture_is_scored_alike_alone_and_in_a_batch(space: SearchSpace) -> None:
    controller = make_controller(space)
    architectures = every_architecture(space)[:5]
    together = controller.evaluate(architectures).log_prob
    alone = torch.cat([controller.evaluate([architecture]).log_prob for architecture in architectures])
    torch.testing.assert_close(together, alone)


def test_the_first_decision_is_nearly_uniform_before_training() -> None:
    controller = Controller(
        DenseSpace(1, widths=(8, 16)), tanh_constant=1.5, generator=torch.Generator().manual_seed(0)
    )
    sample = evaluate_all(controller)
    assert sample.log_prob.tolist() == pytest.approx([-log(2)] * 2, abs=0.01)
    assert sample.skip_penalty.tolist() == [0, 0]


def test_a_high_temperature_makes_the_policy_uniform(space: SearchSpace) -> None:
    if isinstance(space, MicroSpace):
        space = MicroSpace(1, normal_bias=0)  # added after the division
    sample = evaluate_all(make_controller(space, temperature=1e6))
    assert sample.log_prob.tolist() == pytest.approx([-log(space.n_architectures)] * len(sample.log_prob), abs=1e-3)


def test_the_squashing_bounds_the_odds() -> None:
    controller = make_controller(DenseSpace(1, widths=(8, 16)))
    with torch.no_grad():
        controller.softmax["width"].copy_(torch.tensor([[1e3, -1e3]]).expand(64, 2))
    odds = evaluate_all(controller).log_prob.diff().abs()
    assert float(odds) == pytest.approx(2 * 1.5, abs=1e-3)


def test_the_initial_weights_are_uniform_in_a_tenth() -> None:
    controller = Controller(MicroSpace(2), tanh_constant=1.1, generator=torch.Generator().manual_seed(0))
    weights = torch.cat([p.detach().flatten() for n, p in controller.named_parameters() if not n.startswith("bias")])
    assert float(weights.abs().max()) == pytest.approx(0.1, rel=1e-3)
    assert float(weights.std()) == pytest.approx(0.1 / 3**0.5, rel=0.02)
    assert controller.bias["operation"].tolist() == [[10, 10, 0, 0, 0]]


def test_a_bias_of_ten_leaves_the_convolutions_no_gradient() -> None:
    """Why `MicroSpace.convolution_bias` can be chosen."""
    gradients = []
    for bias in (10.0, 0.0):
        controller = Controller(
            MicroSpace(1, convolution_bias=bias), tanh_constant=1.1, generator=torch.Generator().manual_seed(0)
        )
        controller.evaluate([Architecture.from_text("0 0 0 1 0 2 0 3")]).log_prob.sum().backward()
        gradients.append(controller.bias["operation"].grad[0, :2].abs().max().item())
    assert gradients[0] == 0
    assert gradients[1] > 0.01
