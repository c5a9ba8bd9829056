"""Thousands of random damages to a small tree of images and to its cache.

Whatever is read is exactly what each file holds by itself; whatever is refused names the folder in one printable
message. ``ENAS_FUZZ_CASES`` sets the number of cases.
"""

import os
import shutil
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from enas.data.decode import decode_image, quietly
from enas.data.image_folder import list_images
from enas.data.images import ImageFormat, ImageSet, infer_format, read_images
from enas.errors import DataError, EnasError, RunError

N_CASES = int(os.environ.get("ENAS_FUZZ_CASES", "150"))
KINDS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
NAMES = (
    "x\ny.png",
    "'\".jpg",
    "\x1b[31m.bmp",
    "\u202etxt.tif",
    "ü" * 120 + ".webp",
    "A.PNG",
    ".hid.png",
    "noend",
    "Ⅷ.jpe",
)
BAD_NAMES = tuple(map(os.fsdecode, (b"\xff.png", b"\xc3(.jpg", b"\xed\xa0\x80")))
pytestmark = pytest.mark.skipif(os.name != "posix", reason="only POSIX has such files and names")


def encode_all() -> list[bytes]:
    generator = np.random.default_rng(0)
    contents = []
    for i, shape in enumerate([(4, 5), (4, 5, 3), (1, 1, 3), (1, 9), (4, 5, 4), (7, 2)]):
        image = Image.fromarray(generator.integers(0, 256, shape, np.uint8))
        for kind in KINDS:
            stream = BytesIO()
            (image if kind in ("PNG", "TIFF") else image.convert("RGB")).save(stream, kind, quality=90 - i)
            contents.append(stream.getvalue())
    return contents


CONTENTS = encode_all()


class Mutations:
    """Ways to spoil a tree; each takes a random file or folder of it."""

    def __init__(self, folder: Path, generator: np.random.Generator) -> None:
        self._folder, self._generator = folder, generator

    def apply(self) -> None:
        ways = (
            self.damage,
            self.damage,
            self.cut,
            self.empty,
            self.fill,
            self.rename,
            self.replace,
            self.add,
            self.knot,
        )
        try:
            self._draw(ways)()
        except (OSError, ValueError):  # a mutation before this one took the file away, or all that was in it
            return

    def damage(self) -> None:
        path = self._file()
        content = bytearray(path.read_bytes())
        for _ in range(int(self._generator.integers(1, 5))):
            content[int(self._generator.integers(len(content)))] ^= self._byte()
        path.write_bytes(content)

    def cut(self) -> None:
        path = self._file()
        os.truncate(path, int(self._generator.integers(path.stat().st_size + 1)))

    def empty(self) -> None:
        shutil.rmtree(folder := self._class())
        folder.mkdir()

    def fill(self) -> None:
        self._file().write_bytes(self._generator.bytes(int(self._generator.integers(100))))

    def rename(self) -> None:
        path = self._draw((self._file, self._class))()
        path.rename(path.with_name(self._name()))

    def replace(self) -> None:
        path = self._file()
        path.unlink()
        ways: tuple[Callable[[], object], ...] = (
            lambda: path.mkdir(),
            lambda: os.mkfifo(path),
            lambda: path.symlink_to(self._draw((".", "..", path.name, "gone", "/dev/zero", "/dev/null", "../a/0.png"))),
            lambda: path.parent.joinpath("sub").mkdir(),
        )
        self._draw(ways)()

    def add(self) -> None:
        (self._class() / self._name()).write_bytes(self._draw(CONTENTS))

    def knot(self) -> None:
        (self._class() / "link").symlink_to(self._draw(("../a", "../b", "../c", "..", "../..")))

    def _draw(self, choices: Any) -> Any:
        return choices[int(self._generator.integers(len(choices)))]

    def _byte(self) -> int:
        return int(self._generator.integers(1, 256))

    def _file(self) -> Path:
        return Path(self._draw(sorted(path for path in self._folder.rglob("*") if path.is_file()) or [self._folder]))

    def _class(self) -> Path:
        return Path(self._draw(sorted(path for path in self._folder.iterdir() if path.is_dir()) or [self._folder]))

    def _name(self) -> str:
        return str(self._draw(BAD_NAMES if self._generator.random() < 0.05 else NAMES))


