"""Tensors as the kernels take them: bare pointers, channels last."""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from enas.networks.native.library import Number, available, loaded

_LINE = 64  # bytes in a line of the cache
_allocate = ctypes.pythonapi.PyByteArray_FromStringAndSize  # a bytearray; from None: of whatever is there
_allocate.restype, _allocate.argtypes = ctypes.py_object, (ctypes.c_char_p, ctypes.c_ssize_t)
_NUMBERS: dict[torch.dtype, Number] = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


def takes(x: Tensor) -> bool:
    """Whether there are kernels for such a tensor: on the processor, (B, C, H, W), float32 or bfloat16."""
    number = _NUMBERS.get(x.dtype)
    return x.device.type == "cpu" and x.dim() == 4 and x.numel() > 0 and number is not None and available(number)


def kernels(x: Tensor) -> ctypes.CDLL:
    """The library for images like these."""
    return loaded(_NUMBERS[x.dtype])


def halve(shape: torch.Size, stride: int) -> tuple[int, int, int, int]:
    """Shape of what a step of ``stride`` leaves of images."""
    n_images, n_channels, height, width = shape
    return n_images, n_channels, -(-height // stride), -(-width // stride)


def summand(add: Tensor | None, x: Tensor) -> Tensor | None:
    """A tensor that is added to an output, as the kernels read it."""
    return None if add is None else add.to(x.dtype).contiguous(memory_format=torch.channels_last)


def image_factors(factor: Tensor | None, x: Tensor) -> Tensor | None:
    """One factor for each image, as the kernels read them.

    Raises:
        ValueError: there are not as many as images.
    """
    if factor is not None and factor.shape != x.shape[:1]:
        raise ValueError(f"one factor for each image: {tuple(factor.shape)} for images of {tuple(x.shape)}")
    return None if factor is None else factor.detach().float().contiguous()


def given_or_empty(statistics: tuple[Tensor, Tensor] | None, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean and variance of norms as the kernels read them, or room for them."""
    if statistics is None:
        return torch.empty(shape), torch.empty(shape)
    mean, variance = (part.detach().float().contiguous() for part in statistics)
    return mean, variance


def empty_images(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Room for (B, C, H, W) in channels_last memory, at an address fit for vectors.

    Not by `torch.empty`: a block that the GNU allocator has aligned is a few bytes too small for the next of its size
    when it is free, and a training step would take a tenth more memory.
    """
    n_images, n_channels, height, width = shape
    row, n = width * n_channels, n_images * n_channels * height * width
    flat = torch.frombuffer(_allocate(None, n * dtype.itemsize + _LINE), dtype=dtype)
    first = -flat.data_ptr() % _LINE // dtype.itemsize
    # In place, so not as a view: autograd adds to a gradient in place only where nothing else may hold its memory.
    return flat.as_strided_(shape, (height * row, 1, row, n_channels), first)


def empty_like(x: Tensor) -> Tensor:
    """The same of the shape and type of ``x``."""
    return empty_images(x.shape, x.dtype)


def address(tensor: Tensor | None) -> ctypes.c_void_p:
    """Where it begins; a null pointer for none."""
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def addresses(tensors: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_void_p]:
    """The same of several."""
    return (ctypes.c_void_p * len(tensors))(*(None if tensor is None else tensor.data_ptr() for tensor in tensors))
