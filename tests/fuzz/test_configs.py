"""Configurations that are wrong in every way: a config, or one ConfigError that names the file and the key."""

import json
import math
import os
import random
import re
import time
import tracemalloc
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from enas.config import Config, ImageConfig, list_missing_files, load_config
from enas.errors import ConfigError

N_CASES = int(os.environ.get("ENAS_FUZZ_CASES", "300"))
EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.json"))
LONGEST_MESSAGE = 8000
SECONDS = 10


def write(folder: Path, content: str | bytes, suffix: str) -> Path:
    path = folder / f"c{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return path


def trainer(value: str) -> str:
    return f'{{"name": "x", "trainer": {{"batch_size": {value}}}}}'


REFUSED_JSON: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "only a mark": (b"\xef\xbb\xbf", "is empty"),
    "only blanks": (" \r\n\t", "is empty"),
    "UTF-16 without a mark": ('{"name": "x"}'.encode("utf-16-le"), "line 1, column 2: holds a null character"),
    "half a UTF-16 character": ('{"name": "x"}'.encode("utf-16")[:-1], "is not UTF-8 text"),
    "Latin-1": ('{"name": "é"}'.encode("latin-1"), "line 1, column 11: is not UTF-8 text"),
    "NUL": ('{"name": "a\0b"}', "line 1, column 12: holds a null character"),
    "NUL escaped": (r'{"name": "a\u0000b"}', "name: \"a\\u0000b\" should be text without null characters"),
    "a pickle": (b"\x80\x04\x95\x10\x00\x00\x00", "is not UTF-8 text"),
    "100,000 lists": ("[" * 100_000, "is nested too deeply"),
    "100,000 objects": ('{"a":' * 100_000 + "1" + "}" * 100_000, "is nested too deeply"),
    "60 lists": ('{"name": ' + "[" * 60 + "]" * 60 + "}", "name: is nested too deeply: more than 50 levels"),
    "1e999": (trainer("1e999"), "trainer.batch_size: Infinity should be a finite number"),
    "10**400": (trainer("1" + "0" * 400), "trainer.batch_size: Infinity should be a finite number"),
    "10**50": (trainer("1" + "0" * 50), "trainer.batch_size: is a number of more than 64 bits"),
    "10**18": (trainer("1" + "0" * 18), "trainer.batch_size: 1000000000000000000 should be less than 2147483648"),
    "10,000 digits": (trainer("9" * 10_000), "trainer.batch_size: Infinity should be a finite number"),
    "NaN": (trainer("NaN"), "trainer.batch_size: NaN should be a finite number"),
    "NaN as a name": ('{"name": NaN}', "name: NaN should be a finite number"),
    "minus infinity": (trainer("-Infinity"), "trainer.batch_size: -Infinity should be a finite number"),
    "duplicate key": ('{"name": "x",\n"name": "y"}', 'line 2, column 1: the key "name" stands here a second time'),
    "duplicate key, escaped": (r'{"name": "x", "n\u0061me": "y"}', 'the key "name" stands here a second time'),
    "text for a number": (trainer('"many"'), 'trainer.batch_size: "many" should be a whole number'),
    "true for a number": (trainer("true"), "trainer.batch_size: true should be a number, not true or false"),
    "a list for a number": (trainer("[1]"), "trainer.batch_size: [1] should be a whole number"),
    "a number for a section": ('{"name": "x", "trainer": 3}', "trainer: 3 should be an object of keys and values"),
    "a list for a section": ('{"name": "x", "trainer": [1]}', "trainer: [1] should be an object"),
    "a list for a deep section": ('{"name": "x", "model": {"args": []}}', "model.args: [] should be an object"),
    "an object for text": ('{"name": {"a": 1}}', "name: {'a': 1} should be text"),
    "a list": ('["name"]', "should hold one object of keys and values, but holds a list"),
    "text": ('"name"', 'holds only "name"'),
    "two objects": ('{"name": "x"} {"name": "y"}', "line 1, column 15: Extra data"),
    "comment without end": ('{"name": "x"} /* and', "line 1, column 15: this comment /* never ends"),
    "text without end": ('{"name": "x', "line 1, column 10: Unterminated string"),
    "leading comma": ('{, "name": "x"}', "line 1, column 2"),
    "two commas": ('{"name": "x",,}', "line 1, column 15"),
    "only a comma": (",", "line 1, column 1"),
    "single quotes": ("{'name': 'x'}", "line 1, column 2"),
    "half a surrogate pair": (r'{"name": "a\ud800"}', r'name: "a\ud800" should be text; it has half a surrogate'),
    "half a surrogate pair in a key": (r'{"name": "x", "\ud800": 1}', r'the key "\ud800" should be text'),
    "terminal escape in a key": (r'{"name": "x", "\u001b[31m": 1}', r"\x1b[31m: unknown key"),
    "line feed in a key": (r'{"name": "x", "a\nb": 1}', r"a\nb: unknown key"),
    "tab as a key": (r'{"name": "x", "\t": 1}', r"\t: unknown key"),
    "tab where it cannot be": ('{"name" "\t": 1}', r'line 1, column 9: Expecting'),
    "tab in what is quoted": ('{"name": "x" a\tb}', r"delimiter at `a\tb}`"),
    "empty key": ('{"name": "x", "trainer": {"": 1}}', "trainer.: unknown key"),
    "key with dots": ('{"name": "x", "trainer": {"a.b": 1}}', "trainer.a.b: unknown key"),
    "path of a key as a key": ('{"name": "x", "model.args": 1}', "model.args: unknown key"),
    "path of a key as a key, in a section": ('{"name": "x", "model": {"args.": 1}}', "model.args.: unknown key"),
    "key of 100,000 characters": ('{"name": "x", "' + "k" * 100_000 + '": 1}', "kkk…: unknown key"),
    "10,000 unknown keys": (
        '{"name": "x"' + "".join(f', "k{i}": 1' for i in range(10_000)) + "}",
        "and 9,980 more keys are wrong",
    ),
    "100,001 values": (trainer("[" + "1," * 100_001 + "1]"), "unfolds to more than 100,000 values"),
    "90,000 wrong columns": (
        '{"name": "x", "data_train": {"args": {"features_file": "f", "label_column": [' + "1," * 90_000 + "1]}}}",
        "data_train.args.label_column: [1, 1, 1, 1, 1, 1, ...] should be text",
    ),
    "up a folder": ('{"name": "../../x"}', "name: \"../../x\" should be fit for a folder; it contains '/'"),
    "absolute": ('{"name": "/etc/x"}', "contains '/'"),
    "another drive": ('{"name": "C:\\\\x"}', "contains ':' '\\\\'"),
    "device of Windows": ('{"name": "CON"}', "is reserved on Windows"),
    "300 characters": ('{"name": "' + "n" * 300 + '"}', "is longer than 200 bytes"),
    "two dots": ('{"name": ".."}', "is no name for a directory"),
    "control character": (r'{"name": "a\u0007"}', r"contains '\x07'"),
    "direction of writing": ('{"name": "a\u202eb"}', r'name: "a\u202eb" should be fit for a folder'),
    "true as a name": ('{"name": true}', "name: true should be text"),
    "user and NUL in a path": (
        r'{"name": "x", "trainer": {"save_dir": "~\u0000"}}',
        "trainer.save_dir: \"~\\u0000\" should be text without null characters",
    ),
    "Arabic digits as an architecture": ('{"name": "x", "evaluator": {"arc": "\u0663 \u0661"}}', "evaluator.arc: "),
    "an architecture of 1 MB": (
        '{"name": "x", "evaluator": {"arc": "' + " " * 900_000 + 'x"}}',
        "evaluator.arc: ",
    ),
    "an integer of 10,000 digits in an architecture": (
        '{"name": "x", "evaluator": {"arc": "1 ' + "9" * 10_000 + '"}}',
        "integer 2 is",
    ),
    "quotes without end": ('{"name": "' + '\\"' * 400_000, "Unterminated string"),
    "quotes and line feeds": ('"\n' * 400_000, "line 1, column 2: Invalid control character"),
    "comments without end": ("/*/" * 300_001, "line 1, column 900001: this comment /* never ends"),
    "commas": ('{"name": "x"' + "," * 900_000 + "}", "line 1, column"),
    "50 MB": (b" " * 50_000_000, "has more than 1,000,000 bytes; is this a data file instead of a config?"),
}  # fmt: skip

