"""Explanation of images: the pixels that speak for the predicted class, by integrated gradients.

Sundararajan et al. 2017, computed by captum. A map adds up to the difference between the logit of the image and that of
the mean image (grey, 0 after normalisation): red pixels speak for the class, blue ones against it. Channels are summed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from enas.data.images import ImageSet
from enas.files import write_csv
from enas.image_model import ImageModel
from enas.progress import Progress
from enas.tensor_files import write_tensors

TITLE = "pixels that speak for the class (red) or against it (blue)"
N_STEPS = 64
"""Points of the path from the mean image at which gradients are taken."""
PIXELS_AT_ONCE = 1 << 16
"""Of so many pixels gradients are computed at a time: memory does not grow with the size of the images."""


@dataclass(frozen=True, slots=True, eq=False)
class ImageExplanation:
    """What `explain_images` found.

    Args:
        sample_ids: paths of the n images.
        predicted: (n,) class indices that are explained.
        maps: (n, H, W) attribution of each pixel to the predicted class's logit.
        gap: mean difference between a map's sum and what it should add up to, relative to the mean of the latter.
        files: what was written.
    """

    sample_ids: tuple[str, ...]
    predicted: NDArray[np.int64]
    maps: NDArray[np.float32]
    gap: float
    files: tuple[Path, ...]

    @property
    def summary(self) -> tuple[str, ...]:
        """Lines of the log."""
        return (
            f"attribution maps of {len(self.maps)} images; they add up to the outputs with a relative error of "
            f"{self.gap:.1e}",
        )


def explain_images(
    model: ImageModel,
    images: ImageSet,
    folder: Path,
    *,
    n_samples: int,
    n_shown: int,
    seed: int,
    progress: Progress,
) -> ImageExplanation:
    """Explain some images, as many of each class as there are; write maps and sheets into ``folder``.

    Args:
        model: the trained model.
        images: where they are taken from.
        folder: where files go.
        n_samples: how many are explained.
        n_shown: how many the sheet shows.
        seed: chooses them.
        progress: shows how far it is.
    """
    rows = _choose(images, min(n_samples, images.n_samples), seed)
    pixels = np.asarray(images.pixels[rows])
    maps = np.empty((len(rows), *pixels.shape[1:3]), np.float32)
    predicted, expected = np.empty(len(rows), np.int64), np.empty(len(rows))
    with progress.stage(f"explaining {len(rows)} images", len(rows)) as advance:
        for i in range(len(rows)):
            maps[i], predicted[i], expected[i] = integrate(model, pixels[i])
            advance("")
    gap = float(np.abs(maps.sum(axis=(1, 2)) - expected).mean() / max(np.abs(expected).mean(), 1e-12))
    ids = tuple(images.sample_ids[row] for row in rows)
    files = _write(model, images, rows, pixels, maps, predicted, folder, n_shown)
    return ImageExplanation(ids, predicted, maps, gap, files)


def integrate(model: ImageModel, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], int, float]:
    """Integrated gradients of one image (H, W, C).

    Returns:
        The map (H, W), the class that is explained, and what the map should add up to.
    """
    from captum.attr import IntegratedGradients

    x = model.normalise(pixels[None])
    with torch.no_grad():
        predicted = int(model.logits(x).argmax())
    attributions, gap = IntegratedGradients(model.logits).attribute(
        x,
        target=predicted,
        n_steps=N_STEPS,
        method="riemann_middle",
        internal_batch_size=max(1, PIXELS_AT_ONCE // x[0, 0].numel()),
        return_convergence_delta=True,
    )
    attribution = attributions[0].sum(dim=0).detach()
    return attribution.cpu().numpy(), predicted, float(attribution.sum() - gap)


def _choose(images: ImageSet, n: int, seed: int) -> NDArray[np.int64]:
    """Rows spread evenly over the classes, drawn at random in each."""
    generator = np.random.default_rng(seed)
    labels = images.target.values if images.target else np.zeros(images.n_samples, np.int64)
    order = generator.permutation(images.n_samples)
    turn = np.empty(images.n_samples, np.int64)
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        turn[of_class] = np.arange(len(of_class))
    return np.sort(order[np.argsort(turn[order], kind="stable")][:n])


def _write(
    model: ImageModel,
    images: ImageSet,
    rows: NDArray[np.int64],
    pixels: NDArray[np.uint8],
    maps: NDArray[np.float32],
    predicted: NDArray[np.int64],
    folder: Path,
    n_shown: int,
) -> tuple[Path, ...]:
    from enas import report

    names = [model.classes[i] for i in predicted]
    truth = [model.classes[images.target.values[row]] for row in rows] if images.target else [""] * len(rows)
    table, arrays = folder / "enas_explained_images.csv", folder / "enas_attribution_maps.safetensors"
    ids = [images.sample_ids[row] for row in rows]
    write_csv(table, ["path", "true_class", "explained_class"], zip(ids, truth, names, strict=True))
    write_tensors(arrays, {"maps": maps})
    captions = [(f"is {true}", f"as {name}") for true, name in zip(truth, names, strict=True)]
    sheets = report.attribution_sheet(pixels, maps, captions, folder / "enas_attribution", TITLE, n_most=n_shown)
    means = report.class_mean_sheet(*_class_means(maps, predicted, model.classes), folder / "enas_attribution_by_class")
    return (table, arrays, *sheets, *means)


def _class_means(
    maps: NDArray[np.float32], predicted: NDArray[np.int64], classes: Sequence[str]
) -> tuple[NDArray[np.float32], list[str]]:
    """Mean map of each class that is explained at least once."""
    there = [i for i in range(len(classes)) if (predicted == i).any()]
    return np.stack([maps[predicted == i].mean(axis=0) for i in there]), [classes[i] for i in there]
