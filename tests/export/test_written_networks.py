"""The network that is written out computes what the model computes, for whatever was searched."""

import ast
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from export.models import CLASSES, VALUES, features, image_model, random_architecture, with_transforms

from enas.data.dataset import Target
from enas.data.preprocess import Transform
from enas.export.check import TOLERANCE, compare, draw_samples
from enas.export.description import describe
from enas.export.image_sketch import sketch_images
from enas.export.network import build_network, compute, compute_all, write_source
from enas.export.table_sketch import sketch_table
from enas.image_model import ImageModel
from enas.search_space import Architecture, MicroSpace
from enas.table_model import TableModel

pytestmark = pytest.mark.usefixtures("one_thread")


def largest_difference(model: TableModel | ImageModel) -> float:
    _, tensors = sketch_images(model) if isinstance(model, ImageModel) else sketch_table(model)
    network = build_network(describe(model, "script"), tensors)

    return compare(model, partial(compute_all, network), draw_samples(model)).largest


@pytest.mark.parametrize("target", [CLASSES, VALUES], ids=["classes", "regression"])
@pytest.mark.parametrize(
    ("p", "n_folds", "n_seeds", "shares", "stems"),
    [
        (40, 2, 1, (1.0,), {}),
        (8, 3, 1, (0.7, 0.3), {}),
        (40, 2, 3, (0.5, 0.0, 0.5), {"screens": (5, 20, None)}),
        (15, 5, 2, (1.0,), {}),
        (40, 2, 1, (0.5, 0.5), {"sharpness": (0, 3)}),
    ],
    ids=["basis", "own coordinates", "screens, seeds, an unused candidate", "folds of different size", "weighted"],
)
def test_tables(
    make_model: Callable[..., TableModel],
    target: Target,
    p: int,
    n_folds: int,
    n_seeds: int,
    shares: tuple[float, ...],
    stems: dict[str, Any],
) -> None:
    model = make_model(features(p), target, n_folds=n_folds, n_seeds=n_seeds, shares=shares, **stems)
    assert largest_difference(model) <= TOLERANCE


@pytest.mark.parametrize("transforms", [("asinh", "asinh"), ("log1p", "log1p"), ("none", "asinh"), ("log1p", "none")])
def test_transforms(make_model: Callable[..., TableModel], transforms: tuple[Transform, ...]) -> None:
    model = with_transforms(make_model(features(12), CLASSES), *transforms)
    assert largest_difference(model) <= TOLERANCE


def test_a_value_that_log1p_cannot_take_is_nan_and_not_taken_for_missing(
    make_model: Callable[..., TableModel],
) -> None:
    model = with_transforms(make_model(features(12), CLASSES), "log1p", "log1p")
    network = build_network(describe(model, "script"), sketch_table(model)[1])
    rows = np.zeros((3, 12), np.float32)
    rows[0, 0], rows[1, 0] = -2.0, np.nan
    assert np.isfinite(compute(network, rows)).all(axis=1).tolist() == [False, True, True]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("size", "n_channels"), [((12, 12), 1), ((9, 14), 3)])
def test_images(seed: int, size: tuple[int, int], n_channels: int) -> None:
    space = MicroSpace(5)
    architecture = random_architecture(space, seed)
    model = image_model(architecture, space=space, size=size, n_channels=n_channels, reductions=(1, 3))
    assert largest_difference(model) <= TOLERANCE


def test_several_candidates_of_images() -> None:
    space = MicroSpace(2)
    both = random_architecture(space, 1), random_architecture(space, 2)
    model = image_model(*both, space=space, size=(8, 8), n_channels=1, reductions=(0,))
    assert largest_difference(model) <= TOLERANCE


def test_nothing_is_written_that_is_not_used() -> None:
    """Cells of nothing but identities and 3×3 convolutions."""
    space = MicroSpace(1)
    model = image_model(Architecture((0, 4, 1, 0, 0, 0, 1, 0)), space=space, size=(8, 8), n_channels=1, reductions=(1,))
    source = write_source(describe(model, "script"))
    defined = {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    assert defined <= used
    assert "pool" not in source
    assert "_1" not in source.replace("layer_1", "")


def test_names_out_of_data_are_not_in_the_source(make_model: Callable[..., TableModel]) -> None:
    model = make_model(features(12), CLASSES)
    assert not any(name in write_source(describe(model, "script")) for name in CLASSES.classes[1:])
