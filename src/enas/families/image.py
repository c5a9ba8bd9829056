"""Images as a family: a micro space, pictures, micro networks."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from enas.baselines import Rows
from enas.config import ControllerSettings, ImageConfig, ImageTrainer, Retraining
from enas.controller import Controller
from enas.data.augment import Augment
from enas.data.copies import copies_path, write_copies
from enas.data.dataset import FloatArray, Target
from enas.data.images import ImageSet
from enas.data.splits import Split
from enas.device import threads_for
from enas.families.image_learners import ImageLesson, MicroAlone, SharedMicro
from enas.families.image_recipe import make_blueprint
from enas.families.pictures import Pictures, Pixels, folds_of
from enas.families.warm_start import warm_start
from enas.folds import Folds
from enas.image_model import ImageModel
from enas.metrics.rewards import RewardName
from enas.model import Member
from enas.nesterov import Nesterov
from enas.networks import native
from enas.networks.blueprint import Blueprint
from enas.networks.micro import MicroSupernet
from enas.networks.micro_child import MicroChild
from enas.progress import Progress
from enas.randomness import Randomness
from enas.run import Run
from enas.search import SearchResult
from enas.search_space import Architecture, MicroSpace

CROP_OF_COLOUR = 4
INPUTS_PER_PIXEL = 16
"""A network of some 16 channels has about as much to do per pixel as one on a table per 16 columns."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageFamily:
    """Folders of images, ready to be searched.

    Args:
        config: all settings.
        train: training images.
        valid: validation images of a folder of their own; None: `split` takes some of the training images.
        split: training rows and validation rows of `train`, or of `train` followed by `valid`.
        space: two cells.
        mean, std: (C,) of the training pixels per channel.
        device: where the networks live.
        generator: the source of all randomness but that of `noise`.
        noise: the same on the CPU; on a GPU a generator of its own.
        folds: which rows train and judge, without augmented copies.
        progress: told what takes time.
        copies_seed: of augmented copies, which all folds of a cross-validation share.
    """

    config: ImageConfig
    train: ImageSet
    valid: ImageSet | None
    split: Split
    space: MicroSpace
    mean: FloatArray
    std: FloatArray
    device: str
    generator: torch.Generator
    noise: torch.Generator
    folds: Folds
    progress: Progress
    copies_seed: int

    @property
    def randomness(self) -> Randomness:
        return Randomness(tuple(dict.fromkeys((self.generator, self.noise))))

    @property
    def reward(self) -> RewardName:
        return "accuracy"

    @property
    def classes(self) -> tuple[str, ...]:
        assert self.train.target is not None, "training images have classes"
        return self.train.target.classes

    @contextmanager
    def computing(self) -> Iterator[None]:
        """One thread for images of up to 16×16 pixels: handing out their small pieces costs more than it saves.

        The number format is that of the images that activations come from.
        """
        height, width = self.train.size
        with threads_for(height * width * INPUTS_PER_PIXEL), native.computing(self.device):
            yield

    def make_controller(self, settings: ControllerSettings) -> Controller:
        return Controller(
            self.space,
            tanh_constant=settings.tanh_constant,
            op_tanh_reduce=self.config.trainer.controller_op_tanh_reduce,
            hidden_size=settings.hidden_size,
            temperature=settings.temperature,
            generator=self.generator,
        )

    def learn_shared(self) -> SharedMicro:
        stage = self.config.trainer
        supernet = MicroSupernet(
            space=self.space,
            plan=self.blueprint(stage),
            generator=self.generator,
            original_fan_in=stage.restore_original,
        )
        self._place(supernet)
        optimizer = _make_optimizer(supernet, stage)
        return SharedMicro(supernet, self._lesson(stage, 1.0), optimizer, noisy_scores=stage.restore_original)

    def learn_alone(self, architecture: Architecture, found: SearchResult | None) -> MicroAlone:
        stage = self.config.retrain
        child = MicroChild(
            space=self.space, architecture=architecture, plan=self.blueprint(stage), generator=self.generator
        )
        self._place(child)
        if stage.warm_start and found is not None and isinstance(found.learner, SharedMicro):
            warm_start(child, found.learner.supernet)
        elif stage.warm_start:
            self.progress.warn("retrain.warm_start: without a search there are no shared weights to start from")
        lesson = self._lesson(stage, stage.child_drop_path_keep_prob)
        return MicroAlone(child, lesson, _make_optimizer(child, stage))

    def linear_rows(self) -> Rows:
        """Pixels, without augmentation."""
        labels = self.folds.labels.cpu().numpy()
        return Rows(
            features=self.pictures(1),
            target=Target(("class",), labels, self.classes),
            splits=(self.split,),
            weights=np.ones(len(labels), np.float32),
            transform="none",
            scale="standard",
            seed=self.config.seed,
        )

    def group(self, architecture: Architecture) -> Architecture:
        """Every architecture for itself."""
        return architecture

    def make_model(self, members: Sequence[Member]) -> ImageModel:
        plan = self.blueprint(self.config.retrain)
        return ImageModel(self.space, plan, tuple(members), self.classes, self.mean, self.std)

    def draw(self, run: Run, architecture: Architecture) -> tuple[Path, ...]:
        """Cells, final network, curves, and the augmented copies where there are any."""
        from enas.families.image_pictures import draw_pictures

        return draw_pictures(self, run, architecture)

    def salvage(self, found: SearchResult) -> None:
        """Shared weights alone are no child."""

    def blueprint(self, stage: ImageTrainer | Retraining) -> Blueprint:
        """The networks of the search, or of retraining."""
        return make_blueprint(stage, self.train.size, self.train.n_channels, len(self.classes), self.space.n_nodes)

    def pictures(self, n_aug_img: int) -> Pictures:
        """All rows, each training image ``n_aug_img`` times."""
        pixels: Pixels = self.train.pixels
        if n_aug_img > 1:
            assert isinstance(pixels, np.memmap), "images come from the cache"
            path = copies_path(Path(str(pixels.filename)), n_aug_img, self.copies_seed)
            pixels = write_copies(pixels, n_aug_img, seed=self.copies_seed, path=path, progress=self.progress)
        none = np.empty((0, *self.train.pixels.shape[1:]), np.uint8)
        valid = self.valid.pixels if self.valid else none
        return Pictures(pixels, self.train.n_samples, valid, self.mean, self.std, self.device)

    def augment(self, cutout: int | None) -> Augment:
        """What is done to training images on the fly."""
        trainer, is_colour = self.config.trainer, self.train.n_channels == 3
        pad = trainer.augment_crop
        flip = trainer.augment_flip
        return Augment(
            pad=(CROP_OF_COLOUR if is_colour else 0) if pad is None else pad,
            flip=is_colour if flip is None else flip,
            cutout=cutout,
        )

    def _lesson(self, stage: ImageTrainer | Retraining, path_keep_prob: float) -> ImageLesson:
        return ImageLesson(
            folds=folds_of(self.train, self.valid, self.split, stage.n_aug_img, self.device),
            pictures=self.pictures(stage.n_aug_img),
            augment=self.augment(stage.child_cutout_size),
            batch_size=stage.batch_size,
            rates=(stage.child_lr_max, stage.child_lr_min, stage.child_lr_T_0, stage.child_lr_T_mul),
            keep_prob=stage.child_keep_prob,
            path_keep_prob=path_keep_prob,
            dtype=torch.bfloat16 if self.config.precision == "bfloat16" else torch.float32,
            generator=self.generator,
            noise=self.noise,
        )

    def _place(self, network: nn.Module) -> None:
        """Onto the device; a GPU wants its convolutions' weights channels last."""
        network.to(self.device)
        if self.device != "cpu":
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _make_optimizer(network: MicroSupernet | MicroChild, stage: ImageTrainer | Retraining) -> Nesterov:
    if network.auxiliary is not None:
        network.auxiliary.requires_grad_(stage.train_auxiliary)
    return Nesterov(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=stage.child_lr_max,
        l2=stage.child_l2_reg,
        clip=stage.child_grad_bound or None,
    )
