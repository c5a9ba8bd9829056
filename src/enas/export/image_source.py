"""The network of an image model written out as Python, for people to read and to run without enas."""

from enas.export.image_sketch import ImageSketch, MicroSketch, network_name
from enas.export.source_text import LOADING, PRINTING, indent, needed, weigh
from enas.networks.blueprint import Layer
from enas.networks.cell import AVERAGE_POOL, IDENTITY, KERNELS, Shape
from enas.search_space.micro import Branch, Cell, unread_states

_SNIPPETS = {
    "pad_same": '''
def pad_same(x: Tensor, kernel: int, value: float = 0.0) -> Tensor:
    """Padded for a stride of 2 so that a side is halved, rounded up; the uneven pixel goes to the bottom and right."""
    height, width = (kernel - 2 + side % 2 for side in x.shape[2:])
    return F.pad(x, (width // 2, width - width // 2, height // 2, height - height // 2), value=value)
''',
    "average_pool": '''
def average_pool(x: Tensor) -> Tensor:
    """Mean of 3x3 pixels, as far as they lie inside."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
''',
    "average_pool_by_2": '''
def average_pool_by_2(x: Tensor) -> Tensor:
    """The same with a stride of 2."""
    inside = F.avg_pool2d(pad_same(torch.ones_like(x[:1, :1]), 3), 3, stride=2)
    return F.avg_pool2d(pad_same(x, 3), 3, stride=2) / inside
''',
    "max_pool": '''
def max_pool(x: Tensor) -> Tensor:
    """Largest of 3x3 pixels."""
    return F.max_pool2d(x, 3, stride=1, padding=1)
''',
    "max_pool_by_2": '''
def max_pool_by_2(x: Tensor) -> Tensor:
    """The same with a stride of 2."""
    return F.max_pool2d(pad_same(x, 3, value=-torch.inf), 3, stride=2)
''',
    "Projection": '''
class Projection(nn.Module):
    """ReLU, 1x1 convolution, batch norm."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.convolution(F.relu(x)))
''',
    "FactorisedReduction": '''
class FactorisedReduction(nn.Module):
    """Halves the sides: half the channels from the even pixels, half from those one down and right of them."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(n_in, n_out // 2, 1, bias=False)
        self.odd = nn.Conv2d(n_in, n_out - n_out // 2, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, H, W) to (B, n_out, H/2, W/2), rounded up."""
        height, width = x.shape[2:]
        shifted = F.pad(x[:, :, 1::2, 1::2], (0, width % 2, 0, height % 2))
        return self.norm(torch.cat([self.even(x[:, :, ::2, ::2]), self.odd(shifted)], dim=1))
''',
    "SeparableConv": '''
class SeparableConv(nn.Module):
    """Twice: ReLU, depthwise convolution, 1x1 convolution, batch norm."""

    def __init__(self, n_channels: int, kernel: int) -> None:
        super().__init__()
        self.first = SeparableUnit(n_channels, kernel)
        self.second = SeparableUnit(n_channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))
''',
    "SeparableConvBy2": '''
class SeparableConvBy2(nn.Module):
    """A separable convolution of which the first half has a stride of 2."""

    def __init__(self, n_channels: int, kernel: int) -> None:
        super().__init__()
        self.first = SeparableUnitBy2(n_channels, kernel)
        self.second = SeparableUnit(n_channels, kernel)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))
''',
    "SeparableUnit": '''
class SeparableUnit(nn.Module):
    """ReLU, depthwise convolution, 1x1 convolution, batch norm."""

    def __init__(self, n_channels: int, kernel: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(n_channels, n_channels, kernel, padding=kernel // 2, groups=n_channels, bias=False)
        self.point = nn.Conv2d(n_channels, n_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.point(self.depth(F.relu(x))))
''',
    "SeparableUnitBy2": '''
class SeparableUnitBy2(nn.Module):
    """The same with a stride of 2."""

    def __init__(self, n_channels: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.depth = nn.Conv2d(n_channels, n_channels, kernel, stride=2, groups=n_channels, bias=False)
        self.point = nn.Conv2d(n_channels, n_channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(n_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.point(self.depth(pad_same(F.relu(x), self.kernel))))
''',
}


