"""The micro networks against the reference's numbers: logits, losses and gradients of its own weights."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from enas.networks.batch_norm import BatchNorm
from enas.networks.blueprint import Blueprint
from enas.networks.cell import AuxiliaryHead, Calibration
from enas.networks.micro import MicroSupernet, SuperLayer
from enas.networks.micro_child import ChildLayer, MicroChild
from enas.networks.operations import FactorisedReduction, Projection, SeparableConv
from enas.search_space import Architecture, MicroSpace

Arrays = Mapping[str, NDArray[Any]]
SPACE = MicroSpace()
TOLERANCE = 1e-4


class Loader:
    """Puts the reference's weights below a prefix into our modules; layouts are TensorFlow's."""

    def __init__(self, arrays: Arrays, prefix: str) -> None:
        self.arrays, self.prefix = arrays, prefix
        self.loaded: set[str] = set()

    def __truediv__(self, name: str) -> "Loader":
        below = Loader(self.arrays, f"{self.prefix}/{name}")
        below.loaded = self.loaded
        return below

    def array(self, name: str) -> NDArray[Any]:
        key = f"{self.prefix}/{name}"
        self.loaded.add(key)
        return self.arrays[key]

    def fill(self, parameter: Tensor, value: NDArray[Any]) -> None:
        assert parameter.numel() == value.size
        with torch.no_grad():
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)).view_as(parameter))

    def conv(self, parameter: Tensor, name: str = "w") -> None:
        self.fill(parameter, self.array(name).transpose(3, 2, 0, 1))

    def norm(self, norm: BatchNorm, row: int | None = None) -> None:
        names: dict[str, Tensor] = {"scale": norm.scale, "offset": norm.offset}
        if norm.mean is not None and norm.variance is not None:
            names |= {"moving_mean": norm.mean, "moving_variance": norm.variance}
        for name, tensor in names.items():
            array = self.array(f"bn/{name}")
            self.fill(tensor, array if row is None else array[row])

    def projection(self, module: Projection) -> None:
        self.conv(module.weight)
        self.norm(module.norm)

    def reduction(self, module: FactorisedReduction) -> None:
        (self / "path1_conv").conv(module.even)
        (self / "path2_conv").conv(module.odd)
        self.norm(module.norm)

    def calibrations(self, modules: nn.ModuleList) -> None:
        for module, name in zip(modules, ("pool_x", "pool_y"), strict=True):
            assert isinstance(module, Calibration)
            if module.reduction is not None:
                (self / "calibrate" / name).reduction(module.reduction)
            elif module.projection is not None:
                (self / "calibrate" / name).projection(module.projection)

    def stem_and_heads(self, net: MicroSupernet | MicroChild) -> None:
        (self / "stem_conv").conv(net.stem.weight)
        (self / "stem_conv").norm(net.stem.norm)
        self.fill(net.head.weight, self.array("fc/w").T)
        head, names = net.auxiliary, self / "aux_head"
        assert isinstance(head, AuxiliaryHead)
        (names / "proj").conv(head.project)
        (names / "proj").norm(head.project_norm)
        (names / "avg_pool").conv(head.whole)
        (names / "avg_pool").norm(head.whole_norm)
        self.fill(head.weight, names.array("fc/w").T)


def read(shared: Path, name: str) -> Arrays:
    with np.load(shared / "golden" / name, allow_pickle=False) as file:
        return dict(file)


def plan_of(arrays: Arrays) -> Blueprint:
    reductions = tuple(int(layer) for layer in arrays["reductions"])
    layers, channels, after = (int(arrays[key]) for key in ("layers", "channels", "auxiliary_after_layer"))
    return Blueprint((16, 16), 3, 10, layers, channels, reductions, after)


def images_of(arrays: Arrays) -> Tensor:
    return torch.from_numpy(arrays["images"].transpose(0, 3, 1, 2).copy())


def load_supernet(arrays: Arrays) -> MicroSupernet:
    net = MicroSupernet(space=SPACE, plan=plan_of(arrays), generator=torch.Generator())
    weights = Loader(arrays, "weight")
    weights.stem_and_heads(net)
    for index, halving in net.halvings.items():
        assert isinstance(halving, FactorisedReduction)
        (weights / f"layer_{index}").reduction(halving)
    for at, layer in enumerate(net.layers):
        assert isinstance(layer, SuperLayer)
        load_super_layer(weights / f"layer_{at}", layer)
    assert weights.loaded == {key for key in arrays if key.startswith("weight/")}
    return net


def load_super_layer(names: Loader, layer: SuperLayer) -> None:
    names.calibrations(layer.calibrations)
    final = names / "final_conv"
    n = len(layer.norm.scale)
    names.fill(layer.final, final.array("w").reshape(-1, n, n).transpose(0, 2, 1))
    final.norm(layer.norm)
    for key, conv in layer.convs.items():
        assert isinstance(conv, SeparableConv)
        node, side, operation, source = map(int, key.split("_"))
        kernel = (3, 5)[operation]
        for unit, stack in ((conv.first, "stack_0"), (conv.second, "stack_1")):
            at = names / f"cell_{node}" / "xy"[side] / f"conv_{kernel}x{kernel}" / stack
            depth, point = at.array("w_depth")[source], at.array("w_point")[source]
            at.fill(unit.depth, depth.reshape(kernel, kernel, n, 1).transpose(2, 3, 0, 1))
            at.fill(unit.point, point.reshape(n, n).T)
            at.norm(unit.norm, source)


def load_child(arrays: Arrays, index: int, architecture: Architecture) -> MicroChild:
    net = MicroChild(space=SPACE, architecture=architecture, plan=plan_of(arrays), generator=torch.Generator())
    weights = Loader(arrays, f"weight/{index}")
    weights.stem_and_heads(net)
    for at, layer in enumerate(net.layers):
        assert isinstance(layer, ChildLayer)
        names = weights / f"layer_{at}"
        names.calibrations(layer.calibrations)
        (names / "layer_base").projection(layer.base)
        for key, module in layer.branches.items():
            node, side = key.split("_")
            branch = names / f"cell_{node}" / f"{'xy'[int(side)]}_conv"
            if isinstance(module, FactorisedReduction):
                branch.reduction(module)
                continue
            assert isinstance(module, SeparableConv)
            for unit, stack in ((module.first, "sep_conv_0"), (module.second, "sep_conv_1")):
                (branch / stack).conv(unit.point, "w_point")
                branch.fill(unit.depth, (branch / stack).array("w_depth").transpose(2, 3, 0, 1))
                (branch / stack).norm(unit.norm)
        for key, module in layer.combine.items():
            assert isinstance(module, FactorisedReduction)
            (names / "final_combine" / f"calibrate_{key}").reduction(module)
    assert weights.loaded == {key for key in arrays if key.startswith(f"weight/{index}/")}
    return net


def relative_error(ours: Tensor, reference: NDArray[Any]) -> float:
    return float(np.abs(ours.detach().numpy() - reference).max() / np.abs(reference).max())


@pytest.fixture(scope="module")
def supernet_arrays(shared: Path) -> Arrays:
    return read(shared, "micro_supernet.npz")


@pytest.fixture(scope="module")
def child_arrays(shared: Path) -> Arrays:
    return read(shared, "micro_child.npz")


def without_auxiliary(net: nn.Module) -> Iterator[nn.Parameter]:
    return (parameter for name, parameter in net.named_parameters() if not name.startswith("auxiliary"))


@pytest.mark.parametrize("index", range(4))
def test_supernet_equals_the_reference(supernet_arrays: Arrays, index: int) -> None:
    arrays, net = supernet_arrays, load_supernet(supernet_arrays)
    architecture = Architecture.from_integers(arrays[f"architecture/{index}"])
    labels = torch.from_numpy(arrays["labels"]).long()
    logits, auxiliary = (outputs[0] for outputs in net.train_outputs(images_of(arrays), architecture))
    assert relative_error(logits, arrays[f"logits/{index}"]) < TOLERANCE
    assert relative_error(auxiliary, arrays[f"auxiliary_logits/{index}"]) < TOLERANCE
    parameters = list(without_auxiliary(net))
    main, extra = (nn.functional.cross_entropy(outputs, labels) for outputs in (logits, auxiliary))
    squares = torch.stack([parameter.square().sum() for parameter in parameters]).sum()
    total = main + 0.4 * extra + 1e-4 * squares
    losses = torch.stack([main, extra, squares, total])
    assert np.allclose(losses.detach().numpy(), arrays[f"loss/{index}"], rtol=TOLERANCE)
    total.backward()
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    assert float(norm) == pytest.approx(float(arrays[f"gradient_norm/{index}"]), rel=TOLERANCE)
    assert net.stem.weight.grad is not None
    stem = arrays[f"gradient_stem/{index}"].transpose(3, 2, 0, 1)
    assert relative_error(net.stem.weight.grad, stem) < TOLERANCE


@pytest.mark.parametrize("index", range(4))
def test_child_equals_the_reference(child_arrays: Arrays, index: int) -> None:
    arrays = child_arrays
    architecture = Architecture.from_integers(arrays[f"architecture/{index}"])
    net = load_child(arrays, index, architecture).eval()
    with torch.no_grad():
        assert relative_error(net(images_of(arrays))[0], arrays[f"logits_evaluation/{index}"]) < TOLERANCE
        logits, auxiliary = net.train().train_outputs(images_of(arrays))
    assert relative_error(logits[0], arrays[f"logits_training/{index}"]) < TOLERANCE
    assert relative_error(auxiliary[0], arrays[f"auxiliary_logits_training/{index}"]) < TOLERANCE


@pytest.mark.parametrize(
    ("n_channels", "reductions", "after", "n_main", "n_auxiliary"),
    [
        (1, (2, 5), 3, 5_372_060, 3_553_536),
        (3, (2, 5), 3, 5_373_140, 3_553_536),
        (1, (1, 3, 6), 4, 14_405_180, 412_928),
        (3, (1, 3, 6), 4, 14_406_260, 412_928),
    ],
)
def test_supernet_has_the_published_number_of_parameters(
    n_channels: int, reductions: tuple[int, ...], after: int, n_main: int, n_auxiliary: int
) -> None:
    plan = Blueprint((32, 32), n_channels, 10, 6, 20, reductions, after)
    net = MicroSupernet(space=SPACE, plan=plan, generator=torch.Generator())
    assert net.auxiliary is not None
    assert sum(parameter.numel() for parameter in without_auxiliary(net)) == n_main
    assert sum(parameter.numel() for parameter in net.auxiliary.parameters()) == n_auxiliary


def test_child_of_the_seed_has_the_published_number_of_parameters() -> None:
    text = "1 2 1 3 0 1 0 4 1 1 1 1 0 1 0 1 1 0 0 1 0 1 0 4 1 0 2 0 0 3 1 1 0 0 0 0 4 1 1 0"
    plan = Blueprint((32, 32), 1, 10, 15, 16, (3, 7, 15), 8)
    net = MicroChild(space=SPACE, architecture=Architecture.from_text(text), plan=plan, generator=torch.Generator())
    assert net.auxiliary is not None
    assert sum(parameter.numel() for parameter in without_auxiliary(net)) == 1_931_536
    assert sum(parameter.numel() for parameter in net.auxiliary.parameters()) == 443_648
