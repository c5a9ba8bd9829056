"""The library of the kernels: compiled at first use, loaded once.

It is built with the compiler ``c++`` (or ``$CXX``) into the folder ``kernels`` of the cache (`enas.cache_folder`), once
for each number format of images, version of the sources, compiler and processor. What lies there is executed, so a
folder that others may write to is refused.

Loading it also tells the GNU allocator to keep freed pages for the next step.
"""

import ctypes
import hashlib
import os
import platform
import subprocess
import tempfile
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from pathlib import Path
from typing import Literal

from enas.cache_folder import private_folder
from enas.device import torch_on_one_thread
from enas.errors import RunError

_SYSTEMS = ("Linux", "Darwin")
_SOURCES = Path(__file__).parents[1] / "kernels"
_FLAGS = ("-O2", "-march=native", "-ffp-contract=fast", "-std=c++17", "-shared", "-fPIC", "-pthread", "-w")
_TRIALS = (("-mprefer-vector-width=512",), ())  # the first that the compiler takes
_NUMBERS = {"float32": (), "bfloat16": ("-DENAS_BFLOAT16",)}

Number = Literal["float32", "bfloat16"]
"""The number format of images and activations."""


def available(number: Number = "float32") -> bool:
    """Whether the kernels can be used here; builds them at the first call (seconds). Never raises."""
    return unavailable(number) is None


def unavailable(number: Number = "float32") -> str | None:
    """Why the kernels cannot be used, for a line in the log; None where they can."""
    if os.environ.get("ENAS_NATIVE") == "0":
        return "switched off by ENAS_NATIVE=0"
    found = _library(number)
    return found if isinstance(found, str) else None


def must_be_built(number: Number = "float32") -> bool:
    """Whether `available` is about to compile the library. Never raises."""
    if os.environ.get("ENAS_NATIVE") == "0" or platform.system() not in _SYSTEMS:
        return False
    try:
        return not _path(number).exists()
    except (OSError, subprocess.SubprocessError, RunError):
        return False


def loaded(number: Number) -> ctypes.CDLL:
    """The library for images of a number format.

    Raises:
        RuntimeError: there is none, see `unavailable`.
    """
    library = _library(number)
    if isinstance(library, str):
        raise RuntimeError(f"the native kernels are not available: {library}")
    return library


def computing(device: str) -> AbstractContextManager[None]:
    """Inside, networks on this device compute; torch leaves its threads to the kernels, where there are any."""
    return torch_on_one_thread() if device == "cpu" and available() else nullcontext()


def release_memory() -> None:
    """Give back to the system what the library keeps for the next step, and keep nothing from now on."""
    for library in _loaded:
        library.enas_release_memory()


_loaded: list[ctypes.CDLL] = []


@cache
def _library(number: Number) -> ctypes.CDLL | str:
    """The library, or why there is none."""
    if platform.system() not in _SYSTEMS:
        return f"no kernels for {platform.system()}"
    try:
        library = _load(_path(number), number)
        if not _loaded:  # a second one must not undo `release_memory`
            library.enas_keep_memory()
        _loaded.append(library)
        return library
    except (OSError, subprocess.SubprocessError, RunError) as error:
        return f"could not be built: {error}"


def _load(path: Path, number: Number) -> ctypes.CDLL:
    if path.exists():
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # damaged, as by a power cut; it is built anew
            path.unlink(missing_ok=True)
    _build(path, number)
    return ctypes.CDLL(str(path))


def _path(number: Number) -> Path:
    """The library's file, whose name stands for all that it depends on."""
    compiler, sources = _compiler(), sorted(_SOURCES.glob("*.h")) + sorted(_SOURCES.glob("*.cpp"))
    version = _run([compiler, "--version"], seconds=30)
    version.check_returncode()
    texts = [source.read_text(encoding="utf-8") for source in sources]
    parts = [version.stdout, _processor(), repr((_FLAGS, _NUMBERS, _TRIALS)), *texts]
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    return private_folder("kernels") / f"kernels-{number}-{key}.so"


def _build(path: Path, number: Number) -> None:
    """Compile it beside its place first, as two processes may build at once."""
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        target = Path(scratch) / path.name
        _compile(target, number)
        target.replace(path)


def _compile(target: Path, number: Number) -> None:
    said = ""
    for more in _TRIALS:
        command = [_compiler(), *_FLAGS, *_NUMBERS[number], *more, str(_SOURCES / "kernels.cpp"), "-o", str(target)]
        done = _run(command, seconds=300)
        if done.returncode == 0:
            return
        said = said or done.stderr.strip().partition("\n")[0]
    raise RunError(f"{_compiler()} says: {said}")


def _compiler() -> str:
    return os.environ.get("CXX", "c++")


def _run(command: list[str], *, seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", check=False, timeout=seconds
    )


def _processor() -> str:
    """What ``-march=native`` depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.platform()
    told = {line for line in lines if line.startswith(("flags", "model name", "Features"))}
    return platform.machine() + "".join(sorted(told))
