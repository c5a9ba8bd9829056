"""The optimiser against torch's own, step by step."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn

from enas.nesterov import Nesterov

N_STEPS = 8


def weights(seed: int) -> list[nn.Parameter]:
    """Small, channels_last, transposed, with gaps, a single number, and more than one block."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    tensors = [
        draw(3, 5),
        draw(4, 3, 3, 3).to(memory_format=torch.channels_last),
        draw(5, 2).t(),
        draw(6, 4)[:, ::2],
        draw(()),  # type: ignore[arg-type]
        draw(2, 300_000),
    ]
    return [nn.Parameter(tensor) for tensor in tensors]


def backward(parameters: list[nn.Parameter], step: int) -> None:
    """Gradients that no weight enters, so that differences of rounding do not grow. At step 0 the last three
    weights are unused, at step 1 the last two, …"""
    used = list(zip(parameters, weights(100 + step), strict=True))[: 3 + step % 4]
    torch.stack([(parameter * slope).sum() for parameter, slope in used]).sum().backward()


def fill_in(parameters: list[nn.Parameter], l2: float) -> None:
    """Add the L2 term to torch's gradients, those that are none included."""
    for parameter in parameters:
        decay = 2 * l2 * parameter.detach()
        parameter.grad = decay if parameter.grad is None else parameter.grad + decay