BOMB = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
)
KEY_BOMB = "\n".join(
    ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40)] + ["? *a39", ": 1"]
)
REFUSED_YAML: dict[str, tuple[str | bytes, str]] = {
    "empty": ("# nothing", "holds nothing"),
    "NUL": ("name: a\0b", "line 1, column 8: holds a null character"),
    "bomb": (BOMB, "unfolds to more than 100,000 values"),
    "bomb in a key": (KEY_BOMB, ""),
    "bomb by merging": (
        "a: &a {k0: 1}\n" + "\n".join(f"b{i}: &b{i} {{<<: [*{'a' if i == 0 else f'b{i - 1}'}, *a]}}" for i in range(2))
        + "\nc: {<<: [" + ", ".join(["*b1"] * 30_000) + "]}",
        "unfolds to more than",
    ),
    "an alias in itself": ("name: &a [*a]", "unfolds to more than"),
    "an alias of nothing": ("name: *a", "line 1, column 7: found undefined alias"),
    "python object": ("name: !!python/object/apply:os.system [echo]", "line 1, column 7: could not determine a"),
    "python name": ("name: !!python/name:os.system", "could not determine a constructor"),
    "a tag of one's own": ("name: !thing x", "could not determine a constructor"),
    "an integer that is none": ('name: !!int ""', "cannot be read as YAML: IndexError"),
    "a truth that is none": ("name: !!bool perhaps", "cannot be read as YAML: KeyError"),
    "a date that is none": ("name: !!timestamp x", "cannot be read as YAML: AttributeError"),
    "a day that is not": ("name: 2020-13-45", "cannot be read as YAML: ValueError: month must be in 1..12"),
    "a date": ("name: 2020-01-02", "name: a value of type date has no place here; give text (in YAML between quotes)"),
    "bytes": ("name: !!binary aGk=", "name: a value of type bytes has no place here"),
    "a set": ("name: !!set {a}", "name: a value of type set has no place here"),
    "no is false": ("name: no", "name: false should be text"),
    "not a number": ("name: .nan", "name: NaN should be a finite number"),
    "an integer of 5,000 digits": ("name: " + "9" * 5000, "cannot be read as YAML: ValueError: Exceeds the limit"),
    "base 60": ("name: x\nseed: 99999999:00:00:00:00:00:00:00", "seed: is a number of more than 64 bits"),
    "a number as a key": ("1: x", "the key 1 should be text"),
    "nothing as a key": ("name: x\n~: x", "the key null should be text"),
    "a list as a key": ("? [a, b]\n: x", "line 1, column 3: a sequence stands as a key; it should be text"),
    "a mapping as a key": ("{{a: 1}: x}", "line 1, column 2: a mapping stands as a key"),
    "a list in a section": ("name: x\ntrainer: [1]", "trainer: [1] should be an object"),
    "two documents": ("name: x\n---\nname: y", "line 2, column 1: but found another document"),
    "a tab": ("name: x\ntrainer:\n\tbatch_size: 1", "line 3, column 1: found character '\\t' that cannot start"),
    "duplicate key": ("name: x\nname: y", 'line 2, column 1: the key "name" stands here a second time'),
    "merging a number": ("name: x\n<<: 3", "line 2, column 5: expected a mapping or list of mappings"),
    "100,000 lists": ("name: " + "[" * 100_000, "is nested too deeply"),
    "100,000 blocks": ("- " * 90_000, "is nested too deeply"),
    "another version": ("%YAML 9.9\n---\nname: x", "line 1, column 1: found incompatible YAML document"),
    "half a surrogate pair": ('name: "\\ud800"', r'name: "\ud800" should be text; it has half'),
    "250 kB": ("# \n" * 90_000, "has more than 200,000 bytes"),
}  # fmt: skip

