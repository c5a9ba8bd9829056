"""Devices, threads and precision."""

import pytest
import torch

from enas.device import choose_device, reduced_precision, threads_for
from enas.errors import ConfigError


def test_auto_takes_the_first_gpu_or_the_cpu() -> None:
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == "cpu"


def test_a_device_that_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r'"cuda:77" cannot be used.*"auto" or "cpu"'):
        choose_device("cuda:77")


@pytest.mark.usefixtures("one_thread")
def test_small_networks_get_one_thread_and_the_caller_has_his_back() -> None:
    torch.set_num_threads(2)
    with threads_for(100):
        assert torch.get_num_threads() == 1
    with threads_for(23_361):
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == 2


def test_bfloat16_rounds_products_and_keeps_weights() -> None:
    weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    with reduced_precision("cpu", "bfloat16"):
        assert (weight @ weight).dtype == torch.bfloat16
    with reduced_precision("cpu", "float32"):
        assert (weight @ weight).dtype == torch.float32
    assert weight.dtype == torch.float32


def test_bfloat16_sees_what_the_optimiser_does() -> None:
    """Torch caches rounded weights within the context, unless told otherwise."""
    weight = torch.nn.Parameter(torch.ones(4, 4))
    with reduced_precision("cpu", "bfloat16"):
        with torch.inference_mode():
            before = weight @ torch.ones(4, 1)
        (weight @ torch.ones(4, 1)).sum().backward()  # after inference mode: no cached tensor without a graph
        with torch.no_grad():
            weight.add_(1)
        after = weight @ torch.ones(4, 1)
    assert weight.grad is not None
    assert (float(before.detach()[0]), float(after.detach()[0])) == (4.0, 8.0)
