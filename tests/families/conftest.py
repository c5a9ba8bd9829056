"""Folders of small images with a quick configuration, and one finished run on them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from enas.automl import Auto

NETWORK = {"child_num_layers": 1, "child_out_filters": 4, "num_epochs": 2, "batch_size": 16, "child_lr_T_0": 2}

LONGER = ("retrain.num_epochs=8", "retrain.child_lr_T_0=8")


def write_images(folder: Path, n: int, seed: int, size: tuple[int, int] = (12, 12), mode: str = "L") -> None:
    """Three classes of n noisy images (height, width): the left half, the upper half or nothing is bright."""
    generator = np.random.default_rng(seed)
    height, width = size
    for name, bright in (("left", np.s_[:, : width // 2]), ("nothing", np.s_[:0]), ("upper", np.s_[: height // 2])):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            pixels = generator.integers(0, 80, size).astype(np.uint8)
            pixels[bright] += 150
            Image.fromarray(pixels).convert(mode).save(folder / name / f"{i}.png")


def write_folders(folder: Path) -> None:
    """48 training, 24 validation and 24 test images, and one test image of "left" that looks like "upper"; 5 images
    without classes."""
    for name, n, seed in (("train", 16, 0), ("valid", 8, 1), ("test", 8, 2)):
        write_images(folder / name, n, seed)
    write_images(folder / "other", 5, 3)
    (folder / "other" / "upper" / "0.png").rename(folder / "test" / "left" / "wrong.png")
    (folder / "other" / "upper").rename(folder / "new")


def quick_config(folder: Path) -> dict[str, Any]:
    """Two epochs of search and of retraining."""
    data = {f"{key}_data_dir": str(folder / name) for key, name in (("train", "train"), ("val", "valid"))}
    search = {"child_num_cells": 2, "controller_train_steps": 2, "n_derived": 10, "output_dir": str(folder / "runs")}
    return {
        "name": "pictures",
        "device": "cpu",
        "compare_with_random": False,
        "trainer": data | {"test_data_dir": str(folder / "test")} | search | NETWORK,
        "retrain": {**NETWORK, "child_drop_path_keep_prob": 0.9},
        "data_predict": {"args": {"data_dir": str(folder / "new")}},
        "explainer": {"args": {"num_samples": 6, "ranked_outputs": 4}},
    }


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """train, valid, test, new and config.json, see `write_folders` and `quick_config`."""
    write_folders(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(quick_config(tmp_path)))
    return tmp_path


@pytest.fixture
def open_images(folders: Path, log: Any, one_thread: None) -> "Callable[..., Auto]":
    """``open_images("seed=3", …)`` opens the quick configuration, changed by the overrides."""
    import enas

    def open_it(*overrides: str, run: Path | None = None) -> "Auto":
        return enas.auto(folders / "config.json", run=run, overrides=overrides, progress=log)

    return open_it


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> "Auto":
    """A configuration of which all has been run, with a child that has learnt the classes."""
    import torch

    import enas
    from enas.console import Silent

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("finished")
    write_folders(folder)
    auto = enas.auto(quick_config(folder), overrides=LONGER, progress=Silent())
    auto.run_all()
    torch.set_num_threads(before)
    return auto


@pytest.fixture
def reopen(finished: "Auto", log: Any, one_thread: None) -> "Callable[..., Auto]":
    """``reopen("evaluator.batch_size=7", …)`` takes up that run with another configuration."""
    import enas

    raw = finished.config.model_dump(mode="json")

    def reopen_it(*overrides: str) -> "Auto":
        return enas.auto(raw, run=finished.run.path, overrides=overrides, progress=log)

    return reopen_it
