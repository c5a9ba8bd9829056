"""A child that starts from the supernet's weights: what both networks have in the same place and of the same shape."""

import torch
from torch import nn

from enas.errors import ConfigError
from enas.networks.cell import KERNELS
from enas.networks.micro import MicroSupernet, SuperLayer
from enas.networks.micro_child import ChildLayer, MicroChild


def warm_start(child: MicroChild, supernet: MicroSupernet) -> int:
    """Copy stem, calibrations and the separable convolutions of the child's branches; returns how many tensors.

    The 1×1 convolution that ends the supernet's layers has no counterpart: a child's layer gives all unread states.

    Raises:
        ConfigError: the networks differ in layers, channels or reductions.
    """
    if (child.plan.n_layers, child.plan.n_filters, child.plan.reductions) != (
        supernet.plan.n_layers,
        supernet.plan.n_filters,
        supernet.plan.reductions,
    ):
        raise ConfigError(
            "retrain.warm_start needs a network of the supernet's shape: set retrain.child_num_layers, "
            "child_out_filters and child_num_reductions to those of trainer"
        )
    pairs: list[tuple[nn.Module, nn.Module]] = [(child.stem, supernet.stem)]
    for layer, shared in zip(child.layers, supernet.layers, strict=True):
        assert isinstance(layer, ChildLayer)
        assert isinstance(shared, SuperLayer)
        pairs += zip(layer.calibrations, shared.calibrations, strict=True)
        for node, branches in enumerate(layer.cell):
            for side, branch in enumerate(branches):
                if branch.operation in KERNELS:
                    conv = shared.convs[f"{node}_{side}_{branch.operation}_{branch.source}"]
                    pairs.append((layer.branches[f"{node}_{side}"], conv))
    return sum(_copy(target, source) for target, source in pairs)


@torch.no_grad()
def _copy(target: nn.Module, source: nn.Module) -> int:
    """Copy the parameters that have the same name and shape."""
    given = dict(source.named_parameters())
    same = [(tensor, given[name]) for name, tensor in target.named_parameters() if name in given]
    same = [(tensor, other) for tensor, other in same if tensor.shape == other.shape]
    for tensor, other in same:
        tensor.copy_(other)
    return len(same)
