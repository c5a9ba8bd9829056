"""``enas demo digits``."""

from pathlib import Path
from typing import Any

import pytest

from enas.config import load_image_config
from enas.demo_digits import CONFIG, demo_config, run_demo
from enas.runs import open_run


def test_the_config_is_valid() -> None:
    config, _ = load_image_config(demo_config(3))
    assert (config.seed, config.preset, config.name) == (3, "micro-small", "enas_digits")


@pytest.mark.slow
def test_the_demo(tmp_path: Path, log: Any) -> None:
    """Chance is 0.1."""
    run = open_run(run_demo(tmp_path, 0, log))
    assert run.finished
    assert (tmp_path / CONFIG).is_file()
    (test,) = [line for line in log.lines if line.startswith("test ")]
    assert "on 250 images that the model has not seen" in test
    assert float(test.split()[2]) > 0.93
    for name in ("normal_cell", "reduction_cell", "final_network", "search_curves", "retraining_curves"):
        assert (run.output_files / f"enas_{name}.svg").is_file()
    assert (run.output_files / "enas_attribution.png").is_file()
