"""Decoded images on the disk: found again, made anew when anything changed, whole or not there."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from enas.data.image_cache import CachedImages, cached_images
from enas.data.image_folder import list_images
from enas.data.image_format import ImageFormat
from enas.errors import DataError, RunError

N_IMAGES = 300
FORMAT = ImageFormat((5, 7), 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "train"
    folder.mkdir()
    for i in range(N_IMAGES):
        Image.new("RGB", (7, 5), (i % 256, i // 256, 9)).save(folder / f"{i:03d}.bmp")
    return folder


def load(folder: Path, log: Any, fmt: ImageFormat = FORMAT, n_threads: int | None = 2) -> CachedImages:
    return cached_images(
        folder, list_images(folder).files, fmt, cache=folder.parent / "new/cache", progress=log, n_threads=n_threads
    )


def files(folder: Path) -> list[str]:
    return sorted(path.suffix for path in (folder.parent / "new/cache").iterdir())


def test_decoded_once(folder: Path, log: Any) -> None:
    first = load(folder, log)
    assert first.n_seconds is not None
    assert (first.pixels[:, 4, 6] == [[i % 256, i // 256, 9] for i in range(N_IMAGES)]).all()
    (path,) = (folder.parent / "new/cache").glob("*.npy")
    assert (np.load(path) == first.pixels).all()
    n_lines = len(log.lines)
    second = load(folder, log)
    assert second.n_seconds is None
    assert (second.pixels == first.pixels).all()
    assert len(log.lines) == n_lines
    assert files(folder) == [".json", ".lock", ".npy"]


def test_large_files_are_decoded_in_threads_in_order(tmp_path: Path, log: Any) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    for i in range(200):
        Image.new("RGB", (64, 64), (i, 0, 9)).save(folder / f"{i:03d}.bmp")
    for n_threads in (1, 3, None):
        pixels = load(folder, log, ImageFormat((64 - (n_threads or 0), 64), 3), n_threads).pixels
        assert pixels[:, 3, 3, 0].tolist() == list(range(200))


def changed_time(folder: Path) -> None:
    os.utime(folder / "007.bmp", ns=(1, 1))


def renamed(folder: Path) -> None:
    (folder / "007.bmp").rename(folder / "x.bmp")


def removed(folder: Path) -> None:
    (folder / "007.bmp").unlink()


@pytest.mark.parametrize("change", [changed_time, renamed, removed])
def test_a_change_makes_it_anew_and_removes_the_old(folder: Path, log: Any, change: Callable[[Path], None]) -> None:
    load(folder, log)
    change(folder)
    again = load(folder, log)
    assert again.n_seconds is not None
    assert len(again.pixels) == len(list_images(folder).files)
    assert files(folder) == [".json", ".lock", ".npy"]
    assert load(folder, log).n_seconds is None


def test_another_format_is_another_cache(folder: Path, log: Any) -> None:
    load(folder, log)
    again = load(folder, log, ImageFormat((5, 7), 1))
    assert again.n_seconds is not None
    assert again.pixels.shape == (N_IMAGES, 5, 7, 1)


def test_folders_share_a_cache(folder: Path, log: Any) -> None:
    other = folder.parent / "other" / "train"
    other.mkdir(parents=True)
    Image.new("RGB", (7, 5)).save(other / "1.png")
    load(folder, log)
    cached_images(other, list_images(other).files, FORMAT, cache=folder.parent / "new/cache", progress=log)
    assert load(folder, log).n_seconds is None


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"x")


def spoilt_header(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[20:30] = b"\xff" * 10
    path.write_bytes(content)


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def not_json(path: Path) -> None:
    path.write_text("[1, 2")


def other_json(path: Path) -> None:
    path.write_text("[1, 2]")


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        *((".npy", damage) for damage in (cut, lengthened, spoilt_header, emptied, Path.unlink)),
        *((".json", damage) for damage in (cut, emptied, not_json, other_json, Path.unlink)),
    ],
)
def test_damaged_cache_is_made_anew(folder: Path, log: Any, suffix: str, damage: Callable[[Path], None]) -> None:
    before = np.array(load(folder, log).pixels)
    (path,) = (folder.parent / "new/cache").glob(f"*{suffix}")
    damage(path)
    again = load(folder, log)
    assert (again.pixels == before).all()
    assert (again.n_seconds is None) == (suffix == ".json" and damage is cut)  # a line feed
    assert log.warnings == []


class Interrupted:
    """A progress whose bar is interrupted at its second step, as by Ctrl-C."""

    def line(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        steps = iter(range(total))

        def step(text: str) -> None:
            if next(steps) == 1:
                raise KeyboardInterrupt

        yield step


def test_interrupted_leaves_nothing(folder: Path, log: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(folder, Interrupted())
    assert files(folder) == [".lock"]
    assert load(folder, log).n_seconds is not None


KILLED = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
from enas.data.image_cache import cached_images
from enas.data.image_folder import list_images
from enas.data.image_format import ImageFormat

class Deadly:
    def line(self, text): pass
    def warn(self, text): pass
    @contextmanager
    def stage(self, title, total):
        yield lambda text: os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
cached_images(folder, list_images(folder).files, ImageFormat((5, 7), 3), cache=folder.parent / "new/cache",
              progress=Deadly())
"""


def test_killed_leaves_no_final_name_and_the_rest_is_swept(folder: Path, log: Any) -> None:
    process = subprocess.run([sys.executable, "-c", KILLED, str(folder)], check=False, capture_output=True)
    assert process.returncode == -9, process.stderr
    left = [path.name for path in (folder.parent / "new/cache").iterdir()]
    assert [name for name in left if not name.startswith(".partial-")] == [name for name in left if "lock" in name]
    assert len(left) == 2
    assert len(load(folder, log).pixels) == N_IMAGES
    assert files(folder) == [".json", ".lock", ".npy"]


def test_cache_that_cannot_be_made(folder: Path, log: Any) -> None:
    (folder.parent / "new").write_text("a file")
    with pytest.raises(DataError, match=r"the folder '.*' for decoded images cannot be made: "):
        load(folder, log)


def test_too_large_for_the_disk(folder: Path, log: Any) -> None:
    with pytest.raises(DataError, match=r"decoded images need [\d,.]+ GB in .* set a smaller trainer.img_size"):
        load(folder, log, ImageFormat((1_000_000, 1_000_000), 3))


@pytest.mark.skipif(sys.platform != "linux", reason="sets a limit of the system's")
def test_full_disk_is_an_error(folder: Path, log: Any) -> None:
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(RunError, match=r"cannot write .*\.npy: File too large"):
            load(folder, log)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert files(folder) == [".lock"]


def test_second_start_on_many_files_is_quick(tmp_path: Path, log: Any) -> None:
    folder = tmp_path / "train"
    folder.mkdir()
    Image.new("L", (2, 2)).save(folder / "0.png")
    for i in range(1, 5_000):
        os.link(folder / "0.png", folder / f"{i}.png")
    load(folder, log, ImageFormat((2, 2), 1))
    started = time.process_time()
    assert len(load(folder, log, ImageFormat((2, 2), 1)).pixels) == 5_000
    assert time.process_time() - started < 0.25  # 60,000 in three seconds
