"""How much each feature moved each output: Shapley values of a model's logits, back to the original features.

Estimator: DeepLIFT's multipliers (Shrikumar et al. 2017, rescale rule) averaged over background rows, known as DeepSHAP
(Lundberg and Lee 2017) and what shap's DeepExplainer computes for networks without normalisation. An explained row is
compared with a background row; through each activation the difference of the outputs is spread over the differences of
the inputs, so that the values of a pair add up to the difference of its outputs exactly. Layer normalisation has an
exact rule of that kind, too: with centred c and deviation s,
``c/s - c'/s' = (c - c')·(1/s + 1/s')/2 - (c + c')·(mean(c²) - mean(c'²)) / (2·s·s'·(s + s'))`` and
``mean(c²) - mean(c'²) = mean((c + c')·(c - c'))`` is linear in the difference.

Speed: the first layer is linear, so multipliers are computed for its W outputs, not for p features, and turned into
features by matrix products with its weights and the stem's basis. Preprocessing acts on each feature alone, so a
standardised feature's value is the original feature's value.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from enas.data.dataset import FloatArray
from enas.data.preprocess import Stem
from enas.networks.dense import EPSILON, SHORTCUT_GAIN, DenseChild, Tensors, dense_tail
from enas.table_model import TableModel, count_networks

MAX_PAIRS = 20_000
"""Pairs of an explained and a background row, over all networks: more networks share fewer background rows each."""

_CHUNK = 16  # explained rows at a time
_SAME = 1e-6  # below this difference of a unit's inputs its slope stands for the quotient of differences


@dataclass(frozen=True, slots=True, eq=False)
class Attribution:
    """Shapley values of n rows.

    Args:
        values: (C, n, p); for two classes both are given, one per logit.
        base: (C,) expected output over the background.
        outputs: (n, C) what is explained: logits, or regression values.
        of_refits: (R, p) mean |value| of each feature, summed over the outputs, in each refit of the model by itself.
        refits: what these are: the folds, or the networks where there is one fold.
    """

    values: FloatArray
    base: NDArray[np.float64]
    outputs: NDArray[np.float64]
    of_refits: NDArray[np.float64]
    refits: str

    @property
    def additivity_error(self) -> float:
        """Largest gap between base + sum of values and the output, relative to the spread of the outputs (or, where
        they hardly differ, to a thousandth of their size)."""
        total = self.values.sum(axis=2, dtype=np.float64).T + self.base
        spread = max(float(np.abs(self.outputs - self.base).max()), 1e-3 * float(np.abs(self.outputs).max()), 1e-12)
        return float(np.abs(total - self.outputs).max()) / spread


def attribute(
    model: TableModel, rows: FloatArray, background: FloatArray, advance: Callable[[str], None] = lambda text: None
) -> Attribution:
    """Explain every output of ``model`` for ``rows`` (n, p) against ``background`` (b, p), both raw tables.

    Each network takes an equal share of the background, so that the whole of it is covered while the work is bounded.
    ``advance`` is called once per fold.
    """
    values = np.zeros((model.n_outputs, len(rows), rows.shape[1]), np.float32)
    base = np.zeros(model.n_outputs)
    n_networks = sum(count_networks(member) for member, _ in model.active)
    n_background = max(1, min(len(background), MAX_PAIRS // (len(rows) * n_networks)))
    by_fold = model.n_folds > 1
    refits: list[NDArray[np.float64]] = []
    share = 0
    for fold, preprocessor in enumerate(model.preprocessors):
        explained, reference = preprocessor.scaler(rows), preprocessor.scaler(background)
        of_fold = np.zeros_like(values)
        for member, child in model.active:
            stem = preprocessor.stems[model.stem(member)]
            for network in range(fold, count_networks(member), model.n_folds):
                mine = (np.arange(n_background) * len(background) // n_background + share) % len(background)
                share += 1
                scale = member.weight / count_networks(member)
                scales = torch.full((model.n_outputs,), scale)
                if not model.classes:
                    scales = scales * torch.from_numpy(model.factor[fold, 0])
                    base += scale * model.center[fold, 0]
                own = np.zeros_like(values)
                base += _add_network(own, stem, child, network, explained, reference[mine], scales)
                values += own
                of_fold += own
                refits += [] if by_fold else [_importance(own)]
        refits += [_importance(of_fold)] if by_fold else []
        advance("")
    return Attribution(values, base, model.predict(rows), np.stack(refits), "folds" if by_fold else "networks")


def _importance(values: FloatArray) -> NDArray[np.float64]:
    return np.asarray(np.abs(values).mean(axis=1, dtype=np.float64).sum(axis=0))


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
    shortcut = tensors["shortcut"][0, : stem.n_inputs] * SHORTCUT_GAIN
    inputs, usual_inputs = (torch.from_numpy(stem(rows)) for rows in (explained, reference))
    x, y = inputs @ weight + bias, usual_inputs @ weight + bias
    columns = slice(None) if stem.columns is None else stem.columns
    seen, usual = (torch.from_numpy(rows[:, columns]) for rows in (explained, reference))
    for start in range(0, len(x), _CHUNK):
        rows = range(start, min(start + _CHUNK, len(x)))
        multipliers = pair_multipliers(
            x[rows].repeat_interleave(len(y), 0), y.repeat(len(rows), 1), tensors, child.skips
        )
        multipliers = (multipliers @ weight.T + shortcut.T[:, None]).view(len(scales), len(rows), len(y), -1)
        factors = scales / (stem.n_features**0.5 * len(y))
        for output, i in product(range(len(scales)), rows):
            of_pairs = multipliers[output, i - start] * factors[output]  # (b, r)
            of_features = of_pairs if stem.basis is None else of_pairs @ torch.from_numpy(stem.basis).T
            values[output, i, columns] += ((seen[i] - usual) * of_features).sum(dim=0).numpy()
    with torch.inference_mode():
        expected = (dense_tail(y[None], tensors, child.skips)[0] + usual_inputs @ shortcut).mean(dim=0) * scales
    return np.asarray(expected.double().numpy())


def pair_multipliers(x: Tensor, y: Tensor, tensors: Tensors, skips: Sequence[Sequence[int]]) -> Tensor:
    """DeepLIFT multipliers (C, b, W) of the first layer's products ``x`` against ``y``, both (b, W), pair by pair.

    ``(multipliers * (x - y)).sum(-1)`` is the difference of the outputs. The network is run on both halves at once with
    activations whose gradient is the multiplier, so that autograd chains them.
    """
    x = x.detach().requires_grad_()
    outputs = dense_tail(torch.cat([x, y])[None], tensors, skips, activate=_activate_pairs)[0, : len(x)]
    return torch.stack([torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in outputs.unbind(dim=1)])


def _activate_pairs(both: Tensor) -> Tensor:
    """Activate x and y, both in one tensor (1, 2b, W); the gradient of the first half is the multiplier."""
    x, y = both.chunk(2, dim=1)
    normal_x, normal_y = _normalise_pair(x, y.detach())
    difference = (normal_x - normal_y).detach()
    rise = normal_x.detach().relu() - normal_y.relu()
    slope = torch.where(difference.abs() > _SAME, rise / difference, (normal_x.detach() > 0).to(x))
    return torch.cat([_with_gradient(normal_x.relu(), normal_x * slope), normal_y.relu()], dim=1)


def _normalise_pair(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Layer-normalised x and y; the gradient of x is the rule in the module's docstring."""
    c, d = x - x.mean(dim=-1, keepdim=True), y - y.mean(dim=-1, keepdim=True)
    s, t = ((u.detach() ** 2).mean(dim=-1, keepdim=True).add(EPSILON).sqrt() for u in (c, d))
    total = c.detach() + d
    rule = c * (1 / s + 1 / t) / 2 - total * (total * c).mean(dim=-1, keepdim=True) / (2 * s * t * (s + t))
    return _with_gradient(c / s, rule), d / t


def _with_gradient(value: Tensor, carrier: Tensor) -> Tensor:
    """``value``, with the gradient of ``carrier``."""
    return value.detach() + carrier - carrier.detach()
