"""Drop path: whole images, the right share of them, the mean unchanged, drawn from the generator alone."""

import pytest
import torch

from enas.networks.drop_path import drop_path


def test_images_are_kept_whole_or_dropped_whole() -> None:
    x = torch.rand(4000, 2, 3, 3, generator=torch.Generator().manual_seed(1)) + 0.5
    x = x.to(memory_format=torch.channels_last)
    y = drop_path(x, 0.7, torch.Generator().manual_seed(0))
    kept = (y != 0).flatten(1)
    assert torch.equal(kept.all(1), kept.any(1))
    torch.testing.assert_close(y[kept[:, 0]], x[kept[:, 0]] / 0.7)
    assert kept[:, 0].float().mean().item() == pytest.approx(0.7, abs=0.02)
    assert y.mean().item() == pytest.approx(x.mean().item(), rel=0.03)
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_the_generator_alone_decides_and_the_gradient_follows_the_mask() -> None:
    x = torch.ones(50, 1, 2, 2, requires_grad=True)
    y = drop_path(x, 0.5, torch.Generator().manual_seed(3))
    torch.rand(5)
    assert torch.equal(y, drop_path(x, 0.5, torch.Generator().manual_seed(3)))
    y.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, y.detach())


def test_keeping_all_changes_and_draws_nothing() -> None:
    x, generator = torch.ones(3, 1, 2, 2), torch.Generator().manual_seed(0)
    state = generator.get_state()
    assert drop_path(x, 1.0, generator) is x
    assert torch.equal(state, generator.get_state())


def test_the_dtype_stays() -> None:
    y = drop_path(torch.ones(8, 1, 2, 2, dtype=torch.bfloat16), 0.5, torch.Generator().manual_seed(0))
    assert y.dtype == torch.bfloat16
    assert set(y.float().flatten().tolist()) == {0.0, 2.0}
