"""Training and validation images as one numbered row of pictures, augmented copies of the training ones behind them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.data.dataset import FloatArray
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
        copy, row = np.divmod(rows.cpu().numpy(), self.n_originals)
        is_train = row < self.n_train
        place = np.where(is_train, copy * self.n_train + row, row - self.n_train)
        if self._resident is not None:
            place = np.where(is_train, place, len(self.train) + place)
            pixels = self._resident[torch.from_numpy(place).to(self.device)]
        else:
            taken = np.empty((len(place), *self.train.shape[1:]), np.uint8)
            taken[is_train] = self.train[place[is_train]]
            taken[~is_train] = self.valid[place[~is_train]]
            pixels = torch.from_numpy(taken).to(self.device)
        return normalise(pixels, self.mean, self.std)

    @cached_property
    def _resident(self) -> Tensor | None:
        if self.device == "cpu" or self.train.nbytes + self.valid.nbytes > RESIDENT_BYTES:
            return None
        return torch.from_numpy(np.concatenate([self.train, self.valid])).to(self.device)
