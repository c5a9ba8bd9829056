"""Which tensors the native kernels take, and why they are not there."""

import subprocess
import sys

import pytest
import torch

from enas.networks import native


def test_other_tensors_do_not_fit() -> None:
    assert native.takes(torch.zeros(1, 2, 3, 3)) == native.available()
    assert native.takes(torch.zeros(1, 2, 3, 3, dtype=torch.bfloat16)) == native.available("bfloat16")
    assert not native.takes(torch.zeros(2, 3))
    assert not native.takes(torch.zeros(1, 2, 3, 3, dtype=torch.float64))
    assert not native.takes(torch.zeros(0, 2, 3, 3))


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENAS_NATIVE", "0")
    assert not native.available()
    assert not native.takes(torch.zeros(1, 2, 3, 3))
    assert native.unavailable() == "switched off by ENAS_NATIVE=0"
    assert not native.must_be_built()


def test_without_compiler_the_reason_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from enas.networks import native; print(native.available(), native.unavailable())"
    monkeypatch.setenv("CXX", "no-such-compiler")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False could not be built: ")
    assert "no-such-compiler" in done.stdout
