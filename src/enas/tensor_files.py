"""Named arrays as files: safetensors, written atomically; nothing is pickled."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from enas.errors import RunError
from enas.files import check_regular, replacing

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

MAX_HEADER_BYTES = 10_000_000
"""Of a file of tensors: some 100,000 names."""


def write_tensors(
    path: Path, tensors: "Mapping[str, torch.Tensor | NDArray[Any]]", metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays of any shape and strides as safetensors, atomically; values and shapes come back to the bit.

    Args:
        path: the file, by custom ``*.safetensors``.
        tensors: numpy arrays or torch tensors (on any device, of a type that numpy has).
        metadata: short texts kept in the same file.
    """
    import numpy as np
    from safetensors.numpy import save

    # save() takes the raw memory, so what is transposed or sliced must be laid out first (a 0-d array stays 0-d).
    arrays = {name: np.asarray(_to_numpy(tensor), order="C") for name, tensor in tensors.items()}
    with replacing(path) as partial:
        data = save(arrays, dict(metadata or {}))
        header = _ordered_header(data)
        with partial.open("wb") as file:
            file.write(header)
            file.write(memoryview(data)[len(header) :])


def _ordered_header(data: bytes) -> bytes:
    """The header of safetensors, its metadata sorted: equal content is equal bytes."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    return data[:8] + text.ljust(end - 8) if len(header["__metadata__"]) > 1 and len(text) <= end - 8 else data[:end]


def _to_numpy(tensor: "torch.Tensor | NDArray[Any]") -> "NDArray[Any]":
    import numpy as np

    if isinstance(tensor, np.ndarray):
        return tensor
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def read_tensors(path: Path) -> "tuple[dict[str, np.ndarray], dict[str, str]]":
    """Read what `write_tensors` wrote: the arrays and the metadata.

    Raises:
        RunError: the file is missing, unreadable, damaged or too large for the memory, or a link that leads out of its
            folder.
    """
    import numpy as np
    from safetensors import SafetensorError, safe_open

    try:
        check_regular(path)
        _check_header(path)
        np.empty(path.stat().st_size, np.uint8)  # as much is needed; where it is refused safetensors would panic
        with safe_open(path, framework="numpy") as file:
            return {name: _own(file.get_tensor(name)) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except FileNotFoundError:
        raise RunError(f"{path} does not exist") from None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    except MemoryError:
        raise RunError(f"cannot read {path}: its {path.stat().st_size:,} bytes do not fit into memory") from None
    except SafetensorError as error:
        raise RunError(f"{path} is damaged, it is not safetensors: {error!s:.200}") from error
    except (AttributeError, TypeError, ValueError) as error:  # a type or a shape that numpy does not have
        raise RunError(f"{path} is damaged, it holds other tensors than ours: {error}") from error


def _check_header(path: Path) -> None:
    """A header is read as a whole, at ten times its size in memory; how long it is stands in the first 8 bytes."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER_BYTES:
        raise RunError(f"{path} is damaged, it is not safetensors: its header is too large, {length:,} bytes")


def _own(array: "np.ndarray") -> "np.ndarray":
    """The array; other libraries may have taught numpy types that we never write, such as bfloat16.

    Raises:
        TypeError: it is of such a type.
    """
    if array.dtype.isbuiltin != 1:
        raise TypeError(f"a tensor of {array.dtype}")
    return array
