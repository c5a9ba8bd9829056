"""What an image config names, as the pipeline's steps take it."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from enas.config import ImageConfig, ImageExplainer, Inference
from enas.data.images import ImageFormat, ImageSet, infer_format, read_images
from enas.device import choose_device
from enas.errors import ConfigError, DataError, RunError
from enas.evaluate import Evaluation, evaluate
from enas.explain_images import ImageExplanation, explain_images
from enas.families.image import ImageFamily
from enas.families.image_pictures import draw_retraining
from enas.families.image_prepare import prepare_images
from enas.families.image_recipe import image_recipe
from enas.families.source import Ready, seen_hashes
from enas.files import read_json
from enas.honesty import note_test
from enas.image_model import ImageModel
from enas.metrics import ClassificationMetrics
from enas.misclassified import draw_misclassified
from enas.model import Model
from enas.networks import native
from enas.networks.blueprint import describe_plan
from enas.predict import Prediction, predict
from enas.progress import Progress
from enas.run import Run
from enas.search_space import MicroSpace


@dataclass(slots=True)
class ImageSource:
    """The folders of a config.

    Args:
        config: names them.
        progress: where the log goes.
    """

    config: ImageConfig
    progress: Progress

    def steps(self) -> tuple[str, ...]:
        named = {
            "evaluate": self.config.trainer.test_data_dir,
            "predict": self.config.data_predict,
            "explain": self.config.explainer and self.config.trainer.test_data_dir,
        }
        if not self.config.trainer.test_data_dir:
            what = "no test figure and no explanation" if self.config.explainer else "no test figure"
            self.progress.warn(f"the config names no trainer.test_data_dir: there will be {what}")
        return tuple(step for step, section in named.items() if section)

    def prepare(self) -> Ready:
        is_cpu = choose_device(self.config.device) == "cpu"
        builds = self._build_kernels() if is_cpu else {}
        train, valid = self.read_training()
        if is_cpu:
            self._await_kernels(builds)
        family = prepare_images(self.config, train, valid, self.space, self.progress)
        self._report(family)
        return Ready(family, image_recipe(self.config), describe([train, valid] if valid else [train]))

    @property
    def space(self) -> MicroSpace:
        trainer = self.config.trainer
        return MicroSpace(trainer.child_num_cells, convolution_bias=trainer.controller_convolution_bias)

    def read_training(self) -> tuple[ImageSet, ImageSet | None]:
        """Training images, and those of a validation folder if there is one."""
        trainer = self.config.trainer
        with _naming("trainer.train_data_dir"):
            fmt = infer_format(
                trainer.train_data_dir, size=trainer.img_size, n_channels=trainer.channel, progress=self.progress
            )
        train = self._read("trainer.train_data_dir", trainer.train_data_dir, fmt, None)
        assert train.target is not None, "training images have classes"
        self._check_classes(train.target.classes)
        valid = None
        if trainer.val_data_dir:
            valid = self._read("trainer.val_data_dir", trainer.val_data_dir, fmt, train.target.classes)
        return train, valid

    def evaluate(self, model: Model, settings: Inference, run: Run) -> Evaluation:
        """Score the model on the test images; draws a sheet of those that it takes for another class."""
        model = self._of_images(model, run)
        images = _spread_rows(self._read_test(model), settings, self.progress)
        size = settings.batch_size
        result = evaluate(model, images, seen_hashes(run), run.output_files, batch_size=size, progress=self.progress)
        if not settings.arc:
            note_test(run, model, images, result, size, self.progress)
        _draw_test_accuracy(result, run)
        return draw_misclassified(result, images, model.classes, run.output_files)

    def predict(self, model: Model, settings: Inference, run: Run) -> Prediction:
        """Predict a folder of images without classes."""
        model, section = self._of_images(model, run), self.config.data_predict
        if section is None:
            raise ConfigError("the config has no section data_predict; this step reads its images from there")
        folder = section.args.data_dir
        images = self._read("data_predict.args.data_dir", folder, _format_of(model), None, labelled=False)
        images = _spread_rows(images, settings, self.progress)
        return predict(model, images, run.output_files, batch_size=settings.batch_size, progress=self.progress)

    def explain(self, model: Model, run: Run) -> ImageExplanation:
        """Show which pixels speak for the predicted class."""
        args = (self.config.explainer or ImageExplainer()).args
        model = self._of_images(model, run)
        images = self._read_test(model)
        return explain_images(
            model,
            images,
            run.output_files,
            n_samples=args.num_samples,
            n_shown=args.ranked_outputs,
            seed=self.config.seed,
            progress=self.progress,
        )

    def _of_images(self, model: Model, run: Run) -> ImageModel:
        """The model, where the config wants it to compute."""
        if not isinstance(model, ImageModel):
            raise RunError(f"{run.path} is a run on tables, and this config is one of images")
        return replace(model, device=choose_device(self.config.device))

    def _read_test(self, model: ImageModel) -> ImageSet:
        folder = self.config.trainer.test_data_dir
        if folder is None:
            raise ConfigError("the config names no trainer.test_data_dir; this step reads its images from there")
        return self._read("trainer.test_data_dir", folder, _format_of(model), model.classes)

    def _read(
        self, key: str, folder: Path, fmt: ImageFormat, classes: tuple[str, ...] | None, *, labelled: bool = True
    ) -> ImageSet:
        with _naming(key):
            return read_images(
                folder,
                fmt,
                classes=classes,
                labelled=labelled,
                cache=self.config.trainer.output_dir / "image_cache",
                skip_unreadable=self.config.trainer.skip_unreadable,
                progress=self.progress,
                n_threads=self.config.input_fn.num_threads,
            )

    def _check_classes(self, classes: tuple[str, ...]) -> None:
        expected = self.config.model.args.output_classes
        if expected is not None and expected != len(classes):
            raise ConfigError(
                f"model.args.output_classes is {expected}, but {self.config.trainer.train_data_dir} holds "
                f"{len(classes)} classes"
            )

    def _build_kernels(self) -> dict[native.Number, Future[bool]]:
        """Begin to compile those that are not there yet, while the images are read.

        Networks are trained in the config's number format and judged in float32.
        """
        numbers: tuple[native.Number, ...] = tuple(dict.fromkeys((self.config.precision, "float32")))
        compilers = ThreadPoolExecutor()
        builds = {n: compilers.submit(native.available, n) for n in numbers if native.must_be_built(n)}
        compilers.shutdown(wait=False)
        return builds

    def _await_kernels(self, builds: Mapping[native.Number, Future[bool]]) -> None:
        """So that the first step need not wait; or say why there are none."""
        if builds:
            with self.progress.stage("compiling the native kernels, once on this machine", len(builds)) as advance:
                for number, build in builds.items():
                    build.result()
                    advance(number)
        if reason := native.unavailable():
            self.progress.line(f"native kernels: {reason}; PyTorch computes the same, more slowly")

    def _report(self, family: ImageFamily) -> None:
        for name, stage in (("search", self.config.trainer), ("retraining", self.config.retrain)):
            self.progress.line(f"{name}: {describe_plan(family.blueprint(stage))}")


@contextmanager
def _naming(key: str) -> Iterator[None]:
    """What is wrong with a folder is said with the key that names it."""
    try:
        yield
    except DataError as error:
        raise DataError(f"{key}: {error}") from error


def _draw_test_accuracy(evaluation: Evaluation, run: Run) -> None:
    """Beside the validation accuracy, where the images are new and the run's own choice was evaluated."""
    metrics, best = evaluation.metrics, read_json(run.best_architecture) if run.finished else {}
    if isinstance(metrics, ClassificationMetrics) and not evaluation.n_seen and "epoch" in best:
        draw_retraining(run, best["text"], best["epoch"], metrics.accuracy.value)


