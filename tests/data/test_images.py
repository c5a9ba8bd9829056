"""Folders of images to one record per split: classes, oddities, what is refused and what is said."""

import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from enas.data.images import ImageFormat, ImageSet, infer_format, read_images
from enas.errors import DataError

GREY = ImageFormat((4, 6), 1)


def write(path: Path, level: int = 0, size: tuple[int, int] = (4, 6), mode: str = "L") -> None:
    """An image of one grey level."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size[::-1], level).convert(mode).save(path)


def read(folder: Path, log: Any, **options: Any) -> ImageSet:
    defaults: dict[str, Any] = {"classes": None, "labelled": True, "skip_unreadable": False}
    return read_images(folder, GREY, cache=folder.parent / "cache", progress=log, **(defaults | options))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Classes b and a with images at several depths."""
    write(tmp_path / "train/b/2.png", 20)
    write(tmp_path / "train/b/deeper/still/1.bmp", 21)
    write(tmp_path / "train/a/1.PNG", 10)
    write(tmp_path / "train/a b/1.tif", 15)
    return tmp_path / "train"


def test_classes_are_the_folders(folder: Path, log: Any) -> None:
    images = read(folder, log)
    assert images.target is not None
    assert images.target.names == ("class",)
    assert images.target.classes == ("a", "a b", "b")
    assert images.target.values.tolist() == [0, 1, 2, 2]
    assert images.target.values.dtype == np.int64
    assert images.sample_ids == ("a/1.PNG", "a b/1.tif", "b/2.png", "b/deeper/still/1.bmp")
    assert images.pixels[:, 0, 0, 0].tolist() == [10, 15, 20, 21]
    assert images.pixels.shape == (4, 4, 6, 1)
    assert not images.pixels.flags.writeable
    assert (images.n_samples, images.size, images.n_channels) == (4, (4, 6), 1)
    assert images.source == str(folder)
    assert f"read {folder}: 4 images of 4 x 6, grey in 3 classes (decoded in" in log.text
    assert log.warnings == []


def test_without_labels_every_image_counts(folder: Path, log: Any) -> None:
    write(folder / "loose.png", 5)
    images = read(folder, log, labelled=False)
    assert images.target is None
    assert images.sample_ids == ("a/1.PNG", "a b/1.tif", "b/2.png", "b/deeper/still/1.bmp", "loose.png")
    assert images.pixels[-1, 0, 0, 0] == 5


def test_test_folder_has_the_classes_of_training(folder: Path, log: Any) -> None:
    images = read(folder, log, classes=("a", "a b", "b", "c"))
    assert images.target is not None
    assert images.target.values.tolist() == [0, 1, 2, 2]
    assert images.target.classes == ("a", "a b", "b", "c")
    assert log.warnings == [f"{folder}: no image of 'c'"]
    with pytest.raises(DataError, match=r"has classes that the training folder lacks: 'b'; known are 'a', 'a b'"):
        read(folder, log, classes=("a", "a b"))


def test_loose_images_are_left_out_with_a_warning(folder: Path, log: Any) -> None:
    write(folder / "loose.png")
    assert read(folder, log).n_samples == 4
    assert log.warnings == [f"{folder}: leaving out 1 image in no class folder: 'loose.png'"]


def test_other_files_are_ignored_and_counted(folder: Path, log: Any) -> None:
    for name in (
        ".DS_Store",
        "a/._1.png",
        "a/Thumbs.db",
        "a/notes.txt",
        ".ipynb_checkpoints/x.png",
        "__MACOSX/a/y.png",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert read(folder, log).n_samples == 4
    assert f"{folder}: other files are ignored: 5 hidden, 1 .txt (images end in .bmp, " in log.text
    assert log.warnings == []
    (folder / "a/film.gif").write_bytes(b"GIF89a")
    read(folder, log)
    assert len(log.warnings) == 1
    assert "1 .gif" in log.warnings[0]


def test_links_are_followed_but_not_in_circles(folder: Path, log: Any) -> None:
    (folder / "c").symlink_to("b")
    (folder / "b/up").symlink_to("..")
    images = read(folder, log)
    assert images.sample_ids[-2:] == ("c/2.png", "c/deeper/still/1.bmp")
    assert images.n_samples == 6
    assert "link to a folder above" in log.text


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "holds no image; PNG, JPEG, BMP, TIFF and WebP are read"),
        (["a/x.txt", "b/x.gif"], "holds no image (only 1 .gif, 1 .txt)"),
        (["1.png", "2.png"], "has no class folders: put each class's images into a folder of its own"),
        (["a/1.png"], "has one class folder, 'a': at least two classes are needed"),
        (["train/a/1.png", "test/a/1.png"], "are 'test', 'train': name one of them, "),
        (["a/1.png", "b/1.png", "c/1.txt"], "without an image: 'c'; fill or delete them"),
        (["a/1.png", "b/\udcff.png"], "holds a name that is not UTF-8: 'b/\\udcff.png'; rename it"),
    ],
)
def test_refused_folders(tmp_path: Path, log: Any, names: list[str], message: str) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    with pytest.raises(DataError) as caught:
        read(folder, log)
    assert message in str(caught.value)
    assert str(folder) in str(caught.value)


def test_no_such_folder(folder: Path, log: Any) -> None:
    with pytest.raises(DataError, match=r"folder '.*/trian' does not exist; did you mean 'train'\?"):
        read(folder.parent / "trian", log)
    with pytest.raises(DataError, match=r"there is no folder '.*/nowhere'"):
        read(folder.parent / "nowhere/train", log)
    with pytest.raises(DataError, match=r"is a file, not a folder of images; unpack it"):
        read(folder / "a/1.PNG", log)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_without_permission(folder: Path, log: Any) -> None:
    (folder / "a").chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        read(folder, log)
    (folder / "a").chmod(0o700)


