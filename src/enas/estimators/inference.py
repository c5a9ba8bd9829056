"""What a trained model says of new rows, in double precision.

Sums in single precision depend on how many rows are computed at once. scikit-learn's users compare a row predicted
alone with the same row among others, so the weights, which are float32, are used in double precision here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from enas.data.dataset import FloatArray
from enas.estimators.settings import ParameterError
from enas.networks.dense import dense_forward, skips_of
from enas.table_model import TableModel, count_networks


@torch.no_grad()
def compute_outputs(model: TableModel, features: FloatArray) -> NDArray[np.float64]:
    """Logits, or regression values, (n, C) of rows (n, p); the weighted mean of candidates, folds and seeds."""
    total = np.zeros((len(features), model.n_outputs))
    for fold, preprocessor in enumerate(model.preprocessors):
        standardised: NDArray[Any] = preprocessor.scaler(features).astype(np.float64)
        for member in model.members:
            if not member.share:
                continue
            n_networks = count_networks(member)
            mine = {name: tensor[fold :: model.n_folds].double() for name, tensor in member.tensors.items()}
            coordinates = preprocessor.stems[model.stem(member)](standardised)
            x = torch.zeros(len(features), mine["stem_weight"].shape[1], dtype=torch.float64)
            x[:, : coordinates.shape[1]] = torch.from_numpy(coordinates)
            seeds = x.expand(n_networks // model.n_folds, *x.shape)
            outputs = dense_forward(seeds, mine, skips_of(model.space, member.architecture)).sum(dim=0).numpy()
            if not model.classes:
                outputs = outputs * model.factor[fold] + model.center[fold] * len(seeds)
            total += member.weight / n_networks * outputs
    return total


@contextmanager
def computing_threads(n_jobs: int | None) -> Iterator[None]:
    """Inside, torch computes with this many threads, -1: one per core, -2: one less; None: as before.

    Raises:
        ParameterError: it is 0.
    """
    if n_jobs == 0:
        raise ParameterError("n_jobs: 0 is no number of threads; use 1, or -1 for one per core")
    before = torch.get_num_threads()
    if n_jobs is not None:
        torch.set_num_threads(n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs))
    try:
        yield
    finally:
        torch.set_num_threads(before)
