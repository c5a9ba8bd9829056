"""The training table as K networks see it side by side, one per fold, each with preprocessing of its own.

A single split is the case K = 1. With S seeds per fold there are M = S·K networks; network m belongs to fold m % K.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from enas.data.dataset import FloatArray, Target
from enas.data.splits import Split
from enas.metrics.rewards import WeightedLabels
from enas.search_space import Architecture


@dataclass(frozen=True, slots=True, eq=False)
class Folds:
    """Rows as tensors; n = rows of the table.

    Args:
        inputs: per screen, every row's coordinates in every fold, (K, n, r); r is padded with zeros to the largest
            fold.
        labels: classification: (n,) class indices. Regression: (n, t) values.
        n_outputs: C, classes or regression targets.
        is_regression: whether the labels are values.
        train: per fold the row numbers that train.
        held_out: row numbers that judge, (K, V), padded with row 0.
        held_out_mask: (K, V), False on padding.
        center, factor: regression: (K, 1, t) mean and standard deviation of each fold's training labels.
        row_weights: (n,) weight of each row in the loss.
        stem: which of the `inputs` an architecture reads.
        weighs_judges: whether those weights also count where rows judge.
        keeps_groups: whether whole groups of rows are held out together.
    """

    inputs: tuple[Tensor, ...]
    labels: Tensor
    n_outputs: int
    is_regression: bool
    train: tuple[Tensor, ...]
    held_out: Tensor
    held_out_mask: Tensor
    center: Tensor
    factor: Tensor
    row_weights: Tensor
    stem: Callable[[Architecture], int]
    weighs_judges: bool = False
    keeps_groups: bool = False

    @property
    def n_inputs(self) -> tuple[int, ...]:
        """Coordinates per screen."""
        return tuple(inputs.shape[2] for inputs in self.inputs)

    @property
    def n_folds(self) -> int:
        return len(self.train)

    @property
    def judged(self) -> Tensor:
        """Row numbers that some fold holds out, in the order of `collect`."""
        return self.held_out[self.held_out_mask]

    @property
    def fold_of_judged(self) -> Tensor:
        """The fold that holds out each judged row."""
        return self.held_out_mask.nonzero()[:, 0]

    @property
    def judged_labels(self) -> np.ndarray:
        """Labels of the judged rows, as the metrics take them; with weights, if these count where rows judge."""
        labels = np.asarray(self.labels[self.judged].cpu().numpy())
        if not self.weighs_judges:
            return labels
        return WeightedLabels(labels, self.row_weights[self.judged].cpu().numpy().astype(np.float64))

    def batches(self, batch_size: int, n_networks: int, generator: torch.Generator | None) -> Iterator[Tensor]:
        """One epoch: row numbers (M, B) per step, B <= batch_size.

        Rows are spread evenly over the steps, so that there is no remnant of one row; folds differ by a row or so, and
        the larger ones leave out as many, drawn anew each epoch. Without a generator rows come in the table's order.
        """
        n_rows = min(len(rows) for rows in self.train)
        n_steps = -(-n_rows // batch_size)
        order = torch.stack([self._permuted(m % self.n_folds, generator)[:n_rows] for m in range(n_networks)])
        yield from (part.to(self.labels.device) for part in order.tensor_split(n_steps, dim=1))

    def gather(self, architecture: Architecture, rows: Tensor) -> Tensor:
        """What M networks of an architecture see of the rows (M, B): (M, B, r)."""
        return self.inputs[self.stem(architecture)][self._fold_of_network(rows)[:, None], rows]

    def collect(self, outputs: Tensor) -> Tensor:
        """Outputs on `held_out` (M, V, C), averaged over seeds, as one row per judged row: (n_judged, C)."""
        mean = outputs.view(-1, self.n_folds, *outputs.shape[1:]).mean(dim=0)
        return self.unscale(mean)[self.held_out_mask]

    def sample_judges(self, n: int, generator: torch.Generator) -> "Folds":
        """The same folds judged on one shuffled minibatch of ``n`` held-out rows of each."""
        chosen = torch.randperm(self.held_out.shape[1], generator=generator)[:n].to(self.held_out.device)
        return replace(self, held_out=self.held_out[:, chosen], held_out_mask=self.held_out_mask[:, chosen])

    def unscale(self, outputs: Tensor) -> Tensor:
        """Regression outputs (K, B, t) in the labels' units; logits unchanged."""
        return outputs * self.factor + self.center if self.is_regression else outputs

    def scaled_labels(self, rows: Tensor) -> Tensor:
        """What the networks should output on rows (M, B)."""
        labels = self.labels[rows]
        if not self.is_regression:
            return labels
        fold = self._fold_of_network(rows)
        return (labels - self.center[fold]) / self.factor[fold]

    def _fold_of_network(self, rows: Tensor) -> Tensor:
        return torch.arange(len(rows), device=rows.device) % self.n_folds

    def _permuted(self, fold: int, generator: torch.Generator | None) -> Tensor:
        rows = self.train[fold]
        return rows if generator is None else rows[torch.randperm(len(rows), generator=generator)]


