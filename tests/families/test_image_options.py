"""What a configuration of images changes in training: copies, splits, candidates, unreadable files, time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enas.automl import Auto
from enas.errors import ConfigError, DataError

OpenImages = Callable[..., Auto]
TEXT = "0 0 1 3 2 1 0 4 1 2 0 1 1 4 2 0"
FIXED = f'trainer.child_fixed_arc="{TEXT}"'
SHORT = ("retrain.num_epochs=1", "retrain.child_use_aux_heads=false")


def copies_in(folders: Path) -> list[Path]:
    return sorted((folders / "runs" / "image_cache").glob("*copies*.npy"))


def test_copies_of_training_images_are_made_once_and_drawn(open_images: OpenImages, folders: Path) -> None:
    auto = open_images(*SHORT, FIXED, "retrain.n_aug_img=3")
    auto.train()
    (file,) = copies_in(folders)
    copies = np.load(file, mmap_mode="r")
    assert copies.shape == (3 * 48, 12, 12, 1)
    assert (auto.run.output_files / "enas_augmentation.png").is_file()
    made = file.stat().st_mtime_ns
    open_images(*SHORT, FIXED, "retrain.n_aug_img=3").train()
    assert [path.stat().st_mtime_ns for path in copies_in(folders)] == [made]


def test_without_a_validation_folder_a_share_is_held_back(open_images: OpenImages) -> None:
    auto = open_images(*SHORT, FIXED, "trainer.val_data_dir=null", "trainer.validation_split=0.25")
    trained = auto.train()
    assert "on 12 validation rows" in trained.how
    assert len(json.loads(auto.run.data.read_text())["data_train"]["row_hashes"]) == 48
    held_out = trained.fitted.folds.held_out[0].tolist()
    labels = trained.fitted.folds.judged_labels
    assert len(set(held_out)) == 12
    assert np.bincount(labels).tolist() == [4, 4, 4]


def test_several_candidates_are_retrained_and_the_best_is_taken(open_images: OpenImages) -> None:
    auto = open_images(*SHORT, "trainer.top_k_candidates=2", "trainer.num_epochs=1")
    fitted = auto.train().fitted
    assert fitted.search is not None
    assert [one.architecture for one in fitted.candidates] == [one.architecture for one in fitted.search.derived[:2]]
    assert sorted(fitted.selection.shares.tolist()) == [0, 1]
    auto.predict()
    other = fitted.candidates[int(fitted.selection.shares.argmin())].architecture
    open_images(f'predictor.arc="{other}"').predict()
    with pytest.raises(ConfigError, match="is not among the retrained candidates"):
        open_images(f'predictor.arc="{TEXT}"').predict()


def test_a_wrong_number_of_classes_is_refused(open_images: OpenImages) -> None:
    with pytest.raises(ConfigError, match=r"output_classes is 10, but .*train holds 3 classes"):
        open_images("model.args.output_classes=10").train()


@pytest.mark.parametrize("skip", [False, True])
def test_files_that_cannot_be_read_are_named(open_images: OpenImages, folders: Path, log: Any, skip: bool) -> None:
    (folders / "train" / "left" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (folders / "train" / "upper" / "empty.jpg").touch()
    auto = open_images(*SHORT, FIXED, f"trainer.skip_unreadable={str(skip).lower()}")
    if not skip:
        with pytest.raises(DataError, match=r"2 of 50 images .*broken\.png.*empty\.jpg.*trainer\.skip_unreadable"):
            auto.train()
        assert not (folders / "runs" / "enas").exists()
        return
    auto.train()
    assert len(json.loads(auto.run.data.read_text())["data_train"]["row_hashes"]) == 48 + 24
    assert any("broken.png" in line for line in log.warnings)
    assert any("2 of 50 images" in line for line in log.warnings)


def test_a_time_limit_ends_the_search_early_and_still_trains(open_images: OpenImages, log: Any) -> None:
    auto = open_images("time_limit=0.001", "trainer.num_epochs=50", "retrain.num_epochs=1")
    auto.train()
    assert len([row for row in auto.run.read_log() if row["stage"] == "search"]) == 1
    assert any("time limit: the search stops in epoch 1 of 50" in line for line in log.warnings)
