"""Losses that are not finite: a few are skipped, many in a row are an error."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

MAX_IN_A_ROW = 5


class NotFinite(ArithmeticError):
    """The loss was not finite several times in a row."""


@dataclass(slots=True)
class Guard:
    """Looks at every loss before it is used; on a GPU afterwards, so that nothing waits for a loss.

    Args:
        optimizer_skips: the optimiser takes a gradient that is not finite for zero, so that a look back is enough.
    """

    optimizer_skips: bool
    n_skipped: int = 0
    n_in_a_row: int = 0
    _unsettled: list[Tensor] = field(default_factory=list, repr=False)

    def passes(self, loss: Tensor) -> bool:
        """Whether the gradient of this loss may be taken.

        Raises:
            NotFinite: five losses in a row were not finite.
        """
        is_finite = torch.isfinite(loss.detach())
        if loss.is_cuda and self.optimizer_skips:
            self._unsettled.append(is_finite)
            return True
        self._count(bool(is_finite))
        return bool(is_finite)

    def settle(self) -> None:
        """Count the losses that nobody has looked at yet.

        Raises:
            NotFinite: five losses in a row were not finite.
        """
        if self._unsettled:
            flags, self._unsettled = torch.stack(self._unsettled).tolist(), []
            for is_finite in flags:
                self._count(is_finite)

    def _count(self, is_finite: bool) -> None:
        self.n_in_a_row = 0 if is_finite else self.n_in_a_row + 1
        self.n_skipped += not is_finite
        if self.n_in_a_row >= MAX_IN_A_ROW:
            self.n_in_a_row = 0
            raise NotFinite(f"the loss was not finite {MAX_IN_A_ROW} times in a row")
