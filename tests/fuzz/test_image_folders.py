"""Folders of images under fire: every oddity is read exactly, or refused by one message that names the place.

A tree is written as a dictionary from names to grey levels (an image of that level), bytes, or one of the makers below.
"""

import os
import shutil
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from enas.data.images import ImageFormat, ImageSet, infer_format, read_images
from enas.errors import DataError

FORMAT = ImageFormat((3, 4), 1)
Maker = Callable[[Path], object]
Tree = Mapping[str, int | bytes | Maker]
posix = pytest.mark.skipif(os.name != "posix", reason="only POSIX has such files and names")


def encode(level: int, size: tuple[int, int] = (3, 4), kind: str = "PNG") -> bytes:
    """An image of one grey level."""
    stream = BytesIO()
    Image.new("L", size[::-1], level).save(stream, kind)
    return stream.getvalue()


def declaring(width: int, height: int) -> bytes:
    """A PNG whose header alone is large."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + encode(0)[33:]


def folder_at(path: Path) -> None:
    path.mkdir()


def link(target: str) -> Maker:
    return lambda path: path.symlink_to(target)


def pipe(path: Path) -> None:
    os.mkfifo(path)


def socket_at(path: Path) -> None:
    os.chdir(path.parent)  # an address may have a hundred bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)


def plant(folder: Path, tree: Tree) -> Path:
    """Writes a tree below ``folder``, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, what in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(what):
            what(path)
        else:
            path.write_bytes(encode(what) if isinstance(what, int) else what)
    return folder


def read(folder: Path, log: Any, **options: Any) -> ImageSet:
    defaults: dict[str, Any] = {"classes": None, "labelled": True, "skip_unreadable": False}
    return read_images(folder, FORMAT, cache=folder.parent / "cache", progress=log, **(defaults | options))


def levels(images: ImageSet) -> dict[str, int]:
    """The grey level of each image by its name, once it is sure that the image has but one and the class is right."""
    pixels = np.asarray(images.pixels)
    assert (pixels == pixels[:, :1, :1]).all()
    if images.target is not None:
        classes = [images.target.classes[k] for k in images.target.values]
        assert classes == [name.partition("/")[0] for name in images.sample_ids]
    return dict(zip(images.sample_ids, pixels[:, 0, 0, 0].tolist(), strict=True))


BASE: Tree = {"a/1.png": 1, "b/1.png": 2}
HIDDEN = {"a/.DS_Store": b"x", "b/Thumbs.db": b"x", "__MACOSX/a/1.png": b"", ".git/x.png": b"", ".1.png": b""}
KNOT = {f"a/{i}/{i}.png": 10 + i for i in range(12)}
KNOT_LINKS = {f"a/{i}/to {j}": link(f"../{j}") for i in range(12) for j in range(12) if i != j}
NAMES = {
    "line feed": "a/x\ny.png",
    "quotes": "a/'\"`$(x).png",
    "backslash": "a/x\\y.png",
    "escape sequence": "a/\x1b[2J\x07.png",
    "right to left": "a/\u202egnp.exe\u200f.png",
    "markup": "a/<script>alert(1)<&amp;.png",
    "formula": "a/=cmd().png",
    "dash": "a/--help.png",
    "255 bytes": f"a/{'ü' * 125}x.png",
    "spaces": "a/ x .png",
    "combining": "a/é e\u0301.png",
    "only a suffix twice": "a/x.png.png",
    "300 folders": "a/" + "d/" * 300 + "1.png",
}


@posix
@pytest.mark.parametrize(
    ("tree", "others", "told"),
    [
        pytest.param(HIDDEN, {}, "5 hidden", id="what systems leave behind"),
        pytest.param({"notes.txt": b"x", "a/list.csv": b""}, {}, "1 .csv, 1 .txt", id="other files"),
        pytest.param({"c.png": 3}, {}, "leaving out 1 image in no class folder: 'c.png'", id="image beside classes"),
        pytest.param({f"a/1.{i}": b"" for i in range(500)}, {}, "490 of other kinds", id="500 suffixes"),
        pytest.param({"a/d/e/1.png": 3, "a/d/1.png": 4}, {"a/d/e/1.png": 3, "a/d/1.png": 4}, "", id="nested"),
        pytest.param({"a/up": link(".."), "b/me": link(".")}, {}, "2 link to a folder above", id="links upward"),
        pytest.param(KNOT | KNOT_LINKS, KNOT, "folder linked again", id="folders that link to one another"),
        pytest.param({"a/x": link("x")}, {}, "1 without suffix", id="link to itself"),
        pytest.param({"../o.png": 9, "a/2.png": link("../../o.png")}, {"a/2.png": 9}, "", id="link to a file outside"),
        pytest.param({"../o/1.png": 9, "c": link("../o")}, {"c/1.png": 9}, "", id="class that is a link"),
        pytest.param({"a/1.PNG": 3, "A/1.png": 4}, {"a/1.PNG": 3, "A/1.png": 4}, "", id="names that differ in case"),
        pytest.param({"a/2.png": 1}, {"a/2.png": 1}, "", id="the same image twice"),
        pytest.param({"a/2.png": encode(7, kind="BMP")}, {"a/2.png": 7}, "", id="wrong suffix"),
        pytest.param({"a/2.png": encode(7, (1, 1))}, {"a/2.png": 7}, "another size, resized ('a/2.png')", id="1 x 1"),
        pytest.param({"a/2.png": encode(7, (1, 999))}, {"a/2.png": 7}, "1 image of another size", id="1 x 999"),
        pytest.param({"a/2.png": encode(7, (999, 1))}, {"a/2.png": 7}, "1 image of another size", id="999 x 1"),
        pytest.param({"a/x.png/1.png": 3}, {"a/x.png/1.png": 3}, "", id="folder named like an image"),
        pytest.param({"a/pipe": pipe}, {}, "1 without suffix", id="pipe without suffix"),
        *(pytest.param({name: 3}, {name: 3}, "3 images", id=f"name: {what}") for what, name in NAMES.items()),
    ],
)
def test_read(tmp_path: Path, log: Any, tree: Tree, others: dict[str, int], told: str) -> None:
    folder = plant(tmp_path / "train", {**BASE, **tree})
    for _ in range(2):  # decoded, then from the cache
        assert levels(read(folder, log)) == {"a/1.png": 1, "b/1.png": 2} | others
        assert told in log.text
    assert log.text.replace("\n", "").isprintable()
    assert infer_format(folder, size=None, n_channels=None, progress=log) == FORMAT