READ: dict[str, tuple[str, str | bytes, Callable[[Config | ImageConfig], bool]]] = {
    "a mark": (".json", b'\xef\xbb\xbf{"name": "x"}', lambda c: c.name == "x"),
    "UTF-16": (".json", '{"name": "é"}'.encode("utf-16"), lambda c: c.name == "é"),
    "UTF-32": (".json", '{"name": "é"}'.encode("utf-32"), lambda c: c.name == "é"),
    "line ends of a Mac": (".json", b'{"name":\r"x"}', lambda c: c.name == "x"),
    "null": (".json", '{"name": "x", "trainer": null, "seed": null}', lambda c: c.seed == 0),
    "a number as a name": (".json", '{"name": 7}', lambda c: c.name == "7"),
    "a whole number as a float": (".json", '{"name": "x", "seed": 3.0}', lambda c: c.seed == 3),
    "octal": (".yaml", "name: x\nseed: 010", lambda c: c.seed == 8),
    "another script": (".json", '{"name": "数据"}', lambda c: c.name == "数据"),
}


@pytest.mark.parametrize(
    ("suffix", "content", "problem"),
    [pytest.param(".json", *case, id=f"json-{name}") for name, case in REFUSED_JSON.items()]
    + [pytest.param(".yaml", *case, id=f"yaml-{name}") for name, case in REFUSED_YAML.items()],
)
def test_refused_with_file_and_place(suffix: str, content: str | bytes, problem: str, tmp_path: Path) -> None:
    path = write(tmp_path, content, suffix)
    start = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert problem in message
    assert len(message) < LONGEST_MESSAGE
    assert message.replace("\n", "").isprintable()
    assert time.monotonic() - start < SECONDS


