"""The configuration: the predecessor's file loads as it stands, and whatever is wrong is told in one error."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from enas.config import list_missing_files, load_table_config
from enas.config.legacy import INERT_KEYS
from enas.config.starter import config_schema, starter
from enas.errors import ConfigError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TABLE = {"args": {"features_file": "x.tsv", "labels_file": "y.tsv"}}


def problems(raw: dict[str, Any], *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_table_config({"name": "x", "data_train": TABLE, **raw}, overrides)
    return str(caught.value).split("\n")


def test_the_predecessors_config_loads_unchanged() -> None:
    config, notes = load_table_config(EXAMPLES / "autogenome.json")
    assert notes == []
    assert config.name == "enas_demo"
    assert config.model.args.output_classes == 2
    assert config.data_train is not None
    assert config.data_train.args.features_file == EXAMPLES / "data_test" / "little_exp.tsv"
    assert config.data_train.args.delimiter == " "
    assert config.data_train.args.validation_split == 0.2
    assert config.data_predict is not None
    assert config.data_predict.args.labels_file is None
    assert config.input_fn.num_threads == 16
    assert config.trainer.child_l2_reg == 1e-4
    assert config.trainer.save_dir == EXAMPLES / "experiments"
    assert config.evaluator is not None
    assert config.evaluator.max_number_of_steps == 10
    assert config.explainer is not None
    assert config.explainer.args.plot_type == "bar"
    assert config.explainer.args.features_name_file == EXAMPLES / "data_test" / "names_2.txt"


def test_the_predecessors_config_with_its_own_comments_loads(shared: Path, tmp_path: Path) -> None:
    page = (shared / "seeds" / "autogenome-enas-case.md").read_text(encoding="utf-8")
    config = next(block for block in page.split("```") if '"data_predict"' in block).removeprefix("javascript")
    (tmp_path / "seed.json").write_text(config, encoding="utf-8")
    loaded, notes = load_table_config(tmp_path / "seed.json")
    assert notes == []
    assert loaded.trainer.save_dir == Path("/experiments")


def test_defaults() -> None:
    config, notes = load_table_config({"name": "x", "trainer": None, "controller": {}})
    assert notes == []
    assert (config.trainer.batch_size, config.trainer.folds, config.trainer.reward) == (64, "auto", None)
    assert (config.controller.lr, config.preprocessing.screen, config.seed) == (0.0035, "auto", 0)
    assert config.model.type == "enas"
    assert config.data_train is None
    assert config.trainer.save_dir == Path.cwd()


def test_a_resolved_config_loads_to_itself(tmp_path: Path) -> None:
    config, _ = load_table_config(EXAMPLES / "autogenome.json", ["controller.temperature=5"])
    (tmp_path / "config.json").write_text(config.model_dump_json())
    assert load_table_config(tmp_path / "config.json") == (config, [])


def test_a_config_is_frozen() -> None:
    config, _ = load_table_config({"name": "x"})
    with pytest.raises(ValidationError):
        config.seed = 3


def test_paths_start_at_the_folder_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "c.yaml").write_text(
        "name: x\ndata_train: {args: {data_dir: ../data, features_file: a.tsv, labels_file: ~/y.tsv}}\n"
        "data_predict: {args: {features_file: b.tsv}}\npredictor: {checkpoint_path: m.st}\ntrainer: {child_lr: 1e-3}\n"
    )
    config, _ = load_table_config(tmp_path / "c.yaml")
    assert config.data_train is not None
    assert config.data_predict is not None
    assert config.predictor is not None
    assert config.data_train.args.features_file == tmp_path.parent / "data" / "a.tsv"
    assert config.data_train.args.labels_file == tmp_path / "home" / "y.tsv"
    assert config.data_predict.args.data_dir == tmp_path
    assert config.predictor.checkpoint_path == tmp_path / "m.st"
    assert config.trainer.child_lr == 1e-3
    assert len(list_missing_files(config)) == 4
    assert f"data_predict.args.features_file: {tmp_path / 'b.tsv'}: no such file" in list_missing_files(config)


@pytest.mark.parametrize(
    ("given", "meant"),
    [("\\t", "\t"), ("\t", "\t"), ("tab", "\t"), (" ", " "), (",", ","), ("space", " "), (None, None)],
)
def test_delimiters(given: str | None, meant: str | None) -> None:
    args = {**TABLE["args"], "delimiter": given}
    config, _ = load_table_config({"name": "x", "data_train": {"args": args}})
    assert config.data_train is not None
    assert config.data_train.args.delimiter == meant


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("trainer.batchsize=3", 'trainer.batchsize: unknown key; did you mean "batch_size"?'),
        ("nmae=3", 'nmae: unknown key; did you mean "name"?'),
        ("top_k_candidates=3", 'top_k_candidates: unknown key; did you mean "trainer.top_k_candidates"?'),
        ("data_train.features_file=a", 'data_train.features_file: unknown key; did you mean "data_train.args.feat'),
        ("explainer.zzzz=3", "explainer.zzzz: unknown key; known here: args"),
        ("trainer.batch_size=0", "trainer.batch_size: 0 should be at least 1"),
        ("trainer.batch_size=true", "trainer.batch_size: true should be a number, not true or false"),
        ("trainer.batch_size=1.5", "trainer.batch_size: 1.5 should be a whole number"),
        ("trainer.child_lr=NaN", "trainer.child_lr: NaN should be a finite number"),
        ("trainer.folds=many", "trainer.folds: \"many\" should be a whole number or 'auto'"),
        ("trainer.folds=1", "trainer.folds: 1 should be 0 (one split), at least 2 or 'auto'"),
        ("preprocessing.screen=0", "preprocessing.screen: 0 should be at least 1 or 'all', 'auto' or 'soft'"),
        ("trainer=[]", "trainer: [] should be an object of keys and values"),
        ("model.type=resnet", "model.type: \"resnet\" should be 'enas'"),
        ("evaluator.arc=wide", 'evaluator.arc: "wide" should be: Architecture to use'),
        ("data_train.args.delimiter=ab", 'data_train.args.delimiter: "ab" should be a single character'),
        ("data_train.args.features_file=null", "data_train.args.features_file: missing; "),
        ("data_train.args.validation_split=1", "data_train.args.validation_split: 1 should be less than 1"),
        ("name=a/b", 'name: "a/b" should be fit for a folder'),
        ("name=..", 'name: ".." should be fit for a folder'),
        ("seed=-1", "seed: -1 should be at least 0"),
    ],
)  # fmt: skip
def test_each_wrong_value_is_told(override: str, problem: str) -> None:
    (line,) = problems({}, override)
    assert line.startswith(f"--set: {problem}")


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"trainer": {"batchsize": 3, "n_seeds": 0}, "device": "gpu"}')
    with pytest.raises(ConfigError) as caught:
        load_table_config(tmp_path / "bad.json", ["seed=x"])
    lines = [line.removeprefix(f"{tmp_path / 'bad.json'}: ") for line in str(caught.value).split("\n")]
    keys = sorted(line.split(":")[0] for line in lines)
    assert keys == ["--set", "device", "name", "trainer.batchsize", "trainer.n_seeds"]


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ({"data_train": {"args": {"features_file": "x"}}}, "data_train.args.labels_file"),
        ({"data_evaluate": {"args": {"features_file": "x"}}}, "data_evaluate.args.labels_file"),
        ({"data_train": {"args": {**TABLE["args"], "label_column": []}}}, "data_train.args.label_column"),
        ({"data_train": {"args": {**TABLE["args"], "validation_features": "v"}}}, "data_train.args.validation_feat"),
        ({"data_train": {"args": {**TABLE["args"], "validation_labels": "v"}}}, "data_train.args.validation_labels"),
        ({"trainer": {"reward": "r2"}}, "trainer.reward"),
        ({"trainer": {"reward": "auroc"}, "model": {"args": {"is_regression": True}}}, "trainer.reward"),
        ({"trainer": {"loss": "focal"}, "model": {"args": {"is_regression": True}}}, "trainer.loss"),
        ({"model": {"args": {"output_classes": 1}}}, "model.args.output_classes"),
        ({"trainer": {"child_l2_reg": 0.1, "child_lr_reg": 0.2}}, "trainer.child_lr_reg"),
    ],
)  # fmt: skip
def test_keys_that_contradict_one_another(raw: dict[str, Any], key: str) -> None:
    (line,) = problems(raw)
    assert line.startswith(f"config: {key}")


def test_a_validation_set_excludes_a_split() -> None:
    args = {**TABLE["args"], "validation_features": "v", "validation_labels": "w"}
    config, _ = load_table_config({"name": "x", "data_train": {"args": args}})
    assert config.data_train is not None
    (line,) = problems({"data_train": {"args": {**args, "validation_split": 0.2}}})
    assert line.startswith("config: data_train.args.validation_split: ")


def test_a_label_column_needs_no_file() -> None:
    config, _ = load_table_config(
        {"name": "x", "data_train": {"args": {"features_file": "x", "label_column": ["a", "b"]}}}
    )
    assert config.data_train is not None
    assert config.data_train.args.label_column == ["a", "b"]


def test_keys_without_effect_are_noted() -> None:
    raw = {
        "name": "x",
        "input_fn": {"capacity": 9, "min_after_dequeue": 1},
        "trainer": {"num_gpus": 2, "batch_size": 8},
    }
    config, notes = load_table_config(raw)
    assert notes == [
        "config: input_fn.capacity: has no effect here",
        "config: input_fn.min_after_dequeue: has no effect here",
        "config: trainer.num_gpus: has no effect here",
    ]
    assert config.trainer.batch_size == 8


def test_the_schema_bounds_numbers_in_words_that_editors_know() -> None:
    text = json.dumps(config_schema())
    assert not [word for word in ("gt", "ge", "lt", "le") if f'"{word}":' in text]
    assert config_schema()["$defs"]["Config"]["properties"]["time_limit"]["anyOf"][0]["exclusiveMinimum"] == 0
    assert config_schema()["$defs"]["Trainer"]["properties"]["child_keep_prob"]["maximum"] == 1


def test_the_key_by_which_editors_find_the_schema() -> None:
    assert load_table_config({"$schema": "enas.schema.json", "name": "x"})[1] == []
    assert "$schema" in config_schema()["$defs"]["Config"]["properties"]


def test_the_predecessors_other_names() -> None:
    config, notes = load_table_config({"name": "x", "trainer": {"child_lr_reg": 0.1, "monitor": "AUC", "saver": "out"}})
    assert notes == []
    assert (config.trainer.child_l2_reg, config.trainer.reward) == (0.1, "auroc")
    assert config.trainer.save_dir == Path.cwd() / "out"


@pytest.mark.parametrize("trainer", [{"monitor": "f-score"}, {"monitor": "accuracy", "reward": "auroc"}, {"saver": {}}])
def test_other_names_that_cannot_be_honoured_are_noted(trainer: dict[str, Any]) -> None:
    _, notes = load_table_config({"name": "x", "trainer": trainer})
    assert len(notes) == 1


def test_accuracy_as_monitor_does_not_break_a_regression() -> None:
    raw = {"name": "x", "trainer": {"monitor": "accuracy"}, "model": {"args": {"is_regression": True}}}
    config, notes = load_table_config(raw)
    assert config.trainer.reward is None
    assert len(notes) == 1


def test_an_architecture_may_be_a_list() -> None:
    config, _ = load_table_config({"name": 7, "evaluator": {"arc": [3, 0, 1]}, "predictor": {"arc": "[3 0 1 2 1 1]"}})
    assert config.evaluator is not None
    assert config.predictor is not None
    assert (config.name, config.evaluator.arc, config.predictor.arc) == ("7", "3 0 1", "[3 0 1 2 1 1]")


def test_the_starter_loads(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(starter())
    config, notes = load_table_config(tmp_path / "c.json")
    assert notes == []
    assert config.data_train is not None
    assert config.data_train.args.features_file == tmp_path / "data" / "features.tsv"


def test_the_schema_describes_every_key() -> None:
    schema = config_schema()
    definitions = schema["$defs"]
    for name, section in definitions.items():
        assert section["additionalProperties"] is False
        assert all("description" in field or "$ref" in field for field in section["properties"].values()), name
    trainer = definitions["Trainer"]["properties"]
    assert trainer["batch_size"] == {
        **{"default": 64, "description": "Samples per training step.", "minimum": 1, "title": "Batch Size"},
        **{"type": "integer", "exclusiveMaximum": 2**31},
    }
    assert trainer["child_lr_reg"]["deprecated"]
    assert all(key in definitions["InputFn"]["properties"] for key in INERT_KEYS["input_fn"])
    json.dumps(schema)


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({"h5ad": "a.h5ad", "label_key": "y", "features_file": "x.tsv"}, "features_file: has no place beside h5ad"),
        ({"h5ad": "a.h5ad", "label_key": "y", "labels_file": "y.tsv"}, "labels_file: has no place beside h5ad"),
        ({"h5ad": "a.h5ad"}, "label_key: missing; name the column of obs"),
        ({"features_file": "x.tsv", "labels_file": "y.tsv", "batch_key": "b"}, "batch_key: needs h5ad"),
        ({"h5ad": "a.h5ad", "label_key": "y", "batch_key": "y"}, "batch_key: .y. is the label_key"),
        ({"h5ad": "a.h5ad", "label_key": ["x", "y"], "batch_key": "y"}, "batch_key: .y. is the label_key"),
        ({"labels_file": "y.tsv"}, "features_file: missing; name the table of features, or with h5ad"),
    ],
)
def test_an_anndata_file_and_text_tables_exclude_each_other(args: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError, match=f"data_train.args.{problem}"):
        load_table_config({"name": "x", "data_train": {"args": args}})


def test_an_anndata_file_to_predict_needs_no_label_key() -> None:
    config, _ = load_table_config({"name": "x", "data_predict": {"args": {"h5ad": "new.h5ad", "data_dir": "/data"}}})
    assert config.data_predict is not None
    assert config.data_predict.args.h5ad == Path("/data/new.h5ad")
