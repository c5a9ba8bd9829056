"""What 8 bits cost, measured on the run's own data."""

from pathlib import Path
from typing import Any

import numpy as np

from enas.config import Config, ImageConfig, load_config
from enas.data.dataset import Target
from enas.data.images import ImageFormat, read_images
from enas.errors import RunError
from enas.export.check import difference
from enas.export.onnx_file import OnnxNetwork
from enas.image_model import ImageModel
from enas.inputs import Tables
from enas.model import probabilities_of
from enas.progress import Progress
from enas.table_model import TableModel

MAX_SAMPLES = 1000
_BATCH = 100


def measure_int8(run: Path, model: TableModel | ImageModel, exported: OnnxNetwork, progress: Progress) -> str:
    """One sentence: how far outputs are from the model's, on up to 1,000 test samples (training samples without them).

    Raises:
        DataError: the data cannot be read.
        RunError: the run has no config.
    """
    config, _ = load_config(config_of(run))
    samples, target, what = _read(config, model, progress)
    kept = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), MAX_SAMPLES)).astype(np.int64))
    parts = [np.asarray(samples[kept[i : i + _BATCH]]) for i in range(0, len(kept), _BATCH)]
    expected = np.concatenate([np.concatenate(list(model.outputs(part))) for part in parts])
    found = np.concatenate([exported(part) for part in parts])
    gap = difference(expected, found, probabilities_of(found) if model.classes else None)
    text = f"8 bits, on {len(kept):,} {what}: {gap}"
    if not model.classes:
        return text
    before, after = expected.argmax(axis=1), found.argmax(axis=1)
    text += f"; {np.mean(before == after):.1%} get the same class"
    if target is None:
        return text
    truth = target.values[kept]
    return f"{text}; accuracy {np.mean(before == truth):.3f} before, {np.mean(after == truth):.3f} after"


def config_of(run: Path) -> Path:
    """The run's config, which names its data.

    Raises:
        RunError: it has none.
    """
    file = run / "config.json"
    if not file.is_file():
        raise RunError(f"{run} is no run: --int8 measures its difference on a run's data, and needs its config.json")
    return file


def _read(
    config: Config | ImageConfig, model: TableModel | ImageModel, progress: Progress
) -> tuple[Any, Target | None, str]:
    """Samples (n, …), their target and what they are called."""
    if isinstance(config, ImageConfig) and isinstance(model, ImageModel):
        trainer = config.trainer
        images = read_images(
            trainer.test_data_dir or trainer.train_data_dir,
            ImageFormat(model.plan.size, model.plan.n_image_channels),
            classes=model.classes,
            labelled=True,
            cache=trainer.output_dir / "image_cache",
            skip_unreadable=trainer.skip_unreadable,
            progress=progress,
        )
        return images.pixels, images.target, f"{'test' if trainer.test_data_dir else 'training'} images"
    if isinstance(config, Config) and isinstance(model, TableModel):
        name = "data_evaluate" if config.data_evaluate else "data_train"
        table = Tables(config, progress).read(name, model)
        return table.features, table.target, f"{'test' if config.data_evaluate else 'training'} rows"
    raise RunError("the run's config and its model are not of one kind")
