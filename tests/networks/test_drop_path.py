"""Drop path: whole images, the right share of them, the mean unchanged, drawn from the generator alone."""

import pytest
import torch

from enas.networks.drop_path import add_branch, draw_paths


def test_the_right_share_is_left_out_and_the_mean_stays() -> None:
    factors = draw_paths(4000, 0.7, torch.Generator().manual_seed(0))
    assert factors is not None
    assert factors.shape == (4000,)
    torch.testing.assert_close(factors.unique(), torch.tensor([0.0, 1 / 0.7]))
    assert (factors > 0).float().mean().item() == pytest.approx(0.7, abs=0.02)
    assert factors.mean().item() == pytest.approx(1, abs=0.03)


def test_the_generator_alone_decides() -> None:
    factors = draw_paths(50, 0.5, torch.Generator().manual_seed(3))
    torch.rand(5)
    again = draw_paths(50, 0.5, torch.Generator().manual_seed(3))
    assert factors is not None
    assert again is not None
    assert torch.equal(factors, again)


def test_keeping_all_draws_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    assert draw_paths(3, 1.0, generator) is None
    assert torch.equal(state, generator.get_state())


def test_images_are_kept_whole_or_dropped_whole_and_so_is_their_gradient() -> None:
    x = torch.ones(3, 2, 4, 4).to(memory_format=torch.channels_last).requires_grad_()
    y = add_branch(x, torch.tensor([0.0, 2.0, 1.0]), torch.ones(3, 2, 4, 4))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert [image.unique().tolist() for image in y] == [[1.0], [3.0], [2.0]]
    y.sum().backward()
    assert x.grad is not None
    assert [image.unique().tolist() for image in x.grad] == [[0.0], [2.0], [1.0]]


def test_nothing_to_do_changes_nothing() -> None:
    x = torch.ones(3, 1, 2, 2)
    assert add_branch(x, None, None) is x


def test_the_dtype_stays() -> None:
    y = add_branch(torch.ones(2, 1, 2, 2, dtype=torch.bfloat16), torch.tensor([0.0, 2.0]), None)
    assert y.dtype == torch.bfloat16
    assert y.float().amax((1, 2, 3)).tolist() == [0.0, 2.0]
