"""Evaluating, predicting and explaining a finished run of images with other folders and settings."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from enas.automl import Auto
from enas.errors import ConfigError, DataError
from enas.explain_images import ImageExplanation
from enas.metrics import ClassificationMetrics

OpenImages = Callable[..., Auto]


@pytest.fixture
def test_folder(finished: Auto, tmp_path: Path) -> Path:
    """A copy of the test images, to be changed."""
    source = finished.config.trainer.test_data_dir  # type: ignore[union-attr]
    assert source is not None
    return Path(shutil.copytree(source, tmp_path / "test"))


def test_test_images_are_unseen(reopen: OpenImages, finished: Auto) -> None:
    result = reopen().evaluate()
    assert isinstance(result.metrics, ClassificationMetrics)
    assert (result.n_seen, result.n_rows) == (0, 25)
    assert result.metrics.accuracy.value == 24 / 25
    assert result.headline == "accuracy 0.960 [0.805, 0.993] on 25 images that the model has not seen"
    written = json.loads((finished.run.output_files / "evaluation.json").read_text())
    assert written["headline"] == result.headline
    assert np.sum(result.metrics.confusion) == 25


@pytest.mark.parametrize("name", ["train", "valid"])
def test_images_that_trained_or_chose_are_known_again(reopen: OpenImages, finished: Auto, name: str) -> None:
    """By their pixels: under other names, in another folder."""
    test = finished.config.trainer.test_data_dir  # type: ignore[union-attr]
    assert test is not None
    seen = test.parent / f"seen_{name}"
    shutil.copytree(test.parent / name, seen)
    for file in [*seen.rglob("*.png")]:
        file.rename(file.with_name(f"renamed_{file.name}"))
    result = reopen(f'trainer.test_data_dir="{seen}"').evaluate()
    assert result.n_seen == result.n_rows == {"train": 48, "valid": 24}[name]
    assert f"on {result.n_rows} images that the model was TRAINED ON" in result.headline


def test_the_headline_is_of_the_unseen_images(reopen: OpenImages, finished: Auto, test_folder: Path) -> None:
    train = finished.config.trainer.train_data_dir  # type: ignore[union-attr]
    for i in range(5):
        shutil.copy(train / "upper" / f"{i}.png", test_folder / "upper" / f"seen{i}.png")
    result = reopen(f'trainer.test_data_dir="{test_folder}"').evaluate()
    assert (result.n_seen, result.n_rows) == (5, 30)
    assert result.headline.endswith("on the 25 images that the model has not seen (5 others were trained on)")
    assert isinstance(result.metrics, ClassificationMetrics)
    assert result.metrics.accuracy.value == 24 / 25


def test_without_errors_there_is_no_sheet_of_them(reopen: OpenImages, finished: Auto, test_folder: Path) -> None:
    (test_folder / "left" / "wrong.png").unlink()
    result = reopen(f'trainer.test_data_dir="{test_folder}"').evaluate()
    assert isinstance(result.metrics, ClassificationMetrics)
    assert result.metrics.accuracy.value == 1
    assert pl.read_csv(finished.run.output_files / "enas_misclassified.csv").is_empty()
    assert not (finished.run.output_files / "enas_misclassified.png").exists()
    assert not [file for file in result.files if not file.is_file()]


def test_a_class_may_be_missing_and_is_named(reopen: OpenImages, test_folder: Path, log: Any) -> None:
    shutil.rmtree(test_folder / "nothing")
    result = reopen(f'trainer.test_data_dir="{test_folder}"').evaluate()
    assert result.n_rows == 17
    assert any("no image of 'nothing'" in line for line in log.warnings)


def test_an_unknown_class_is_refused(reopen: OpenImages, test_folder: Path) -> None:
    (test_folder / "left").rename(test_folder / "lefd")
    with pytest.raises(DataError, match="'lefd'"):
        reopen(f'trainer.test_data_dir="{test_folder}"').evaluate()


def test_images_of_another_size_and_colour_become_the_models(reopen: OpenImages, test_folder: Path) -> None:
    for file in test_folder.rglob("*.png"):
        with Image.open(file) as image:
            large = image.resize((24, 24), Image.Resampling.NEAREST).convert("RGB")
        large.save(file)
    result = reopen(f'trainer.test_data_dir="{test_folder}"').evaluate()
    assert isinstance(result.metrics, ClassificationMetrics)
    assert result.metrics.accuracy.value == 24 / 25


def test_max_number_of_steps_bounds_the_images_and_spreads_them_over_the_classes(reopen: OpenImages, log: Any) -> None:
    options = ("evaluator.max_number_of_steps=2", "evaluator.batch_size=6")
    result = reopen(*options).evaluate()
    assert result.n_rows == 12
    assert isinstance(result.metrics, ClassificationMetrics)
    assert (np.sum(result.metrics.confusion, axis=0).min(), np.sum(result.metrics.confusion)) >= (3, 12)
    assert any("the other 13 of 25 images are left out" in line for line in log.warnings)
    predictor = ("predictor.max_number_of_steps=1", "predictor.batch_size=3")
    assert reopen(*predictor).predict().sample_ids == ("1.png", "2.png", "3.png")


def test_batches_make_no_difference(reopen: OpenImages) -> None:
    one, many = (reopen(f"predictor.batch_size={size}").predict().probabilities for size in (1, 100))
    assert one is not None
    assert many is not None
    assert np.abs(one - many).max() < 1e-6


def test_steps_without_folders_name_what_is_missing(reopen: OpenImages, log: Any) -> None:
    bare = ("trainer.test_data_dir=null", "data_predict=null")
    for step in ("evaluate", "explain"):
        with pytest.raises(ConfigError, match=r"no trainer\.test_data_dir"):
            getattr(reopen(*bare), step)()
    with pytest.raises(ConfigError, match="no section data_predict"):
        reopen(*bare).predict()


def test_without_a_test_folder_the_rest_is_run_and_that_is_said(
    open_images: OpenImages, log: Any, folders: Path
) -> None:
    fixed = 'trainer.child_fixed_arc="0 0 1 3 2 1 0 4 1 2 0 1 1 4 2 0"'
    auto = open_images("trainer.test_data_dir=null", "retrain.num_epochs=1", fixed)
    auto.run_all()
    assert log.warnings == [
        "the config names no trainer.test_data_dir: there will be no test figure and no explanation"
    ]
    assert not (auto.run.output_files / "evaluation.json").exists()
    assert (auto.run.output_files / "enas_predicted_result_data_frame.csv").is_file()


def test_an_explanation_shows_some_images_of_each_class(reopen: OpenImages) -> None:
    result = reopen("explainer.args.num_samples=9").explain()
    assert isinstance(result, ImageExplanation)
    assert [name.split("/")[0] for name in result.sample_ids] == ["left"] * 3 + ["nothing"] * 3 + ["upper"] * 3
    assert result.maps.shape == (9, 12, 12)
    assert result.gap < 0.05
    assert result.summary[0].startswith("attribution maps of 9 images; they add up")
    everything = reopen("explainer.args.num_samples=100").explain()
    assert isinstance(everything, ImageExplanation)
    assert len(everything.sample_ids) == 25
