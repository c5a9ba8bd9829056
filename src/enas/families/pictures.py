"""Training and validation images as one numbered row of pictures, augmented copies of the training ones behind them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.data.dataset import FloatArray, IntArray, Target
from enas.data.images import ImageSet
from enas.data.splits import Split
from enas.folds import Folds, make_folds
from enas.image_model import normalise

Pixels = NDArray[np.uint8]

RESIDENT_BYTES = 4 << 30
"""On a GPU all pixels stay in its memory up to this size; beyond it, and on the CPU, they stay in their memory maps."""


@dataclass(frozen=True, eq=False)
class Pictures:
    """Rows of pictures; n training images, v validation images of a folder of their own, T = n + v.

    Row r < T is an original; row c·T + r the c-th augmented copy of training image r.

    Args:
        train: (m·n, H, W, C) uint8: the originals, then m - 1 copies of all of them.
        n_train: n.
        valid: (v, H, W, C) uint8; v may be 0.
        mean, std: (C,) of the training pixels.
        device: where pictures are wanted.
    """

    train: Pixels
    n_train: int
    valid: Pixels
    mean: FloatArray
    std: FloatArray
    device: str

    @property
    def n_originals(self) -> int:
        """T."""
        return self.n_train + len(self.valid)

    def take(self, rows: Tensor) -> Tensor:
        """Normalised pictures (B, C, H, W), channels last, of row numbers (B,)."""
        if self._resident is None:
            pixels = torch.from_numpy(self[rows.cpu().numpy()]).to(self.device)
        else:
            is_train, place = self._places(rows.cpu().numpy())
            place = np.where(is_train, place, len(self.train) + place)
            pixels = self._resident[torch.from_numpy(place).to(self.device)]
        return normalise(pixels, self.mean, self.std)

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, H, W, C)."""
        return (self.n_originals, *self.train.shape[1:])

    def __getitem__(self, rows: IntArray) -> Pixels:
        """Pixels (B, H, W, C) of row numbers (B,), as they stand in the files."""
        is_train, place = self._places(rows)
        taken = np.empty((len(place), *self.train.shape[1:]), np.uint8)
        taken[is_train] = self.train[place[is_train]]
        taken[~is_train] = self.valid[place[~is_train]]
        return taken

    def _places(self, rows: IntArray) -> tuple[NDArray[np.bool_], IntArray]:
        """Which rows are training images, and where each stands in its own array."""
        copy, row = np.divmod(rows, self.n_originals)
        is_train = row < self.n_train
        return is_train, np.where(is_train, copy * self.n_train + row, row - self.n_train)

    @cached_property
    def _resident(self) -> Tensor | None:
        if self.device == "cpu" or self.train.nbytes + self.valid.nbytes > RESIDENT_BYTES:
            return None
        return torch.from_numpy(np.concatenate([self.train, self.valid])).to(self.device)


def folds_of(train: ImageSet, valid: ImageSet | None, split: Split, n_aug_img: int, device: str) -> Folds:
    """Which rows train and judge; rows are numbered as in `Pictures`, and copies of validation images are left out."""
    assert train.target is not None, "training images have classes"
    parts = [train.target.values]
    if valid is not None and valid.target is not None:
        parts.append(valid.target.values)
    labels = np.concatenate(parts)
    rows = np.concatenate([split.train + copy * len(labels) for copy in range(n_aug_img)])
    target = Target(("class",), np.tile(labels, n_aug_img), train.target.classes)
    return make_folds([[]], target, [Split(rows, split.held_out)], stem=lambda architecture: 0, device=device)
