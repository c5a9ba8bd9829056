"""From labelled images to a family that is ready to be searched."""

import numpy as np
import torch

from enas.config import ImageConfig
from enas.config.image_sections import VALIDATION_SPLIT
from enas.data.dataset import IntArray
from enas.data.images import ImageSet
from enas.data.pixels import channel_statistics
from enas.data.splits import Split, single_split
from enas.device import choose_device
from enas.families.image import ImageFamily
from enas.families.pictures import folds_of
from enas.progress import Progress
from enas.search_space import MicroSpace


def prepare_images(
    config: ImageConfig,
    train: ImageSet,
    valid: ImageSet | None,
    space: MicroSpace,
    progress: Progress,
    *,
    rows: IntArray | None = None,
    copies_seed: int | None = None,
) -> ImageFamily:
    """Split and measure the images.

    Args:
        config: all settings.
        train, valid: labelled images of one format; without ``valid`` a share of ``train`` is held back.
        space: two cells.
        progress: where the log goes.
        rows: the images of ``train`` that count, as those of a fold; None: all.
        copies_seed: of augmented copies; None: the config's.

    Raises:
        ConfigError: the device is not there, or layers and reductions do not fit.
        DataError: a class has too few images to be split.
    """
    assert train.target is not None, "training images have classes"
    device = choose_device(config.device)
    n = train.n_samples
    rows = np.arange(n) if rows is None else rows
    if valid is not None:
        split = Split(rows, np.arange(n, n + valid.n_samples))
    else:
        share = config.trainer.validation_split or VALIDATION_SPLIT
        split = single_split(train.target.take(rows), share, seed=config.seed).of(rows)
    mean, std = channel_statistics(train.pixels, split.train)
    generator = torch.Generator().manual_seed(config.seed)
    family = ImageFamily(
        config=config,
        train=train,
        valid=valid,
        split=split,
        space=space,
        mean=mean,
        std=std,
        device=device,
        generator=generator,
        noise=generator if device == "cpu" else torch.Generator(device).manual_seed(config.seed),
        folds=folds_of(train, valid, split, 1, device),
        progress=progress,
        copies_seed=config.seed if copies_seed is None else copies_seed,
    )
    for stage in (config.trainer, config.retrain):
        family.blueprint(stage)  # refuses what does not fit, before anything is written
    return family
