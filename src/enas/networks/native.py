"""Fused kernels of the micro networks for the processor, optional: C++ in ``kernels/``, compiled at first use.

A separable convolution is bound by memory: layer by layer PyTorch reads and writes every activation some twenty times.
Here each image goes through ReLU, depthwise and pointwise convolution while it is in the cache, batch norm and ReLU are
applied when the next unit reads, and only the two outputs before normalisation are kept for the backward pass, which
computes the rest again.

The library is built with the compiler ``c++`` (or ``$CXX``) into ``$XDG_CACHE_HOME/enas`` (``~/.cache/enas``), once for
each version of the sources, the compiler and the processor. Where that fails, or with ``ENAS_NATIVE=0``,
:func:`available` is False, :func:`unavailable` says why, and the networks compute the same in plain PyTorch.

Loading it also tells the GNU allocator to keep freed pages for the next step.

The result has the same bits for any number of threads.
"""

import ctypes
import hashlib
import os
import platform
import subprocess
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

_SOURCES = Path(__file__).parent / "kernels"
_FLAGS = ("-O3", "-march=native", "-ffp-contract=fast", "-std=c++17", "-shared", "-fPIC", "-w")
_TRIALS = (("-mprefer-vector-width=512", "-fopenmp"), ("-fopenmp",), ())  # the first that the compiler takes
_DTYPES = (torch.float32, torch.bfloat16)


class _Unavailable(Exception):
    """Why there is no library."""


def available() -> bool:
    """Whether the kernels can be used here; builds them at the first call (seconds). Never raises."""
    return unavailable() is None


def unavailable() -> str | None:
    """Why the kernels cannot be used, for a line in the log; None where they can."""
    if os.environ.get("ENAS_NATIVE") == "0":
        return "switched off by ENAS_NATIVE=0"
    loaded = _library()
    return loaded if isinstance(loaded, str) else None


def fits(x: Tensor) -> bool:
    """Whether :func:`separable_conv` takes such a tensor: on the processor, (B, C, H, W), float32 or bfloat16."""
    return x.device.type == "cpu" and x.dim() == 4 and x.dtype in _DTYPES and x.numel() > 0


