"""Saved models that are damaged or forged: a model that predicts, or one RunError that names the file."""

import json
import os
import pickle
import random
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from enas.data.dataset import Target
from enas.errors import RunError
from enas.image_model import ImageModel
from enas.model import Member
from enas.model_files import load_model, save_model
from enas.networks.blueprint import Blueprint
from enas.networks.micro_child import MicroChild
from enas.search_space import Architecture, MicroSpace
from enas.table_model import TableModel
from enas.tensor_files import write_tensors

pytestmark = pytest.mark.usefixtures("one_thread")
N_CASES = int(os.environ.get("ENAS_FUZZ_CASES", "300"))
LONGEST_MESSAGE = 700
SECONDS = 10
FEATURES = np.random.default_rng(0).normal(size=(24, 12)).astype(np.float32)
PIXELS = np.random.default_rng(0).integers(0, 255, (2, 9, 8, 3), np.uint8)
PLAN = Blueprint((9, 8), 3, 4, 1, 4, (0, 1), auxiliary_after=2, n_nodes=2)
ARCHITECTURES = "0 0 1 3 2 1 0 4 1 2 0 1 1 4 2 0", "1 4 1 4 0 2 1 1 0 0 0 1 2 2 1 3"


def make_image_model() -> ImageModel:
    members = []
    for text, share in zip(ARCHITECTURES, (1.0, 0.0), strict=True):
        one = Architecture.from_text(text)
        child = MicroChild(space=MicroSpace(2), architecture=one, plan=PLAN, generator=torch.Generator().manual_seed(0))
        tensors = {name: tensor for name, tensor in child.state_dict().items() if not name.startswith("auxiliary.")}
        members.append(Member(one, share, 1.0, tensors))
    mean, std = np.array([90, 100, 110], np.float32), np.array([40, 50, 60], np.float32)
    return ImageModel(MicroSpace(2), PLAN, tuple(members), ("a", "b", "c", "d"), mean, std)


