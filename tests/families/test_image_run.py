"""A run on image folders from end to end: its files, what they say, and what is said while it goes on."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from enas.automl import Auto
from enas.errors import RunError
from enas.search_space import Architecture, MicroSpace
from enas.tensor_files import read_tensors

OpenImages = Callable[..., Auto]
PICTURES = ("normal_cell", "reduction_cell", "final_network", "search_curves", "retraining_curves")


def test_all_files_are_there(finished: Auto) -> None:
    path = finished.run.path
    assert path.parent == finished.config.trainer.save_dir / "enas" / "pictures"
    assert finished.run.finished
    found = {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file() and file.name[0] != "."}
    found = {name for name in found if not name.startswith("tensorboard/")}  # there if tensorboard is installed
    inside = {"config.json", "environment.json", "data.json", "metrics.jsonl", "leaderboard.csv"}
    inside |= {"steps.json", "checkpoint/newest.safetensors"}
    inside |= {"best_architecture.json", "models/model.json", "models/candidate_1.safetensors"}
    inside |= {"models/linear_1.safetensors", "models/linear_2.safetensors"}
    made = {f"enas_{name}.{suffix}" for name in PICTURES for suffix in ("svg", "png")}
    made |= {f"enas_{name}.{suffix}" for name in ("confusion_matrix", "roc_curves") for suffix in ("pdf", "png")}
    made |= {"validation.json", "honesty.json", "evaluation.json", "enas_misclassified.csv", "enas_misclassified.png"}
    made |= {"enas_predicted_result_data_frame.csv", "enas_explained_images.csv"}
    made |= {
        "enas_attribution_maps.safetensors",
        "enas_attribution.png",
        "enas_attribution_by_class.png",
        "report.html",
    }
    assert found == inside | {f"output_files/{name}" for name in made}
    assert all((path / name).stat().st_size > 0 for name in found)


def test_pictures_can_be_read(finished: Auto) -> None:
    for name in PICTURES:
        stem = finished.run.output_files / f"enas_{name}"
        ElementTree.parse(stem.with_suffix(".svg"))
        with Image.open(stem.with_suffix(".png")) as image:
            assert min(image.size) > 200


def test_the_leaderboard_and_the_choice(finished: Auto) -> None:
    board = pl.read_csv(finished.run.leaderboard)
    assert board["rank"].to_list() == list(range(1, len(board) + 1))
    assert 2 < len(board) <= 10
    assert board["architecture"].n_unique() == len(board)
    assert board["shared_weight_score"].is_sorted(descending=True)
    assert board["retrained_score"].null_count() == len(board) - 1
    best = json.loads(finished.run.best_architecture.read_text())
    assert best["text"] == board["architecture"][0]
    assert best["description"] == board["description"][0]
    assert best["shares"] == {best["text"]: 1}
    MicroSpace(2).validate(Architecture.from_json(best["architecture"]))


def test_the_log_of_numbers_has_a_row_per_epoch(finished: Auto) -> None:
    rows = finished.run.read_log()
    search = [row for row in rows if row["stage"] == "search"]
    retrain = [row for row in rows if row["stage"] == "retrain"]
    assert [row["epoch"] for row in search] == [0, 1]
    assert [row["epoch"] for row in retrain] == list(range(8))
    for row in search:
        assert 0 <= row["reward"] <= 1
        assert row["entropy"] > 0
        assert row["child_loss"] > 0
    assert [row["lr"] for row in search] == pytest.approx([0.05, (0.05 + 0.0005) / 2])
    assert retrain[4]["lr"] == pytest.approx((0.05 + 0.00001) / 2)
    assert {row["stage"] for row in rows} >= {"train", "evaluate", "predict", "explain"}


def test_predictions_of_images_without_classes(finished: Auto) -> None:
    table = pl.read_csv(finished.run.output_files / "enas_predicted_result_data_frame.csv")
    classes = ["left", "nothing", "upper"]
    assert table.columns == ["sample_id", "predicted_result", "softmax_value", *(f"softmax_{name}" for name in classes)]
    assert table["sample_id"].to_list() == [f"{i}.png" for i in (1, 2, 3, 4)]
    assert table["predicted_result"].to_list() == ["upper"] * 4
    shares = table.select(pl.col("^softmax_(left|nothing|upper)$")).to_numpy()
    assert shares.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-6)
    assert shares.argmax(axis=1).tolist() == [2] * 4


def test_errors_are_listed_with_what_they_were_taken_for(finished: Auto) -> None:
    """The one test image that lies in the wrong folder."""
    (row,) = pl.read_csv(finished.run.output_files / "enas_misclassified.csv").to_dicts()
    assert (row["path"], row["true_class"], row["predicted_class"]) == ("left/wrong.png", "left", "upper")
    assert 1 / 3 < row["softmax_value"] <= 1


def test_explained_images_have_maps_that_add_up(finished: Auto) -> None:
    table = pl.read_csv(finished.run.output_files / "enas_explained_images.csv")
    maps = read_tensors(finished.run.output_files / "enas_attribution_maps.safetensors")[0]["maps"]
    assert maps.shape == (6, 12, 12)
    assert sorted(table["true_class"].to_list()) == ["left"] * 2 + ["nothing"] * 2 + ["upper"] * 2
    assert np.abs(maps).max() > 0


def test_what_is_said_on_the_way(open_images: OpenImages, log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    auto = open_images()
    trained = auto.train()
    assert re.search(r"train: images are 12 x 12, grey", log.text)
    assert "search: 3 layers on 12×12 pixels: 8@6×6*, 16@3×3*, 16@3×3 (* reduction)" in log.text
    sampled = [line for line in log.lines if re.match(r"\('\[\d( \d){15}\]', [\d.]+\)$", line)]
    assert len(sampled) == 2 * 10
    assert f"Best arc:{trained.architecture}, max_k:1" in log.text
    assert "on 24 validation rows that also chose epoch and architecture: optimistic" in log.text
    assert f"Everything is in {auto.run.path}" in log.lines
    assert capsys.readouterr().out == ""
    assert not log.warnings


def test_why_there_are_no_native_kernels(open_images: OpenImages, log: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENAS_NATIVE", "0")
    open_images("trainer.num_epochs=1", "retrain.num_epochs=1").train()
    said = "native kernels: switched off by ENAS_NATIVE=0; PyTorch computes the same, more slowly"
    assert log.lines.count(said) == 1
    assert not log.warnings


def test_a_later_process_takes_up_the_newest_run(finished: Auto, reopen: OpenImages, log: Any) -> None:
    import enas

    again = enas.auto(finished.config.model_dump(mode="json"), progress=log)
    assert again.run == finished.run
    before = (finished.run.output_files / "enas_predicted_result_data_frame.csv").read_bytes()
    reopen().predict()
    assert (finished.run.output_files / "enas_predicted_result_data_frame.csv").read_bytes() == before


@pytest.mark.parametrize("step", ["evaluate", "predict", "explain"])
def test_a_step_before_training_says_what_to_call_first(open_images: OpenImages, step: str) -> None:
    with pytest.raises(RunError, match=r"train\(\)"):
        getattr(open_images(), step)()


def test_a_run_on_tables_is_refused_by_a_config_of_images_and_the_reverse(
    open_auto: Callable[..., Auto], reopen: OpenImages, finished: Auto, tables: Path, log: Any
) -> None:
    import enas

    table = open_auto("trainer.max_number_of_epoches_in_fixed=1", "trainer.folds=0")
    table.train("[1 3 2 1 0 0 1]")
    images = finished.config.model_dump(mode="json")
    for step in ("evaluate", "predict", "explain"):
        with pytest.raises(RunError, match="is a run on tables, and this config is one of images"):
            getattr(enas.auto(images, run=table.run.path, progress=log), step)()
        with pytest.raises(RunError, match="is a run on images, and this config is one of tables"):
            getattr(open_auto(run=finished.run.path), step)()
