"""Search and training of images: the same bits from the same seed, given architectures, two steps."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from enas.automl import Auto
from enas.errors import ConfigError, RunError
from enas.search_space import Architecture

OpenImages = Callable[..., Auto]
TEXT = "0 0 1 3 2 1 0 4 1 2 0 1 1 4 2 0"
FIXED = f'trainer.child_fixed_arc="{TEXT}"'
SHORT = ("retrain.num_epochs=1", "retrain.child_use_aux_heads=false")


def weights_of(auto: Auto) -> bytes:
    return (auto.run.models / "candidate_1.safetensors").read_bytes()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(open_images: OpenImages, tmp_path: Path) -> None:
    """The second time with images that are decoded anew, to another place."""
    first, second, other = (
        open_images(*options) for options in ((), (f'trainer.output_dir="{tmp_path / "elsewhere"}"',), ("seed=1",))
    )
    for auto in (first, second, other):
        auto.train()
    assert weights_of(first) == weights_of(second) != weights_of(other)
    boards = [auto.run.leaderboard.read_bytes() for auto in (first, second, other)]
    assert boards[0] == boards[1] != boards[2]
    pictures = [(auto.run.output_files / "enas_normal_cell.svg").read_bytes() for auto in (first, second, other)]
    assert pictures[0] == pictures[1] != pictures[2]


@pytest.mark.parametrize("way", ["text", "architecture", "config"])
def test_a_given_architecture_is_trained_without_a_search(open_images: OpenImages, way: str) -> None:
    auto = open_images(*SHORT, *((FIXED,) if way == "config" else ()))
    ways: dict[str, str | Architecture | None] = {"text": TEXT, "architecture": Architecture.from_text(TEXT)}
    given = ways.get(way)
    trained = auto.train(given)
    assert str(trained.architecture) == f"[{TEXT}]"
    assert trained.fitted.search is None
    (row,) = pl.read_csv(auto.run.leaderboard).to_dicts()
    assert (row["architecture"], row["shared_weight_score"], row["share_of_model"]) == (f"[{TEXT}]", None, 1)
    assert "search" not in {line["stage"] for line in auto.run.read_log()}
    names = {file.name for file in auto.run.output_files.iterdir()}
    assert "enas_retraining_curves.svg" in names
    assert "enas_search_curves.svg" not in names


def test_what_is_given_here_goes_before_the_config(open_images: OpenImages) -> None:
    other = "1 4 1 4 1 4 1 4 1 4 1 4 1 4 1 4"
    assert str(open_images(*SHORT, FIXED).train(other).architecture) == f"[{other}]"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT[:-2], "15 integers, but this search space needs 16"),
        (f"0 5{TEXT[3:]}", "integer 2 .* is 5, but operation 1 of node 0 of the normal cell must be from 0 to 4"),
        (f"{TEXT[:-3]}4 0", "integer 15 .* is 4, but input 2 of node 1 of the reduction cell must be from 0 to 2"),
        ("one", "'one'"),
    ],
)
def test_an_architecture_that_is_none_is_refused_before_anything_is_read_or_written(
    open_images: OpenImages, folders: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        open_images().train(text)
    assert not (folders / "runs").exists()


def test_a_search_then_training_of_what_it_found(open_images: OpenImages) -> None:
    searched = open_images()
    best = searched.search()
    board = pl.read_csv(searched.run.leaderboard)
    assert board["architecture"][0] == str(best)
    assert board["retrained_score"].null_count() == len(board)
    assert (searched.run.output_files / "enas_search_curves.svg").is_file()
    assert (searched.run.output_files / "enas_normal_cell.png").is_file()
    with pytest.raises(RunError, match="no finished run"):
        open_images().evaluate()
    trained = open_images(*SHORT)
    assert trained.train(str(best).strip("[]")).architecture == best
    assert open_images().run == trained.run