def image_source(sketch: ImageSketch) -> str:
    """The text of ``model.py``.

    Raises:
        ConfigError: the sketch is of no network.
    """
    network: list[str] = []
    for number, candidate in _numbered(sketch):
        used = {layer.is_reduction for layer in sketch.plan.layers}
        normal, reduction = sketch.cells(candidate)
        network += [_cell(f"NormalCell{number}", normal, False)] if False in used else []
        network += [_cell(f"ReductionCell{number}", reduction, True)] if True in used else []
        network.append(_network(sketch, candidate, number))
    network.append(_model(sketch))
    helpers = needed("\n".join(network), _SNIPPETS)
    parts = [_head(sketch), *helpers, *network, LOADING, _reading(sketch), PRINTING, _MAIN]
    return "\n\n\n".join(part.strip() for part in parts) + "\n"


def _head(sketch: ImageSketch) -> str:
    height, width = sketch.size
    kind = "grey" if sketch.n_image_channels == 1 else "colour"
    shape = f"(B, {height}, {width}, {sketch.n_image_channels})"
    what = f"{height} x {width} pixels, {kind}, to {sketch.n_classes} classes"
    return f'''"""A trained network for images, found by ENAS: {what}.

It needs torch, numpy, safetensors and, for image files, pillow. Predict some:

    python model.py IMAGE.png ... > predictions.csv

or, from Python, images {shape} of 0 to 255:

    from model import load
    model = load()
    logits = model(torch.from_numpy(images))  # (B, {sketch.n_classes})

In the comments B is the number of images; names of classes stand in model.json, weights in model.safetensors.
"""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

HERE = Path(__file__).parent'''


def _cell(name: str, cell: Cell, is_reduction: bool) -> str:
    rooms, steps = [], []
    for node, branches in enumerate(cell):
        terms = []
        for side, branch in zip(("left", "right"), branches, strict=True):
            by_2 = is_reduction and branch.source < 2
            room = _room(branch, by_2)
            rooms += [f"self.node_{node}_{side} = {room}"] if room else []
            terms.append(f"self.node_{node}_{side}(s{branch.source})" if room else _function(branch, by_2))
        steps.append(f"s{node + 2} = {' + '.join(terms)}")
    unread = unread_states(cell)
    large = [state for state in unread if state < 2 and is_reduction]
    rooms += [f"self.reduce_{state} = FactorisedReduction(n, n)" for state in large]
    outputs = [f"self.reduce_{state}(s{state})" if state in large else f"s{state}" for state in unread]
    what = "Halves the sides" if is_reduction else "Keeps the sides"
    result = f"torch.cat([{', '.join(outputs)}], dim=1)" if len(outputs) > 1 else outputs[0]
    return f'''class {name}(nn.Module):
    """{what}: two inputs s0 and s1 of n channels, {len(cell)} nodes, each the sum of two; what is unread is the output.

    first and second bring the outputs of the layer before the previous and of the previous layer to n channels.
    """

    def __init__(self, first: nn.Module, second: nn.Module, n: int) -> None:
        super().__init__()
        self.first = first
        self.second = second
        self.base = Projection(n, n)
{indent(rooms, 2)}

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        s0 = self.first(before)
        s1 = self.base(self.second(previous))
{indent(steps, 2)}
        return {result}'''.replace("Projection(n, n)\n\n\n", "Projection(n, n)\n\n")


def _room(branch: Branch, by_2: bool) -> str:
    """The layer that a branch holds weights in; empty if it has none."""
    if branch.operation in KERNELS:
        return f"{'SeparableConvBy2' if by_2 else 'SeparableConv'}(n, {KERNELS[branch.operation]})"
    return "FactorisedReduction(n, n)" if branch.operation == IDENTITY and by_2 else ""


def _function(branch: Branch, by_2: bool) -> str:
    if branch.operation == IDENTITY:
        return f"s{branch.source}"
    name = "average_pool" if branch.operation == AVERAGE_POOL else "max_pool"
    return f"{name}{'_by_2' if by_2 else ''}(s{branch.source})"


def _numbered(sketch: ImageSketch) -> list[tuple[str, MicroSketch]]:
    """The candidates; a number tells them apart where there are several."""
    single = len(sketch.candidates) == 1
    return [("" if single else str(i), candidate) for i, candidate in enumerate(sketch.candidates, start=1)]