@pytest.mark.parametrize(("suffix", "content", "expected"), READ.values(), ids=READ)
def test_read(
    suffix: str, content: str | bytes, expected: Callable[[Config | ImageConfig], bool], tmp_path: Path
) -> None:
    config, notes = load_config(write(tmp_path, content, suffix))
    assert expected(config)
    assert notes == []


def test_comments_are_no_names(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name: \"a//b\" should be fit for a folder; it contains '/'"):
        load_config(write(tmp_path, '/**/{//"\n"name"/*:*/:"a//b",}//', ".json"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "loop.json").symlink_to(tmp_path / "loop.json")
    for source, problem in {
        tmp_path / "pipe.json": "is no regular file; write the config to one",
        Path("/dev/zero"): "is no regular file",
        tmp_path: "is a folder, not a config file",
        tmp_path / "loop.json": "cannot be read: Too many levels of symbolic links",
        tmp_path / "absent.json": "no such file",
        tmp_path / ("n" * 300): "cannot be read: File name too long",
    }.items():
        with pytest.raises(ConfigError, match=f"^{re.escape(str(source))}: {problem}"):
            load_config(source)


@pytest.mark.parametrize("source", ["a\0b.json", "~\0/c.json", "\ud800.json"])
def test_a_path_that_cannot_be_is_refused_printably(source: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(source)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "source", [None, 3, b"c.json", ["c.json"], {"x"}, object()], ids=lambda value: str(type(value))
)
def test_what_is_no_source_is_refused(source: Any) -> None:
    with pytest.raises(ConfigError, match="a config should be a file or a dict, not of type"):
        load_config(source)


ITSELF: dict[str, Any] = {"name": "x"}
ITSELF["trainer"] = ITSELF
WIDE: list[Any] = []
WIDE += [WIDE] * 9
REFUSED_DICTS: dict[str, tuple[dict[Any, Any], str]] = {
    "itself": (ITSELF, "trainer.trainer.trainer."),
    "itself nine times": ({"name": WIDE}, "name: "),
    "a set": ({"name": {"x"}}, "name: a value of type set has no place here"),
    "bytes": ({"name": b"x"}, "name: a value of type bytes has no place here"),
    "an object": ({"name": object()}, "name: a value of type object has no place here"),
    "a function": ({"name": print}, "name: a value of type builtin_function_or_method has no place here"),
    "a date": ({"name": "x", "seed": date(2020, 1, 2)}, "seed: a value of type date has no place here"),
    "a number of numpy that is none": (
        {"name": "x", "time_limit": np.float32("nan")},
        "time_limit: NaN should be a fi",
    ),
    "an extended float": ({"name": "x", "time_limit": np.longdouble(1)}, "time_limit: a value of type longdouble"),
    "an array of objects": ({"name": np.array([object()])}, "name: a value of type object has no place here"),
    "not a number": ({"name": "x", "trainer": {"child_lr": math.nan}}, "trainer.child_lr: NaN should be a finite"),
    "10**5000": ({"name": "x", "seed": 10**5000}, "seed: is a number of more than 64 bits"),
    "10**5000 as a key": ({10**5000: 1}, "the key a number of 16610 bits should be text"),
    "a tuple as a key": ({(1, 10**5000): 1}, "the key of type tuple should be text"),
    "a key that is no text": ({"name": "x", "trainer": {3: 1}}, "trainer: the key 3 should be text"),
    "a path with a null character": ({"name": "x", "trainer": {"save_dir": Path("a\0")}}, "trainer.save_dir: "),
    "a path as a name": ({"name": Path("x")}, "name: PosixPath('x') should be text"),
    "two names of one setting": (
        {"name": "x", "trainer": {"child_lr_reg": [1] * 1000, "child_l2_reg": np.ones(9)}},
        "trainer.child_lr_reg: [1, 1, 1, 1, 1, 1, ...] is not [1.0, 1.0",
    ),
}


@pytest.mark.parametrize(("source", "problem"), REFUSED_DICTS.values(), ids=REFUSED_DICTS)
def test_refused_dicts(source: dict[Any, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=f"^config: {re.escape(problem)}"):
        load_config(source)


def test_values_of_numpy_paths_and_tuples_are_taken(tmp_path: Path) -> None:
    args = {"features_file": "f", "label_column": ("a", "b"), "data_dir": tmp_path}
    config, _ = load_config({"name": np.str_("x"), "seed": np.int64(3), "data_train": {"args": args}})
    assert isinstance(config, Config)
    assert (config.name, config.seed) == ("x", 3)
    assert config.data_train is not None
    assert config.data_train.args.label_column == ["a", "b"]
    assert config.data_train.args.features_file == tmp_path / "f"


OVERRIDES = {
    "seed": "--set seed: should look like trainer.batch_size=64",
    "": "--set : should look like",
    "=": "--set =: should look like",
    "trainer.=1": "--set trainer.=1: should look like",
    "name.first=x": "--set name.first=x: name is a value, not a section",
    "trainer.batch_size.x=1": "--set trainer.batch_size.x=1: batch_size is a value, not a section",
    "trainer.batch_sise=1": '--set: trainer.batch_sise: unknown key; did you mean "batch_size"?',
    "trainer.batch_size={}": "--set: trainer.batch_size: {} should be a whole number",
    "trainer=3": "--set: trainer: 3 should be an object",
    "seed=NaN": "--set: seed: NaN should be a finite number",
    "seed=" + "9" * 5000: "--set: seed: ",
    "seed=" + "[" * 100_000: "--set: seed: ",
    "seed=" + "[" * 99 + "]" * 99: "--set: seed: is nested too deeply",
    "name=a\0b": "--set: name: ",
    "name=\ud800": "--set: name: ",
    "\x1b[2J=1": r"--set: \x1b[2J: unknown key",
    "x." * 500 + "x=1": "--set: x: unknown key",
    "data_train.args.features_file=": "--set: data_train.args.features_file: missing; name the table of features",
}


@pytest.mark.parametrize(("override", "problem"), OVERRIDES.items(), ids=[key[:20] for key in OVERRIDES])
def test_refused_overrides(override: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({"name": "x", "trainer": {"batch_size": 1}}, [override])
    assert problem.removeprefix("--set: ") in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < LONGEST_MESSAGE


def test_overrides_of_a_file_are_named_as_such(tmp_path: Path) -> None:
    path = write(tmp_path, '{"name": "x"}', ".json")
    with pytest.raises(ConfigError, match=r'^--set: trainer.batch_size: "a=b" should be a whole number$'):
        load_config(path, ["trainer.batch_size=a=b"])


def test_names_too_long_for_a_file_are_missing_files() -> None:
    config, _ = load_config({"name": "x", "data_train": {"args": {"features_file": "f" * 5000, "labels_file": "l"}}})
    assert [line.split(":")[0] for line in list_missing_files(config)] == [
        "data_train.args.features_file",
        "data_train.args.labels_file",
    ]


def test_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(ConfigError, match="the current folder, where its paths would start, is gone"):
        load_config({"name": "x"})


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        ("[" + "[]," * 50_000 + "[]]", ".json"),
        ("//\n" * 50_000, ".json"),
        pytest.param("[" + "[]," * 330_000 + "[]]", ".json", marks=pytest.mark.slow),
        pytest.param("//\n" * 330_000, ".json", marks=pytest.mark.slow),
        pytest.param("[" + "a," * 99_000 + "a]", ".yaml", marks=pytest.mark.slow),
        pytest.param("a:\n" * 66_000, ".yaml", marks=pytest.mark.slow),
    ],
    ids=["lists", "comments", "many lists", "many comments", "list in YAML", "keys in YAML"],
)
def test_memory_is_bounded(content: str, suffix: str, tmp_path: Path) -> None:
    path = write(tmp_path, content, suffix)
    tracemalloc.start()
    with pytest.raises(ConfigError):
        load_config(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * len(content) + 200_000_000


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["auto", "", "~", "a/b", "\0", "\ud800", "1 2 3", 2**63, -1, 0, 1e308, 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
MUTATION = st.tuples(st.sampled_from(["replace", "drop", "double", "rename", "move"]), st.randoms(), VALUES)
HYPOTHESIS = settings(
    max_examples=N_CASES // 6,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def check(path: Path) -> bool:
    """Load the file; whether it was read. Whatever is wrong must be told with the file's name and soon."""
    start = time.monotonic()
    try:
        config, notes = load_config(path)
        list_missing_files(config)
        config.model_dump_json()
        assert all(len(note) < LONGEST_MESSAGE for note in notes)
        return True
    except ConfigError as error:
        message = str(error)
        assert message.startswith(f"{path}: ")
        assert len(message) < LONGEST_MESSAGE
        assert message.replace("\n", "").isprintable()
        return False
    finally:
        assert time.monotonic() - start < SECONDS


def read_example(path: Path) -> Any:
    return json.loads(re.sub(r"//[^\n]*", "", path.read_text(encoding="utf-8")))


def mutate(tree: Any, kind: str, generator: random.Random, value: Any) -> None:
    """Change one place of the tree: any entry of any of its objects."""
    objects = [tree]
    for node in objects:
        objects += [item for item in node.values() if isinstance(item, dict)]
    node = generator.choice([node for node in objects if node] or [tree])
    if not node:
        return
    key = generator.choice(list(node))
    if kind == "replace":
        node[key] = value
    elif kind == "drop":
        del node[key]
    elif kind == "double":
        node[key + generator.choice(["s", "_2", ".", " ", "\n"])] = node[key]
    elif kind == "rename":
        node[generator.choice([key.upper(), key[:-1], f"{key}.{key}", str(value)[:50]])] = node.pop(key)
    else:
        generator.choice(objects)[key] = deepcopy(node.pop(key))  # it may be put into itself


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
@HYPOTHESIS
@given(mutations=st.lists(MUTATION, min_size=1, max_size=4))
def test_mutated_examples(example: Path, mutations: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    tree = read_example(example)
    for kind, generator, value in mutations:
        mutate(tree, kind, generator, value)
    check(write(tmp_path_factory.getbasetemp(), json.dumps(tree), ".json"))


@HYPOTHESIS
@given(tree=VALUES)
def test_any_json(tree: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    check(write(tmp_path_factory.getbasetemp(), json.dumps(tree), ".json"))
    check(write(tmp_path_factory.getbasetemp(), json.dumps(tree), ".yaml"))


def mutate_bytes(data: bytes, generator: random.Random) -> bytes:
    """Flip, insert, cut, double, or splice in what grammars trip over."""
    nasty = [b"{", b"}", b"[", b"]", b'"', b"'", b",", b":", b"\\", b"/*", b"*/", b"//", b"\n", b"\r", b"\t", b"\0"]
    nasty += [
        b"\xff",
        b"\xed\xa0\x80",
        b"&a ",
        b"*a ",
        b"!!int ",
        b"<<: ",
        b"? ",
        b"- ",
        b"| ",
        b"%",
        b"---\n",
        b"1e999",
    ]
    nasty += [b"NaN", b"null", b"\\u0000", b"\\ud800", b"9" * 400, b"\xef\xbb\xbf", b"\xff\xfe"]
    for _ in range(generator.randint(1, 6)):
        i, j = sorted(generator.randrange(len(data) + 1) for _ in range(2))
        choice = generator.randrange(5)
        if choice == 0 and i < len(data):
            data = data[:i] + bytes([data[i] ^ (1 << generator.randrange(8))]) + data[i + 1 :]
        elif choice == 1:
            data = data[:i] + generator.choice(nasty) + data[i:]
        elif choice == 2:
            data = data[:i] + data[min(j, i + 40) :]
        elif choice == 3:
            data = data[:j] + data[i : min(j, i + 200)] + data[j:]
        else:
            data = data[:i] + generator.choice(nasty) + data[i + 1 :]
    return data if generator.random() < 0.9 else data[: generator.randrange(len(data) + 1)]


YAML_EXAMPLE = b"""# a comment
name: demo
data_train: &base {type: DataLoader, args: {features_file: "x.tsv", labels_file: 'y.tsv', validation_split: 0.2}}
data_evaluate: {<<: *base}
model:
  type: enas
  args:
    is_regression: no
trainer:
  batch_size: 64
  child_l2_reg: 1.0e-4
  save_dir: |
    experiments
seed: 0x10
"""


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_mutated_bytes(suffix: str, tmp_path: Path) -> None:
    generator = random.Random(0)
    sources = [path.read_bytes() for path in EXAMPLES] if suffix == ".json" else [YAML_EXAMPLE]
    n_read = sum(
        check(write(tmp_path, mutate_bytes(generator.choice(sources), generator), suffix)) for _ in range(N_CASES // 6)
    )
    assert 0 < n_read < N_CASES // 6
