"""The pictures of an image run: its cells, its final network, its curves, and examples of augmented images."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from enas.data.copies import augmented_copies
from enas.networks.blueprint import Blueprint
from enas.networks.micro_child import MicroChild
from enas.run import Run
from enas.search_space import Architecture, MicroSpace
from enas.search_space.micro import unread_states

if TYPE_CHECKING:
    from enas.families.image import ImageFamily
    from enas.report.network import Kind, Row

N_EXAMPLES, N_COPIES = 8, 5


def draw_pictures(family: "ImageFamily", run: Run, architecture: Architecture) -> tuple[Path, ...]:
    """Draw all of them into the run; curves from its log."""
    from enas import report

    folder, log = run.output_files, run.read_log()
    files = [*report.cell_pictures(family.space, architecture, folder / "enas")]
    plan = family.blueprint(family.config.retrain)
    files += report.network_picture(network_rows(family.space, architecture, plan), folder / "enas_final_network")
    if searched := [row for row in log if row.get("stage") == "search"]:
        files += report.image_search_curves(searched, folder / "enas_search_curves")
    files += draw_retraining(run, str(architecture))
    files += _draw_augmentation(family, folder)
    return tuple(files)


def draw_retraining(
    run: Run, architecture: str, epoch: int | None = None, test_accuracy: float | None = None
) -> tuple[Path, ...]:
    """The course of retraining an architecture; the test accuracy, once known, at the epoch that was kept (from 1).

    The originals draw a test accuracy for every epoch. Test images are touched once here, so there is one point.
    """
    from enas import report

    of_it = [row for row in run.read_log() if row.get("stage") == "retrain" and row.get("architecture") == architecture]
    if epoch is not None:
        of_it = [row | ({"test_score": test_accuracy} if row["epoch"] == epoch - 1 else {}) for row in of_it]
    return report.retraining_curves(of_it, run.output_files / "enas_retraining_curves") if of_it else ()


def network_rows(space: MicroSpace, architecture: Architecture, plan: Blueprint) -> "list[Row]":
    """The child's layers with their sizes, channels and numbers of parameters."""
    from enas import report

    child = MicroChild(space=space, architecture=architecture, plan=plan, generator=torch.Generator())
    cells = space.cells(architecture)
    rows = [report.Row("stem", "stem", plan.size, 3 * plan.n_filters, _count(child.stem), ())]
    reads = (0, 0)
    for index, (layer, module) in enumerate(zip(plan.layers, child.layers, strict=True)):
        kind: Kind = "reduction" if layer.is_reduction else "normal"
        width = len(unread_states(cells[layer.is_reduction])) * layer.n_channels
        inputs = tuple(dict.fromkeys(reads))
        rows.append(report.Row(f"layer {index}", kind, layer.size, width, _count(module), inputs))
        reads = reads[1], len(rows) - 1
    last = len(rows) - 1
    if child.auxiliary is not None and plan.auxiliary_after is not None:
        fed = plan.auxiliary_after + 1
        n_auxiliary = _count(child.auxiliary)
        rows.append(report.Row("auxiliary head", "auxiliary", rows[fed].size, plan.n_classes, n_auxiliary, (fed,)))
    rows.append(report.Row("head", "head", (1, 1), plan.n_classes, _count(child.head), (last,)))
    return rows


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _draw_augmentation(family: "ImageFamily", folder: Path) -> tuple[Path, ...]:
    """Examples of the copies of ``n_aug_img``, where copies are made."""
    from enas import report

    if max(family.config.trainer.n_aug_img, family.config.retrain.n_aug_img) == 1:
        return ()
    rows = np.sort(family.split.train)
    rows = rows[:: max(1, len(rows) // N_EXAMPLES)][:N_EXAMPLES]
    originals = np.asarray(family.train.pixels[rows])
    generator = np.random.default_rng(family.config.seed)
    copies = np.stack([augmented_copies(originals, generator) for _ in range(N_COPIES)], axis=1)
    return report.augmentation_sheet(originals, copies, folder / "enas_augmentation")
