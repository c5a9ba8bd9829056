"""A small table of which cross-validation takes seconds, and what it gives when nobody disturbs it."""

from pathlib import Path

import pytest
from cross_validation.trials import cross_validate
from reliability.faults import quick_study
from reliability.studies import Study

from enas.cross_validation import CrossValidation


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return quick_study(tmp_path / "data")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    """Its folds and results."""
    return cross_validate(quick_study(tmp_path_factory.mktemp("cv") / "data"))
