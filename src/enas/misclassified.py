"""What image evaluation adds: the number of errors, a list of them, and a sheet of the images in question."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from enas.data.images import ImageSet
from enas.evaluate import Evaluation
from enas.files import write_csv
from enas.model import probabilities_of

FILE, SHEET = "enas_misclassified.csv", "enas_misclassified"


def draw_misclassified(evaluation: Evaluation, images: ImageSet, classes: tuple[str, ...], folder: Path) -> Evaluation:
    """Write a table and a sheet of the images that are taken for another class, the surest errors first.

    Args:
        evaluation: of ``images``.
        images: with their classes.
        classes: names in index order.
        folder: where the files go.

    Returns:
        The evaluation with the new files.
    """
    from enas import report

    assert images.target is not None, "evaluation needs classes"
    probabilities, labels = probabilities_of(evaluation.outputs), images.target.values
    predicted, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    wrong = wrong[np.argsort(-sureness[wrong], kind="stable")]
    rows = [(images.sample_ids[i], classes[labels[i]], classes[predicted[i]], float(sureness[i])) for i in wrong]
    write_csv(folder / FILE, ["path", "true_class", "predicted_class", "softmax_value"], rows)
    files = [folder / FILE]
    (folder / f"{SHEET}.png").unlink(missing_ok=True)  # of an evaluation before this one
    if len(wrong):
        captions = [(f"is {row[1]}", f"{row[2]} {row[3]:.0%}") for row in rows]
        title = f"{len(wrong)} errors in {len(labels)} images: true class, predicted class with its probability"
        files += report.image_sheet(images.pixels[wrong], captions, folder / SHEET, title)
    return replace(evaluation, files=(*evaluation.files, *files))
