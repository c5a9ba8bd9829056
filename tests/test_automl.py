"""The four steps end to end on small tables: their results, their files, and what is said when they cannot run."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from enas.automl import Auto
from enas.errors import ConfigError, DataError, RunError
from enas.explain import Explanation
from enas.metrics import ClassificationMetrics
from enas.search_space import Architecture
from enas.show import show_run

OpenAuto = Callable[..., Auto]
ON_TRAINING_ROWS = (
    'data_evaluate.args.features_file="train_x.tsv"',
    'data_evaluate.args.labels_file="train_y.tsv"',
)


def test_all_steps_and_their_files(open_auto: OpenAuto, tables: Path) -> None:
    auto = open_auto()
    trained = auto.train()
    run = auto.run
    assert trained.run == run.path
    assert run.path.parent == tables / "runs" / "enas" / "quick"
    assert run.finished
    best = json.loads(run.best_architecture.read_text())
    assert best["architecture"] == trained.architecture.to_json()
    assert sum(best["shares"].values()) == pytest.approx(1)
    for file in ("config.json", "environment.json", "data.json", "metrics.jsonl", "leaderboard.csv"):
        assert (run.path / file).stat().st_size > 0
    evaluation, prediction, explanation = auto.evaluate(), auto.predict(), auto.explain()
    assert isinstance(explanation, Explanation)
    assert isinstance(evaluation.metrics, ClassificationMetrics)
    assert evaluation.metrics.accuracy.value > 0.85
    assert (evaluation.n_seen, evaluation.n_rows) == (0, 20)
    expected = ["high" if i % 2 else "low" for i in range(20)]
    assert sum(a == b for a, b in zip(prediction.predicted, expected, strict=True)) / 20 == pytest.approx(
        evaluation.metrics.accuracy.value
    )
    assert explanation.attribution.additivity_error < 1e-4
    assert set(explanation.ranking[:3]) & {"g0", "g1", "g2"}
    for made in (*evaluation.files, prediction.file, *explanation.files):
        assert made.is_file()
        assert made.parent == run.output_files


def test_the_log_names_candidates_rewards_and_files(
    open_auto: OpenAuto, log: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    auto = open_auto()
    trained = auto.train()
    assert "Ready to search the best neural arch for enas model" in log.text
    assert f"Best arc:{trained.architecture}, max_k:2" in log.text
    assert "out-of-fold over all 40 training rows" in log.text
    assert str(auto.run.path) in log.text
    assert capsys.readouterr().out == ""


def read_leaderboard(auto: Auto) -> pl.DataFrame:
    return pl.read_csv(auto.run.leaderboard)


@pytest.mark.parametrize("as_text", [True, False])
def test_a_given_architecture_is_trained_without_a_search(open_auto: OpenAuto, as_text: bool) -> None:
    auto, text = open_auto(), "[1 3 2 1 0 0 1]"
    trained = auto.train(text if as_text else Architecture.from_text(text))
    assert str(trained.architecture) == text
    assert trained.fitted.search is None
    assert [str(candidate.architecture) for candidate in trained.fitted.candidates] == [text]
    (row,) = read_leaderboard(auto).to_dicts()
    assert (row["architecture"], row["share_of_model"]) == (text, 1)
    assert row["shared_weight_score"] is None
    assert row["retrained_score"] == trained.fitted.candidates[0].reward
    assert {line["stage"] for line in auto.run.read_log()} == {"retrain", "search and retraining", "train"}
    assert not (auto.run.output_files / "enas_search_curves.pdf").exists()
    assert json.loads(auto.run.best_architecture.read_text())["shares"] == {text: 1}
    assert auto.evaluate().n_rows == 20
    assert len(auto.predict().sample_ids) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1 3 2]", "3 integers, but this search space needs 7"),
        ("[1 9 2 1 0 0 1]", "width of layer 1"),
        ("one", "'one'"),
    ],
)
def test_a_given_architecture_that_is_none_is_refused(
    open_auto: OpenAuto, tables: Path, text: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        open_auto().train(text)
    assert not (tables / "runs").exists()


def test_a_search_alone_leaves_a_leaderboard_and_the_best_architecture(open_auto: OpenAuto) -> None:
    auto = open_auto()
    best = auto.search()
    board = read_leaderboard(auto)
    assert board["architecture"][0] == str(best)
    assert board["shared_weight_score"].is_sorted(descending=True)
    assert board["architecture"].n_unique() == len(board) > 2
    assert board["retrained_score"].null_count() == board["share_of_model"].null_count() == len(board)
    written = json.loads(auto.run.best_architecture.read_text())
    assert written["text"] == str(best)
    assert written["architecture"] == best.to_json()
    assert written["shared_weight_score"] == board["shared_weight_score"][0]
    assert (auto.run.output_files / "enas_search_curves.pdf").is_file()
    epochs = [(line["stage"], line["epoch"]) for line in auto.run.read_log() if "epoch" in line]
    assert epochs == [("search", 0), ("search", 1)]


def test_what_a_search_alone_found_is_what_training_finds_first(open_auto: OpenAuto) -> None:
    searched, trained = open_auto(), open_auto()
    best = searched.search()
    fitted = trained.train().fitted
    assert fitted.search is not None
    assert fitted.search.derived[0].architecture == best == fitted.candidates[0].architecture
    expected = read_leaderboard(trained).select("architecture", "shared_weight_score")
    assert read_leaderboard(searched).select("architecture", "shared_weight_score").equals(expected)


def test_a_run_without_a_model_says_so(open_auto: OpenAuto) -> None:
    auto = open_auto()
    auto.search()
    assert "searched, not trained" in show_run(auto.run.path)
    with pytest.raises(RunError, match=r"model\.json"):
        auto.evaluate()


@pytest.mark.parametrize("step", ["evaluate", "predict", "explain"])
def test_a_step_before_training_says_what_to_call_first(open_auto: OpenAuto, step: str) -> None:
    with pytest.raises(RunError, match=r"train\(\)"):
        getattr(open_auto(), step)()


def test_a_missing_section_is_named(open_auto: OpenAuto) -> None:
    with pytest.raises(ConfigError, match="data_train"):
        open_auto(config={"data_train": None}).train()


def test_a_later_process_takes_up_the_newest_run_or_the_one_named(open_auto: OpenAuto) -> None:
    older, newer = open_auto("seed=1"), open_auto("seed=2")
    older.train()
    newer.train()
    assert open_auto().run == newer.run
    assert open_auto(run=older.run.path).run == older.run
    one = older.predict().probabilities
    again = open_auto(run=older.run.path).predict().probabilities
    assert one is not None
    assert again is not None
    assert one.tobytes() == again.tobytes()
    with pytest.raises(RunError, match="no run directory"):
        open_auto(run=older.run.path / "absent")


def test_evaluating_the_training_table_says_so(open_auto: OpenAuto) -> None:
    open_auto().train()
    seen = open_auto(*ON_TRAINING_ROWS).evaluate()
    assert (seen.n_seen, seen.n_rows) == (40, 40)
    assert "TRAINED ON" in seen.headline


def test_a_checkpoint_of_another_run_brings_its_own_training_rows(open_auto: OpenAuto, tables: Path) -> None:
    """Its rows are recognised even where the newest run was trained on other rows, or there is no other run."""
    first = open_auto("name=first")
    first.train()
    elsewhere = open_auto(
        "name=second",
        f'evaluator.checkpoint_path="{first.run.path}"',
        *ON_TRAINING_ROWS,
    )
    assert elsewhere.evaluate().n_seen == 40


def test_arc_takes_one_of_the_retrained_candidates(open_auto: OpenAuto) -> None:
    auto = open_auto("trainer.ensemble=true")
    fitted = auto.train().fitted
    both = auto.predict().probabilities
    for candidate in fitted.candidates:
        alone = open_auto(f'predictor.arc="{candidate.architecture}"').predict().probabilities
        assert alone is not None
        assert both is not None
        assert alone.tobytes() != both.tobytes()
    with pytest.raises(ConfigError, match="is not among the retrained candidates"):
        open_auto('predictor.arc="[9 9 9 9 9 9]"').predict()


def test_max_number_of_steps_bounds_the_rows_and_says_so(open_auto: OpenAuto, log: Any) -> None:
    auto = open_auto("predictor.max_number_of_steps=2", "predictor.batch_size=4")
    auto.train()
    assert len(auto.predict().sample_ids) == 8
    assert any("the other 12 of 20 rows are left out" in text for text in log.warnings)


def test_new_tables_are_matched_by_name(open_auto: OpenAuto, tables: Path) -> None:
    auto = open_auto()
    auto.train()
    expected = auto.predict().probabilities
    table = pl.read_csv(tables / "test_x.tsv", separator="\t")
    shuffled = table.select("id", *[f"g{i}" for i in (7, 3, 11, 0, 5, 1, 10, 2, 9, 4, 8, 6)])
    shuffled.with_columns(extra=pl.lit(1.0)).write_csv(tables / "odd.tsv", separator="\t")
    table.drop("g4").write_csv(tables / "short.tsv", separator="\t")
    odd = open_auto('data_predict.args.features_file="odd.tsv"', "data_predict.args.labels_file=null").predict()
    assert odd.probabilities is not None
    assert expected is not None
    assert odd.probabilities.tobytes() == expected.tobytes()
    with pytest.raises(DataError, match=r"lacks 1 of the 12 features.*g4"):
        open_auto('data_predict.args.features_file="short.tsv"').predict()


def test_a_training_table_without_names_matches_by_position(open_auto: OpenAuto, tables: Path) -> None:
    for stem in ("train", "test"):
        lines = (tables / f"{stem}_x.tsv").read_text().splitlines()[1:]
        bare = ["\t".join(line.split("\t")[1:]) for line in lines]
        (tables / f"{stem}_bare.tsv").write_text("\n".join(bare) + "\n")
        classes = [line.split("\t")[1] for line in (tables / f"{stem}_y.tsv").read_text().splitlines()[1:]]
        (tables / f"{stem}_bare_y.tsv").write_text("\n".join(classes) + "\n")
    (tables / "names.txt").write_text("\n".join(f"gene{i}" for i in range(12)) + "\n")
    auto = open_auto(
        'data_train.args.features_file="train_bare.tsv"',
        'data_train.args.labels_file="train_bare_y.tsv"',
        'data_evaluate.args.features_file="test_bare.tsv"',
        'data_evaluate.args.labels_file="test_bare_y.tsv"',
        f'explainer.args.features_name_file="{tables / "names.txt"}"',
    )
    auto.train()
    assert auto.evaluate().n_rows == 20
    explanation = auto.explain()
    assert isinstance(explanation, Explanation)
    assert set(explanation.ranking) == {f"gene{i}" for i in range(12)}


def test_a_wrong_number_of_classes_is_refused(open_auto: OpenAuto) -> None:
    with pytest.raises(ConfigError, match="output_classes is 3, but the labels hold 2 classes"):
        open_auto("model.args.output_classes=3").train()


def test_the_callers_mapping_is_left_as_it_was(open_auto: OpenAuto) -> None:
    section = {"child_num_layers": 2}
    open_auto("trainer.batch_size=4", config={"trainer": section})
    assert section == {"child_num_layers": 2}
