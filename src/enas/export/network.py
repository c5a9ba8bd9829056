"""The written network as a module of torch, and as a recorded program.

The text that runs here is always one that this version has just written from a sketch of checked numbers: what lies in
a folder as ``model.py`` is never run.
"""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from enas.errors import RunError
from enas.export.description import Description
from enas.export.image_source import image_source
from enas.export.table_source import table_source
from enas.files import replacing
from enas.member_files import read_finite

SCRIPT_FILE = "model.py"
WEIGHTS_FILE = "model.safetensors"
PROGRAM_FILE = "model.pt2"


def write_source(description: Description) -> str:
    """The text of ``model.py``.

    Raises:
        ConfigError: the sketch is of no network.
    """
    if description.images:
        return image_source(description.images)
    assert description.table is not None, "a description has one of the two"
    return table_source(description.table)


def build_network(description: Description, tensors: Mapping[str, Tensor]) -> nn.Module:
    """The network of which ``model.py`` is the text, with these weights; takes (B, …), gives outputs (B, C).

    Raises:
        RuntimeError: the weights are of another network.
    """
    names: dict[str, Any] = {"__name__": "enas_network", "__file__": SCRIPT_FILE}
    exec(compile(write_source(description), SCRIPT_FILE, "exec"), names)
    with torch.device("meta"):  # nothing is allocated before the weights are known to fit
        network: nn.Module = names["Model"]()
    network.load_state_dict(dict(tensors), assign=True)
    return network.eval().requires_grad_(False)


def load_network(description: Description, folder: Path) -> nn.Module:
    """The network of an exported script.

    Raises:
        RunError: a file is missing or damaged, or ``model.py`` was changed.
    """
    arrays = read_finite(folder / WEIGHTS_FILE)
    try:
        found = (folder / SCRIPT_FILE).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise RunError(f"cannot read {folder / SCRIPT_FILE}: {error}") from error
    if found != write_source(description):
        raise RunError(
            f"{folder / SCRIPT_FILE} is not as enas wrote it, and enas does not run it; run it yourself: python "
            f"{SCRIPT_FILE} DATA"
        )
    try:
        network = build_network(description, {name: torch.from_numpy(array) for name, array in arrays.items()})
        check_outputs(compute(network, example_of(description, 1)), description)
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunError(f"{folder / WEIGHTS_FILE} is damaged or of another model: {reason}") from error
    return network


class _WithProbabilities(nn.Module):
    """Logits and probabilities of a network that gives logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(x)
        return logits, torch.softmax(logits, dim=1)


def record_program(description: Description, network: nn.Module) -> ExportedProgram:
    """The program of torch.export, for any number of samples: logits and probabilities, or values."""
    whole = _WithProbabilities(network).eval() if description.classes else network
    example = torch.from_numpy(example_of(description, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch, about itself
        program = torch.export.export(whole, (example,), dynamic_shapes=({0: Dim("batch", min=1)},))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine are nobody else's business
    return program


def save_program(program: ExportedProgram, folder: Path) -> None:
    """Write ``model.pt2``, atomically."""
    with replacing(folder / PROGRAM_FILE) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(program, partial)


def load_program(description: Description, folder: Path) -> nn.Module:
    """The program of ``model.pt2``, in torch's own format: load it only from people whom you trust.

    Raises:
        RunError: it is missing or damaged.
    """
    file = folder / PROGRAM_FILE
    if not file.is_file():
        raise RunError(f"{file} does not exist")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network: nn.Module = torch.export.load(file).module()
            check_outputs(compute(network, example_of(description, 1)), description)
    except Exception as error:  # whatever a damaged archive leads torch to
        raise RunError(f"{file} is damaged: torch cannot load it ({type(error).__name__})") from error
    return network


def compute(network: nn.Module, samples: NDArray[Any]) -> NDArray[np.float64]:
    """Logits, or values, (B, C) of samples (B, …)."""
    return compute_all(network, samples)[0]


@torch.no_grad()
def compute_all(network: nn.Module, samples: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Logits and, of a recorded program, probabilities, or values alone, (B, C) each."""
    outputs = network(torch.from_numpy(np.array(samples)))
    return [part.double().numpy() for part in (outputs if isinstance(outputs, tuple | list) else [outputs])]


def example_of(description: Description, n_samples: int) -> NDArray[Any]:
    """Samples of nothing but zeros, of the type that the model takes."""
    return np.zeros((n_samples, *description.shape), np.uint8 if description.images else np.float32)


def check_outputs(outputs: NDArray[Any], description: Description) -> None:
    """Refuse outputs of one sample that have another shape.

    Raises:
        ValueError: they do.
    """
    if outputs.shape != (1, description.n_outputs):
        raise ValueError(f"its output is {outputs.shape} instead of {(1, description.n_outputs)}")
