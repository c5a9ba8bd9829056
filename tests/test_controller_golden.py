"""The controller against numbers that the reference implementations computed (TensorFlow, the authors' graphs)."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.controller import Controller
from enas.search_space import Architecture, DenseSpace, MicroSpace, SearchSpace

GOLDEN = Path(__file__).resolve().parents[1] / "../shared/golden"
TOLERANCE = 1e-4
ROUNDING = torch.finfo(torch.float32).eps

NAMES = {
    "lstm": "lstm/layer_0/w",
    "start": "g_emb",
    "key": "attention/w_1",
    "query": "attention/w_2",
    "attention": "attention/v",
    "embedding": "emb/w",
    "softmax": "softmax/w",
    "bias": "softmax/b",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One file of golden numbers, and our controller with its weights."""

    controller: Controller
    architectures: list[Architecture]
    numbers: dict[str, NDArray[Any]]


def load(name: str, space: SearchSpace, **settings: float) -> Reference:
    path = GOLDEN / f"controller_{name}.npz"
    if not path.exists():
        pytest.skip(f"no golden numbers beside the checkout: {path.name}")
    with np.load(path, allow_pickle=False) as file:
        numbers = dict(file)
    controller = Controller(space, hidden_size=64, generator=torch.Generator(), **settings)
    with torch.no_grad():
        for ours, parameter in controller.named_parameters():
            parameter.copy_(torch.from_numpy(numbers[f"weight/controller/{reference_name(ours)}"]))
    architectures = [Architecture(tuple(row)) for row in numbers["architectures"].tolist()]
    return Reference(controller, architectures, numbers)


def reference_name(ours: str) -> str:
    """`embedding.width` is `emb/w` there: one vocabulary only."""
    return NAMES[ours.split(".")[0]]


@pytest.fixture(scope="module")
def macro() -> Reference:
    """Six layers, six operations: the dense space with operations in place of widths."""
    return load("macro", DenseSpace(6, widths=(1, 2, 3, 4, 5, 6)), tanh_constant=1.5, skip_target=0.4)


@pytest.fixture(scope="module")
def micro() -> Reference:
    return load("micro", MicroSpace(n_nodes=5), tanh_constant=1.10, op_tanh_reduce=2.5)


@pytest.fixture(params=["macro", "micro"])
def reference(request: pytest.FixtureRequest) -> Reference:
    fixture = request.getfixturevalue(request.param)
    assert isinstance(fixture, Reference)
    return fixture


def error(ours: Tensor, theirs: NDArray[Any]) -> float:
    """Largest difference, relative to the largest number of the array."""
    return float(np.abs(ours.detach().numpy() - theirs).max() / np.abs(theirs).max())


def relative_error(ours: Tensor, theirs: NDArray[Any]) -> float:
    """Largest relative difference of any element."""
    return float((np.abs(ours.detach().numpy() - theirs) / np.abs(theirs)).max())


def test_log_probability(reference: Reference) -> None:
    sample = reference.controller.evaluate(reference.architectures)
    assert relative_error(sample.log_prob, reference.numbers["log_prob"]) <= TOLERANCE


def test_entropy_of_the_micro_space(micro: Reference) -> None:
    sample = micro.controller.evaluate(micro.architectures)
    assert relative_error(sample.entropy, micro.numbers["entropy"]) <= TOLERANCE


def test_the_references_macro_entropy_is_one_term_of_each_decisions_sum(macro: Reference) -> None:
    theirs = macro.numbers["entropy"]
    ours = sum(-log_p * log_p.exp() for log_p in decision_log_probs(macro))
    assert isinstance(ours, Tensor)
    assert relative_error(ours, theirs) <= TOLERANCE
    true_entropy = macro.controller.evaluate(macro.architectures).entropy
    assert (true_entropy.detach().numpy() > theirs).all()