@pytest.fixture(scope="module")
def originals(make_model: Callable[..., TableModel], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders "table", with screens and two members, "regression" and "images"."""
    folder = tmp_path_factory.mktemp("originals")
    classes = Target(("grade",), np.arange(24) % 3, ("a", "b", "c"))
    values = Target(("size",), np.arange(24, dtype=np.float32)[:, None])
    models: dict[str, TableModel | ImageModel] = {
        "table": make_model(FEATURES, classes, shares=(1.0, 0.0), screens=(5, None)),
        "regression": make_model(FEATURES, values),
        "images": make_image_model(),
    }
    for name, model in models.items():
        (folder / name).mkdir()
        save_model(model, folder / name)
    return folder


@pytest.fixture
def open_folder(originals: Path, tmp_path: Path) -> Callable[[str], Path]:
    """A copy to damage."""
    return lambda name: Path(shutil.copytree(originals / name, tmp_path / name))


def load_and_predict(folder: Path) -> None:
    """Every member by itself, too: `evaluator.arc` may name any."""
    model = load_model(folder)
    for one in [model, *(model.only(member.architecture) for member in model.members)]:
        with np.errstate(all="ignore"):
            features = np.zeros((2, len(one.feature_names)), np.float32) if isinstance(one, TableModel) else PIXELS
            assert one.predict(features).shape == (2, len(one.classes or one.target_names))


def check(folder: Path) -> bool:
    """Whether it was read; else the message names a file of the folder."""
    start = time.monotonic()
    try:
        load_and_predict(folder)
    except RunError as error:
        check_message(str(error), folder)
        return False
    assert time.monotonic() - start < SECONDS
    return True


def check_message(message: str, folder: Path) -> None:
    assert re.search(re.escape(f"{folder}{os.sep}") + r"(model\.json|\w+\.safetensors)", message)
    assert len(message) < LONGEST_MESSAGE + 2 * len(str(folder))


def peak_memory() -> int:
    """Bytes that the process held at most so far."""
    resource = pytest.importorskip("resource")
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * 1024


def change(path: str, value: object) -> Callable[[Path], None]:
    """Put the value at a dotted path of model.json; ``...`` removes what is there."""

    def apply(folder: Path) -> None:
        file = folder / "model.json"
        described = json.loads(file.read_text())
        inner, keys = described, [int(key) if key.isdigit() else key for key in path.split(".")]
        for key in keys[:-1]:
            inner = inner[key]
        if value is ...:
            del inner[keys[-1]]
        else:
            inner[keys[-1]] = value
        file.write_text(json.dumps(described))

    return apply


DESCRIPTIONS: list[tuple[str, str, object, str]] = [
    ("table", "format", 2, "model.json has format 2; this version reads 1"),
    ("table", "format", ..., "format: Field required"),
    ("table", "space", [], "space: Input should be"),
    ("table", "space.n_layers", 10**9, "a dense space has 1 to 64 layers, not n_layers=1000000000"),
    ("table", "space.n_layers", 1, "this search space needs"),
    ("table", "space.n_layers", 2.0, "space.n_layers: Input should be a valid integer"),
    ("table", "space.n_layers", True, "space.n_layers: Input should be a valid integer"),
    ("table", "space.widths", "abc", "space.widths: Input should be a valid list"),
    ("table", "space.screens", [], "stem_features"),
    ("table", "members", {}, "members: Input should be a valid list"),
    ("table", "members", [], "members: List should have at least 1 item"),
    ("table", "members.0", None, "members.0: Input should be"),
    ("table", "members.0.share", "1", "members.0.share: Input should be a valid number"),
    ("table", "members.0.share", 0, "none of its members has a share in the output"),
    ("table", "members.0.share", -1.0, "members.0.share: Input should be greater than or equal to 0"),
    ("table", "members.0.share", float("nan"), "is damaged, it is not JSON: NaN is no JSON"),
    ("table", "members.0.share", float("inf"), "is damaged, it is not JSON: Infinity is no JSON"),
    ("table", "members.0.temperature", ..., "members.0.temperature: Field required"),
    ("table", "members.0.architecture", [0, 10**30, 0, 1], "integer 2 of an architecture is a number of"),
    ("table", "members.0.architecture", ["../../x"], "members.0.architecture.0: Input should be a valid integer"),
    ("table", "members.1.architecture", [1, 9, 1, 0], "integer 2 of architecture [1 9 1 0] is 9"),
    ("table", "members.0.architecture", [1, 0, 0, 0], "candidate_1.safetensors is damaged"),
    ("table", "transforms", ["pickle", "none"], "transforms.0: Input should be 'none', 'log1p' or 'asinh'"),
    ("table", "transforms", ["none"] * 3, "preprocessing.safetensors is damaged: KeyError: '2.fill'"),
    ("table", "transforms", [], "transforms: List should have at least 1 item"),
    ("table", "stem_features", [0, 12], "stem_features.0: Input should be greater than or equal to 1"),
    ("table", "stem_features", [10**12, 12], "0.0.columns should be (1000000000000,), not (5,)"),
    ("table", "stem_features", [5], "stem_features: 1 for 2 screens"),
    ("table", "classes", "abc", "classes: Input should be a valid list"),
    ("table", "classes", ["a"] * 2, "it has 3 outputs instead of 2"),
    ("table", "classes", [1, 2, 3], "classes.0: Input should be a valid string"),
    ("table", "classes", [], "it has 3 outputs instead of 1"),
    ("table", "target_names", [], "target_names: List should have at least 1 item"),
    ("table", "feature_names", ["a"], "0.fill should be (1,), not (12,)"),
    ("table", "feature_names", ..., "feature_names: Field required"),
    ("table", "has_feature_names", "yes", "has_feature_names: Input should be a valid boolean"),
    ("table", "plan", {}, "space.n_nodes: Field required"),
    ("regression", "target_names", ["a", "b"], "center should be (2, 1, 2), not (2, 1, 1)"),
    ("images", "plan", None, "plan: Input should be"),
    ("images", "plan.n_layers", 10**9, "plan.n_layers: Input should be less than or equal to 64"),
    ("images", "plan.n_layers", 60, "it has 3 layers instead of 62"),
    ("images", "plan.n_filters", 10**9, "stem.weight should be (3000000000, 3, 3, 3), not (12, 3, 3, 3)"),
    ("images", "plan.n_classes", 10**9, "classes: 4 and the plan's 1000000000 do not agree"),
    ("images", "plan.reductions", [0, 1, 2], "head.weight should be "),
    ("images", "plan.reductions", [0, 10**9], "must be ascending layers from 0 to 2"),
    ("images", "plan.size", [10**9, 10**9], "plan.size.0: Input should be less than or equal to 4096"),
    ("images", "plan.size", [9], "plan.size: List should have at least 2 items"),
    ("images", "plan.size", [0, 8], "plan.size.0: Input should be greater than or equal to 1"),
    ("images", "plan.n_image_channels", 1, "mean: 3 and the plan's 1 do not agree"),
    ("images", "plan.n_nodes", 3, "space.n_nodes: 2 and the plan's 3 do not agree"),
    ("images", "space.n_nodes", 10**9, "a cell has 1 to 16 nodes, not n_nodes=1000000000"),
    ("images", "space.convolution_bias", "x", "space.convolution_bias: Input should be a valid number"),
    ("images", "members.1.architecture", [9] * 16, "integer 1 of architecture [9 9"),
    ("images", "members.1.architecture", [0] * 16, "candidate_2.safetensors is damaged"),
    ("images", "classes", ["a"], "classes: 1 and the plan's 4 do not agree"),
    ("images", "std", [0.0, 1.0, 1.0], "std.0: Input should be greater than 0"),
    ("images", "std", [1e300] * 3, "std.0: Input should be less than or equal to 255"),
    ("images", "members.0.temperature", 1e300, "members.0.temperature: Input should be less than or equal to"),
    ("images", "mean", [], "mean: 0 and the plan's 3 do not agree"),
    ("images", "mean", "dark", "mean: Input should be a valid list"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "path", "value", "problem"),
    DESCRIPTIONS,
    ids=[f"{name}-{path}-{str(value)[:20]}" for name, path, value, _ in DESCRIPTIONS],
)
def test_descriptions_that_are_refused(
    open_folder: Callable[[str], Path], name: str, path: str, value: object, problem: str
) -> None:
    folder = open_folder(name)
    change(path, value)(folder)
    before = peak_memory()
    with pytest.raises(RunError) as caught:
        load_model(folder)
    assert peak_memory() - before < 100_000_000
    check_message(str(caught.value), folder)
    assert problem in str(caught.value)


def header(content: object, n_bytes: int = 64, length: int | None = None) -> bytes:
    """A safetensors file: the length of its header, the header, zeros."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + bytes(n_bytes)


def tensor(shape: list[Any], offsets: list[Any], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


class Trap:
    """Unpickled it makes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


TENSORS: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "header too small"),
    "seven bytes": (b"\0" * 7, "header too small"),
    "header of 2**63": (header(b"{}", length=2**63), "its header is too large, 9,223,372,036,854,775,808 bytes"),
    "header of 2**64 - 1": (
        header(b"{}", length=2**64 - 1),
        "its header is too large, 18,446,744,073,709,551,615 bytes",
    ),
    "header longer than the file": (header(b"{}", length=1000), "invalid header length"),
    "header of 9 MB in a small file": (header(b"{}", length=9_000_000), "invalid header length"),
    "header of 20 MB": (header(b"{" + b" " * 20_000_000 + b"}", 0), "header is too large, 20,000,002 bytes"),
    "no JSON": (header(b"\x80\x04K\x01.  "), "invalid "),
    "no UTF-8": (header(b'{"\xff": 1}'), "invalid UTF-8"),
    "a list": (header([]), "invalid JSON in header"),
    "100,000 lists": (header(b"[" * 100_000), "invalid JSON in header"),
    "no tensors": (header({}, 0), "is damaged"),
    "offsets outside": (header({"head_bias": tensor([100], [0, 400])}), "is damaged, it is not safetensors"),
    "offsets backwards": (header({"head_bias": tensor([16], [64, 0])}), "is damaged, it is not safetensors"),
    "negative offsets": (header({"head_bias": tensor([16], [-64, 0])}), "is damaged, it is not safetensors"),
    "overlapping": (header({"a": tensor([16], [0, 64]), "b": tensor([8], [32, 64])}), "is not safetensors"),
    "a hole": (header({"a": tensor([4], [0, 16]), "b": tensor([4], [48, 64])}), "is not safetensors"),
    "unused bytes": (header({"a": tensor([4], [0, 16])}), "is not safetensors"),
    "unknown type": (header({"a": tensor([16], [0, 64], "PICKLE")}), "is not safetensors"),
    "a type that numpy lacks": (header({"a": tensor([32], [0, 64], "BF16")}), "holds other tensors than ours"),
    "another such type": (header({"a": tensor([64], [0, 64], "F8_E4M3")}), "holds other tensors than ours"),
    "overflowing shape": (header({"a": tensor([2**62, 2**62], [0, 64])}), "is not safetensors"),
    "overflowing empty shape": (header({"a": tensor([0, 2**62], [0, 0])}, 0), "holds other tensors than ours"),
    "negative shape": (header({"a": tensor([-1], [0, 64])}), "is not safetensors"),
    "70 dimensions": (header({"a": tensor([1] * 70, [0, 4])}, 4), "holds other tensors than ours"),
    "shape of text": (header({"a": tensor(["../x"], [0, 64])}), "is not safetensors"),
    "a path as a name": (header({"../../../tmp/x": tensor([16], [0, 64])}), "is damaged"),
    "not a number": (header({"head_bias": tensor([1], [0, 4])}, 0) + b"\0\0\xc0\x7f", "has values that are not finite"),
    "integers": (header({"head_bias": tensor([8], [0, 64], "I64")}), "is damaged"),
    "complex": (header({"head_bias": tensor([8], [0, 64], "C64")}), "is damaged"),
}


@pytest.mark.parametrize("file", ["table/preprocessing", "table/candidate_1", "images/candidate_2"])
@pytest.mark.parametrize(("content", "problem"), TENSORS.values(), ids=TENSORS)
def test_tensors_that_are_refused(open_folder: Callable[[str], Path], file: str, content: bytes, problem: str) -> None:
    name, _, stem = file.partition("/")
    folder = open_folder(name)
    path = folder / f"{stem}.safetensors"
    path.write_bytes(content)
    before = peak_memory()
    with pytest.raises(RunError) as caught:
        load_model(folder)
    assert peak_memory() - before < 100_000_000
    assert str(path) in str(caught.value)
    assert problem.lower() in str(caught.value).lower()
    check_message(str(caught.value), folder)


def test_a_file_of_a_terabyte_of_nothing_is_refused(open_folder: Callable[[str], Path]) -> None:
    folder, n = open_folder("table"), 1 << 38
    path = folder / "candidate_1.safetensors"
    path.write_bytes(header({"head_bias": tensor([n], [0, 4 * n])}, 0))
    try:
        os.truncate(path, path.stat().st_size + 4 * n)
    except OSError:
        pytest.skip("the file system takes no sparse file of this size")
    with pytest.raises(
        RunError, match=rf"cannot read {re.escape(str(path))}: its 1,099,.* bytes do not fit into memory"
    ):
        load_model(folder)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"plan":' * 100_000, "is nested too deeply"),
        (b"9" * 10_000, "is not JSON"),
        (b"null", "does not describe a model"),
        (b"[]", "does not describe a model"),
        (b"{}", "format: Field required"),
        (b'{"plan": 1}', "format: Field required"),
        (pickle.dumps({"format": 1}), "is not JSON"),
    ],
    ids=["empty", "a mark", "lists", "objects", "digits", "null", "a list", "an object", "an odd plan", "a pickle"],
)
def test_what_describes_no_model(open_folder: Callable[[str], Path], content: bytes, problem: str) -> None:
    folder = open_folder("images")
    (folder / "model.json").write_bytes(content)
    with pytest.raises(RunError, match=re.escape(problem)) as caught:
        load_model(folder)
    check_message(str(caught.value), folder)


FILES = ["table/model.json", "table/preprocessing.safetensors", "table/candidate_2.safetensors", "images/model.json"]
FILES += ["images/candidate_1.safetensors"]


@pytest.mark.parametrize("file", FILES)
def test_no_file_in_its_place(open_folder: Callable[[str], Path], file: str) -> None:
    folder = open_folder(file.partition("/")[0])
    path = folder / file.partition("/")[2]
    path.unlink()
    with pytest.raises(RunError, match=f"{re.escape(str(path))} does not exist"):
        load_model(folder)
    path.mkdir()
    with pytest.raises(RunError, match=f"cannot read {re.escape(str(path))}: it is not a file"):
        load_model(folder)


@pytest.mark.skipif(os.name != "posix", reason="the system makes links and pipes otherwise")
@pytest.mark.parametrize("file", FILES)
def test_links_out_of_the_folder_and_pipes_are_refused(open_folder: Callable[[str], Path], file: str) -> None:
    folder = open_folder(file.partition("/")[0])
    path = folder / file.partition("/")[2]
    outside = path.rename(folder.parent / "outside")
    path.symlink_to(outside)
    with pytest.raises(RunError, match=f"{re.escape(str(path))} is a link that leads out of its folder"):
        load_model(folder)
    path.unlink()
    path.symlink_to(Path("..") / "outside")
    with pytest.raises(RunError, match="is a link that leads out of its folder"):
        load_model(folder)
    path.unlink()
    path.symlink_to(path)
    with pytest.raises(RunError, match=re.escape(str(path))):
        load_model(folder)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RunError, match=f"cannot read {re.escape(str(path))}: it is not a file"):
        load_model(folder)


@pytest.mark.skipif(os.name != "posix", reason="the system makes links otherwise")
def test_a_folder_may_be_reached_by_a_link(open_folder: Callable[[str], Path], tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(open_folder("table"))
    load_and_predict(tmp_path / "link")


@pytest.mark.parametrize("file", FILES)
def test_a_pickle_is_refused_and_not_executed(open_folder: Callable[[str], Path], file: str, tmp_path: Path) -> None:
    folder = open_folder(file.partition("/")[0])
    trap = pickle.dumps(Trap(tmp_path / "sprung"))
    (folder / file.partition("/")[2]).write_bytes(trap)
    with pytest.raises(RunError, match=re.escape(file.partition("/")[2])):
        load_model(folder)
    assert not (tmp_path / "sprung").exists()
    pickle.loads(trap)  # the trap works
    assert (tmp_path / "sprung").exists()


def test_members_of_another_model_are_refused(open_folder: Callable[[str], Path]) -> None:
    table, images = open_folder("table"), open_folder("images")
    shutil.copy(table / "candidate_1.safetensors", images / "candidate_1.safetensors")
    with pytest.raises(RunError, match=r"candidate_1\.safetensors is damaged.*model\.json beside it may be of another"):
        load_model(images)
    shutil.copy(images / "model.json", table / "model.json")
    with pytest.raises(RunError, match=r"candidate_1\.safetensors is damaged"):
        load_model(table)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("0.1.basis", np.zeros((3, 3), np.float32)),
        ("0.0.columns", np.array([0, 1, 2, 3, -1])),
        ("0.0.columns", np.array([0, 1, 2, 3, 12])),
        ("0.0.columns", np.zeros(5, np.float32)),
        ("1.fill", np.zeros((), np.float32)),
        ("1.center", np.full(12, np.nan, np.float32)),
    ],
)
def test_statistics_that_do_not_fit(open_folder: Callable[[str], Path], name: str, array: np.ndarray) -> None:
    from enas.tensor_files import read_tensors

    path = open_folder("table") / "preprocessing.safetensors"
    arrays, _ = read_tensors(path)
    write_tensors(path, arrays | {name: array})
    with pytest.raises(RunError, match=rf"{re.escape(str(path))} is damaged: .*{re.escape(name)}"):
        load_model(path.parent)


VALUES: list[Any] = [None, True, 0, 1, -1, 2, 3, 1.5, 1e300, 10**9, 10**30, "", "x", "../../x", [], [0], [None], {}]
VALUES += [{"a": 1}, "F64", "I32", "BF16", "U8", [1, 2], [12], 64, 2**63 - 1, [[[0]]]]


def mutate_tree(tree: Any, generator: random.Random) -> None:
    """Replace, remove, double or swap one value anywhere."""
    holders = [tree]
    for holder in holders:
        items = holder.values() if isinstance(holder, dict) else holder
        holders += [item for item in items if isinstance(item, dict | list) and item]
    holder = generator.choice(holders)
    key = generator.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    other = generator.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = generator.randrange(5)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        holder[key], holder[other] = holder[other], holder[key]
    elif kind == 2 and isinstance(holder, list):
        holder.insert(key, holder[other])
    else:
        holder[key] = generator.choice(VALUES)


def mutate_bytes(data: bytes, generator: random.Random) -> bytes:
    i = generator.randrange(min(len(data), 400) if generator.random() < 0.5 else len(data))
    kind = generator.randrange(5)
    if kind == 0:
        return data[:i]
    if kind == 1:
        return data[:i] + data[i + generator.randint(1, 9) :]
    if kind == 2:
        return data[:i] + generator.randbytes(generator.randint(1, 9)) + data[i:]
    if kind == 3:
        return generator.choice([0, 1, 2**16, 2**31, 2**63, 2**64 - 1]).to_bytes(8, "little") + data[8:]
    return data[:i] + bytes([data[i] ^ (1 << generator.randrange(8))]) + data[i + 1 :]


def mutate_header(data: bytes, generator: random.Random) -> bytes:
    end = 8 + int.from_bytes(data[:8], "little")
    tree = json.loads(data[8:end])
    for _ in range(generator.randint(1, 2)):
        mutate_tree(tree, generator)
    text = json.dumps(tree).encode()
    return len(text).to_bytes(8, "little") + text + data[end:]


@pytest.mark.parametrize("name", ["table", "regression", "images"])
def test_mutated_files(name: str, originals: Path, tmp_path: Path) -> None:
    generator = random.Random(name)
    contents = {file.name: file.read_bytes() for file in (originals / name).iterdir()}
    for file, data in contents.items():
        (tmp_path / file).write_bytes(data)
    n_read = 0
    for _ in range(N_CASES // 3):
        file = generator.choice(sorted(contents))
        data = contents[file]
        if generator.random() < 0.5:
            data = mutate_bytes(data, generator)
        elif file == "model.json":
            tree = json.loads(data)
            mutate_tree(tree, generator)
            data = json.dumps(tree).encode()
        else:
            data = mutate_header(data, generator)
        (tmp_path / file).write_bytes(data)
        n_read += check(tmp_path)
        (tmp_path / file).write_bytes(contents[file])
    assert 0 < n_read < N_CASES // 3
