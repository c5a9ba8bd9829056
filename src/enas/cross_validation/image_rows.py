"""The training images of a config, of which folds take rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from enas.config import Config, ImageConfig
from enas.cross_validation.rows import facts_of
from enas.data.dataset import IntArray
from enas.data.images import ImageSet
from enas.device import choose_device
from enas.families.image_prepare import prepare_images
from enas.families.image_recipe import image_recipe
from enas.families.image_source import ImageSource, describe
from enas.families.source import Ready
from enas.image_model import ImageModel
from enas.model import Model
from enas.model_files import load_model
from enas.progress import Progress
from enas.run import Run


@dataclass(frozen=True, slots=True, eq=False)
class ImageRows:
    """Training images.

    Args:
        source: the folders.
        samples: the images of the training folder; their common size and channels are those of all of them.
        validation: the images of a validation folder.
        facts: see `TrainingRows`.
    """

    source: ImageSource
    samples: ImageSet
    validation: ImageSet | None
    facts: Mapping[str, Any]

    @property
    def groups(self) -> IntArray | None:
        """Every image for itself."""
        return None

    @property
    def has_validation(self) -> bool:
        return self.validation is not None

    def prepare(self, rows: IntArray, config: Config | ImageConfig, progress: Progress) -> Ready:
        """The pixels stay in their memory map; neither statistics nor batches take those of other rows."""
        assert isinstance(config, ImageConfig), "an image config"
        family = prepare_images(
            config,
            self.samples,
            self.validation,
            self.source.space,
            progress,
            rows=rows,
            copies_seed=self.source.config.seed,
        )
        return Ready(family, image_recipe(config), facts_of(self.facts, rows, self.samples.n_samples))

    def take(self, rows: IntArray) -> ImageSet:
        return self.samples.take(rows)

    def load(self, run: Run) -> Model:
        model = load_model(run.models)
        assert isinstance(model, ImageModel), "a fold of images"
        return replace(model, device=choose_device(self.source.config.device))


def read_image_rows(config: ImageConfig, progress: Progress) -> ImageRows:
    """Read the images of the training folder, and those of a validation folder."""
    source = ImageSource(config, progress)
    train, valid = source.read_training()
    return ImageRows(source, train, valid, describe([train, valid] if valid else [train]))
