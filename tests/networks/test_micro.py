"""The supernet: what architectures share is computed once, and only what they use is trained."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from enas.networks.blueprint import Blueprint, place_auxiliary, place_reductions
from enas.networks.dropout import Dropout
from enas.networks.micro import MicroSupernet
from enas.search_space import Architecture, MicroSpace

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = MicroSpace(2)
POOLS = Architecture.from_text("0 2 1 3 0 4 1 2  1 3 0 2 0 4 1 3")
CONVS = Architecture.from_text("0 0 1 1 2 0 0 1  1 0 0 1 1 1 2 0")


def make_supernet(n_nodes: int = 2, n_reductions: int = 1, side: int = 12, n_classes: int = 3) -> MicroSupernet:
    reductions = place_reductions(2, n_reductions)
    after = place_auxiliary(reductions, 2)
    plan = Blueprint((side, side), 1, n_classes, 2, 4, reductions, after, n_nodes)
    return MicroSupernet(space=MicroSpace(n_nodes), plan=plan, generator=torch.Generator().manual_seed(0))


def images(n: int = 5, side: int = 12, n_channels: int = 1) -> Tensor:
    return torch.randn(n, n_channels, side, side, generator=torch.Generator().manual_seed(1))


def sample(n: int, n_nodes: int = 2) -> list[Architecture]:
    generator = torch.Generator().manual_seed(2)
    sides = [integer.n_options for integer in MicroSpace(n_nodes).integers]
    return [Architecture(tuple(int(torch.randint(k, (), generator=generator)) for k in sides)) for _ in range(n)]


@pytest.mark.parametrize(("n_nodes", "n_reductions", "side"), [(2, 1, 12), (1, 2, 9), (5, 3, 8)])
def test_many_architectures_at_once_are_one_by_one_to_the_bit(n_nodes: int, n_reductions: int, side: int) -> None:
    net, x, architectures = make_supernet(n_nodes, n_reductions, side), images(4, side), sample(6, n_nodes)
    with torch.inference_mode():
        together = net(x, [*architectures, architectures[0]])
        alone = [net(x, [architecture])[0] for architecture in architectures]
    assert together.shape == (7, 4, 3)
    for one, other in zip(together, [*alone, alone[0]], strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()
    assert len({one.numpy().tobytes() for one in alone}) == 6


def test_training_and_scoring_compute_the_same() -> None:
    net, x = make_supernet(), images()
    main, auxiliary = net.train_outputs(x, CONVS)
    assert torch.equal(main, net(x, [CONVS]))
    assert main.shape == auxiliary.shape == (1, 5, 3)
    assert not torch.equal(main, net.train_outputs(x, CONVS, Dropout(0.5, torch.Generator().manual_seed(0)))[0])


def used(net: MicroSupernet, architecture: Architecture) -> set[str]:
    """Names of the parameters that a gradient reaches."""
    net.zero_grad(set_to_none=True)
    torch.stack(net.train_outputs(images(), architecture)).square().sum().backward()
    return {name for name, parameter in net.named_parameters() if parameter.grad is not None}


def convs(names: Sequence[str] | set[str], layer: int) -> set[str]:
    """Which separable convolutions of a layer are among the names, as node_side_operation_source."""
    return {name.split(".")[3] for name in names if name.startswith(f"layers.{layer}.convs.")}


def test_a_gradient_reaches_only_what_the_architecture_uses() -> None:
    net = make_supernet()
    assert net.plan.reductions == (2,)
    names = used(net, CONVS)
    for layer in (0, 1, 3):
        assert convs(names, layer) == {"0_0_0_0", "0_1_1_1", "1_0_0_2", "1_1_1_0"}
    assert convs(names, 2) == {"0_0_0_1", "0_1_1_0", "1_0_1_1", "1_1_0_2"}
    rest = {name for name, _ in net.named_parameters() if ".convs." not in name}
    assert rest <= names
    assert all(".convs." not in name for name in used(net, POOLS))


def test_the_1x1_convolution_learns_in_the_blocks_of_unread_states_alone() -> None:
    net = make_supernet()
    used(net, CONVS)  # normal: nodes 0 reads 0, 1; node 1 reads 2, 0
    gradient = net.get_parameter("layers.0.final").grad
    assert gradient is not None
    assert [bool(block.any()) for block in gradient] == [False, False, False, True]
    used(net, POOLS)  # both nodes read the inputs
    gradient = net.get_parameter("layers.0.final").grad
    assert gradient is not None
    assert [bool(block.any()) for block in gradient] == [False, False, True, True]


def test_batch_norm_takes_the_batch_in_evaluation_too() -> None:
    net, x = make_supernet(), images()
    with torch.inference_mode():
        training = net.train()(x, [CONVS])
        evaluation = net.eval()(x, [CONVS])
        fewer = net(x[:3], [CONVS])
    assert torch.equal(training, evaluation)
    assert not torch.allclose(fewer, evaluation[:, :3])
    assert not list(net.buffers())


@pytest.mark.parametrize("side", [7, 12, 13])
@pytest.mark.parametrize("n_classes", [2, 12])
def test_any_side_and_number_of_classes(side: int, n_classes: int) -> None:
    net = make_supernet(n_reductions=2, side=side, n_classes=n_classes)
    main, auxiliary = net.train_outputs(images(3, side), CONVS)
    assert main.shape == auxiliary.shape == (1, 3, n_classes)
    assert torch.isfinite(main).all()


def test_the_same_generator_gives_the_same_weights() -> None:
    one, other = make_supernet().state_dict(), make_supernet().state_dict()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
