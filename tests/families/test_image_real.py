"""Real images: a part of MNIST, once through everything."""

import tarfile
from pathlib import Path
from typing import Any

import pytest

import enas
from enas.metrics import ClassificationMetrics

N_OF_CLASS = {"train": 20, "valid": 5, "test": 5}


@pytest.fixture
def mnist(shared: Path, tmp_path: Path) -> Path:
    """Folders train, valid and test with some images of each digit."""
    taken: dict[str, int] = {}
    with tarfile.open(shared / "data" / "images" / "mnist-small.tar.gz") as archive:
        for member in archive:
            split, label = Path(member.name).parts[-3:-1] if member.isfile() else ("", "")
            place = f"{split}/{label}"
            if taken.get(place, 0) < N_OF_CLASS.get(split, 0):
                taken[place] = taken.get(place, 0) + 1
                member.name = f"{place}/{Path(member.name).name}"
                archive.extract(member, tmp_path, filter="data")
    return tmp_path


@pytest.mark.slow
def test_mnist(mnist: Path, log: Any) -> None:
    """That it runs through; 200 images and two epochs teach little."""
    folders = {f"{key}_data_dir": str(mnist / name) for key, name in (("train", "train"), ("val", "valid"))}
    search = {"num_epochs": 1, "batch_size": 50, "controller_train_steps": 2, "n_derived": 5, "child_lr_T_0": 1}
    config = {
        "name": "mnist",
        "preset": "micro-small",
        "trainer": {**folders, "test_data_dir": str(mnist / "test"), "output_dir": str(mnist / "runs"), **search},
        "retrain": {"num_epochs": 2, "batch_size": 50, "child_lr_T_0": 2, "child_num_layers": 2, "n_aug_img": 2},
        "data_predict": {"args": {"data_dir": str(mnist / "test")}},
        "explainer": {"args": {"num_samples": 10}},
        "device": "cpu",
    }
    automl = enas.auto(config, progress=log)
    automl.run_all()
    assert "28 x 28, grey" in log.text
    result = automl.evaluate()
    assert isinstance(result.metrics, ClassificationMetrics)
    assert result.n_rows == 50
    assert result.metrics.accuracy.value > 0.1
    assert automl.predict().probabilities is not None
    for name in ("normal_cell", "reduction_cell", "final_network", "search_curves", "retraining_curves"):
        assert (automl.run.output_files / f"enas_{name}.svg").is_file()
    assert (automl.run.output_files / "enas_augmentation.png").is_file()