def _network(sketch: ImageSketch, candidate: MicroSketch, number: str) -> str:
    plan, cells = sketch.plan, sketch.cells(candidate)
    n_stem = 3 * plan.n_filters
    given = (Shape(n_stem, plan.size),) * 2
    rooms, steps = [], []
    for i, layer in enumerate(plan.layers):
        kind = "ReductionCell" if layer.is_reduction else "NormalCell"
        first, second = (_calibration(shape, layer, given[1].size) for shape in given)
        rooms.append(f"self.layer_{i} = {kind}{number}({first}, {second}, {layer.n_channels})")
        shape = Shape(len(unread_states(cells[layer.is_reduction])) * layer.n_channels, layer.size)
        steps.append(f"before, previous = previous, self.layer_{i}(before, previous)  # {_size(shape)}")
        given = given[1], shape
    last = given[1].n_channels
    return f'''class Network{number}(nn.Module):
    """{plan.n_cells} layers, each a cell that reads the two layers before it."""

    def __init__(self) -> None:
        super().__init__()
        convolution = nn.Conv2d({plan.n_image_channels}, {n_stem}, 3, padding=1, bias=False)
        self.stem = nn.Sequential(convolution, nn.BatchNorm2d({n_stem}))
{indent(rooms, 2)}
        self.head = nn.Linear({last}, {plan.n_classes}, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images {_size(Shape(plan.n_image_channels, plan.size))} to logits (B, {plan.n_classes})."""
        before = previous = self.stem(x)  # {_size(Shape(n_stem, plan.size))}
{indent(steps, 2)}
        return self.head(F.relu(previous).mean(dim=(2, 3)))'''


def _calibration(given: Shape, layer: Layer, size: tuple[int, int]) -> str:
    if given.size != size:
        return f"nn.Sequential(nn.ReLU(), FactorisedReduction({given.n_channels}, {layer.n_channels}))"
    if given.n_channels != layer.n_channels:
        return f"Projection({given.n_channels}, {layer.n_channels})"
    return "nn.Identity()"


def _size(shape: Shape) -> str:
    return f"(B, {shape.n_channels}, {shape.size[0]}, {shape.size[1]})"


def _model(sketch: ImageSketch) -> str:
    n, (height, width) = sketch.n_image_channels, sketch.size
    named = [(network_name(i, len(sketch.candidates)), number) for i, (number, _) in enumerate(_numbered(sketch))]
    rooms = [f"self.{name} = Network{number}()" for name, number in named]
    pairs = zip(sketch.candidates, named, strict=True)
    terms = [weigh(candidate.weight, f"self.{name}(x)") for candidate, (name, _) in pairs]
    return f'''class Model(nn.Module):
    """Normalises images by the training pixels' mean and deviation; the networks' logits, weighted."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros({n}))
        self.register_buffer("std", torch.ones({n}))
{indent(rooms, 2)}

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, {height}, {width}, {n}) of 0 to 255, whole numbers or not, to logits (B, {sketch.n_classes})."""
        x = ((images.float() - self.mean) / self.std).permute(0, 3, 1, 2)
        return {" + ".join(terms)}'''


def _reading(sketch: ImageSketch) -> str:
    mode = {1: "L", 3: "RGB"}.get(sketch.n_image_channels, "RGBA")
    height, width = sketch.size
    return f'''
def read_images(paths: list[str]) -> Iterator[tuple[list[str], Tensor]]:
    """Names and pixels of up to 100 image files at a time; other sizes are brought to {height} x {width}."""
    from PIL import Image

    for start in range(0, len(paths), 100):
        names = paths[start : start + 100]
        images = [Image.open(name).convert("{mode}") for name in names]
        sized = [image.resize(({width}, {height}), Image.Resampling.BILINEAR) for image in images]
        pixels = np.stack([np.asarray(image) for image in sized])
        yield names, torch.from_numpy(pixels.reshape(-1, {height}, {width}, {sketch.n_image_channels}))
'''


_MAIN = """
@torch.inference_mode()
def main(paths: list[str]) -> None:
    about = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
    model = load()
    batches = ((names, model(pixels)) for names, pixels in read_images(paths))
    write_predictions(batches, about["classes"], about["target_names"])


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python model.py IMAGE ...")
    main(sys.argv[1:])
"""
