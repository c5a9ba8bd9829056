"""Patients with several samples each: what a run says where they are kept apart, and where they leak."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reliability.studies import Watcher

import enas
from enas.errors import DataError

N_PATIENTS, N_SAMPLES = 20, 6


def train(folder: Path, *, n_patients: int = N_PATIENTS, **options: Any) -> tuple[dict[str, Any], Watcher, Path]:
    """Each patient is known by its features, and its grade is a coin's: nothing can be learned about others.

    Returns:
        ``validation.json``, the log, and the run directory.
    """
    generator = np.random.default_rng(0)
    patients = np.repeat(np.arange(n_patients), N_SAMPLES)
    x = generator.normal(size=(n_patients, 60))[patients] + 0.1 * generator.normal(size=(len(patients), 60))
    grades = generator.permutation(np.arange(n_patients) % 2)[patients]
    rows = ["\t".join([f"P{patient}", *map("{:.3f}".format, row)]) for patient, row in zip(patients, x, strict=True)]
    (folder / "x.tsv").write_text("\t".join(["patient", *(f"g{i}" for i in range(60))]) + "\n" + "\n".join(rows) + "\n")
    (folder / "y.tsv").write_text("\n".join(["grade", *("low" if grade else "high" for grade in grades)]) + "\n")
    args = {"data_dir": str(folder), "features_file": "x.tsv", "labels_file": "y.tsv", **options}
    trainer = {
        "max_search_channel": 64,
        "max_number_of_epoches_in_search": 2,
        "max_number_of_epoches_in_fixed": 30,
        "top_k_candidates": 1,
        "save_dir": str(folder / "runs"),
    }
    log = Watcher()
    auto = enas.auto({"name": "patients", "data_train": {"args": args}, "trainer": trainer}, progress=log)
    auto.train()
    return json.loads((auto.run.output_files / "validation.json").read_text()), log, auto.run.path


def test_leaking_patients_give_a_high_score_and_keeping_them_apart_does_not(tmp_path: Path) -> None:
    from enas.page import write_page
    from enas.runs import open_run

    apart, log, run = train(tmp_path, group_column="patient")
    (tmp_path / "leaking").mkdir()
    leaking, _, _ = train(tmp_path / "leaking", sample_ids=True)
    assert leaking["metrics"]["accuracy"]["value"] > 0.95
    assert apart["metrics"]["accuracy"]["value"] < 0.7
    assert "groups" not in leaking["rows"]
    assert "groups held out as a whole" in apart["rows"]
    assert f"{N_PATIENTS} groups of rows (group_column)" in log.lines
    assert any(line.startswith("whole groups are held out") for line in log.lines)
    assert "groups held out as a whole" in write_page(open_run(run)).read_text(encoding="utf-8")


def test_fewer_patients_than_folds(tmp_path: Path) -> None:
    _, log, _ = train(tmp_path, n_patients=4, group_column="patient")
    assert any("folds instead of 5" in warning for warning in log.warnings)


def test_one_patient_alone(tmp_path: Path) -> None:
    (tmp_path / "y2.tsv").write_text("grade\tward\n" + "low\t1\nhigh\t1\n" * (N_PATIENTS * N_SAMPLES // 2))
    with pytest.raises(DataError, match="all rows are of one group"):
        train(tmp_path, labels_file="y2.tsv", group_column="ward", sample_ids=True)
