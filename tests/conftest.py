"""What all tests share: the data beside the checkout, one thread for numbers that must agree to the bit, a log, a small
table with a quick configuration, and models with random weights."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from documents import Reader

    from enas.automl import Auto
    from enas.table_model import TableModel

# A busy machine is no failure, and a test that passed passes again.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

_SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder ``shared`` beside the checkout, with golden numbers and published data."""
    if not _SHARED.is_dir():
        pytest.skip(f"needs the folder {_SHARED.name!r} beside the checkout, which is not there")
    return _SHARED


def pytest_configure() -> None:
    """Control-C counts, also where a shell started the tests in the background and so had it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """torch on one thread; the number before is restored."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@dataclass
class Log:
    """Keeps what it is told."""

    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join([*self.lines, *self.warnings])

    def line(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        yield self.lines.append


@pytest.fixture
def log() -> Log:
    return Log()


def write_table(folder: Path, stem: str, *, n: int = 40, p: int = 12, seed: int = 0) -> None:
    """<stem>_x.tsv with names and ids, <stem>_y.tsv with classes "low" and "high" that the first three features tell
    apart, <stem>_z.tsv with two numbers per sample."""
    import numpy as np

    generator = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    x = generator.normal(size=(n, p)).round(4)
    x[:, :3] += 3.0 * labels[:, None]
    ids = [f"{stem}{i}" for i in range(n)]

    def write(kind: str, header: list[str], rows: list[list[object]]) -> None:
        lines = ["\t".join(["id", *header])]
        lines += ["\t".join([name, *map(str, row)]) for name, row in zip(ids, rows, strict=True)]
        (folder / f"{stem}_{kind}.tsv").write_text("\n".join(lines) + "\n")

    write("x", [f"g{i}" for i in range(p)], x.tolist())
    write("y", ["grade"], [["high" if label else "low"] for label in labels])
    write("z", ["size", "age"], [[f"{5 * row[0] + 100:.4f}", f"{row[4] - row[5]:.4f}"] for row in x])


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A folder with the tables "train" and "test"."""
    write_table(tmp_path, "train", seed=0)
    write_table(tmp_path, "test", n=20, seed=1)
    return tmp_path


@pytest.fixture
def open_auto(tables: Path, log: Log, one_thread: None) -> "Callable[..., Auto]":
    """``open_auto("seed=3", …)`` opens a quick configuration of those tables, changed by the overrides; a dict as
    ``config`` replaces whole sections."""
    import enas

    def section(stem: str) -> dict[str, Any]:
        return {"args": {"data_dir": str(tables), "features_file": f"{stem}_x.tsv", "labels_file": f"{stem}_y.tsv"}}

    quick: dict[str, Any] = {
        "name": "quick",
        "data_train": section("train"),
        "data_evaluate": section("test"),
        "data_predict": section("test"),
        "input_fn": {"num_threads": 1},
        "trainer": {
            "batch_size": 8,
            "max_search_channel": 64,
            "max_number_of_epoches_in_search": 2,
            "max_number_of_epoches_in_fixed": 5,
            "save_dir": str(tables / "runs"),
            "child_lr": 0.02,
        },
        "controller": {"train_steps": 2},
        "explainer": {"args": {"num_samples": 6, "ranked_outputs": 5}},
        "device": "cpu",
        "compare_with_random": False,
    }

    def open_it(*overrides: str, config: dict[str, Any] | None = None, run: Path | None = None) -> "Auto":
        return enas.auto(quick | (config or {}), run=run, overrides=overrides, progress=log)

    return open_it


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> "Reader":
    """In a folder with what documents suppose."""
    from documents import Reader, write_images, write_table

    write_table(tmp_path)
    write_images(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[1] / "src"))
    return Reader(tmp_path)


@pytest.fixture(scope="session")
def make_model() -> "Callable[..., TableModel]":
    """``make_model(features, target)`` gives a model with random weights: per member an architecture, all with the same
    preprocessing, one network per fold and seed."""

    def make(
        features: Any,
        target: Any,
        *,
        n_folds: int = 2,
        n_seeds: int = 1,
        shares: tuple[float, ...] = (1.0,),
        screens: tuple[int | None, ...] = (),
        sharpness: tuple[int, ...] = (),
        has_feature_names: bool = True,
    ) -> "TableModel":
        import numpy as np
        import torch

        from enas.data.preprocess import fit_preprocessor
        from enas.data.splits import cross_folds
        from enas.folds import make_folds
        from enas.model import Member
        from enas.networks.dense import DenseSupernet
        from enas.search_space import Architecture, DenseSpace
        from enas.table_model import TableModel

        space = DenseSpace(2, (8, 16), screens, sharpness)
        splits = cross_folds(target, n_folds, seed=0)
        fitted = [
            fit_preprocessor(
                features,
                target,
                split.train,
                transform="none",
                scale="standard",
                screens=screens or (None,),
                sharpness=sharpness,
                seed=0,
            )
            for split in splits
        ]
        folds = make_folds([part for _, part in fitted], target, splits, stem=lambda one: space.screen(one) or 0)
        generator = torch.Generator().manual_seed(0)
        members = []
        for i, share in enumerate(shares):
            net = DenseSupernet(
                space=space,
                n_networks=n_folds * n_seeds,
                n_inputs=folds.n_inputs,
                n_outputs=folds.n_outputs,
                generator=generator,
            )
            with torch.no_grad():
                net.head_weight.copy_(torch.randn(net.head_weight.shape, generator=generator))
                net.head_bias.copy_(torch.randn(net.head_bias.shape, generator=generator))
                for shortcut in net.shortcuts:
                    shortcut.copy_(0.1 * torch.randn(shortcut.shape, generator=generator))
            one = Architecture(
                ((i % space.n_stems,) if screens or sharpness else ()) + ((1, 0, 1), (0, 1, 0), (1, 1, 1))[i]
            )
            tensors = {name: tensor.detach().contiguous() for name, tensor in net.slices(one).items()}
            members.append(Member(one, share, 1.0 + 0.5 * i, tensors))
        return TableModel(
            space=space,
            members=tuple(members),
            preprocessors=tuple(preprocessor for preprocessor, _ in fitted),
            feature_names=tuple(f"g{i}" for i in range(features.shape[1])),
            has_feature_names=has_feature_names,
            target_names=target.names,
            classes=target.classes,
            center=np.asarray(folds.center),
            factor=np.asarray(folds.factor),
        )

    return make
