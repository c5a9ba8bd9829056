"""The network of a table's model written out as Python, for people to read and to run without enas.

Nothing of the data enters the text: names of features and classes stand in a JSON file beside it.
"""

from enas.export.source_text import LOADING, PRINTING, indent, needed, weigh
from enas.export.table_sketch import DenseSketch, StemSketch, TableSketch

_TRANSFORMS = {"asinh": "torch.asinh", "log1p": "log1p", "none": "unchanged"}

_SNIPPETS = {
    "tensor": '''
def tensor(*shape: int, dtype: torch.dtype = torch.float32) -> nn.Parameter:
    """Room for what load() reads from model.safetensors."""
    return nn.Parameter(torch.empty(shape, dtype=dtype), requires_grad=False)
''',
    "log1p": '''
def log1p(x: Tensor) -> Tensor:
    """log(1 + x), in double precision: where x is small, 1 + x has lost most of its digits."""
    return torch.log1p(x.double()).float()
''',
    "unchanged": '''
def unchanged(x: Tensor) -> Tensor:
    """x as it stands."""
    return x
''',
    "activate": '''
def activate(x: Tensor) -> Tensor:
    """Layer normalisation, then ReLU."""
    return F.relu(F.layer_norm(x, x.shape[-1:]))
''',
    "widen": '''
def widen(x: Tensor, width: int) -> Tensor:
    """x with zeros appended, (M, B, width)."""
    return F.pad(x, (0, width - x.shape[-1]))
''',
}


def table_source(sketch: TableSketch) -> str:
    """The text of ``model.py``."""
    network = [_fold(sketch)]
    network += [_candidate(sketch, number) for number in range(1, len(sketch.candidates) + 1)]
    network.append(_model(sketch))
    helpers = needed("\n".join(network), _SNIPPETS)
    parts = [_head(sketch), *helpers, *network, LOADING, _ROWS, PRINTING, _MAIN]
    return "\n\n\n".join(part.strip() for part in parts) + "\n"


def _head(sketch: TableSketch) -> str:
    what = "classes" if sketch.task == "classification" else "values"
    output = f"logits of {sketch.n_outputs} classes" if what == "classes" else f"{sketch.n_outputs} values"
    lines = [f"    {i}. {_describe(sketch, i)}" for i in range(1, len(sketch.candidates) + 1)]
    architectures = "\n".join(lines)
    return f'''"""A trained network for tables, found by ENAS: {sketch.n_features} features to {output}.

{architectures}

It needs torch, numpy and safetensors. Predict a table, CSV or TSV:

    python model.py DATA.csv > predictions.csv

or, from Python, rows of features (B, {sketch.n_features}) as float32, NaN where a value is missing:

    from model import load
    model = load()
    outputs = model(torch.from_numpy(rows))  # (B, {sketch.n_outputs})

In the comments B is the number of rows and M that of networks that run side by side (folds x seeds); names of features
and {what} stand in model.json, weights in model.safetensors.
"""

import csv
import json
import sys
from collections.abc import {"Iterator" if len(set(sketch.transforms)) == 1 else "Callable, Iterator"}
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

HERE = Path(__file__).parent
MISSING = {{"", "NA", "N/A", "#N/A", "n/a", "na", "NaN", "nan", "NAN", "null", "NULL", "None", "?", "."}}'''


def _fold(sketch: TableSketch) -> str:
    alike = len(set(sketch.transforms)) == 1
    rooms = [f"self.{name} = tensor({sketch.n_features})" for name in ("fill", "center", "factor")]
    for at, stem in enumerate(sketch.stems, start=1):
        rooms += [f"self.columns_{at} = tensor({stem.n_kept}, dtype=torch.int64)"] if stem.has_columns else []
        rooms += [f"self.basis_{at} = tensor({stem.n_kept}, {stem.n_inputs})"] if stem.has_basis else []
    given = "" if alike else ", transform: Callable[[Tensor], Tensor]"
    start = ["super().__init__()", *([] if alike else ["self.transform = transform"]), *rooms]
    steps = _standardise(_TRANSFORMS[sketch.transforms[0]] if alike else "self.transform")
    results = ", ".join(_coordinates(stem, at) for at, stem in enumerate(sketch.stems, start=1))
    sizes = ", ".join(f"(B, {stem.n_inputs})" for stem in sketch.stems)
    kind = "Tensor" if len(sketch.stems) == 1 else "tuple[Tensor, ...]"
    return f'''class Fold(nn.Module):
    """From raw features to what the networks see, by statistics of one fold's training rows."""

    def __init__(self{given}) -> None:
{indent(start, 2)}

    def forward(self, features: Tensor) -> {kind}:
        """Features (B, {sketch.n_features}) to {sizes}."""
{indent(steps, 2)}
        return {results}'''