def test_unreadable_files_are_named(folder: Path, log: Any) -> None:
    for i in range(12):
        (folder / f"a/bad{i:02d}.png").write_bytes(b"")
    (folder / "b/gone.png").symlink_to("nothing")
    with pytest.raises(DataError) as caught:
        read(folder, log)
    message = str(caught.value)
    assert f"13 of 17 images of '{folder}' cannot be read: '{folder}/a/bad00.png' is empty (0 bytes);" in message
    assert "bad09" in message
    assert "bad10" not in message
    assert "and 3 more" in message
    assert "trainer.skip_unreadable: true" in message
    (listed,) = (folder.parent / "cache").glob("*-unreadable.txt")
    assert str(listed) in message
    lines = listed.read_text().splitlines()
    assert len(lines) == 13
    assert lines[-1] == f"{folder}/b/gone.png\tis a link to nothing"


def test_unreadable_files_can_be_left_out(folder: Path, log: Any) -> None:
    (folder / "a/0.png").write_bytes(b"")
    for _ in range(2):  # decoded, then from the cache
        log.warnings.clear()
        images = read(folder, log, skip_unreadable=True)
        assert images.sample_ids == ("a/1.PNG", "a b/1.tif", "b/2.png", "b/deeper/still/1.bmp")
        assert images.pixels[:, 0, 0, 0].tolist() == [10, 15, 20, 21]
        assert images.target is not None
        assert images.target.values.tolist() == [0, 1, 2, 2]
        assert log.warnings[0] == f"left out: '{folder}/a/0.png' is empty (0 bytes)"
        assert log.warnings[1].startswith(
            f"1 of 5 images of '{folder}' cannot be read and are left out; all are listed"
        )
    with pytest.raises(DataError, match="1 of 5 images"):
        read(folder, log)


def test_a_class_whose_files_are_all_unreadable(folder: Path, log: Any) -> None:
    (folder / "a/1.PNG").write_bytes(b"")
    with pytest.raises(DataError, match="without an image: 'a'"):
        read(folder, log, skip_unreadable=True)
    assert read(folder, log, skip_unreadable=True, classes=("a", "a b", "b")).n_samples == 3


def test_nothing_readable(tmp_path: Path, log: Any) -> None:
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / "train" / name).parent.mkdir(parents=True)
        (tmp_path / "train" / name).write_bytes(b"")
    with pytest.raises(DataError, match=r"none of the 2 images of '.*' can be read: 'a/1.png' is empty"):
        read(tmp_path / "train", log, skip_unreadable=True)
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]


def test_what_was_done_to_images_is_said_each_time(folder: Path, log: Any) -> None:
    write(folder / "b/large.png", 99, size=(9, 9), mode="RGB")
    for _ in range(2):
        log.lines.clear()
        assert read(folder, log).pixels[4, 0, 0, 0] == 99
        assert f"{folder}: 1 image of another size, resized ('b/large.png')" in log.lines
        assert f"{folder}: 1 image of colour, turned grey ('b/large.png')" in log.lines


def test_inferred_format(folder: Path, log: Any) -> None:
    write(folder / "b/large.png", size=(9, 8), mode="RGB")
    (folder / "b/bad.png").write_bytes(b"")
    assert infer_format(folder, size=None, n_channels=None, progress=log) == GREY
    assert log.lines == [f"{folder}: images are 4 x 6, grey (size in 80 %, grey in 80 % of 6 of 6 files)"]
    assert infer_format(folder, size=32, n_channels=None, progress=log) == ImageFormat((32, 32), 1)
    assert infer_format(folder, size=None, n_channels=3, progress=log) == ImageFormat((4, 6), 3)
    assert infer_format(folder / "absent", size=(8, 4), n_channels=3, progress=log) == ImageFormat((8, 4), 3)
    assert log.warnings == []


def test_many_sizes_are_warned_of(tmp_path: Path, log: Any) -> None:
    for side in (3, 4, 5, 6):
        write(tmp_path / f"a/{side}.png", size=(side, side), mode="RGB")
    assert infer_format(tmp_path, size=None, n_channels=None, progress=log) == ImageFormat((3, 3), 3)
    assert log.warnings == [f"{tmp_path}: images are of 4 sizes; set trainer.img_size if (3, 3) is not wanted"]


def test_no_header_can_be_read(tmp_path: Path, log: Any) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"no image of '.*' can be read: '.*a.png' is empty"):
        infer_format(tmp_path, size=None, n_channels=None, progress=log)


def test_published_images(tmp_path: Path, shared: Path, log: Any) -> None:
    with tarfile.open(shared / "data/images/mnist-small.tar.gz") as archive:
        archive.extractall(tmp_path, [m for m in archive if "/valid/" in m.name], filter="data")
    folder = tmp_path / "mnist-small/valid"
    fmt = infer_format(folder, size=None, n_channels=None, progress=log)
    assert fmt == ImageFormat((28, 28), 1)
    images = read_images(
        folder, fmt, classes=None, labelled=True, cache=tmp_path / "c", skip_unreadable=False, progress=log
    )
    assert images.n_samples == 1000
    assert images.target is not None
    assert images.target.classes == tuple("0123456789")
    one = images.sample_ids[500]
    assert (images.pixels[500, ..., 0] == np.asarray(Image.open(folder / one).convert("L"))).all()
    assert one.startswith(f"{images.target.values[500]}/")
