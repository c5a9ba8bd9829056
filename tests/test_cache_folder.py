"""The cache folder: where the user wants it, where the platform has it, and closed to others where code lies in it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from enas.cache_folder import cache_folder, private_folder
from enas.errors import RunError

posix = pytest.mark.skipif(os.name != "posix", reason="owners and modes of files are POSIX's")


def test_the_variable_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENAS_CACHE_DIR", str(tmp_path / "a b"))
    assert cache_folder() == tmp_path / "a b"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENAS_CACHE_DIR", "here")
    assert cache_folder() == tmp_path / "here"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="each platform has its own place")
def test_else_the_platform_has_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENAS_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "enas"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home/.cache/enas"


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root becomes somebody else")
def test_somebody_without_a_home_is_told_what_to_do() -> None:
    """Containers run as users that the system does not know."""
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    code = "import os; from enas.cache_folder import cache_folder; os.setuid(12345); cache_folder()"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, encoding="utf-8")
    message = "there is no home folder for the cache; name a folder in the variable ENAS_CACHE_DIR"
    assert done.stderr.strip().endswith(f"RunError: {message}")


@posix
def test_a_private_folder_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENAS_CACHE_DIR", str(tmp_path / "cache"))
    folder = private_folder("kernels")
    assert folder == tmp_path / "cache/kernels"
    assert folder.stat().st_mode & 0o077 == 0
    assert private_folder("kernels") == folder


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777, 0o1777])
def test_a_folder_open_to_others_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    monkeypatch.setenv("ENAS_CACHE_DIR", str(tmp_path))
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels").chmod(mode)
    with pytest.raises(RunError, match=f"others may write to the cache folder {tmp_path}/kernels.*ENAS_CACHE_DIR"):
        private_folder("kernels")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENAS_CACHE_DIR", str(tmp_path))
    (tmp_path / "kernels").mkdir(mode=0o700)
    os.chown(tmp_path / "kernels", 12345, -1)
    with pytest.raises(RunError, match="others may write to the cache folder"):
        private_folder("kernels")


def test_a_file_in_its_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("")
    monkeypatch.setenv("ENAS_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(RunError, match=r"the cache folder .* cannot be made: Not a directory"):
        private_folder("kernels")


FONTS = "import sys{first}; from enas.report import canvas; import matplotlib; print(matplotlib.get_cachedir())"


def ask_for_fonts(first: str, **variables: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "MPLCONFIGDIR"} | variables
    command = [sys.executable, "-c", FONTS.format(first=first)]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    return done.stdout.strip()


def test_matplotlib_keeps_its_fonts_there(tmp_path: Path) -> None:
    cache, own = str(tmp_path / "cache"), str(tmp_path / "own")
    assert ask_for_fonts("", ENAS_CACHE_DIR=cache) == str(tmp_path / "cache/matplotlib")
    assert ask_for_fonts("", ENAS_CACHE_DIR=cache, MPLCONFIGDIR=own) == own
    assert ask_for_fonts(", matplotlib", ENAS_CACHE_DIR=cache, XDG_CACHE_HOME=own) == str(tmp_path / "own/matplotlib")
