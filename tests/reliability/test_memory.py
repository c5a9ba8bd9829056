"""Memory that is short: planned for where ``max_memory`` says so, survived where the system refuses it."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from reliability.studies import Study, Watcher, start_method, train_short_of_memory, write_study

import enas
from enas.errors import ConfigError
from enas.memory import GIB, Need, used


def large_steps(folder: Path, **settings: object) -> Study:
    """Steps of 256 images of 32×32, which take some hundred MB."""
    generator = np.random.default_rng(0)
    for split, n in (("train", 128), ("val", 8)):
        for name in ("one", "other"):
            (folder / split / name).mkdir(parents=True)
            for i in range(n):
                pixels = generator.integers(0, 120 if name == "one" else 255, (32, 32)).astype(np.uint8)
                Image.fromarray(pixels).save(folder / split / name / f"{i}.png")
    network = {"child_num_layers": 2, "child_out_filters": 8, "num_epochs": 1, "batch_size": 256}
    trainer = {f"{split}_data_dir": str(folder / split) for split in ("train", "val")}
    search = {"child_num_cells": 5, "controller_train_steps": 1, "n_derived": 2, "output_dir": str(folder / "runs")}
    config = {"name": "large", "trainer": trainer | search | network, "retrain": network, "device": "cpu"}
    return write_study(folder, config | settings)


def long_table(folder: Path) -> Study:
    """15,000 samples of 4 features, in steps of 12,000, which take some hundred MB."""
    generator = np.random.default_rng(0)
    x = generator.normal(size=(15_000, 4)).round(2)
    folder.mkdir()
    np.savetxt(folder / "x.csv", x, fmt="%.2f", delimiter=",", header="a,b,c,d", comments="")
    np.savetxt(folder / "y.csv", x[:, 0] > x[:, 1], fmt="%d", header="class", comments="")
    args = {"data_dir": str(folder), "features_file": "x.csv", "labels_file": "y.csv", "validation_split": 0.2}
    trainer = {"batch_size": 12_000, "max_search_channel": 512, "save_dir": str(folder / "runs")}
    epochs = {"max_number_of_epoches_in_search": 1, "max_number_of_epoches_in_fixed": 1}
    config = {
        "name": "long",
        "data_train": {"args": args},
        "trainer": trainer | epochs,
        "controller": {"train_steps": 1, "num_aggregate": 1},
        "device": "cpu",
    }
    return write_study(folder, config)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a limit of address space that is kept")
def test_steps_that_the_system_has_no_memory_for_are_halved(tmp_path: Path) -> None:
    """How much is too little for a step differs between machines."""
    study, warnings = long_table(tmp_path / "data"), ""
    for mebibytes in (290, 250, 330, 210, 370, 450):
        process = start_method().Process(target=train_short_of_memory, args=(study.config, mebibytes))
        process.start()
        process.join(120)
        if process.exitcode == 0 and (warnings := (study.newest / "warnings.txt").read_text()):
            break
    assert "out of memory: from here on each step takes 2 parts of up to 6000 samples" in warnings
    assert (study.newest / "models" / "model.json").is_file()


def test_too_small_a_limit_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    study = large_steps(tmp_path / "data")
    with pytest.raises(ConfigError, match=r"max_memory: 0.1 GiB are too little: the search needs about \d"):
        enas.auto(study.config, overrides=("max_memory=0.1",), progress=Watcher()).train()
    assert not list(study.runs.glob("enas/large/*"))


def test_a_limit_that_the_steps_exceed_divides_them(tmp_path: Path) -> None:
    study, log = large_steps(tmp_path / "data"), Watcher()
    limit = used() / GIB + 0.8
    auto = enas.auto(study.config, overrides=(f"max_memory={limit:.2f}",), progress=log)
    auto.train()
    assert [warning.split(" would need")[0] for warning in log.warnings if "max_memory" in warning]
    assert json.loads(auto.run.best_architecture.read_text())["held_out"]


@pytest.mark.parametrize(("limit", "n_parts"), [(1000, 1), (420, 1), (419, 2), (200, 4), (110, 32), (109, None)])
def test_parts_are_as_few_as_fit(limit: float, n_parts: int | None) -> None:
    assert Need(fixed=100, per_row=10).n_parts(32, limit) == n_parts
