"""Checkpoints under mutation: read as they were written, or refused by one message that names the file."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from enas.checkpoint import State, join, read_state, taking_up, write_state
from enas.errors import RunError

N_CASES = int(os.environ.get("ENAS_FUZZ_CASES", 300))


def make_state() -> State:
    generator = torch.Generator().manual_seed(0)
    weights = {f"layer_{i}.weight": torch.randn(3, 4, generator=generator) for i in range(4)}
    counts = {"n": torch.tensor(7), "none": torch.zeros(0, 3), "random": generator.get_state()}
    facts = {"epoch": 3, "loss": float("nan"), "rewards": [0.5, 0.25], "log": '{"stage": "search"}\n', "failure": None}
    return join(facts, epochs=State({"n_done": 2}, weights), drawn=State({}, counts))


def mutate(content: bytes, chance: np.random.Generator) -> bytes:
    """Flip, overwrite, insert, remove, repeat or cut at one place or a few."""
    mutated = bytearray(content)
    for _ in range(int(chance.integers(1, 4))):
        place, length = int(chance.integers(len(mutated))), int(chance.integers(1, 9))
        match int(chance.integers(6)):
            case 0:
                mutated[place] ^= 1 << int(chance.integers(8))
            case 1:
                mutated[place : place + length] = chance.bytes(length)
            case 2:
                mutated[place:place] = chance.bytes(length)
            case 3:
                del mutated[place : place + length]
            case 4:
                mutated[place:place] = mutated[place : place + 64]
            case _:
                del mutated[place:]
        if not mutated:
            break
    return bytes(mutated)


def equal(one: State, other: State) -> bool:
    same = one.tensors.keys() == other.tensors.keys() and repr(one.facts) == repr(other.facts)
    return same and all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())


def test_mutated_bytes(tmp_path: Path) -> None:
    """What changes nothing that counts, such as a byte of padding, may be read; a changed value never is."""
    path, state, chance = tmp_path / "state.safetensors", make_state(), np.random.default_rng(0)
    write_state(path, state)
    content, messages = path.read_bytes(), list[str]()
    for _ in range(N_CASES):
        path.write_bytes(mutate(content, chance))
        try:
            assert equal(read_state(path), state)
        except RunError as error:
            messages.append(str(error))
    assert len(messages) > 0.9 * N_CASES
    assert all(str(path) in message and len(message) < len(str(path)) + 300 for message in messages)


@pytest.mark.parametrize(
    "facts", [{}, {"epochs": 3}, {"epochs": {"epoch": "x"}}, {"epochs": None}, {"epochs": {"epoch": [1]}}]
)
def test_a_forged_one_with_a_right_digest_is_one_message(tmp_path: Path, facts: Mapping[str, Any]) -> None:
    write_state(tmp_path / "state", State(facts))
    state = read_state(tmp_path / "state")
    with pytest.raises(RunError, match=r"the checkpoint does not fit this run \(.*begin a new run"), taking_up():
        assert int(state["epochs"].facts["epoch"]) >= 0