def _standardise(transform: str) -> list[str]:
    before = ["features"] if transform == "unchanged" else [f"{transform}(features)"]
    return [
        f"x = torch.where(torch.isnan(features), self.fill, {before[0]})",
        "x = (x - self.center) * self.factor",
    ]


def _coordinates(stem: StemSketch, at: int) -> str:
    kept = f"x.index_select(1, self.columns_{at})" if stem.has_columns else "x"
    return f"{kept} @ self.basis_{at}" if stem.has_basis else kept


def _candidate(sketch: TableSketch, number: int) -> str:
    candidate = sketch.candidates[number - 1]
    n_inputs, n_networks = sketch.stems[candidate.stem].n_inputs, candidate.n_seeds * sketch.n_folds
    rooms, steps = _layers(candidate, n_inputs, n_networks)
    size, n_outputs = _output_widths(candidate)[-1], sketch.n_outputs
    rooms += [f"self.head_weight = tensor({n_networks}, {size}, {n_outputs})"]
    rooms += [f"self.head_bias = tensor({n_networks}, 1, {n_outputs})"]
    rooms += [f"self.shortcut = tensor({n_networks}, {n_inputs}, {n_outputs})  # from the inputs to the outputs"]
    last = len(candidate.widths) - 1
    output = f"layer_{last} @ self.head_weight + self.head_bias + x @ self.shortcut"
    if sketch.task == "regression":
        rooms += [f"self.{name} = tensor({n_networks}, 1, {n_outputs})" for name in ("factor", "center")]
        output = f"({output}) * self.factor + self.center"
    return f'''class Candidate{number}(nn.Module):
    """{_describe(sketch, number)}; M = {n_networks}."""

    def __init__(self) -> None:
        super().__init__()
{indent(rooms, 2)}

    def forward(self, x: Tensor) -> Tensor:
        """Coordinates ({sketch.n_folds}, B, {n_inputs}) to outputs ({n_networks}, B, {n_outputs})."""
{indent(steps, 2)}
        return {output}'''


def _layers(candidate: DenseSketch, n_inputs: int, n_networks: int) -> tuple[list[str], list[str]]:
    """What the layers hold, and what they compute."""
    rooms, steps = [], []
    if candidate.n_seeds > 1:
        steps.append(f"x = x.repeat({candidate.n_seeds}, 1, 1)  # ({n_networks}, B, {n_inputs}), once per seed")
    size, source, outputs = n_inputs, "x", _output_widths(candidate)
    for i, width in enumerate(candidate.widths):
        rooms.append(f"self.weight_{i} = tensor({n_networks}, {size}, {width})")
        rooms.append(f"self.bias_{i} = tensor({n_networks}, 1, {width})")
        product = f"activate({source} @ self.weight_{i} + self.bias_{i})"
        steps.append(f"layer_{i} = {product}  # ({n_networks}, B, {width})")
        size = width
        for earlier in candidate.skips[i - 1] if i else ():
            other = outputs[earlier + 1]
            wide = max(size, other)
            here = f"layer_{i}" if size == wide else f"widen(layer_{i}, {wide})"
            there = f"layer_{earlier + 1}" if other == wide else f"widen(layer_{earlier + 1}, {wide})"
            steps.append(f"layer_{i} = {here} + {there}  # ({n_networks}, B, {wide})")
            size = wide
        source = f"layer_{i}"
    return rooms, steps


def _describe(sketch: TableSketch, number: int) -> str:
    candidate = sketch.candidates[number - 1]
    stem = sketch.stems[candidate.stem]
    coordinates = f" as {stem.n_inputs} coordinates" if stem.has_basis else ""
    return f"{stem.n_kept} features{coordinates} → first layer {candidate.widths[0]} → {candidate.about}"


