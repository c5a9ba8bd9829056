"""The library of the kernels: built once into the cache folder, by two at once too, and never taken from others."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from enas.networks import native

needs_kernels = pytest.mark.skipif(not native.available(), reason=f"no native kernels: {native.unavailable()}")
ASK = "from enas.networks import native; print(native.must_be_built(), native.unavailable(), native.must_be_built())"


def start(cache: Path, compiler: Path) -> "subprocess.Popen[str]":
    environment = os.environ | {"ENAS_CACHE_DIR": str(cache), "CXX": str(compiler)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", ASK], env=environment, stdout=subprocess.PIPE, encoding="utf-8"
    )


def ask(cache: Path, compiler: Path) -> str:
    return start(cache, compiler).communicate()[0].strip()


@pytest.fixture
def compiler(tmp_path: Path) -> Path:
    """The usual one, which does not take the time to optimise."""
    path = tmp_path / "compiler"
    path.write_text(f'#!/bin/sh\nexec "{os.environ.get("CXX", "c++")}" "$@" -O0\n')
    path.chmod(0o755)
    return path


def names(cache: Path) -> list[str]:
    return sorted(path.relative_to(cache).as_posix() for path in cache.rglob("*"))


@needs_kernels
def test_two_processes_build_at_once_and_a_damaged_library_is_built_anew(tmp_path: Path, compiler: Path) -> None:
    cache = tmp_path / "the cache of Zoë"
    first, second = start(cache, compiler), start(cache, compiler)
    said = {first.communicate()[0].strip(), second.communicate()[0].strip()}
    assert "True None False" in said
    assert said <= {"True None False", "False None False"}  # where the second began after the first had ended
    folder, file = names(cache)
    assert folder == "kernels"
    assert file.startswith("kernels/kernels-")
    library = cache / file
    built, content = library.stat().st_mtime_ns, library.read_bytes()
    assert ask(cache, compiler) == "False None False"
    assert library.stat().st_mtime_ns == built

    library.write_bytes(content[:100])
    assert ask(cache, compiler) == "False None False"
    assert library.stat().st_size == len(content)
    assert len(names(cache)) == 2


@needs_kernels
@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_a_library_that_others_may_have_written_is_not_loaded(tmp_path: Path, compiler: Path) -> None:
    cache = tmp_path / "cache"
    (cache / "kernels").mkdir(parents=True)
    (cache / "kernels").chmod(0o777)
    said = ask(cache, compiler)
    assert said.startswith(f"False could not be built: others may write to the cache folder {cache}/kernels")
    assert names(cache) == ["kernels"]


@needs_kernels
@pytest.mark.slow
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="names x86's processors")
@pytest.mark.parametrize("processor", ["x86-64", "haswell", "skylake-avx512"])
def test_kernels_for_other_processors_pass_the_same_tests(tmp_path: Path, processor: str) -> None:
    compiler = tmp_path / "compiler"
    compiler.write_text(
        '#!/bin/sh\nfor option; do shift; [ "$option" = -march=native ] || set -- "$@" "$option"; done\n'
        f'exec "{os.environ.get("CXX", "c++")}" "$@" -march={processor}\n'
    )
    compiler.chmod(0o755)
    probe = subprocess.run([compiler, "-dM", "-E", "-x", "c++", os.devnull], capture_output=True, check=False)
    if probe.returncode or (b"__AVX512F__" in probe.stdout and "avx512f" not in Path("/proc/cpuinfo").read_text()):
        pytest.skip(f"no kernels for {processor} here")
    environment = os.environ | {"ENAS_CACHE_DIR": str(tmp_path / "cache"), "CXX": str(compiler)}
    others = sorted(str(path) for path in Path(__file__).parent.glob("test_*.py") if path != Path(__file__))
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *others]
    done = subprocess.run(tests, env=environment, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert len(list((tmp_path / "cache").rglob("kernels-*.so"))) == 2