def assert_equal(ours: list[nn.Parameter], theirs: list[nn.Parameter]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_it_computes_what_torch_computes(l2: float) -> None:
    ours, theirs = weights(0), weights(0)
    nesterov = Nesterov(ours, lr=0.05, l2=l2)
    reference = torch.optim.SGD(theirs, lr=0.05, momentum=0.9, nesterov=True, weight_decay=2 * l2)
    for step in range(N_STEPS):
        nesterov.lr = reference.param_groups[0]["lr"] = 0.05 / (1 + step)
        for optimizer, parameters in ((nesterov, ours), (reference, theirs)):
            optimizer.zero_grad()
            backward(parameters, step)
            if optimizer is reference:
                fill_in(parameters, 0.0)  # torch passes over a weight without a gradient
            optimizer.step()
        assert_equal(ours, theirs)


def test_it_clips_the_norm_of_all_gradients_with_the_l2_term() -> None:
    ours, theirs = weights(1), weights(1)
    nesterov = Nesterov(ours, lr=0.05, l2=0.01, clip=100.0)
    reference = torch.optim.SGD(theirs, lr=0.05, momentum=0.9, nesterov=True)
    norms = []
    for step in range(N_STEPS):
        nesterov.zero_grad()
        backward(ours, step)
        nesterov.step()
        reference.zero_grad()
        backward(theirs, step)
        fill_in(theirs, 0.01)
        norms.append(torch.cat([p.grad.double().flatten() for p in theirs if p.grad is not None]).norm().item())
        nn.utils.clip_grad_norm_(theirs, 100.0)
        reference.step()
        assert nesterov.gradient_norm.item() == pytest.approx(norms[-1], rel=1e-5)
        assert_equal(ours, theirs)
    assert min(norms) < 100 < max(norms)


def test_a_norm_below_the_limit_changes_nothing() -> None:
    results = []
    for clip in (None, 1e6):
        parameters = weights(2)
        nesterov = Nesterov(parameters, lr=0.1, clip=clip)
        backward(parameters, 3)
        nesterov.step()
        results.append(parameters)
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


@pytest.mark.parametrize("clip", [5.0, None])
@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
def test_a_gradient_that_is_not_finite_counts_as_zero(broken: float, clip: float | None) -> None:
    weight = nn.Parameter(torch.ones(4))
    optimizer = Nesterov([weight], lr=0.1, clip=clip)
    assert weight.grad is not None
    weight.grad.fill_(1.0)
    optimizer.step()
    before, momentum = weight.detach().clone(), optimizer.state()["momentum"].clone()
    weight.grad[2] = broken
    optimizer.step()
    assert not optimizer.gradient_norm.isfinite()
    torch.testing.assert_close(optimizer.state()["momentum"], 0.9 * momentum)
    torch.testing.assert_close(weight.detach(), before - 0.1 * 0.9 * 0.9 * momentum)


def test_a_weight_without_a_gradient_keeps_moving() -> None:
    used, unused = nn.Parameter(torch.tensor([1.0])), nn.Parameter(torch.tensor([2.0]))
    nesterov = Nesterov([used, unused], lr=0.1, l2=0.05)
    momentum = value = 0.0
    value = 2.0
    for step in range(3):
        nesterov.zero_grad()
        (used * unused if step == 0 else used).sum().backward()
        nesterov.step()
        gradient = (1.0 if step == 0 else 0.0) + 0.1 * value
        momentum = 0.9 * momentum + gradient
        value -= 0.1 * (gradient + 0.9 * momentum)
    assert unused.item() == pytest.approx(value, rel=1e-6)


def test_values_shapes_and_strides_stay() -> None:
    before, parameters = weights(3), weights(3)
    Nesterov(parameters, lr=0.1)
    for one, other in zip(parameters, before, strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() % 64 == 0
        assert one.grad is not None
        assert one.grad.stride() == one.stride()
    assert parameters[1].is_contiguous(memory_format=torch.channels_last)
    assert parameters[2].stride() == (1, 2)


class Net(nn.Module):
    """A convolution whose weight is channels_last, batch norm and a linear layer."""

    def __init__(self, memory_format: torch.memory_format = torch.channels_last) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        kernel = torch.randn(4, 3, 3, 3, generator=generator).contiguous(memory_format=memory_format)
        self.kernel = nn.Parameter(kernel)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Parameter(torch.randn(2, 144, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(nn.functional.conv2d(x, self.kernel)).relu()
        return nn.functional.linear(y.flatten(1), self.head)


def train(layers: Net, nesterov: Nesterov, n_steps: int) -> None:
    x = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(7))
    for _ in range(n_steps):
        nesterov.zero_grad()
        layers(x).square().mean().backward()
        nesterov.step()


def test_weights_that_are_loaded_are_the_ones_that_are_trained() -> None:
    ours, other = Net(), Net()
    nesterov = Nesterov(ours.parameters(), lr=0.1, clip=5.0)
    train(ours, nesterov, 2)
    ours.load_state_dict(other.state_dict())
    nesterov.load_state({"momentum": torch.zeros_like(nesterov.state()["momentum"])})
    train(ours, nesterov, 3)
    train(other, Nesterov(other.parameters(), lr=0.1, clip=5.0), 3)
    assert_equal(list(ours.parameters()), list(other.parameters()))


def test_a_copy_of_the_module_is_independent() -> None:
    ours = Net()
    nesterov = Nesterov(ours.parameters(), lr=0.1)
    twin = copy.deepcopy(ours)
    train(ours, nesterov, 1)
    assert not torch.equal(ours.kernel, twin.kernel)
    assert torch.equal(Net().kernel, twin.kernel)
    assert twin.kernel.untyped_storage().nbytes() == twin.kernel.numel() * 4


def test_a_checkpoint_goes_on_to_the_bit_and_fits_other_strides() -> None:
    ours = Net()
    nesterov = Nesterov(ours.parameters(), lr=0.1, l2=1e-3, clip=0.5)
    train(ours, nesterov, 3)
    resumed, plain = Net(), Net(torch.contiguous_format)
    resumed.load_state_dict(ours.state_dict())
    plain.load_state_dict(ours.state_dict())
    state = nesterov.state()
    train(ours, nesterov, 3)
    for layers in (resumed, plain):
        later = Nesterov(layers.parameters(), lr=0.1, l2=1e-3, clip=0.5)
        later.load_state(state)
        train(layers, later, 3)
        assert_equal(list(layers.parameters()), list(ours.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(resumed.parameters(), ours.parameters(), strict=True))
    with pytest.raises(ValueError, match="the state holds"):
        nesterov.load_state({"momentum": state["momentum"][1:]})


@pytest.mark.parametrize("how", ["grad", "data"])
def test_a_parameter_that_was_replaced_is_refused(how: str) -> None:
    layers = Net()
    nesterov = Nesterov(layers.parameters(), lr=0.1)
    if how == "grad":
        layers.zero_grad()
    else:
        layers.kernel.data = layers.kernel.detach().clone()
    with pytest.raises(RuntimeError, match="was replaced"):
        train(layers, nesterov, 1)


def test_parameters_that_do_not_fit_one_buffer_are_refused() -> None:
    for parameters in ([], [nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2, dtype=torch.float64))]):
        with pytest.raises(ValueError, match="float32 on one device"):
            Nesterov(parameters, lr=0.1)


def test_training_does_not_import_torchs_compiler() -> None:
    code = """
import sys, torch
from enas.nesterov import Nesterov
weight = torch.nn.Parameter(torch.ones(3))
nesterov = Nesterov([weight], lr=0.1, l2=1e-4, clip=5.0)
weight.sum().backward()
nesterov.step()
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
