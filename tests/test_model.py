"""Running a model over samples: batch by batch, told to whoever watches, and the same as all at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_allclose

from enas.console import Silent
from enas.data.dataset import Dataset, FloatArray, Target
from enas.model import run_model
from enas.table_model import TableModel

pytestmark = pytest.mark.usefixtures("one_thread")
X: FloatArray = np.random.default_rng(0).normal(size=(24, 6)).astype(np.float32)
CLASSES = Target(("grade",), np.arange(24) % 3, ("a", "b", "c"))
TABLE = Dataset(X, tuple("abcdef"), True, tuple(f"s{i}" for i in range(24)), True, None, "x.tsv")


class Stages(Silent):
    """Keeps every stage with its total, and counts the steps."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.n_steps = 0

    @contextmanager
    def stage(self, title: str, total: int) -> Iterator[Callable[[str], None]]:
        self.stages.append((title, total))

        def advance(text: str) -> None:
            self.n_steps += 1

        yield advance


@pytest.mark.parametrize(("batch_size", "n_batches"), [(5, 5), (6, 4), (24, 1), (1000, 1)])
def test_every_batch_is_a_step(make_model: Callable[..., TableModel], batch_size: int, n_batches: int) -> None:
    model, stages = make_model(X, CLASSES), Stages()
    outputs = run_model(model, TABLE, batch_size, stages)
    assert outputs.shape == (24, 3)
    assert_allclose(outputs, model.predict(X), rtol=1e-5, atol=1e-6)
    assert stages.stages == [("computing 24 rows", n_batches)]
    assert stages.n_steps == n_batches
