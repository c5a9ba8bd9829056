import csv
import json
import math
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from enas.errors import RunError
from enas.files import append_record, guard_cell, read_json, read_records, replacing, write_csv, write_json, write_text
from enas.tensor_files import read_tensors, write_tensors

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals and limits")


def test_json_comes_back_with_its_order(tmp_path: Path) -> None:
    content = {"zebra": 1, "arc": [3, 0, 1], "名": "ä", "nested": {"b": 2.5, "a": None}}
    write_json(tmp_path / "a.json", content)
    read = read_json(tmp_path / "a.json")
    assert read == content
    assert list(read) == list(content)
    assert "名" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_json_takes_numbers_of_numpy_and_torch_and_has_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"n": np.int64(3), "x": np.float32(0.5), "auroc": math.nan, "t": torch.tensor([1.0, math.inf])})
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {"n": 3, "x": 0.5, "auroc": None, "t": [1, None]}


def test_json_refuses_what_it_cannot_hold_and_keeps_the_old_file(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", [1])
    with pytest.raises(TypeError, match="type object"):
        write_json(tmp_path / "a.json", [object()])
    assert read_json(tmp_path / "a.json") == [1]


json_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


@settings(max_examples=50)  # each waits for the disk
@given(st.recursive(json_leaves, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_json_comes_back(tmp_path_factory: pytest.TempPathFactory, content: object) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    write_json(path, content)
    assert read_json(path) == content


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "plot.pdf"
    write_text(path, "old")

    def interrupted() -> None:
        with replacing(path) as partial:
            assert partial.suffix == ".pdf"
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@posix_only
def test_a_process_killed_before_the_rename_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": True})
    code = (
        "import os, signal, sys; from pathlib import Path; from enas.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('{\"new\"'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    process = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert process.returncode == -signal.SIGKILL
    assert read_json(path) == {"old": True}
    assert len(list(tmp_path.glob(".partial-*"))) == 1


@posix_only
def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from enas.errors import RunError\n"
        "from enas.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_text(Path(sys.argv[1]), 'x' * 5000)\n"
        "except RunError as error: print(error)"
    )
    path = tmp_path / "a.txt"
    process = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert process.stdout == f"cannot write {path}: File too large\n"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_directory_and_a_file_in_the_way(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot write .*: No such file or directory"):
        write_text(tmp_path / "missing" / "a.txt", "a")
    (tmp_path / "b").mkdir()
    with pytest.raises(RunError, match=r"cannot write "):
        write_text(tmp_path / "b", "a")


@pytest.mark.parametrize("read", [read_json, read_tensors, read_records])
def test_what_is_missing_or_damaged_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(RunError, match=r"a\.x does not exist"):
        read(tmp_path / "a.x")
    with pytest.raises(RunError, match="cannot read"):
        read(tmp_path)
    (tmp_path / "a.x").write_bytes(b"\xff{")
    if read is not read_records:
        with pytest.raises(RunError, match=r"a\.x is damaged"):
            read(tmp_path / "a.x")


def test_records_outlive_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    append_record(path, {"step": 0, "loss": math.nan})
    with path.open("a") as file:
        file.write('{"step": 1, "lo')
    append_record(path, {"step": 2, "arc": (1, 2)})
    assert read_records(path) == [{"step": 0, "loss": None}, {"step": 2, "arc": [1, 2]}]
    assert len(path.read_text().splitlines()) == 3


def test_csv_comes_back_and_guards_text_only(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_csv(path, ["id", "@score"], [["=1+1", -0.5], ["-2.5", None], ['a,"b"\nc', 3]])
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [["id", "'@score"], ["'=1+1", "-0.5"], ["-2.5", ""], ['a,"b"\nc', "3"]]


@given(st.text(max_size=20))
def test_no_guarded_cell_is_a_formula(text: str) -> None:
    guarded = guard_cell(text)
    assert guarded in (text, f"'{text}")
    if guarded[:1] in set("=+-@\t\r"):
        float(guarded)


def test_tensors_come_back_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    generator = torch.Generator().manual_seed(1)
    weight = torch.randn(5, 3, generator=generator, requires_grad=True)
    transposed = np.arange(6, dtype=np.int64).reshape(2, 3).T
    write_tensors(
        path,
        {"w": weight, "w.t": weight.t(), "idx": transposed, "scalar": np.array(2.5), "empty": np.zeros((0, 4), "f4")},
        {"architecture": "[3 0 1]"},
    )
    arrays, metadata = read_tensors(path)
    assert metadata == {"architecture": "[3 0 1]"}
    np.testing.assert_array_equal(arrays["w"], weight.detach().numpy())
    np.testing.assert_array_equal(arrays["w.t"], weight.detach().numpy().T)
    np.testing.assert_array_equal(arrays["idx"], transposed)
    assert arrays["idx"].dtype == np.int64
    assert arrays["scalar"].shape == ()
    assert arrays["empty"].shape == (0, 4)


def test_truncated_tensors_are_damaged(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    write_tensors(path, {"w": np.ones((4, 4))})
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(RunError, match="is damaged, it is not safetensors"):
        read_tensors(path)


def test_equal_tensors_and_metadata_are_equal_bytes(tmp_path: Path) -> None:
    """safetensors lays several entries of metadata out in any order."""
    metadata = {name: f"é {name}" for name in "zyxabc"}
    for i in range(8):
        write_tensors(tmp_path / f"{i}.safetensors", {"a": np.arange(3.0)}, metadata)
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 1
    arrays, found = read_tensors(tmp_path / "0.safetensors")
    assert found == metadata
    assert arrays["a"].tolist() == [0, 1, 2]


def test_a_type_that_another_library_taught_numpy(tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes")  # onnx brings it
    from safetensors.torch import save_file

    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(3, dtype=torch.bfloat16)}, path)
    with pytest.raises(RunError, match="it holds other tensors than ours: a tensor of bfloat16"):
        read_tensors(path)
