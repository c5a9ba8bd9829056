"""The model of images: weighted members, batches, and its files."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from enas.errors import ConfigError, RunError
from enas.image_model import ImageModel
from enas.model import Member
from enas.model_files import load_model, save_model
from enas.networks.blueprint import Blueprint
from enas.networks.micro_child import MicroChild
from enas.search_space import Architecture, MicroSpace

pytestmark = pytest.mark.usefixtures("one_thread")
SPACE = MicroSpace(2)
PLAN = Blueprint((9, 8), 3, 4, 1, 4, (0, 1), auxiliary_after=2, n_nodes=2)
ARCHITECTURES = tuple(
    map(Architecture.from_text, ("0 0 1 3 2 1 0 4 1 2 0 1 1 4 2 0", "1 4 1 4 0 2 1 1 0 0 0 1 2 2 1 3"))
)
MEAN, STD = np.array([90, 100, 110], np.float32), np.array([40, 50, 60], np.float32)


def make_member(i: int, share: float, temperature: float = 1.0) -> Member:
    """Random weights, and running statistics of random images."""
    generator = torch.Generator().manual_seed(i)
    child = MicroChild(space=SPACE, architecture=ARCHITECTURES[i], plan=PLAN, generator=generator)
    for _ in range(5):
        child.train_outputs(torch.randn(16, 3, 9, 8, generator=generator))
    tensors = {name: tensor for name, tensor in child.state_dict().items() if not name.startswith("auxiliary.")}
    return Member(ARCHITECTURES[i], share, temperature, tensors)


@pytest.fixture(scope="module")
def model() -> ImageModel:
    members = (make_member(0, 0.75, 2.0), make_member(1, 0.25))
    return ImageModel(SPACE, PLAN, members, ("a", "b", "c", "d"), MEAN, STD)


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    """Read-only, as a memory map of the cache is."""
    pixels = np.random.default_rng(0).integers(0, 255, (7, 9, 8, 3), np.uint8)
    pixels.flags.writeable = False
    return pixels


def test_images_are_normalised_channel_by_channel(model: ImageModel, pixels: NDArray[np.uint8]) -> None:
    normalised = model.normalise(pixels)
    assert normalised.shape == (7, 3, 9, 8)
    assert normalised.is_contiguous(memory_format=torch.channels_last)
    assert_allclose(normalised[2, 1].numpy(), (pixels[2, :, :, 1] - 100.0) / 50, rtol=1e-5, atol=1e-6)


def test_outputs_are_the_weighted_sum_of_the_members(model: ImageModel, pixels: NDArray[np.uint8]) -> None:
    logits = model.predict(pixels)
    first, second = (model.only(architecture).predict(pixels) for architecture in ARCHITECTURES)
    assert logits.shape == (7, 4)
    assert_allclose(logits, 0.75 * first + 0.25 * second, rtol=1e-5, atol=1e-6)
    assert not np.allclose(first, second)


def test_a_member_without_a_share_is_not_computed(pixels: NDArray[np.uint8]) -> None:
    members = make_member(0, 0.0), make_member(1, 1.0)
    model = ImageModel(SPACE, PLAN, members, ("a", "b", "c", "d"), MEAN, STD)
    assert [member.architecture for member, _ in model.active] == [ARCHITECTURES[1]]
    assert_allclose(model.only(ARCHITECTURES[1]).predict(pixels), model.predict(pixels))


def test_an_architecture_that_is_no_member_is_refused(model: ImageModel) -> None:
    with pytest.raises(ConfigError, match="is not among the retrained candidates"):
        model.only(Architecture((0,) * 16))


def test_batches_make_no_difference_and_none_is_fine(model: ImageModel, pixels: NDArray[np.uint8]) -> None:
    whole = model.predict(pixels)
    assert [len(part) for part in model.outputs(pixels, batch_size=3)] == [3, 3, 1]
    assert_allclose(model.predict(pixels, batch_size=3), whole, rtol=1e-5, atol=1e-6)
    assert model.predict(pixels[:0]).shape == (0, 4)


def test_files_bring_back_the_same_bits(model: ImageModel, pixels: NDArray[np.uint8], tmp_path: Path) -> None:
    save_model(model, tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "model.json",
        "candidate_1.safetensors",
        "candidate_2.safetensors",
    }
    again = load_model(tmp_path)
    assert isinstance(again, ImageModel)
    assert (again.space, again.plan, again.classes) == (model.space, model.plan, model.classes)
    assert again.predict(pixels).tobytes() == model.predict(pixels).tobytes()


def remove_a_file(folder: Path) -> None:
    (folder / "candidate_2.safetensors").unlink()


def swap_the_files(folder: Path) -> None:
    one, other = folder / "candidate_1.safetensors", folder / "candidate_2.safetensors"
    mine, theirs = one.read_bytes(), other.read_bytes()
    one.write_bytes(theirs)
    other.write_bytes(mine)


def cut_a_file(folder: Path) -> None:
    file = folder / "candidate_1.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def change(*path: str, value: object) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        described = json.loads((folder / "model.json").read_text())
        inner = described
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value
        (folder / "model.json").write_text(json.dumps(described))

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove_a_file, r"candidate_2\.safetensors"),
        (swap_the_files, "is damaged"),
        (cut_a_file, r"candidate_1\.safetensors|is damaged"),
        (change("format", value=99), "has format 99; this version reads 1"),
        (change("plan", "n_layers", value=0), "is damaged.*child_num_layers is 0"),
        (change("plan", "n_filters", value=6), "is damaged"),
        (change("space", "n_nodes", value=3), "is damaged"),
        (change("members", value=[]), "is damaged"),
        (change("mean", value="dark"), "is damaged"),
    ],
)
def test_damaged_files_are_refused(
    model: ImageModel, tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    save_model(model, tmp_path)
    damage(tmp_path)
    with pytest.raises(RunError, match=message):
        load_model(tmp_path)
