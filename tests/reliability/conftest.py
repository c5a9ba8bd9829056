"""Studies: run once without a disturbance, about to be run, or left halfway."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from reliability.faults import Files, quick_study, stop_at, train_here
from reliability.studies import Reference, Study, files_of, image_study, make_reference, table_study


@pytest.fixture(scope="module", params=[table_study, image_study], ids=["tables", "images"])
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return make_reference(request.param(tmp_path_factory.mktemp("study") / "data"))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What the quick study gives where nothing happens."""
    study = quick_study(tmp_path_factory.mktemp("undisturbed") / "data")
    train_here(study)
    return files_of(study.newest)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """The quick one."""
    return quick_study(tmp_path / "data")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A quick study whose run stands after its search; tests leave it as it was."""
    study = quick_study(tmp_path_factory.mktemp("stopped") / "data")
    stop_at(study)
    return study


@pytest.fixture
def faults() -> Iterator[ExitStack]:
    """Those under way; closing it mends them."""
    with ExitStack() as stack:
        yield stack
