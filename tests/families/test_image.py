"""Images as a family: the config's numbers, which rows train and judge, networks of any size and colour."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from enas.automl import Auto
from enas.config import load_image_config
from enas.errors import ConfigError
from enas.families.image import ImageFamily
from enas.families.image_learners import MicroAlone, SharedMicro
from enas.families.image_recipe import image_recipe
from enas.families.image_source import ImageSource
from enas.fit import Fit
from enas.journal import Journal
from enas.nesterov import Nesterov
from enas.search_space import Architecture, MicroSpace
from enas.training import Learner

OpenImages = Callable[..., Auto]
OpenFamily = Callable[..., ImageFamily]
ARCHITECTURE = Architecture.from_text("0 0 1 3 2 1 0 4 1 2 0 1 1 4 2 0")


@pytest.fixture
def open_family(folders: Path, log: Any, one_thread: None) -> OpenFamily:
    def open_it(*overrides: str, **config: Any) -> ImageFamily:
        raw = json.loads((folders / "config.json").read_text()) | config
        family = ImageSource(load_image_config(raw, overrides)[0], log).prepare().family
        assert isinstance(family, ImageFamily)
        return family

    return open_it


def step(learner: Learner, architecture: Architecture = ARCHITECTURE) -> float:
    """One step of training on the first minibatch; the loss."""
    learner.optimizer.lr = learner.schedule(0, 0, 1)
    loss, shown = learner.loss(learner.batches()[0], architecture)
    learner.optimizer.zero_grad()
    loss.backward()
    learner.optimizer.step()
    return float(shown.detach())


def test_the_recipe_is_the_configs() -> None:
    trainer = {"train_data_dir": "train", "num_epochs": 3, "batch_size": 200, "n_derived": 13, "top_k_candidates": 2}
    controller = {"lr": 0.1, "tanh_constant": 2.0, "temperature": 5.0, "entropy_weight": 0.2, "exploration": 0.3}
    counts = {"train_every": 2, "train_steps": 4, "num_aggregate": 6, "bl_dec": 0.5}
    flags = {f"controller_{key}": value for key, value in (controller | counts).items()}
    retrain = {"num_epochs": 7}
    raw = {"name": "x", "preset": None, "trainer": trainer | flags, "retrain": retrain, "time_limit": 60}
    recipe = image_recipe(load_image_config(raw)[0])
    assert (recipe.n_epochs_search, recipe.n_epochs_fixed, recipe.top_k, recipe.n_judges) == (3, 7, 2, 200)
    assert (recipe.n_derived, recipe.train_every, recipe.time_limit, recipe.ensemble) == (13, 2, 60, False)
    settings = recipe.settings
    assert {key: getattr(settings, key) for key in controller} == controller
    assert (settings.train_steps, settings.num_aggregate, settings.baseline_decay) == (4, 6, 0.5)


def test_a_validation_folder_judges_and_its_rows_follow_those_of_training(open_family: OpenFamily) -> None:
    family = open_family()
    assert family.split.train.tolist() == list(range(48))
    assert family.folds.held_out[0].tolist() == list(range(48, 72))
    pictures = family.pictures(1)
    assert family.valid is not None
    shown = pictures.take(torch.tensor([3, 50]))
    for row, pixels in ((0, family.train.pixels[3]), (1, family.valid.pixels[2])):
        expected = (pixels[..., 0].astype(np.float32) - family.mean) / family.std
        np.testing.assert_allclose(shown[row, 0].numpy(), expected, rtol=1e-5)
    everything = pictures.take(torch.arange(48))
    assert abs(float(everything.mean())) < 1e-5
    assert float(everything.std(correction=0)) == pytest.approx(1, abs=1e-5)


def test_no_copy_of_a_validation_image_trains(open_family: OpenFamily) -> None:
    family = open_family("trainer.val_data_dir=null", "trainer.validation_split=0.25", "retrain.n_aug_img=3")
    learner = family.learn_alone(ARCHITECTURE, None)
    rows = torch.cat([batch[0] for batch in learner.batches()])
    held_out = set(family.folds.held_out[0].tolist())
    assert len(rows) == 3 * 36
    assert len(set(rows.tolist())) == 3 * 36
    assert not {row % 48 for row in rows.tolist()} & held_out
    assert np.bincount(rows.numpy() // 48).tolist() == [36, 36, 36]
    labels = learner.lesson.folds.labels[rows]
    assert family.train.target is not None
    assert labels.tolist() == family.train.target.values[rows.numpy() % 48].tolist()
    pictures = family.pictures(3)
    originals, copies = pictures.take(rows % 48), pictures.take(rows)
    is_copy = rows >= 48
    assert torch.equal(originals[~is_copy], copies[~is_copy])
    differs = (originals != copies).flatten(1).any(dim=1)
    assert float(differs[is_copy].float().mean()) > 0.5
    only_validation = channel_mean(family, sorted(held_out))
    assert not np.allclose(family.mean, only_validation)


def channel_mean(family: ImageFamily, rows: list[int]) -> float:
    return float(family.train.pixels[rows].mean())


def test_statistics_are_of_the_training_rows_alone(open_family: OpenFamily) -> None:
    family = open_family("trainer.val_data_dir=null", "trainer.validation_split=0.25")
    assert float(family.mean[0]) == pytest.approx(channel_mean(family, family.split.train.tolist()), rel=1e-6)


@pytest.mark.parametrize(("mode", "n_channels", "pad", "flip"), [("L", 1, 0, False), ("RGB", 3, 4, True)])
def test_augmentation_on_the_fly_suits_the_colours(
    open_family: OpenFamily, folders: Path, mode: str, n_channels: int, pad: int, flip: bool
) -> None:
    recolour(folders, mode, (12, 12))
    family = open_family()
    augment = family.augment(None)
    assert (family.train.n_channels, augment.pad, augment.flip, augment.cutout) == (n_channels, pad, flip, None)
    given = open_family("trainer.augment_crop=2", "trainer.augment_flip=true").augment(5)
    assert (given.pad, given.flip, given.cutout) == (2, True, 5)


def recolour(folders: Path, mode: str, size: tuple[int, int]) -> None:
    """Bring all images to another mode and size (height, width)."""
    for file in folders.rglob("*.png"):
        with Image.open(file) as image:
            changed = image.resize(size[::-1]).convert(mode)
        changed.save(file)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize(
    ("size", "n_reductions"), [((8, 8), 2), ((9, 17), 2), ((12, 12), 2), ((64, 64), 3), ((224, 224), 5)]
)
def test_networks_of_any_size_and_colour_learn(
    open_family: OpenFamily, folders: Path, mode: str, size: tuple[int, int], n_reductions: int
) -> None:
    recolour(folders, mode, size)
    layers = ("trainer.child_num_layers=4", "retrain.child_num_layers=4")
    family = open_family(*layers, "trainer.batch_size=2", "retrain.batch_size=2")
    plan = family.blueprint(family.config.trainer)
    assert plan.size == size
    assert plan.n_image_channels == {"L": 1, "RGB": 3}[mode]
    assert len(plan.reductions) == n_reductions
    for learner in (family.learn_shared(), family.learn_alone(ARCHITECTURE, None)):
        before = learner.weights()
        assert np.isfinite(step(learner))
        after = learner.weights()
        assert not torch.equal(before["stem.weight"], after["stem.weight"])
        assert all(torch.isfinite(tensor).all() for tensor in after.values())


@pytest.mark.parametrize("n_classes", [2, 12])
def test_any_number_of_classes(open_family: OpenFamily, tmp_path: Path, n_classes: int) -> None:
    generator = np.random.default_rng(0)
    for split in ("train", "valid"):
        for label in range(n_classes):
            folder = tmp_path / f"many_{split}" / f"{label}"
            folder.mkdir(parents=True)
            for i in range(3):
                Image.fromarray(generator.integers(0, 255, (10, 10), np.uint8)).save(folder / f"{i}.png")
    names = (
        f'trainer.{key}_data_dir="{tmp_path / f"many_{name}"}"' for key, name in (("train", "train"), ("val", "valid"))
    )
    family = open_family(*names, "trainer.test_data_dir=null", f"model.args.output_classes={n_classes}")
    for learner in (family.learn_shared(), family.learn_alone(ARCHITECTURE, None)):
        assert step(learner) == pytest.approx(np.log(n_classes), rel=1.0)
        assert learner.judge(family.folds, [ARCHITECTURE]).shape == (1, 3 * n_classes, n_classes)


def test_keys_that_restore_the_originals(open_family: OpenFamily) -> None:
    keys = ("trainer.child_grad_bound=0", "trainer.train_auxiliary=false", "trainer.controller_convolution_bias=10")
    family = open_family(*keys)
    assert family.space == MicroSpace(2, convolution_bias=10)
    learner = family.learn_shared()
    assert isinstance(learner.optimizer, Nesterov)
    assert learner.optimizer.clip is None
    before = learner.weights()
    step(learner)
    after = learner.weights()
    changed = {name.split(".")[0] for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    assert changed == {"stem", "layers", "halvings", "head"}
    ours = open_family().learn_shared()
    assert isinstance(ours.optimizer, Nesterov)
    assert ours.optimizer.clip == 5
    before = ours.weights()
    step(ours)
    assert not torch.equal(ours.weights()["auxiliary.project"], before["auxiliary.project"])


def test_no_auxiliary_head_where_none_is_wanted(open_family: OpenFamily) -> None:
    family = open_family("trainer.child_use_aux_heads=false", "retrain.child_aux_after=0")
    shared, alone = family.learn_shared(), family.learn_alone(ARCHITECTURE, None)
    assert isinstance(shared, SharedMicro)
    assert isinstance(alone, MicroAlone)
    assert shared.supernet.auxiliary is None
    assert alone.child.plan.auxiliary_after == 0
    assert not [name for name in alone.part(ARCHITECTURE) if name.startswith("auxiliary")]


@pytest.mark.parametrize("warm", [False, True])
def test_a_warm_start_takes_the_weights_of_the_search(open_family: OpenFamily, log: Any, warm: bool) -> None:
    family = open_family(f"retrain.warm_start={str(warm).lower()}", "trainer.num_epochs=1")
    found = Fit(family, image_recipe(family.config), Journal(log, 10, family.randomness)).search()
    assert isinstance(found.learner, SharedMicro)
    child = family.learn_alone(ARCHITECTURE, found).weights()
    shared = found.learner.weights()
    pairs = [("stem.weight",) * 2, ("layers.2.branches.1_0.first.depth", "layers.2.convs.1_0_1_2.first.depth")]
    assert [torch.equal(child[mine], shared[theirs]) for mine, theirs in pairs] == [warm, warm]


def test_a_warm_start_without_a_search_is_told(open_family: OpenFamily, log: Any) -> None:
    open_family("retrain.warm_start=true").learn_alone(ARCHITECTURE, None)
    assert log.warnings == ["retrain.warm_start: without a search there are no shared weights to start from"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["retrain.warm_start=true", "retrain.child_out_filters=6"],
            r"retrain\.warm_start: needs .*child_out_filters \(6\)",
        ),
        (["trainer.child_num_reductions=3"], r"trainer\.child_num_reductions: 3 do not fit"),
        (["trainer.child_out_filters=5"], r"trainer\.child_out_filters"),
        (["trainer.validation_split=0.2"], r"trainer\.validation_split: has no place beside val_data_dir"),
    ],
)
def test_what_does_not_fit_is_refused_before_images_are_read(
    open_family: OpenFamily, folders: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        open_family(*overrides)
    assert not (folders / "runs").exists()
