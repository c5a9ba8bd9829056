"""scikit-learn's digits as files."""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from enas.data.digits import write_digits


def test_digits_as_files(tmp_path: Path) -> None:
    write_digits(tmp_path / "digits", seed=0)
    files = sorted((tmp_path / "digits").rglob("*.png"))
    parts = [path.relative_to(tmp_path / "digits").parts for path in files]
    assert Counter(split for split, _, _ in parts) == {"train": 1297, "valid": 250, "test": 250}
    assert len({name for _, _, name in parts}) == 1797
    levels, digits = load_digits(return_X_y=True)
    for path, (_, digit, name) in list(zip(files, parts, strict=True))[::97]:
        row = int(name.removesuffix(".png"))
        assert int(digit) == digits[row]
        assert (np.asarray(Image.open(path)) == np.rint(levels[row].reshape(8, 8) * 255 / 16)).all()
    shares = Counter(digit for split, digit, _ in parts if split == "test")
    assert set(shares.values()) <= {24, 25, 26}


def test_the_seed_decides(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        write_digits(tmp_path / name, seed=seed)
    a, b, c = ({str(p.relative_to(tmp_path / name)) for p in (tmp_path / name).rglob("*.png")} for name in "abc")
    assert a == b
    assert a != c
