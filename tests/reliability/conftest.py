"""Studies that have been run once without a disturbance."""

import pytest
from reliability.studies import Reference, image_study, make_reference, table_study


@pytest.fixture(scope="module", params=[table_study, image_study], ids=["tables", "images"])
def reference(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return make_reference(request.param(tmp_path_factory.mktemp("study") / "data"))
