"""The candidates of a model on disk, the same for every family: an entry in ``model.json`` and a file of tensors each.

``candidate_<i>.safetensors`` holds the tensors of member i, from 1. What is read is checked here as far as it does not
depend on the family, so that a damaged or forged file ends in one message that names it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from enas.errors import EnasError, RunError
from enas.files import read_json
from enas.model import Member
from enas.search_space import Architecture, SearchSpace
from enas.tensor_files import read_tensors, write_tensors

FORMAT = 1
"""Version of the layout of ``model.json``; a file of another version is refused."""

MODEL_FILE = "model.json"
MAX_MESSAGE = 200


class Part(BaseModel):
    """A part of ``model.json``: nothing is converted, every number is finite."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class MemberEntry(Part):
    """One member of the model."""

    architecture: list[int]
    share: Annotated[float, Field(ge=0, le=1.001)]  # shares are rounded
    temperature: Annotated[float, Field(gt=0, le=1e6)]


Described = TypeVar("Described", bound=BaseModel)


def save_members(members: Sequence[Member], folder: Path) -> list[dict[str, Any]]:
    """Write each member's tensors; what ``model.json`` says of the members comes back."""
    for i, member in enumerate(members, start=1):
        write_tensors(_file_of(folder, i), member.tensors)
    return [{"architecture": m.architecture.to_json(), "share": m.share, "temperature": m.temperature} for m in members]


def load_members(entries: Sequence[MemberEntry], space: SearchSpace, folder: Path) -> tuple[Member, ...]:
    """Read what `save_members` wrote.

    Raises:
        RunError: a file is missing or damaged, an architecture is not of the space, or no member has a share.
    """
    with naming(folder / MODEL_FILE):
        architectures = [Architecture.from_json(entry.architecture) for entry in entries]
        for architecture in architectures:
            space.validate(architecture)
        if not any(entry.share for entry in entries):
            raise ValueError("none of its members has a share in the output")
    members = []
    for i, (entry, architecture) in enumerate(zip(entries, architectures, strict=True), start=1):
        arrays = read_finite(_file_of(folder, i))
        with naming(_file_of(folder, i)):
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        members.append(Member(architecture, entry.share, entry.temperature, tensors))
    return tuple(members)


def read_description(folder: Path, kind: type[Described]) -> Described:
    """What ``model.json`` says, checked.

    Raises:
        RunError: it is missing, damaged, of another version or says something else.
    """
    file = folder / MODEL_FILE
    described = read_json(file)
    if isinstance(described, dict) and described.get("format", FORMAT) != FORMAT:
        raise RunError(f"{file} has format {str(described['format'])[:20]}; this version reads {FORMAT}")
    with naming(file):
        return kind.model_validate(described)


def read_finite(file: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file of tensors.

    Raises:
        RunError: it is missing or damaged, or a number is not finite.
    """
    arrays, _ = read_tensors(file)
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise RunError(f"{file} is damaged: its tensor {name[:60]!r} has values that are not finite")
    return arrays


def check_members(members: Sequence[Member], folder: Path, check: Callable[[Member], None]) -> None:
    """Call ``check(member)`` for each, which fails if the tensors do not fit ``model.json``; the error names the file.

    Raises:
        RunError: it failed.
    """
    for i, member in enumerate(members, start=1):
        hint = f"{MODEL_FILE} beside it may be of another model"
        with naming(_file_of(folder, i), hint), np.errstate(all="ignore"):
            check(member)


@contextmanager
def naming(file: Path, hint: str = "") -> Iterator[None]:
    """Whatever fails inside, by what a damaged file holds, is a RunError that names the file in one line."""
    try:
        yield
    except RunError:
        raise
    except (EnasError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        problem = _first_problem(error)
        raise RunError(f"{file} is damaged: {problem}{f'; {hint}' if hint else ''}") from error


def _first_problem(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place or 'it'}: {first['msg']}"[:MAX_MESSAGE]
    text = " ".join(str(error).split())
    return (
        text[:MAX_MESSAGE]
        if isinstance(error, EnasError | ValueError)
        else f"{type(error).__name__}: {text}"[:MAX_MESSAGE]
    )


def _file_of(folder: Path, i: int) -> Path:
    return folder / f"candidate_{i}.safetensors"
