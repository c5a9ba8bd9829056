"""How much each feature moved each output: Shapley values of a model's logits, back to the original features.

Estimator: expected gradients (Erion et al. 2021; what shap's GradientExplainer estimates by sampling), that is the
Aumann-Shapley value of each explained row against each background row, averaged over the background. Along the straight
line between the two rows the gradient is integrated by Gauss-Legendre quadrature, so nothing is drawn at random, and how
well the values add up to the output is measured, not assumed.

Speed: the first layer is linear, so a gradient is taken at its W outputs only, not at p features, and turned into features
by matrix products: for k features of a stem with basis V and weights A the multiplier of a feature is ``V · A · gradient``.
Preprocessing acts on each feature alone, so a standardised feature's value is the original feature's value.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.data.dataset import FloatArray
from enas.data.preprocess import Stem
from enas.model import Member, Model
from enas.networks.dense import DenseChild, dense_tail

N_NODES = 8
"""Quadrature nodes on each line."""

MAX_ROWS = 60_000
"""Rows per output that are pushed through the networks, over all of them: more networks share fewer background rows each."""


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """Shapley values of n rows.

    Args:
        values: (C, n, p); for two classes both are given, one per logit.
        base: (C,) expected output over the background.
        outputs: (n, C) what is explained: logits, or regression values.
    """

    values: FloatArray
    base: NDArray[np.float64]
    outputs: NDArray[np.float64]

    @property
    def additivity_error(self) -> float:
        """Largest gap between base + sum of values and the output, relative to the spread of the outputs."""
        total = self.values.sum(axis=2, dtype=np.float64).T + self.base
        spread = max(float(np.abs(self.outputs - self.base).max()), 1e-12)
        return float(np.abs(total - self.outputs).max()) / spread


def attribute(
    model: Model, rows: FloatArray, background: FloatArray, advance: Callable[[str], None] = lambda text: None
) -> Attribution:
    """Explain every output of ``model`` for ``rows`` (n, p) against ``background`` (b, p), both raw tables.

    Each network takes an equal share of the background, so that the whole of it is covered while the work is bounded.
    ``advance`` is called once per fold.
    """
    values = np.zeros((model.n_outputs, len(rows), rows.shape[1]), np.float32)
    base = np.zeros(model.n_outputs)
    n_networks = sum(member.n_networks for member, _ in model.active)
    n_background = max(1, min(len(background), MAX_ROWS // (N_NODES * len(rows) * n_networks)))
    share = 0
    for fold, preprocessor in enumerate(model.preprocessors):
        explained, reference = preprocessor.scaler(rows), preprocessor.scaler(background)
        for member, child in model.active:
            stem = preprocessor.stems[model.stem(member)]
            for network in range(fold, member.n_networks, model.n_folds):
                mine = (np.arange(n_background) * len(background) // n_background + share) % len(background)
                share += 1
                scale = member.weight / member.n_networks
                scales = torch.full((model.n_outputs,), scale)
                if not model.classes:
                    scales = scales * torch.from_numpy(model.factor[fold, 0])
                    base += scale * model.center[fold, 0]
                base += _add_network(values, stem, child, network, explained, reference[mine], scales)
        advance("")
    return Attribution(values, base, model.predict(rows))


def _add_network(
    values: FloatArray,
    stem: Stem,
    child: DenseChild,
    network: int,
    explained: FloatArray,
    reference: FloatArray,
    scales: Tensor,
) -> NDArray[np.float64]:
    """Add one network's scaled values to ``values``; returns its scaled expected outputs (C,)."""
    tensors = {name: tensor.detach()[network : network + 1] for name, tensor in child.tensors.items()}
    weight, bias = tensors["stem_weight"][0, : stem.n_inputs], tensors["stem_bias"][0]
    first = [torch.from_numpy(stem(rows)) @ weight + bias for rows in (explained, reference)]
    gradients = _integrated_gradients(first[0], first[1], lambda x: dense_tail(x[None], tensors, child.skips)[0], scales)
    columns = slice(None) if stem.columns is None else stem.columns
    x, y = (torch.from_numpy(rows[:, columns]) for rows in (explained, reference))
    for i, gradient in enumerate(gradients):
        for output, per_background in enumerate(gradient @ weight.T / (stem.n_features**0.5 * len(y))):  # (b, r)
            multipliers = per_background if stem.basis is None else per_background @ torch.from_numpy(stem.basis).T
            values[output, i, columns] += ((x[i] - y) * multipliers).sum(dim=0).numpy()
    with torch.inference_mode():
        expected = dense_tail(first[1][None], tensors, child.skips)[0].mean(dim=0) * scales
    return np.asarray(expected.double().numpy())


def _integrated_gradients(x: Tensor, y: Tensor, tail: Callable[[Tensor], Tensor], scales: Tensor) -> list[Tensor]:
    """Per explained row the mean gradient of each scaled output along the lines from ``y`` (b, W): (C, b, W)."""
    nodes, weights = np.polynomial.legendre.leggauss(N_NODES)
    at = torch.from_numpy((nodes + 1) / 2).float()[:, None, None]
    shares = torch.from_numpy(weights / 2).float()[:, None, None]
    gradients = []
    for row in x:
        line = (y + at * (row - y)).flatten(0, 1).requires_grad_()
        outputs = tail(line)
        per_output = [
            torch.autograd.grad(outputs[:, c].sum(), line, retain_graph=c + 1 < outputs.shape[1])[0] * scales[c]
            for c in range(outputs.shape[1])
        ]
        gradients.append(torch.stack([(g.view(N_NODES, len(y), -1) * shares).sum(dim=0) for g in per_output]))
    return gradients