def separable_conv(
    x: Tensor,
    depth_1: Tensor,
    point_1: Tensor,
    scale_1: Tensor,
    offset_1: Tensor,
    depth_2: Tensor,
    point_2: Tensor,
    scale_2: Tensor,
    offset_2: Tensor,
    *,
    stride: int = 1,
    add: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Twice: ReLU → depthwise → pointwise → batch norm with the batch's statistics (ε 1e-5); TensorFlow's same padding.

    Args:
        x: (B, C, H, W), float32 or bfloat16, best in channels_last memory.
        depth_1: (C, 1, k, k) with k 3 or 5, float32 as all weights; ``depth_2`` likewise.
        point_1: (C, C, 1, 1); ``point_2`` likewise.
        scale_1: (C,); so are the three other parameters of batch norm.
        stride: 1 or 2, of the first depthwise convolution.
        add: is added to the output, of its shape and type.

    Returns:
        The output (B, C, ceil(H/stride), ceil(W/stride)) in channels_last memory; mean and biased variance of both
        norms, (2, C) each, without gradient.
    """
    weights = (depth_1, point_1, scale_1, offset_1, depth_2, point_2, scale_2, offset_2)
    given = (x, *weights) if add is None else (x, add, *weights)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in given):
        out, mean, variance = _SeparableConv.apply(x, stride, add, *weights)  # type: ignore[no-untyped-call]
        return out, mean, variance
    return _forward(x, stride, add, weights, keep=False)[:3]


def relu_project(xs: Sequence[Tensor], weight: Tensor, scale: Tensor, offset: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Batch norm (batch statistics, ε 1e-5) of the sum over i of ReLU(xs[i]) through the 1×1 convolution weight[i].

    The same as a 1×1 convolution of the concatenation, which is never made.

    Args:
        xs: n tensors (B, C_in, H, W), float32 or bfloat16, best in channels_last memory.
        weight: (n, C_out, C_in), float32.
        scale: (C_out,), as ``offset``.

    Returns:
        (B, C_out, H, W) in channels_last memory; mean and biased variance of the sum, (C_out,), without gradient.
    """
    return _apply_projection(xs, (weight,), scale, offset, relu=True)


def factorised_reduction(
    xs: Sequence[Tensor], even: Tensor, odd: Tensor, scale: Tensor, offset: Tensor, *, relu: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Half the size: 1×1 convolutions of the even pixels and of those one down and right of them, batch norm of both.

    Beyond the edge of an odd side a pixel is 0. The inputs count as concatenated, as in `relu_project`.

    Args:
        xs: n tensors (B, C_in, H, W), float32 or bfloat16, best in channels_last memory.
        even: (n, C_out // 2, C_in), float32, gives the first channels.
        odd: (n, C_out - C_out // 2, C_in) gives the others.
        scale: (C_out,), as ``offset``.
        relu: whether the inputs pass a ReLU first.

    Returns:
        (B, C_out, ceil(H/2), ceil(W/2)) in channels_last memory; mean and biased variance before the norm, (C_out,),
        without gradient.
    """
    return _apply_projection(xs, (even, odd), scale, offset, relu=relu)


def average_pool(x: Tensor, stride: int = 1, add: Tensor | None = None) -> Tensor:
    """Mean over the cells of each 3×3 window that lie inside, TensorFlow's same padding.

    Args:
        x: (B, C, H, W), float32 or bfloat16, best in channels_last memory.
        stride: 1 or 2.
        add: is added to the output, of its shape and type.

    Returns:
        (B, C, ceil(H/stride), ceil(W/stride)) in channels_last memory.
    """
    return _apply_pool(x, stride, add, is_max=False)


def max_pool(x: Tensor, stride: int = 1, add: Tensor | None = None) -> Tensor:
    """Largest of 3×3 cells; else as `average_pool`. The gradient goes to the first of several, in order of rows."""
    return _apply_pool(x, stride, add, is_max=True)


def _apply_pool(x: Tensor, stride: int, add: Tensor | None, *, is_max: bool) -> Tensor:
    if torch.is_grad_enabled() and (x.requires_grad or (add is not None and add.requires_grad)):
        out: Tensor = _Pool.apply(x, stride, add, is_max)  # type: ignore[no-untyped-call]
        return out
    return _pool(x, stride, add, is_max, None)


def _pool(x: Tensor, stride: int, add: Tensor | None, is_max: bool, places: Tensor | None) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    out = torch.empty(_halved(x.shape, stride), dtype=x.dtype, memory_format=torch.channels_last)
    add, sizes = _summand(add, x), _pool_sizes(x.shape, stride, x.dtype, is_max)
    _loaded().enas_pool(sizes, *map(_address, (x, add, out, places)))
    return out


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor, stride: int, add: Tensor | None, is_max: bool) -> Tensor:
        shape = _halved(x.shape, stride)
        places = torch.empty((shape[0], *shape[2:], shape[1]), dtype=torch.uint8) if is_max else None
        ctx.shape, ctx.stride = x.shape, stride  # type: ignore[attr-defined]
        ctx.save_for_backward(places)  # type: ignore[arg-type]
        return _pool(x, stride, add, is_max, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        shape: torch.Size = ctx.shape  # type: ignore[attr-defined]
        stride: int = ctx.stride  # type: ignore[attr-defined]
        (places,) = ctx.saved_tensors  # type: ignore[attr-defined]
        of_x, _, of_add, _ = ctx.needs_input_grad  # type: ignore[attr-defined]
        d_add = grad if of_add else None
        if not of_x:
            return None, None, d_add, None
        grad = grad.contiguous(memory_format=torch.channels_last)
        d_x = torch.empty(shape, dtype=grad.dtype, memory_format=torch.channels_last)
        sizes = _pool_sizes(shape, stride, grad.dtype, places is not None)
        _loaded().enas_pool_back(sizes, *map(_address, (grad, places, d_x)))
        return d_x, None, d_add, None


def _halved(shape: torch.Size, stride: int) -> tuple[int, int, int, int]:
    n_images, n_channels, height, width = shape
    return n_images, n_channels, -(-height // stride), -(-width // stride)


def _pool_sizes(shape: torch.Size, stride: int, dtype: torch.dtype, is_max: bool) -> ctypes.Array[ctypes.c_int64]:
    n_images, n_channels, height, width = shape
    is_half, n_threads = dtype == torch.bfloat16, torch.get_num_threads()
    return (ctypes.c_int64 * 8)(n_images, height, width, n_channels, stride, is_half, n_threads, is_max)


def _apply_projection(
    xs: Sequence[Tensor], weights: tuple[Tensor, ...], scale: Tensor, offset: Tensor, *, relu: bool
) -> tuple[Tensor, Tensor, Tensor]:
    tensors = (scale, offset, *weights, *xs)
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors):
        out, mean, variance = _Projection.apply(relu, len(weights), *tensors)  # type: ignore[no-untyped-call]
        return out, mean, variance
    return _project(relu, len(weights), *tensors, keep=False)[:3]


def _project(relu: bool, stride: int, *tensors: Tensor, keep: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Output, mean, variance and the sum before the norm (the output itself if not kept)."""
    scale, offset, *weights = (tensor.detach().contiguous() for tensor in tensors[: 2 + stride])
    xs = [x.contiguous(memory_format=torch.channels_last) for x in tensors[2 + stride :]]
    n_images, _, height, width = xs[0].shape
    shape = (n_images, len(scale), -(-height // stride), -(-width // stride))
    before = torch.empty(shape, dtype=xs[0].dtype, memory_format=torch.channels_last)
    out = _like(before) if keep else before
    mean, variance = torch.empty((2, len(scale))).unbind()
    _loaded().enas_project(
        _project_sizes(xs, len(scale), stride, relu),
        _addresses(xs),
        _addresses(weights),
        *map(_address, (scale, offset, before, out, mean, variance)),
    )
    return out, mean, variance, before


class _Projection(torch.autograd.Function):
    """Of whether ReLU, stride, scale, offset, weights (as many as the stride) and inputs."""

    @staticmethod
    def forward(ctx: FunctionCtx, relu: bool, stride: int, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        xs = [x.contiguous(memory_format=torch.channels_last) for x in tensors[2 + stride :]]
        out, mean, variance, before = _project(relu, stride, *tensors[: 2 + stride], *xs, keep=True)
        ctx.relu, ctx.stride = relu, stride  # type: ignore[attr-defined]
        ctx.save_for_backward(before, mean, variance, tensors[0], *tensors[2 : 2 + stride], *xs)
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        relu: bool = ctx.relu  # type: ignore[attr-defined]
        stride: int = ctx.stride  # type: ignore[attr-defined]
        before, mean, variance, *saved = ctx.saved_tensors  # type: ignore[attr-defined]
        scale, *weights = (tensor.contiguous() for tensor in saved[: 1 + stride])
        xs = saved[1 + stride :]
        wanted = ctx.needs_input_grad[4 + stride :]  # type: ignore[attr-defined]
        if grad is None:
            return (None,) * (4 + stride + len(xs))
        grad = grad.to(before.dtype).contiguous(memory_format=torch.channels_last)
        d_xs = [_like(x) if want else None for x, want in zip(xs, wanted, strict=True)]
        slopes = [torch.empty_like(tensor) for tensor in (scale, scale, *weights)]
        _loaded().enas_project_back(
            _project_sizes(xs, len(scale), stride, relu),
            _addresses(xs),
            _addresses(weights),
            *map(_address, (scale, before, mean, variance, grad)),
            _addresses(d_xs),
            _addresses(slopes),
        )
        return None, None, *slopes, *d_xs


def _project_sizes(xs: Sequence[Tensor], n_out: int, stride: int, relu: bool) -> ctypes.Array[ctypes.c_int64]:
    n_images, n_in, height, width = xs[0].shape
    is_half, n_threads = xs[0].dtype == torch.bfloat16, torch.get_num_threads()
    values = (n_images, height, width, n_in, n_out, len(xs), is_half, n_threads, stride, relu)
    return (ctypes.c_int64 * len(values))(*values)


def _forward(
    x: Tensor, stride: int, add: Tensor | None, weights: tuple[Tensor, ...], *, keep: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Output, mean, variance and what both units give before their norms (the second is the output if not kept)."""
    x = x.contiguous(memory_format=torch.channels_last)
    add = _summand(add, x)
    shape = _halved(x.shape, stride)
    first, second = (torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last) for _ in range(2))
    out = _like(first) if keep else second
    mean, variance = (
        x.new_empty((2, x.shape[1]), dtype=torch.float32),
        x.new_empty((2, x.shape[1]), dtype=torch.float32),
    )
    weights = tuple(weight.detach().contiguous() for weight in weights)
    _loaded().enas_separable_forward(
        _sizes(x, weights[0], stride),
        _address(x),
        _addresses(weights),
        *map(_address, (add, first, second, out, mean, variance)),
    )
    return out, mean, variance, first, second


class _SeparableConv(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, x: Tensor, stride: int, add: Tensor | None, *weights: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        x = x.contiguous(memory_format=torch.channels_last)
        out, mean, variance, first, second = _forward(x, stride, add, weights, keep=True)
        ctx.stride = stride  # type: ignore[attr-defined]
        ctx.save_for_backward(x, first, second, mean, variance, *weights)
        ctx.mark_non_differentiable(mean, variance)
        ctx.set_materialize_grads(False)
        return out, mean, variance

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor | None, *_: Tensor | None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 11
        stride: int = ctx.stride  # type: ignore[attr-defined]
        x, first, second, mean, variance, *weights = ctx.saved_tensors  # type: ignore[attr-defined]
        d_add = grad if ctx.needs_input_grad[2] else None  # type: ignore[attr-defined]
        grad = grad.to(x.dtype).contiguous(memory_format=torch.channels_last)
        weights = [weight.contiguous() for weight in weights]
        d_x = _like(x)
        d_first = d_x if stride == 1 else _like(first)
        slopes = [torch.empty_like(weight) for weight in weights]
        _loaded().enas_separable_backward(
            _sizes(x, weights[0], stride),
            _address(x),
            _addresses(weights),
            *map(_address, (first, second, mean, variance, grad, d_first, d_x)),
            _addresses(slopes),
        )
        return d_x, None, d_add, *slopes


def _summand(add: Tensor | None, x: Tensor) -> Tensor | None:
    """As the kernels read it."""
    return None if add is None else add.to(x.dtype).contiguous(memory_format=torch.channels_last)


def _like(x: Tensor) -> Tensor:
    return torch.empty_like(x, memory_format=torch.channels_last)


def _sizes(x: Tensor, depth: Tensor, stride: int) -> ctypes.Array[ctypes.c_int64]:
    n_images, n_channels, height, width = x.shape
    is_half, n_threads = x.dtype == torch.bfloat16, torch.get_num_threads()
    return (ctypes.c_int64 * 8)(n_images, height, width, n_channels, depth.shape[-1], is_half, n_threads, stride)


def _address(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def _addresses(tensors: Sequence[Tensor | None]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(tensors))(*(None if tensor is None else tensor.data_ptr() for tensor in tensors))


def _loaded() -> ctypes.CDLL:
    library = _library()
    if isinstance(library, str):
        raise RuntimeError(f"the native kernels are not available: {library}")
    return library


@cache
def _library() -> ctypes.CDLL | str:
    """The library, or why there is none."""
    if platform.system() not in ("Linux", "Darwin"):
        return f"no kernels for {platform.system()}"
    try:
        library = ctypes.CDLL(str(_built()))
        library.enas_keep_memory()
        return library
    except (OSError, subprocess.SubprocessError, _Unavailable) as error:
        return f"could not be built: {error}"


def _built() -> Path:
    """The library's file, compiled unless it is there. Written under another name first, as two may build at once."""
    compiler = os.environ.get("CXX", "c++")
    sources = sorted(_SOURCES.glob("*.h")) + sorted(_SOURCES.glob("*.cpp"))
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    parts = [version, _processor(), repr((_FLAGS, _TRIALS)), *(source.read_text() for source in sources)]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "enas"
    path = folder / f"kernels-{key}.so"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        target = Path(scratch) / path.name
        _compile(compiler, target)
        target.replace(path)
    return path


def _compile(compiler: str, target: Path) -> None:
    said = ""
    for more in _TRIALS:
        command = [compiler, *_FLAGS, *more, str(_SOURCES / "kernels.cpp"), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode == 0:
            return
        said = said or done.stderr.strip().partition("\n")[0]
    raise _Unavailable(f"{compiler} says: {said}")


def _processor() -> str:
    """What ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.platform()
    told = {line for line in lines if line.startswith(("flags", "model name", "Features"))}
    return platform.machine() + "".join(sorted(told))