def make_folds(
    coordinates: Sequence[Sequence[FloatArray]],
    target: Target,
    splits: Sequence[Split],
    *,
    stem: Callable[[Architecture], int],
    balanced: bool = False,
    weights: FloatArray | None = None,
    device: str = "cpu",
    keeps_groups: bool = False,
) -> Folds:
    """Stack what each fold's preprocessor made of all rows.

    Args:
        coordinates: per fold, per screen, an array (n, r).
        target: of all rows.
        splits: per fold.
        stem: which screen an architecture reads.
        balanced: weight rows so that every class has the same total weight.
        weights: (n,) of the rows, in the loss and where they judge; None: all the same.
        device: where the tensors live.
        keeps_groups: whether the splits hold out whole groups.
    """
    n_held_out = max(len(split.held_out) for split in splits)
    held_out = torch.zeros(len(splits), n_held_out, dtype=torch.int64)
    mask = torch.zeros(len(splits), n_held_out, dtype=torch.bool)
    for fold, split in enumerate(splits):
        held_out[fold, : len(split.held_out)] = torch.from_numpy(split.held_out)
        mask[fold, : len(split.held_out)] = True
    is_regression = not target.classes
    row_weights = _row_weights(target, splits, balanced)
    if weights is not None:
        row_weights = row_weights * torch.from_numpy(weights)
    center, factor = _label_scale(target, splits)
    return Folds(
        inputs=tuple(_padded_stack(screen).to(device) for screen in zip(*coordinates, strict=True)),
        labels=torch.from_numpy(target.values).to(device),
        n_outputs=len(target.classes) or target.values.shape[1],
        is_regression=is_regression,
        train=tuple(torch.from_numpy(split.train) for split in splits),
        held_out=held_out.to(device),
        held_out_mask=mask.to(device),
        center=center.to(device),
        factor=factor.to(device),
        row_weights=row_weights.to(device),
        stem=stem,
        weighs_judges=weights is not None,
        keeps_groups=keeps_groups,
    )


def _padded_stack(arrays: Sequence[FloatArray]) -> Tensor:
    if len(arrays) == 1:  # no copy: this may be the whole table
        return torch.from_numpy(arrays[0])[None]
    stack = torch.zeros(len(arrays), len(arrays[0]), max(array.shape[1] for array in arrays))
    for layer, array in zip(stack, arrays, strict=True):
        layer[:, : array.shape[1]] = torch.from_numpy(array)
    return stack


def _label_scale(target: Target, splits: Sequence[Split]) -> tuple[Tensor, Tensor]:
    if target.classes:
        return torch.zeros(len(splits), 1, 1), torch.ones(len(splits), 1, 1)
    values = [target.values[split.train] for split in splits]
    center = np.stack([value.mean(axis=0, keepdims=True) for value in values])
    factor = np.stack([value.std(axis=0, keepdims=True) for value in values])
    return torch.from_numpy(center), torch.from_numpy(np.where(factor > 0, factor, 1).astype(np.float32))


def _row_weights(target: Target, splits: Sequence[Split], balanced: bool) -> Tensor:
    """Inverse class frequencies, counted over rows that some fold trains on."""
    if not (balanced and target.classes):
        return torch.ones(len(target.values))
    trained = np.unique(np.concatenate([split.train for split in splits]))
    counts = np.bincount(target.values[trained], minlength=len(target.classes))
    weights = len(trained) / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return torch.from_numpy(weights[target.values].astype(np.float32))
