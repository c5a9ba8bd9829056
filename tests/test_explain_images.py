"""Integrated gradients: what maps add up to, which pixels they name, and which images are chosen."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from enas.data.dataset import Target
from enas.data.images import ImageSet
from enas.explain_images import _choose, integrate
from enas.image_model import ImageModel
from enas.model import Member
from enas.networks.blueprint import Blueprint
from enas.networks.micro_child import MicroChild
from enas.search_space import Architecture, MicroSpace

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = MicroSpace(1)
POOLS = Architecture.from_text("1 2 0 2  1 2 0 2")
CONVS = Architecture.from_text("1 0 0 1  1 1 0 0")


def make_model(architecture: Architecture) -> ImageModel:
    plan = Blueprint((8, 8), 1, 3, 1, 8, (1,), n_nodes=1)
    generator = torch.Generator().manual_seed(0)
    child = MicroChild(space=SPACE, architecture=architecture, plan=plan, generator=generator)
    for _ in range(20):
        child.train_outputs(torch.randn(32, 1, 8, 8, generator=generator))
    member = Member(architecture, 1.0, 1.0, child.state_dict())
    return ImageModel(SPACE, plan, (member,), ("a", "b", "c"), np.array([128], np.float32), np.array([60], np.float32))


@pytest.mark.parametrize(("architecture", "tolerance"), [(POOLS, 0.005), (CONVS, 0.1)])
def test_a_map_adds_up_to_the_logit_less_that_of_the_mean_image(architecture: Architecture, tolerance: float) -> None:
    """But for the finite number of steps: every ReLU on the way is a kink."""
    model, generator = make_model(architecture), np.random.default_rng(0)
    errors, sizes = [], []
    for _ in range(8):
        pixels = generator.integers(0, 256, (8, 8, 1), np.uint8)
        attribution, predicted, expected = integrate(model, pixels)
        grey = np.full((1, 8, 8, 1), 128, np.uint8)
        logits, base = model.predict(pixels[None])[0], model.predict(grey)[0]
        assert predicted == logits.argmax()
        assert expected == pytest.approx(logits[predicted] - base[predicted], abs=1e-5)
        errors.append(abs(attribution.sum() - expected))
        sizes.append(abs(expected))
    assert np.mean(errors) < tolerance * np.mean(sizes)


def test_parts_of_the_path_make_the_same_map(monkeypatch: pytest.MonkeyPatch) -> None:
    model, pixels = make_model(CONVS), np.random.default_rng(0).integers(0, 256, (8, 8, 1), np.uint8)
    whole = integrate(model, pixels)[0]
    monkeypatch.setattr("enas.explain_images.PIXELS_AT_ONCE", 700)
    np.testing.assert_allclose(integrate(model, pixels)[0], whole, rtol=1e-3, atol=1e-5)


def test_a_pixel_of_the_mean_has_no_say() -> None:
    pixels = np.full((8, 8, 1), 128, np.uint8)
    pixels[2:5, 3:6] = 255
    attribution, _, _ = integrate(make_model(CONVS), pixels)
    assert attribution[2:5, 3:6].all()
    attribution[2:5, 3:6] = 0
    assert not attribution.any()


def images(labels: Sequence[int]) -> ImageSet:
    pixels = np.zeros((len(labels), 8, 8, 1), np.uint8)
    target = Target(("class",), np.array(labels, np.int64), ("a", "b", "c"))
    return ImageSet(pixels, tuple(map(str, range(len(labels)))), target, "test")


@pytest.mark.parametrize(
    ("labels", "n", "expected"),
    [
        ([0] * 9 + [1] * 9 + [2] * 9, 6, [2, 2, 2]),
        ([0] * 50 + [1] * 2 + [2] * 1, 9, [6, 2, 1]),
        ([0] * 5 + [2] * 5, 4, [2, 0, 2]),
        ([0, 1, 2], 3, [1, 1, 1]),
    ],
)
def test_classes_have_the_same_number_of_images_as_far_as_they_have_so_many(
    labels: list[int], n: int, expected: list[int]
) -> None:
    rows = _choose(images(labels), n, seed=0)
    assert len(set(rows.tolist())) == n
    assert rows.tolist() == sorted(rows.tolist())
    assert np.bincount(np.array(labels)[rows], minlength=3).tolist() == expected


def test_another_seed_chooses_others() -> None:
    def chosen(seed: int) -> NDArray[np.int64]:
        return _choose(images([0] * 40 + [1] * 40), 10, seed)

    assert chosen(0).tolist() == chosen(0).tolist() != chosen(1).tolist()