def make_tree(folder: Path, generator: np.random.Generator) -> None:
    for name in "abc"[: int(generator.integers(2, 4))]:
        (folder / name).mkdir(parents=True)
        for i in range(int(generator.integers(1, 4))):
            path = folder / name / f"{i}{generator.choice(['.png', '.jpg', '.bmp'])}"
            path.write_bytes(CONTENTS[int(generator.integers(len(CONTENTS)))])


def damage_cache(cache: Path, generator: np.random.Generator) -> None:
    files = sorted(path for path in cache.iterdir() if path.suffix in (".npy", ".json"))
    path = files[int(generator.integers(len(files)))]
    content = bytearray(path.read_bytes())
    if generator.random() < 0.2:
        content = content[: int(generator.integers(len(content)))]
    elif generator.random() < 0.1:
        content += b"\0"
    else:
        content[int(generator.integers(len(content)))] ^= 1 << int(generator.integers(8))
    path.write_bytes(content)


def check(images: ImageSet, folder: Path, fmt: ImageFormat, *, labelled: bool) -> None:
    """Every image is what its file gives by itself, and nothing that can be read is missing."""
    ids = set(images.sample_ids)
    assert len(ids) == len(images.pixels)
    for name, pixels in zip(images.sample_ids, images.pixels, strict=True):
        assert np.array_equal(decode_image(folder / name, fmt.size, fmt.n_channels)[0], pixels)
    for file in list_images(folder).files:
        if file.name not in ids and (file.class_name or not labelled):
            with pytest.raises(DataError):
                decode_image(folder / file.name, fmt.size, fmt.n_channels)
    if images.target is not None:
        classes = [images.target.classes[k] for k in images.target.values]
        assert classes == [name.partition("/")[0] for name in images.sample_ids]


def attempt(read: Callable[[], ImageSet], folder: Path) -> ImageSet | str:
    """What was read, or why not."""
    try:
        return read()
    except (DataError, RunError) as error:
        return check_message(error, folder)


def check_message(error: EnasError, folder: Path) -> str:
    message = str(error)
    assert str(folder) in message
    assert message.isprintable()
    assert len(message) < 3_000
    return message


def run_case(root: Path, seed: int, log: Any) -> bool:
    """Whether the folder was read."""
    generator = np.random.default_rng(seed)
    folder, cache = root / "the images", root / "cache"
    make_tree(folder, generator)
    for _ in range(int(generator.integers(1, 5))):
        Mutations(folder, generator).apply()
    fmt = ImageFormat((4, 5), int(generator.choice([1, 3])))
    try:
        fmt = infer_format(folder, size=None, n_channels=None, progress=log)
    except DataError as error:
        check_message(error, folder)
    labelled, skip = generator.random() < 0.7, bool(generator.random() < 0.7)

    def read() -> ImageSet:
        options: dict[str, Any] = {"classes": None, "labelled": labelled, "skip_unreadable": skip}
        return read_images(folder, fmt, cache=cache, progress=log, n_threads=1, **options)

    first = attempt(read, folder)
    if cache.is_dir() and any(path.suffix == ".json" for path in cache.iterdir()):
        damage_cache(cache, generator)
    second = attempt(read, folder)
    if isinstance(first, str):
        assert second == first
        return False
    assert isinstance(second, ImageSet)
    with quietly():
        check(second, folder, fmt, labelled=labelled)
    return True


@pytest.fixture
def peak() -> Callable[[], int]:
    """Bytes by which the process has grown at its largest."""
    if sys.platform != "linux":
        pytest.skip("asks Linux for the memory of the process")
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return lambda: (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024


def test_random_damage(tmp_path: Path, log: Any, peak: Callable[[], int]) -> None:
    n_read, slowest = 0, 0.0
    for seed in range(N_CASES):
        root = tmp_path / "case"
        started = time.process_time()
        try:
            n_read += run_case(root, seed, log)
        except BaseException as error:
            error.add_note(f"case {seed}")
            raise
        slowest = max(slowest, time.process_time() - started)
        shutil.rmtree(root)
        log.lines.clear()
        log.warnings.clear()
    print(f"{N_CASES:,} cases, {n_read:,} read, slowest {slowest:.2f} s, {peak() / 2**20:.0f} MB more at the peak")
    assert 0.2 * N_CASES < n_read < 0.9 * N_CASES
    assert slowest < 10
    assert peak() < 200 * 2**20
