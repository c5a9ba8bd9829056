"""What all tests share: the data beside the checkout, and one thread for numbers that must agree to the bit."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no failure, and a test that passed passes again.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``shared`` beside the checkout, with golden numbers and published data."""
    if not _SHARED.is_dir():
        pytest.skip(f"needs the folder {_SHARED.name!r} beside the checkout, which is not there")
    return _SHARED


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on one thread; the number before is restored."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
