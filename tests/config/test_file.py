"""Reading a config: every way a file can be wrong gives one error that says where."""

import time
from pathlib import Path

import pytest

from enas.config.file import apply_overrides, read_source
from enas.errors import ConfigError


def write(folder: Path, text: str | bytes, name: str = "c.json") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_comments_and_trailing_commas(tmp_path: Path) -> None:
    text = """// a comment first
    {
        "url": "http://x//y /* no comment */", // 数据
        "escaped": "a\\"//b", /* several
        lines, */ "list": [1, 2,],
        "comma": ",]", // ]
    }"""
    raw, where, folder = read_source(write(tmp_path, text))
    assert raw == {"url": "http://x//y /* no comment */", "escaped": 'a"//b', "list": [1, 2], "comma": ",]"}
    assert where == str(tmp_path / "c.json")
    assert folder == tmp_path


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{\n "a": 1, // x\n "b" 2}', "line 3, column 6: Expecting ':' delimiter at `2}`"),
        ('{"a": 1,\n /* x\n}', "line 2, column 2: this comment /* never ends"),
        ('{"a": 1', "line 1, column 8: Expecting ',' delimiter"),
        ('{\r\n"a": "x\r\n}', "line 2, column 8: Invalid control character"),
        ('{"a": "C:\\data"}', "line 1, column 10: Invalid \\escape at `\\data\"}`; write / or \\\\ in Windows paths"),
        ('{"x": {"k": 1},\n "a": {"k": 1,\n  "k": 2}}', 'line 3, column 3: the key "k" stands here a second time'),
        ("// nothing but a comment", "Expecting value"),
        ('["a"]', "should hold one object of keys and values, but holds a list"),
        ("null", "holds nothing"),
        ("3", "holds only 3"),
        ("", "is empty"),
        (" \n", "is empty"),
        ("[" * 100_000, "cannot be read as JSON: it is nested too deeply"),
        ('{"a": ' + "9" * 5000 + "}", "a: Infinity should be a finite number"),
        (b'{"a": 1,\n"\xb5": 2}', "line 2, column 2: is not UTF-8 text"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_json_errors_say_where(tmp_path: Path, text: str | bytes, problem: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_source(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_with_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, '{"name": "é数"} // µ'.encode(encoding))
    assert read_source(path)[0] == {"name": "é数"}


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_source(tmp_path / "absent.json")
    with pytest.raises(ConfigError, match="is a folder"):
        read_source(str(tmp_path))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_source("a\0b")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_source('{"name": "x"}' * 1000)


def test_yaml(tmp_path: Path) -> None:
    text = "name: x # comment\nbase: &b {batch_size: 8}\ntrainer:\n  <<: *b\n  child_lr: 1e-3\n"
    raw, _, _ = read_source(write(tmp_path, text, "c.yml"))
    assert raw["trainer"] == {"batch_size": 8, "child_lr": "1e-3"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "line 3, column 2: expected ',' or ']'"),
        ("a:\n  k: 1\n  k: 2\n", 'line 3, column 3: the key "k" stands here a second time (first: line 2)'),
        ("a: !!python/object/apply:os.getcwd []\n", "line 1, column 4: could not determine a constructor"),
        ("a: &a [*a]\n", "unfolds to more than"),
        ("1: x\n", "the key 1 should be text"),
        ("- 1\n", "holds a list"),
        ("# only a comment\n", "holds nothing"),
        ("a: \x07\n", "special characters are not allowed"),
    ],
)
def test_yaml_errors_say_where(tmp_path: Path, text: str, problem: str) -> None:
    path = write(tmp_path, text, "c.yaml")
    with pytest.raises(ConfigError) as caught:
        read_source(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert problem in str(caught.value)


def test_aliases_that_multiply_end_soon(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    start = time.monotonic()
    with pytest.raises(ConfigError, match="unfolds"):
        read_source(write(tmp_path, "\n".join(lines), "c.yaml"))
    assert time.monotonic() - start < 5


def test_a_mapping_is_copied() -> None:
    given = {"trainer": {"batch_size": 1}, "columns": ("a", "b")}
    raw, where, folder = read_source(given)
    apply_overrides(raw, ["trainer.batch_size=2"])
    assert given["trainer"] == {"batch_size": 1}
    assert raw == {"trainer": {"batch_size": 2}, "columns": ["a", "b"]}
    assert (where, folder) == ("config", Path.cwd())
    with pytest.raises(ConfigError, match="the key 3 should be text"):
        read_source({"trainer": {3: 1}})


def test_overrides() -> None:
    raw: dict[str, object] = {"trainer": None, "name": "x"}
    apply_overrides(raw, ["trainer.batch_size=8", "a.b.c=[1, 2]", "device=cpu", "x.y=a=b", "z=", "flag=true"])
    assert raw == {
        **{"trainer": {"batch_size": 8}, "name": "x", "a": {"b": {"c": [1, 2]}}, "device": "cpu"},
        **{"x": {"y": "a=b"}, "z": "", "flag": True},
    }


@pytest.mark.parametrize("override", ["trainer.batch_size", "=3", "a..b=3", ".a=1", "name.first=x"])
def test_wrong_overrides(override: str) -> None:
    with pytest.raises(ConfigError, match="--set"):
        apply_overrides({"name": "x"}, [override])