def _output_widths(candidate: DenseSketch) -> list[int]:
    """Of the first layer's output and of each searched layer's; what is added may be wider than the layer."""
    sizes = [candidate.widths[0]]
    for width, skips in zip(candidate.widths[1:], candidate.skips, strict=True):
        sizes.append(max([width, *(sizes[earlier + 1] for earlier in skips)]))
    return sizes


def _model(sketch: TableSketch) -> str:
    alike = len(set(sketch.transforms)) == 1
    chosen = ", ".join(f"Fold({_TRANSFORMS[name]})" for name in sketch.transforms)
    folds = f"Fold() for _ in range({sketch.n_folds})" if alike else f"[{chosen}]"
    rooms = [f"self.folds = nn.ModuleList({folds})"]
    rooms += [f"self.candidate_{i} = Candidate{i}()" for i in range(1, len(sketch.candidates) + 1)]
    single = len(sketch.stems) == 1
    names = ["x"] if single else [f"x_{at}" for at in range(1, len(sketch.stems) + 1)]
    if single:
        steps = [f"x = torch.stack([fold(features) for fold in self.folds])  # {_stacked(sketch, 0)}"]
    else:
        steps = ["coordinates = [fold(features) for fold in self.folds]"]
        steps += [
            f"{name} = torch.stack([parts[{at}] for parts in coordinates])  # {_stacked(sketch, at)}"
            for at, name in enumerate(names)
        ]
    terms = [
        weigh(candidate.weight, f"self.candidate_{i}({names[candidate.stem]}).mean(dim=0)")
        for i, candidate in enumerate(sketch.candidates, start=1)
    ]
    what = "logits" if sketch.task == "classification" else "values"
    return f'''class Model(nn.Module):
    """The weighted mean of the candidates, each the mean of its networks."""

    def __init__(self) -> None:
        super().__init__()
{indent(rooms, 2)}

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, {sketch.n_features}), NaN where a value is missing, to {what} (B, {sketch.n_outputs})."""
{indent(steps, 2)}
        outputs = {terms[0]}
{indent([f"outputs = outputs + {term}" for term in terms[1:]], 2)}
        return outputs'''.replace("\n\n        return outputs", "\n        return outputs")


def _stacked(sketch: TableSketch, at: int) -> str:
    return f"({sketch.n_folds}, B, {sketch.stems[at].n_inputs})"


_ROWS = '''
def number(cell: str) -> float:
    """A cell's number, NaN where it says that a value is missing."""
    return np.nan if cell in MISSING else float(cell)


def read_rows(path: str, names: list[str]) -> Iterator[tuple[list[str], Tensor]]:
    """Ids and features of up to 1000 rows at a time, of a table whose header names the features, in any order.

    A table without header holds the features in the order of training, with or without a column of ids before them.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        delimiter = "\\t" if "\\t" in file.readline() else ","
        file.seek(0)
        table = csv.reader(file, delimiter=delimiter)
        first = next(table)
        places = {name: at for at, name in enumerate(first)}
        columns = [places[name] for name in names if name in places]
        if not columns and len(first) - len(names) in (0, 1):
            columns = list(range(len(first) - len(names), len(first)))
            table = chain([first], table)
        if len(columns) < len(names):
            sys.exit(f"{path} lacks {len(names) - len(columns)} of the {len(names)} features that model.json names")
        n_before = 0
        while block := list(islice(table, 1000)):
            ids = [str(n_before + i) if 0 in columns else row[0] for i, row in enumerate(block)]
            yield ids, torch.tensor([[number(row[at]) for at in columns] for row in block])
            n_before += len(block)
'''

_MAIN = """
@torch.inference_mode()
def main(path: str) -> None:
    about = json.loads((HERE / "model.json").read_text(encoding="utf-8"))
    model = load()
    batches = ((ids, model(rows)) for ids, rows in read_rows(path, about["feature_names"]))
    write_predictions(batches, about["classes"], about["target_names"])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python model.py DATA.csv")
    main(sys.argv[1])
"""
