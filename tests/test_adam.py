"""The optimiser against torch's own, step by step."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from enas.adam import Adam


def weights(seed: int) -> list[nn.Parameter]:
    """A small tensor, and one of more than one block."""
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(*shape, generator=generator)) for shape in ((3, 5), (2, 300_000))]


def loss(parameters: list[nn.Parameter], step: int) -> torch.Tensor:
    total = torch.stack([(p * (1 + step % 3) - 0.5).square().sin().sum() for p in parameters[: 1 + step % 2]])
    return total.sum()  # the second parameter has a gradient every other step


@pytest.mark.parametrize(
    ("l2", "betas", "eps"), [(0.0, (0.9, 0.999), 1e-8), (0.01, (0.9, 0.999), 1e-8), (0.0, (0.0, 0.999), 1e-3)]
)
def test_it_computes_what_torch_computes(l2: float, betas: tuple[float, float], eps: float) -> None:
    ours, theirs = weights(0), weights(0)
    adam = Adam(ours, lr=0.01, l2=l2, betas=betas, eps=eps)
    reference = torch.optim.Adam(theirs, lr=0.01, weight_decay=2 * l2, betas=betas, eps=eps)
    for step in range(25):
        adam.lr = reference.param_groups[0]["lr"] = 0.01 / (1 + step)
        for optimizer, parameters in ((adam, ours), (reference, theirs)):
            optimizer.zero_grad()
            loss(parameters, step).backward()
            optimizer.step()
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_training_does_not_import_torchs_compiler() -> None:
    code = """
import sys, torch
from enas.adam import Adam
weight = torch.nn.Parameter(torch.ones(3))
adam = Adam([weight], lr=0.1)
weight.sum().backward()
adam.step()
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
