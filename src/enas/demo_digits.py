"""``enas demo digits``: scikit-learn's handwritten digits as folders of PNG files, and everything run on them."""

import json
from pathlib import Path

from enas.automl import Auto
from enas.data.digits import write_digits
from enas.progress import Progress

CONFIG = "enas_digits.json"


def run_demo(folder: Path, seed: int, progress: Progress) -> Path:
    """Write 1,797 images of 8×8 pixels and search, train, evaluate, predict and explain; returns the run directory.

    Args:
        folder: for images, config and runs; made if it is missing.
        seed: of the split and of the run.
        progress: where the log goes.

    Raises:
        RunError: the files cannot be written.
    """
    progress.line(f"writing 1,797 images of digits into {folder}")
    write_digits(folder / "data", seed=seed)
    config = folder / CONFIG
    config.write_text(json.dumps(demo_config(seed), indent=4) + "\n", encoding="utf-8")
    automl = Auto(config, progress=progress)
    training = automl.train()
    evaluation = automl.evaluate()
    automl.predict()
    automl.explain()
    report = automl.report()
    progress.line("")
    progress.line(f"validation   {training.metrics.to_text().splitlines()[0]}  {training.how}")
    progress.line(f"test         {evaluation.headline}")
    progress.line(f"config       {config}")
    progress.line(f"results      {automl.run.path}")
    progress.line(f"report       {report}")
    return automl.run.path


def demo_config(seed: int) -> dict[str, object]:
    """The preset for a CPU on the three folders."""
    return {
        "name": "enas_digits",
        "preset": "micro-small",
        "model": {"type": "enas", "args": {"search_space": "micro"}},
        "trainer": {
            "train_data_dir": "data/train",
            "val_data_dir": "data/valid",
            "test_data_dir": "data/test",
            "output_dir": "experiments",
            "num_epochs": 16,  # any cells tell these digits apart: a longer search would only take longer
            "child_lr_T_0": 16,
            "controller_train_steps": 10,
            "augment_crop": 1,  # the preset's 2 are a quarter of these images
        },
        "data_predict": {"args": {"data_dir": "data/test"}},
        "explainer": {"args": {"num_samples": 40}},
        "seed": seed,
    }
