"""A tensor given to several readers: one sum of their gradients, and still computed again instead of kept."""

import pytest
import torch
from networks.native_studies import make_images, needs_kernels

from enas.networks import native

pytestmark = needs_kernels


@pytest.mark.parametrize("shape", [(3, 20, 8, 7), (18, 5, 3, 1), (1, 1, 1, 1)])
def test_gradients_of_all_readers_are_added(shape: tuple[int, int, int, int]) -> None:
    x = make_images(shape).requires_grad_()
    shared = native.share(x, 4)
    assert all(torch.equal(one, x) and one.data_ptr() == x.data_ptr() for one in shared)
    slopes = [make_images(shape, seed=seed) for seed in (1, 2, 3)]
    total = sum((one * slope).sum() for one, slope in zip(shared, slopes, strict=False))  # nobody reads the fourth
    assert isinstance(total, torch.Tensor)
    (found,) = torch.autograd.grad(total, [x])
    torch.testing.assert_close(found, slopes[0] + slopes[1] + slopes[2])


def test_the_gradient_of_a_single_reader_is_passed_on() -> None:
    x, slope = make_images((2, 3, 4, 5)).requires_grad_(), make_images((2, 3, 4, 5), seed=1)
    assert torch.equal(torch.autograd.grad((native.share(x, 3)[1] * slope).sum(), [x])[0], slope)


def test_bfloat16_is_rounded_once() -> None:
    x = make_images((4, 8, 6, 6)).bfloat16().requires_grad_()
    slopes = [make_images((4, 8, 6, 6), seed=seed).bfloat16() for seed in range(5)]
    shared = native.share(x, 5)
    (found,) = torch.autograd.grad(shared, [x], slopes)
    assert torch.equal(found, torch.stack([slope.float() for slope in slopes]).sum(dim=0).bfloat16())


def test_what_can_be_computed_again_is_not_kept_by_its_readers() -> None:
    x, weight = make_images((4, 16, 8, 8)).requires_grad_(), torch.ones(1, 16, 16, requires_grad=True)
    ones = torch.ones(16, requires_grad=True)
    with native.keeping_little():
        output = native.project([x], weight, ones, ones)[0]
        readers = [native.project([one], weight, ones, ones)[0] for one in native.share(output, 2)]
    expected = native.project([x], weight, ones, ones)[0]
    kept = native.project([expected], weight, ones, ones)[0]
    assert torch.equal(readers[0], kept)
    (found,) = torch.autograd.grad([reader.square().sum() for reader in readers], [x])
    (right,) = torch.autograd.grad(2 * kept.square().sum(), [x])
    torch.testing.assert_close(found, right)