@posix
@pytest.mark.parametrize(
    ("tree", "named", "why"),
    [
        pytest.param({"a/x.png": b""}, "train/a/x.png'", "is empty (0 bytes)", id="no bytes"),
        pytest.param({"a/x.png": b"hello"}, "train/a/x.png'", "is no image", id="text"),
        pytest.param({"a/x.png": b"GIF89a"}, "train/a/x.png'", "is a GIF", id="GIF"),
        pytest.param({"a/x.png": encode(3)[:50]}, "train/a/x.png'", "is ", id="truncated"),
        pytest.param({"a/x.png": declaring(40_000, 40_000)}, "x.png'", "more than the 89,478,485", id="giant"),
        pytest.param({"a/x.png": declaring(2**31 - 1, 2**31 - 1)}, "x.png'", "more than the", id="absurdly giant"),
        pytest.param(
            {"a/x.png": declaring(9_000, 9_000)}, "a/x.png'", "cannot hold 9,000 x 9,000", id="large and empty"
        ),
        pytest.param({"a/x.png": declaring(0, 0)}, "train/a/x.png'", "is ", id="of no pixels"),
        pytest.param({"a/x.png": link("gone.png")}, "train/a/x.png'", "is a link to nothing", id="link to nothing"),
        pytest.param({"a/x.png": link("x.png")}, "train/a/x.png'", "is a link to nothing", id="link to itself"),
        pytest.param({"a/x.png": pipe}, "train/a/x.png'", "is not a file", id="pipe"),
        pytest.param({"a/x.png": link("/dev/zero")}, "train/a/x.png'", "is not a file", id="device"),
        pytest.param({"a/x.png": socket_at}, "train/a/x.png'", "is not a file", id="socket"),
        pytest.param({"a/x\x1b[2J\n.png": b""}, r"train/a/x\x1b[2J\n.png'", "is empty", id="escape sequence"),
        pytest.param({f"a/{'x' * 240}{i}.png": b"" for i in range(12)}, "…", "and 2 more", id="long names"),
        pytest.param({"c\n": folder_at}, "train'", r"without an image: 'c\n'", id="empty class"),
        pytest.param({"c/x.txt": b""}, "train'", "without an image: 'c'", id="class of other files"),
        pytest.param({f"c{i}": folder_at for i in range(5_000)}, "train'", "and 4,990 more", id="5,000 empty classes"),
        pytest.param({os.fsdecode(b"a/\xff.png"): 3}, "train'", r"not UTF-8: 'a/\udcff.png'", id="not UTF-8"),
        pytest.param({os.fsdecode(b"\xff/1.png"): 3}, "train'", r"not UTF-8: '\udcff'", id="class not UTF-8"),
    ],
)
def test_refused(tmp_path: Path, log: Any, tree: Tree, named: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = plant(tmp_path / "train", {**BASE, **tree})
    for _ in range(2):
        message = refusal(folder, log)
        assert named in message
        assert why in message


@posix
@pytest.mark.parametrize(
    ("tree", "why"),
    [
        pytest.param({}, "holds no image", id="empty"),
        pytest.param(HIDDEN, "holds no image (only 5 hidden)", id="only hidden files"),
        pytest.param({"1.png": 1, "2.png": 2}, "has no class folders", id="no classes"),
        pytest.param({"a\n/1.png": 1}, r"has one class folder, 'a\n'", id="one class"),
        pytest.param({"train/a/1.png": 1, "val/a/1.png": 1}, "name one of them", id="folders of splits"),
        pytest.param({"a": link("nowhere"), "b": link("b")}, "holds no image (only 2 without suffix)", id="dead links"),
        pytest.param({"a/1.png": b"", "b/1.png": b""}, "none of the 2 images", id="nothing readable"),
    ],
)
def test_whole_folder_refused(tmp_path: Path, log: Any, tree: Tree, why: str) -> None:
    folder = plant(tmp_path / "train", tree)
    assert f"'{folder}'" in refusal(folder, log)
    assert why in refusal(folder, log)


def refusal(folder: Path, log: Any, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(folder, log, **options)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 3_000
    return message


@posix
def test_ten_thousand_classes(tmp_path: Path, log: Any) -> None:
    folder = plant(tmp_path / "train", {"0/1.png": 1})
    for i in range(1, 10_000):
        (folder / f"{i}").mkdir()
        os.link(folder / "0/1.png", folder / f"{i}/1.png")
    images = read(folder, log)
    assert images.target is not None
    assert images.target.values.tolist() == list(range(10_000))
    assert images.sample_ids[2] == "10/1.png"
    started = time.process_time()
    read(folder, log, classes=images.target.classes)
    assert "known are '0', '1', '10'" in refusal(folder, log, classes=images.target.classes[:500])
    assert time.process_time() - started < 5


class Meanwhile:
    """A progress that does something when decoding begins."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def line(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        self._act()
        yield lambda text: None


def test_folder_that_is_deleted_while_it_is_read(tmp_path: Path, log: Any) -> None:
    folder = plant(tmp_path / "train", BASE)
    message = refusal(folder, Meanwhile(lambda: shutil.rmtree(folder)))
    assert message == f"none of the 2 images of '{folder}' can be read: 'a/1.png' is not there any more"
    assert refusal(folder, log).startswith(f"folder '{folder}' does not exist")


def test_a_file_that_comes_back_is_read(tmp_path: Path, log: Any) -> None:
    """As with permissions and lost connections: the file is what it was, but could not be read once."""
    folder = plant(tmp_path / "train", {**BASE, "b/2.png": 3})
    away = Meanwhile(lambda: (folder / "b/2.png").rename(tmp_path / "away"))
    assert levels(read(folder, away, skip_unreadable=True)) == {"a/1.png": 1, "b/1.png": 2}
    (tmp_path / "away").rename(folder / "b/2.png")
    for _ in range(2):
        assert levels(read(folder, log)) == {"a/1.png": 1, "b/1.png": 2, "b/2.png": 3}


def test_changed_after_reading(tmp_path: Path, log: Any) -> None:
    folder = plant(tmp_path / "train", BASE)
    images = read(folder, log)
    plant(folder, {"a/1.png": 77, "b/2.png": 3})
    os.utime(folder / "a/1.png", ns=(5, 5))
    assert levels(read(folder, log)) == {"a/1.png": 77, "b/1.png": 2, "b/2.png": 3}
    if os.name == "posix":  # a removed file stays for those who map it
        assert levels(images) == {"a/1.png": 1, "b/1.png": 2}


def nest(path: Path) -> None:
    path.write_text("[" * 100_000)


def flip(at: int) -> Maker:
    def damage(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[at] ^= 1
        path.write_bytes(content)

    return damage


def replace(old: bytes, new: bytes) -> Maker:
    def damage(path: Path) -> None:
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new))

    return damage


@pytest.mark.parametrize(
    ("suffix", "damage"),
    [
        pytest.param(".npy", flip(-1), id="last pixel"),
        pytest.param(".npy", flip(128), id="first pixel"),
        pytest.param(".npy", flip(6), id="numpy version"),
        pytest.param(".npy", lambda path: os.truncate(path, 0), id="no pixels"),
        pytest.param(".npy", lambda path: os.truncate(path, 140), id="some pixels"),
        pytest.param(".npy", Path.unlink, id="pixels gone"),
        pytest.param(".json", replace(b'"checksum"', b'"another"'), id="of another version"),
        pytest.param(".json", replace(b'"n_images": 2', b'"n_images": 1'), id="fewer images"),
        pytest.param(".json", replace(b'"n_images": 2', b'"n_images": 1e999'), id="infinite images"),
        pytest.param(".json", replace(b"b/2.png", b"b/1.png"), id="another file is unreadable"),
        pytest.param(".json", nest, id="endless brackets"),
        pytest.param(".json", lambda path: path.write_bytes(b"\xff\xfe\x00"), id="not UTF-8"),
    ],
)
def test_damaged_cache_is_made_anew(tmp_path: Path, log: Any, suffix: str, damage: Maker) -> None:
    folder = plant(tmp_path / "train", {**BASE, "b/2.png": b""})
    read(folder, log, skip_unreadable=True)
    (path,) = (tmp_path / "cache").glob(f"*{suffix}")
    damage(path)
    assert levels(read(folder, log, skip_unreadable=True)) == {"a/1.png": 1, "b/1.png": 2}
    assert log.lines[-1].count("decoded in") == 1
    with suppress(DataError):
        read(folder, log)
    assert levels(read(folder, log, skip_unreadable=True)) == {"a/1.png": 1, "b/1.png": 2}
    assert log.lines[-1].endswith("(from the cache)")
