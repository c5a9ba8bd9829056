"""`ENASImageClassifier`: classes from images, in an array or in a folder."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from enas.cache_folder import cache_folder
from enas.config import ImageConfig
from enas.data.dataset import Target
from enas.data.images import ImageFormat, ImageSet, read_images
from enas.device import choose_device
from enas.estimators.image_pixels import BITS_8, check_images, to_pixels, value_range
from enas.estimators.image_settings import make_image_config, parameter_errors
from enas.estimators.inference import computing_threads
from enas.estimators.settings import InputError
from enas.estimators.training import draw_seed, make_leaderboard, make_progress, name_classes, run_fit
from enas.families.image_prepare import prepare_images
from enas.families.image_recipe import image_recipe
from enas.families.image_source import ImageSource
from enas.fit import Fitted
from enas.image_model import ImageModel
from enas.model import probabilities_of
from enas.progress import Progress


class ENASImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Searches two cells for images, trains a network of them, predicts classes.

    ``X`` is an array (n, H, W) or (n, H, W, C) with 1 or 3 channels, or the path of a folder. Values of uint8 are taken
    as they are. Other numbers are scaled linearly so that the training images' smallest and largest value become 0 and
    255, and rounded; new images are scaled by the same two, ``value_range_``. A folder has the images of each class in
    a folder of its own to train on; what it holds is decoded once, into the folder ``image_cache`` of enas's cache.

    Args:
        n_layers: L; both networks, of the search and the final one, have L + 2 layers.
        n_filters: channels of the final network's first layers, even.
        n_nodes: nodes of a cell.
        search_epochs: epochs of the search.
        epochs: epochs of retraining each candidate.
        controller_steps: updates of the controller per epoch of the search.
        n_derived: architectures that are scored when the search is done.
        top_k: how many of them are retrained; the best is kept.
        batch_size: images per step of retraining.
        learning_rate: of retraining, at the start; it falls by a cosine.
        l2: weight of the L2 penalty.
        keep_prob: share of units that dropout keeps before the last layer; 1: no dropout.
        path_keep_prob: share of a cell's paths that are kept in the last layer at the end of training; 1: all.
        augment_crop: pixels of padding before a random crop of training images; None: 4 in colour, 0 in grey; 0: none.
        augment_flip: whether they are flipped left to right at random; None: in colour, not in grey.
        cutout: side of the square that is cut out of them; None: none is.
        validation_split: share of the images that judges architectures and epochs instead of training.
        image_size: side to which a folder's images are resized; None: their most common size.
        skip_unreadable: leave out files of a folder that cannot be read, with a warning.
        time_limit: seconds; the search and training are planned to fit.
        random_state: the same integer gives the same estimator.
        n_jobs: threads; None: torch's own number, and one for small images.
        device: "auto", "cpu", "cuda", …
        verbose: 1 for a log on standard output, 2 for more; at 0 warnings are Python's.

    Attributes:
        classes_: the labels, sorted; of a folder the names of the folders in it.
        best_architecture_: the architecture of the chosen candidate.
        leaderboard_: a dict per derived architecture, best first.
        history_: a dict per epoch of search and retraining.
        model_: the trained model.
        image_shape_: (H, W, C) of the images.
        value_range_: the two values that become 0 and 255.
    """

    def __init__(
        self,
        *,
        n_layers: int = 3,
        n_filters: int = 12,
        n_nodes: int = 5,
        search_epochs: int = 40,
        epochs: int = 30,
        controller_steps: int = 20,
        n_derived: int = 60,
        top_k: int = 1,
        batch_size: int = 64,
        learning_rate: float = 0.05,
        l2: float = 2e-4,
        keep_prob: float = 0.9,
        path_keep_prob: float = 0.9,
        augment_crop: int | None = 2,
        augment_flip: bool | None = None,
        cutout: int | None = None,
        validation_split: float = 0.1,
        image_size: int | None = None,
        skip_unreadable: bool = False,
        time_limit: float | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        device: str = "auto",
        verbose: int = 0,
    ) -> None:
        self.n_layers = n_layers
        self.n_filters = n_filters
        self.n_nodes = n_nodes
        self.search_epochs = search_epochs
        self.epochs = epochs
        self.controller_steps = controller_steps
        self.n_derived = n_derived
        self.top_k = top_k
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.l2 = l2
        self.keep_prob = keep_prob
        self.path_keep_prob = path_keep_prob
        self.augment_crop = augment_crop
        self.augment_flip = augment_flip
        self.cutout = cutout
        self.validation_split = validation_split
        self.image_size = image_size
        self.skip_unreadable = skip_unreadable
        self.time_limit = time_limit
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.device = device
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> Self:
        """Search and train.

        Args:
            X: (n, H, W) or (n, H, W, C), or a folder with one folder per class.
            y: (n,) labels of any kind; None for a folder.

        Raises:
            ValueError: images or parameters that cannot be used; of ours, it is a DataError or ConfigError, too.
        """
        folder = Path(X) if _is_folder(X) else None
        with parameter_errors(), computing_threads(self.n_jobs):
            progress = make_progress(self.verbose)
            config = make_image_config(self.get_params(deep=False), folder, draw_seed(self.random_state))
            if folder is None:
                images = self._from_array(X, y)
            elif y is None:
                images = self._from_folder(config, progress)
            else:
                raise InputError(f"y: the classes of the folder {folder} are the folders in it; leave y out")
            space = ImageSource(config, progress).space
            family = prepare_images(config, images, None, space, progress)
            fitted, self.history_ = run_fit(family, image_recipe(config), progress)
        self._keep(fitted, images)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The most probable class of each image, (n,); those of a folder in the order of their paths."""
        return np.asarray(self.classes_[self._outputs(X).argmax(axis=1)])

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (n, C), columns in the order of ``classes_``."""
        return probabilities_of(self._outputs(X))

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Logits (n, C); of two classes their difference (n,), positive for the second."""
        outputs = self._outputs(X)
        return outputs[:, 1] - outputs[:, 0] if len(self.classes_) == 2 else outputs

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Accuracy; of a folder with one folder per class ``y`` may be left out."""
        if y is not None or not _is_folder(X):
            return float(super().score(X, y, sample_weight))
        images = self._read(X, labelled=True)
        assert images.target is not None, "it was asked for"
        return float(accuracy_score(images.target.values, self._compute(images.pixels).argmax(axis=1)))

    def _from_array(self, X: Any, y: Any) -> ImageSet:
        """Checked, with their classes; keeps what new images are scaled by."""
        if y is None:
            raise InputError("y: images of an array need their classes: fit(X, y)")
        images, y = check_images(X), column_or_1d(y, warn=True)
        check_consistent_length(images, y)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y has a single class, {self.classes_[0]!r}: nothing can be learned from it")
        self.value_range_ = value_range(images)
        ids = tuple(map(str, range(len(images))))
        target = Target(("class",), codes.astype(np.int64), name_classes(self.classes_))
        return ImageSet(to_pixels(images, self.value_range_), ids, target, "X")

    def _from_folder(self, config: ImageConfig, progress: Progress) -> ImageSet:
        images, _ = ImageSource(config, progress).read_training()
        assert images.target is not None, "training images have classes"
        self.classes_, self.value_range_ = np.array(images.target.classes), BITS_8
        return images

    def _keep(self, fitted: Fitted, images: ImageSet) -> None:
        assert isinstance(fitted.model, ImageModel), "a model of images"
        self.model_ = fitted.model
        self.best_architecture_ = fitted.candidates[int(fitted.selection.shares.argmax())].architecture
        self.leaderboard_ = make_leaderboard(fitted)
        self.image_shape_ = (*images.size, images.n_channels)

    def _outputs(self, X: Any) -> NDArray[np.float64]:
        """Logits (n, C)."""
        check_is_fitted(self)
        if _is_folder(X):
            return self._compute(self._read(X, labelled=False).pixels)
        images = check_images(X)
        if images.shape[1:] != self.image_shape_:
            sizes = [" × ".join(map(str, shape)) for shape in (images.shape[1:], self.image_shape_)]
            raise InputError(
                f"X has images of {sizes[0]}, at training they were {sizes[1]} (height × width × channels)"
            )
        return self._compute(to_pixels(images, self.value_range_))

    def _read(self, folder: Any, *, labelled: bool) -> ImageSet:
        check_is_fitted(self)
        height, width, n_channels = self.image_shape_
        with parameter_errors():
            return read_images(
                Path(folder),
                ImageFormat((height, width), n_channels),
                classes=self.model_.classes if labelled else None,
                labelled=labelled,
                cache=cache_folder() / "image_cache",
                skip_unreadable=self.skip_unreadable,
                progress=make_progress(self.verbose),
            )

    def _compute(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        with parameter_errors(), computing_threads(self.n_jobs):
            return replace(self.model_, device=choose_device(self.device)).predict(pixels)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _is_folder(X: Any) -> bool:
    return isinstance(X, str | os.PathLike)
