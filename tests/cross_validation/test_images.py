"""Cross-validation of folders of images: validation images stay on the training side, copies are shared."""

import csv
from pathlib import Path

import numpy as np
import pytest
from cross_validation.trials import cross_validate, results_of
from reliability.studies import Study, image_study

from enas.config import ImageConfig, load_config
from enas.console import Silent
from enas.cross_validation.image_rows import read_image_rows


@pytest.fixture
def images(tmp_path: Path) -> Study:
    return image_study(tmp_path / "data", checkpoint_seconds=600)


def test_training_images_are_held_out_and_validation_images_never(images: Study) -> None:
    result = cross_validate(images, "retrain.n_aug_img=2")
    with (result.path / "cv_predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sample_id"] for row in rows if row["repeat"] == "1"] == sorted(
        (f"{name}/{i}.png" for name in ("left", "upper") for i in range(12)), key=lambda name: name.split("/")
    )
    assert all(row["true_result"] == row["sample_id"].split("/")[0] for row in rows)
    assert result.rows.startswith("each of the 24 images was judged 2 times")
    assert {(fold.n_train, fold.n_held_out) for fold in result.folds} == {(12, 12)}
    copies = [*images.runs.glob("image_cache/*copies*.npy")]
    assert len(copies) == 1


def test_a_fold_of_images_takes_the_statistics_of_its_own_rows(images: Study) -> None:
    config, _ = load_config(images.config, ["trainer.val_data_dir=null", "trainer.validation_split=0.25"])
    assert isinstance(config, ImageConfig)
    data, rows = read_image_rows(config, Silent()), np.array([0, 1, 2, 3, 4, 5, 14, 15, 16, 17, 18, 19])
    family = data.prepare(rows, config, Silent()).family
    split = family.split  # type: ignore[attr-defined]
    assert sorted([*split.train.tolist(), *split.held_out.tolist()]) == rows.tolist()
    pixels = np.asarray(data.samples.pixels[split.train], np.float64)
    assert family.mean == pytest.approx(pixels.mean(axis=(0, 1, 2)), rel=1e-5)  # type: ignore[attr-defined]
    assert len(data.prepare(rows, config, Silent()).facts["row_hashes"]) == 12  # type: ignore[arg-type]


@pytest.mark.slow
def test_jobs_change_nothing(images: Study) -> None:
    first = results_of(cross_validate(images).path)
    assert results_of(cross_validate(images, jobs=2).path) == first