def _format_of(model: ImageModel) -> ImageFormat:
    return ImageFormat(model.plan.size, model.plan.n_image_channels)


def _spread_rows(images: ImageSet, settings: Inference, progress: Progress) -> ImageSet:
    """At most ``max_number_of_steps`` batches, spread evenly: a folder's images come class by class."""
    n_rows = (settings.max_number_of_steps or images.n_samples) * settings.batch_size
    if n_rows >= images.n_samples:
        return images
    progress.warn(
        f"{settings.max_number_of_steps} steps of {settings.batch_size} images: the other "
        f"{images.n_samples - n_rows} of {images.n_samples} images are left out (max_number_of_steps)"
    )
    return images.take(np.arange(n_rows) * images.n_samples // n_rows)


def describe(sets: list[ImageSet]) -> dict[str, object]:
    """Hashes by which the images that trained are known again."""
    hashes = [f"{value:016x}" for images in sets for value in images.hashes()]
    folders = {str(Path(images.source, name)): n for images in sets for name, n in _count_classes(images).items()}
    return {"folders": folders, "row_hashes": hashes}


def _count_classes(images: ImageSet) -> dict[str, int]:
    """Images come in the order of classes: with these numbers their hashes tell also which class each is of."""
    assert images.target is not None, "training images have classes"
    counts = np.bincount(images.target.values, minlength=len(images.target.classes))
    return dict(zip(images.target.classes, counts.tolist(), strict=True))
