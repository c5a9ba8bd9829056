"""The child: where it halves, what it drops, running statistics, and a start from the supernet's weights."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from enas.errors import ConfigError
from enas.families.warm_start import warm_start
from enas.networks import native
from enas.networks.blueprint import Blueprint
from enas.networks.dropout import Dropout
from enas.networks.micro import MicroSupernet
from enas.networks.micro_child import MicroChild, Noise
from enas.search_space import Architecture, MicroSpace

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = MicroSpace(2)
PLAN = Blueprint((12, 10), 1, 3, 2, 4, (1, 2), auxiliary_after=3, n_nodes=2)
CONVS = Architecture.from_text("0 0 1 1 2 0 0 1  1 0 0 1 1 1 2 0")
IDENTITIES = Architecture.from_text("0 4 0 4 0 4 0 4  0 4 0 4 0 4 0 4")
ONE_INPUT = Architecture.from_text("1 2 1 3 2 4 2 2  1 4 1 2 2 3 2 4")
"""Reads the previous layer alone, so that its output holds the layer before that one as it is."""


def make_child(architecture: Architecture, plan: Blueprint = PLAN) -> MicroChild:
    generator = torch.Generator().manual_seed(0)
    return MicroChild(space=SPACE, architecture=architecture, plan=plan, generator=generator)


def images(n: int = 5) -> Tensor:
    return torch.randn(n, 1, 12, 10, generator=torch.Generator().manual_seed(1))


architectures = st.tuples(*(st.integers(0, integer.n_options - 1) for integer in SPACE.integers)).map(Architecture)


@settings(max_examples=60)
@given(architectures, st.sampled_from([(0, 1), (1, 2), (2, 3), (1,), (0, 1, 2)]))
def test_every_architecture_can_be_built_trained_and_judged(
    architecture: Architecture, reductions: tuple[int, ...]
) -> None:
    """Also where a layer's channels, of several states together, are those that the next one wants."""
    plan = replace(PLAN, reductions=reductions, n_filters=2)
    child = make_child(architecture, plan)
    outputs = child.train_outputs(images(3))
    torch.stack(outputs).sum().backward()
    assert [output.shape for output in outputs] == [(1, 3, 3)] * 2
    assert all(parameter.grad is not None for parameter in child.parameters())
    with torch.inference_mode():
        assert torch.isfinite(child.eval()(images(3))).all()


@pytest.mark.parametrize(
    ("architecture", "widths"), [(CONVS, (1, 1, 1, 1)), (ONE_INPUT, (2, 2, 2, 2)), (IDENTITIES, (3, 3, 3, 3))]
)
def test_a_layer_gives_its_unread_states_at_the_size_of_the_plan(
    architecture: Architecture, widths: tuple[int, ...]
) -> None:
    child = make_child(architecture)
    outputs = child._outputs(images(), None)
    for states, width, layer in zip(outputs, widths, PLAN.layers, strict=True):
        assert len(states) == width
        assert {tuple(state.shape) for state in states} == {(5, layer.n_channels, *layer.size)}


def test_dropped_paths_are_chosen_per_image_and_identities_are_kept() -> None:
    def outputs(architecture: Architecture, keep: float) -> Tensor:
        noise = Noise(None, lambda layer: keep, torch.Generator().manual_seed(0))
        main: Tensor = make_child(architecture).train_outputs(images(), noise)[0]
        return main

    assert torch.equal(outputs(IDENTITIES, 0.5), outputs(IDENTITIES, 1.0))
    assert not torch.equal(outputs(CONVS, 0.5), outputs(CONVS, 1.0))
    assert torch.equal(outputs(CONVS, 0.5), outputs(CONVS, 0.5))


def test_layers_are_asked_for_their_own_probability() -> None:
    asked = list[int]()

    def keep(layer: int) -> float:
        asked.append(layer)
        return 1.0

    make_child(CONVS).train_outputs(images(), Noise(None, keep, torch.Generator()))
    assert sorted(set(asked)) == [0, 1, 2, 3]


