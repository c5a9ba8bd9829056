"""scikit-learn's 1,797 handwritten digits as folders of PNG files, for ``enas demo digits``."""

from pathlib import Path

import numpy as np

SIZES = {"train": 1_297, "valid": 250, "test": 250}


def write_digits(folder: Path, *, seed: int) -> None:
    """Writes ``train``, ``valid`` and ``test`` of `SIZES` images, one folder per digit, each split stratified.

    The images are 8 x 8, grey; their levels 0 to 16 become 0 to 255.

    Args:
        folder: made if need be; files of the same names are replaced.
        seed: the same seed gives the same splits.
    """
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    levels, digits = load_digits(return_X_y=True)
    images = np.rint(levels * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8)
    rest, test = train_test_split(np.arange(len(digits)), test_size=SIZES["test"], stratify=digits, random_state=seed)
    train, valid = train_test_split(rest, test_size=SIZES["valid"], stratify=digits[rest], random_state=seed)
    for name, rows in zip(SIZES, (train, valid, test), strict=True):
        for row in rows:
            path = folder / name / str(digits[row]) / f"{row:04d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[row]).save(path)