def decision_log_probs(macro: Reference) -> Iterator[Tensor]:
    """Log-probability of each integer given those before, from shorter and shorter chains of layers.

    Within a layer the skip bits are independent given the width, so the chain rule over single integers needs the sum
    over the bits that come later: flipping one bit j changes the log-probability of its own layer by that bit alone.
    """
    controller, rows = macro.controller, [a.values for a in macro.architectures]
    for layer in range(6):
        shorter, longer = prefix(controller, layer, rows), prefix(controller, layer + 1, rows)
        start = layer * (layer + 1) // 2
        bits: list[Tensor] = []
        for j in range(layer):
            flipped = [(*row[: start + 1 + j], 1 - row[start + 1 + j], *row[start + 2 + j :]) for row in rows]
            odds = longer - prefix(controller, layer + 1, flipped)
            bits.append(torch.nn.functional.logsigmoid(odds))
        yield longer - shorter - sum(bits, torch.zeros_like(longer))
        yield from bits


def prefix(controller: Controller, n_layers: int, rows: list[tuple[int, ...]]) -> Tensor:
    """Log-probability of the first layers alone, shape (n,), double precision."""
    if n_layers == 0:
        return torch.zeros(len(rows), dtype=torch.float64)
    shorter = Controller(
        DenseSpace(n_layers, widths=(1, 2, 3, 4, 5, 6)), tanh_constant=1.5, generator=torch.Generator()
    )
    shorter.load_state_dict(controller.state_dict())
    shorter.double()
    length = n_layers * (n_layers + 1) // 2
    with torch.no_grad():
        return shorter.evaluate([Architecture(row[:length]) for row in rows]).log_prob


def test_skip_penalty(macro: Reference) -> None:
    sample = macro.controller.evaluate(macro.architectures)
    assert relative_error(sample.skip_penalty, macro.numbers["skip_penalty"]) <= TOLERANCE


@pytest.mark.parametrize(("name", "row"), [("macro", 0), ("macro", 1), ("micro", 0)])
def test_gradient_of_the_log_probability(name: str, row: int, request: pytest.FixtureRequest) -> None:
    reference = request.getfixturevalue(name)
    theirs = reference_gradients(reference, row)
    for parameter, ours in gradients(reference, row).items():
        assert error(ours, theirs[parameter]) <= TOLERANCE, parameter


def test_gradient_where_rounding_alone_moves_it_by_more_than_the_tolerance(micro: Reference) -> None:
    """The log-probability of micro architecture 1 is so curved that rounding the weights shifts its gradient by 3e-4.

    The shift lies along one direction: the reference agrees to that rounding on it, and to the tolerance across it.
    """
    exact = Reference(copy.deepcopy(micro.controller).double(), micro.architectures, micro.numbers)
    nudged = Reference(copy.deepcopy(exact.controller), micro.architectures, micro.numbers)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in nudged.controller.parameters():
            parameter.mul_(1 + ROUNDING * torch.randn(parameter.shape, generator=generator))

    ours, theirs = gradients(exact, 1), reference_gradients(micro, 1)
    shift = {name: gradient - ours[name] for name, gradient in gradients(nudged, 1).items()}
    difference = {name: torch.from_numpy(theirs[name]) - gradient for name, gradient in ours.items()}
    share = float(inner(difference, shift) / inner(shift, shift))
    assert abs(share) <= 3
    for name, gradient in ours.items():
        assert error(gradient + share * shift[name], theirs[name]) <= TOLERANCE, name


def gradients(reference: Reference, row: int) -> dict[str, Tensor]:
    """Gradient of one architecture's log-probability with respect to every weight."""
    controller = reference.controller
    log_prob = controller.evaluate(reference.architectures).log_prob[row]
    names, parameters = zip(*controller.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(log_prob, parameters), strict=True))


def reference_gradients(reference: Reference, row: int) -> dict[str, NDArray[Any]]:
    prefix = f"gradient_log_prob/{row}/controller/"
    return {
        name: reference.numbers[prefix + reference_name(name)] for name, _ in reference.controller.named_parameters()
    }


def inner(a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
    """Inner product of two gradients."""
    return torch.stack([(a[name] * b[name]).sum() for name in a]).sum()
