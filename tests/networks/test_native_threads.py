"""The kernels' threads: the same bits however many there are, whoever else calls, and after a fork."""

import os
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from networks.native_studies import make_images, make_weights, needs_kernels
from torch import Tensor

from enas.device import n_threads, torch_on_one_thread
from enas.networks import native

pytestmark = [needs_kernels, pytest.mark.usefixtures("one_thread")]


def make_study() -> Callable[[], list[Tensor]]:
    x, weights = make_images((18, 20, 8, 8)).requires_grad_(), make_weights(20, 5)

    def run() -> list[Tensor]:
        out, mean, variance = native.separable_conv(x, *weights)
        return [out, mean, variance, *torch.autograd.grad(out.square().sum(), [x, *weights])]

    return run


def test_same_bits_with_any_number_of_threads() -> None:
    run = make_study()
    alone = run()
    for number in (2, 2, 5):  # 18 images make 16 groups
        torch.set_num_threads(number)
        with torch_on_one_thread():
            assert all(map(torch.equal, alone, run()))


def test_callers_at_the_same_time_do_not_disturb_each_other() -> None:
    studies = [make_study() for _ in range(4)]
    alone = [run() for run in studies]
    torch.set_num_threads(2)
    with ThreadPoolExecutor(4) as callers:
        for _ in range(5):
            for expected, found in zip(alone, callers.map(lambda run: run(), studies), strict=True):
                assert all(map(torch.equal, expected, found))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_does_without_the_helpers_of_the_first() -> None:
    run = make_study()
    torch.set_num_threads(2)
    with torch_on_one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking where there are threads
        here = run()
        child = os.fork()
        if not child:
            os._exit(0 if all(map(torch.equal, here, run())) else 1)
        assert os.waitpid(child, 0)[1] == 0


def test_torch_leaves_its_threads_to_the_kernels() -> None:
    torch.set_num_threads(3)
    with native.computing("cpu"):
        assert (torch.get_num_threads(), n_threads()) == (1, 3)
        with native.computing("cpu"):
            assert (torch.get_num_threads(), n_threads()) == (1, 3)
        assert (torch.get_num_threads(), n_threads()) == (1, 3)
    assert (torch.get_num_threads(), n_threads()) == (3, 3)


def test_torch_keeps_its_threads_where_it_computes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(3)
    with native.computing("cuda"):
        assert torch.get_num_threads() == 3
    monkeypatch.setenv("ENAS_NATIVE", "0")
    with native.computing("cpu"):
        assert torch.get_num_threads() == 3
