"""The dense networks: a child with the supernet's weights is the supernet's child, exactly; networks share nothing."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from enas.networks.dense import DenseChild, DenseSupernet, activate, dense_forward, skips_of
from enas.networks.dropout import Dropout
from enas.search_space import Architecture, DenseSpace

SPACE = DenseSpace(3, (2, 4, 8, 16, 32))
SCREENED = DenseSpace(4, (3, 5, 32), (5, 7, None))


def make_supernet(space: DenseSpace, n_networks: int = 3, n_outputs: int = 4) -> DenseSupernet:
    """All weights random: a fresh head is zero and would hide differences."""
    generator = torch.Generator().manual_seed(0)
    n_inputs = tuple(screen or 9 for screen in space.screens) or (9,)
    net = DenseSupernet(space=space, n_networks=n_networks, n_inputs=n_inputs, n_outputs=n_outputs, generator=generator)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.3)
    return net


def rows_for(space: DenseSpace, architecture: Architecture, n_networks: int = 3, n: int = 6) -> Tensor:
    screen = space.screen(architecture)
    width = 9 if screen is None else space.screens[screen] or 9
    return torch.randn(n_networks, n, width, generator=torch.Generator().manual_seed(7))


def architectures(space: DenseSpace) -> st.SearchStrategy[Architecture]:
    return st.tuples(*(st.integers(0, integer.n_options - 1) for integer in space.integers)).map(Architecture)


@pytest.mark.parametrize("space", [SPACE, SCREENED], ids=["widths", "with screens"])
def test_a_child_with_the_supernets_weights_equals_the_supernet(space: DenseSpace) -> None:
    net = make_supernet(space)

    @given(architectures(space))
    def check(architecture: Architecture) -> None:
        x = rows_for(space, architecture)
        child = DenseChild(net.slices(architecture), skips_of(space, architecture))
        assert_close(child(x), net(x, architecture), rtol=0, atol=0)

    check()


@pytest.mark.parametrize("space", [SPACE, SCREENED], ids=["widths", "with screens"])
def test_remembered_prefixes_change_nothing(space: DenseSpace) -> None:
    net = make_supernet(space)
    known: dict[tuple[int, ...], list[Tensor]] = {}
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for _ in range(60):
            drawn = (int(torch.randint(i.n_options, (), generator=generator)) for i in space.integers)
            architecture = Architecture(tuple(drawn))
            x = rows_for(space, architecture)
            for _again in range(2):
                assert_close(net(x, architecture, known=known), net(x, architecture), rtol=0, atol=0)


def test_the_formula_of_the_docstring_by_hand() -> None:
    """[1 0 1] with widths 2 and 3: layer 1 (3 units) reads the first layer (3 units); layer 2 (2 units) adds it."""
    space, architecture = DenseSpace(2, (2, 3)), Architecture((1, 0, 1))
    net = make_supernet(space, n_networks=1, n_outputs=2)
    x = rows_for(space, architecture, 1)[0]
    stem = activate(x @ net.stem_weights[0][0] + net.stem_biases[0][0])
    first = activate(stem @ net.weights[0][0] + net.biases[0][0])
    second = activate(first @ net.weights[1][0][:, :2] + net.biases[1][0][:, :2])
    last = first + torch.nn.functional.pad(second, (0, 1))
    expected = last / 3**0.5 @ net.head_weight[0] + net.head_bias[0] + 10 * x @ net.shortcuts[0][0]
    assert_close(net(x[None], architecture)[0], expected)


def test_each_unit_row_is_normalised_then_cut_at_zero() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0, 6.0]])
    assert_close(activate(x), torch.tensor([[0.0, 0.0, 0.0, 3.0]]) / x.std(correction=0), rtol=1e-4, atol=1e-5)


def test_an_untrained_network_predicts_equal_probabilities() -> None:
    net = DenseSupernet(
        space=SPACE, n_networks=2, n_inputs=(9,), n_outputs=3, generator=torch.Generator().manual_seed(0)
    )
    out = net(rows_for(SPACE, Architecture((0,) * 6), 2), Architecture((4, 4, 1, 4, 1, 1)))
    assert_close(out, torch.zeros(2, 6, 3))


def test_networks_side_by_side_are_networks_alone() -> None:
    net, architecture = make_supernet(SPACE), Architecture((2, 3, 1, 1, 0, 1))
    x = rows_for(SPACE, architecture)
    together = net(x, architecture)
    for m in range(3):
        alone = {name: tensor[m : m + 1] for name, tensor in net.slices(architecture).items()}
        out = dense_forward(x[m : m + 1], alone, skips_of(SPACE, architecture))
        assert_close(out[0], together[m], rtol=1e-5, atol=1e-6)


def test_rows_do_not_depend_on_their_batch() -> None:
    net, architecture = make_supernet(SPACE), Architecture((2, 3, 1, 1, 0, 1))
    x = rows_for(SPACE, architecture)
    assert_close(net(x[:, :1], architecture), net(x, architecture)[:, :1], rtol=1e-5, atol=1e-6)


def test_a_child_holds_weights_of_its_own_size_and_copies_them() -> None:
    net, architecture = make_supernet(SPACE), Architecture((0, 2, 0, 1, 0, 0))  # widths 2, 8, 4
    child = DenseChild(net.slices(architecture), skips_of(SPACE, architecture))
    shapes = {name: tuple(tensor.shape[1:]) for name, tensor in child.tensors.items()}
    assert (shapes["weight_0"], shapes["weight_1"], shapes["weight_2"]) == ((32, 2), (2, 8), (8, 4))
    assert shapes["head_weight"] == (4, 4)
    with torch.no_grad():
        child.tensors["stem_weight"].zero_()
    assert float(net.stem_weights[0].detach().abs().sum()) > 0


def gradient_norms(net: DenseSupernet, architecture: Architecture) -> Callable[[Tensor], float]:
    net(rows_for(net.space, architecture), architecture).square().sum().backward()

    def norm(of: Tensor) -> float:
        return 0.0 if of.grad is None else float(of.grad.norm())

    return norm


def test_a_gradient_reaches_only_the_part_that_the_architecture_uses() -> None:
    net = make_supernet(SCREENED)
    norm = gradient_norms(net, Architecture((1, 0, 1, 0, 2, 1, 1, 0, 0, 0, 1)))
    assert [norm(weight) > 0 for weight in net.stem_weights] == [False, True, False]
    gradient = net.weights[0].grad
    assert gradient is not None
    assert float(gradient[..., :3].norm()) > 0
    assert float(gradient[..., 3:].norm()) == 0


def test_dropout_keeps_the_mean_and_its_share_of_units() -> None:
    dropout = Dropout(0.8, torch.Generator().manual_seed(0))
    out = dropout(torch.ones(200, 500))
    assert float((out > 0).float().mean()) == pytest.approx(0.8, abs=0.005)
    assert float(out.mean()) == pytest.approx(1.0, abs=0.005)