def test_dropout_is_the_heads() -> None:
    child, x = make_child(CONVS), images()
    noise = Noise(Dropout(0.5, torch.Generator().manual_seed(0)), lambda layer: 1.0, torch.Generator())
    (quiet, quiet_auxiliary), (main, auxiliary) = child.train_outputs(x), child.train_outputs(x, noise)
    assert not torch.equal(quiet, main)
    assert torch.equal(quiet_auxiliary, auxiliary)


def test_in_evaluation_an_image_stands_for_itself() -> None:
    child, x = make_child(CONVS), images()
    for _ in range(100):
        child.train_outputs(x)
    with torch.inference_mode():
        many = child.eval()(x)
        torch.testing.assert_close(child(x[:1]), many[:, :1])
        trained = child.train()(x)
    assert float((many - trained).abs().max()) < 0.1 * float(many.abs().max())


def make_supernet(plan: Blueprint = PLAN) -> MicroSupernet:
    return MicroSupernet(space=SPACE, plan=plan, generator=torch.Generator().manual_seed(3))


def test_a_warm_child_has_the_supernets_tensors_where_both_have_them() -> None:
    child, supernet, cold = make_child(CONVS), make_supernet(), make_child(CONVS)
    with torch.no_grad():
        for parameter in supernet.parameters():
            parameter.add_(1.0)
    n_copied = warm_start(child, supernet)
    pairs = [("stem.weight", "stem.weight"), ("stem.norm.offset", "stem.norm.offset")]
    pairs += [(f"layers.{i}.branches.0_0.first.depth", f"layers.{i}.convs.0_0_0_0.first.depth") for i in (0, 3)]
    pairs += [(f"layers.{i}.branches.1_1.second.point", f"layers.{i}.convs.1_1_0_2.second.point") for i in (1, 2)]
    for mine, theirs in pairs:
        assert torch.equal(child.get_parameter(mine), supernet.get_parameter(theirs))
    changed = [
        name for name, parameter in child.named_parameters() if not torch.equal(parameter, cold.get_parameter(name))
    ]
    assert len(changed) == n_copied
    assert {name.split(".")[0] for name in changed} == {"stem", "layers"}
    assert not [name for name in changed if ".base." in name]
    n_branches = sum(".branches." in name for name, _ in child.named_parameters())
    assert sum(".branches." in name for name in changed) == n_branches


@pytest.mark.parametrize("change", [{"n_filters": 6}, {"n_layers": 3}, {"reductions": (1, 3)}])
def test_a_child_of_another_shape_cannot_start_warm(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"retrain\.warm_start needs a network of the supernet's shape"):
        warm_start(make_child(CONVS), make_supernet(replace(PLAN, **change)))  # type: ignore[arg-type]


@pytest.mark.skipif(not native.available(), reason=f"no native kernels: {native.unavailable()}")
@pytest.mark.parametrize("architecture", [CONVS, IDENTITIES, ONE_INPUT])
def test_without_native_kernels_the_same_up_to_rounding(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_and_judge() -> tuple[list[Tensor], Tensor, list[Tensor]]:
        child, x = make_child(architecture), images()
        outputs = child.train_outputs(x)
        torch.stack(outputs).square().sum().backward()
        gradients = [parameter.grad for parameter in child.parameters() if parameter.grad is not None]
        with torch.inference_mode():
            return list(outputs), child.eval()(x), gradients

    fast = train_and_judge()
    monkeypatch.setenv("ENAS_NATIVE", "0")
    plain = train_and_judge()
    torch.testing.assert_close(fast[0], plain[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(fast[1], plain[1], rtol=1e-4, atol=1e-4)
    for one, other in zip(fast[2], plain[2], strict=True):
        assert float((one - other).norm()) <= 1e-3 * max(float(other.norm()), 0.1)
