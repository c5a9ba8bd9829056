"""The simulated table: reproducible, of the promised shape, learnable but not by chance."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enas.config import DataArgs
from enas.data.simulate import simulate_expression
from enas.data.tables import read_dataset


def test_files_and_shapes(tmp_path: Path, log: Any) -> None:
    table = simulate_expression(tmp_path / "new", seed=3, n_features=1000)
    args = DataArgs(data_dir=table.features.parent, features_file=table.features, labels_file=table.labels)
    data = read_dataset(args, regression=False, names_file=table.names, progress=log)
    assert data.features.shape == (100, 1000)
    assert data.target is not None
    assert np.bincount(data.target.values).tolist() == [70, 30]
    assert np.isfinite(data.features[:]).all()
    assert set(table.causal_genes) <= set(data.feature_names)
    assert table.causal.read_text().split() == list(table.causal_genes)
    assert len(set(table.causal_genes)) == 20
    assert len({path.name for path in table.features.parent.iterdir()}) == 6
    longest = max(len(cell) for line in table.features.read_text().splitlines() for cell in line.split("\t"))
    assert longest <= 6


def test_same_seed_same_files(tmp_path: Path) -> None:
    first = simulate_expression(tmp_path / "first", seed=0, n_features=300)
    again = simulate_expression(tmp_path / "again", seed=0, n_features=300)
    other = simulate_expression(tmp_path / "other", seed=1, n_features=300)
    assert first.features.read_bytes() == again.features.read_bytes()
    assert first.test_features.read_bytes() == again.test_features.read_bytes()
    assert first.features.read_bytes() != other.features.read_bytes()
    assert first.features.read_bytes() != first.test_features.read_bytes()


def test_effects_and_correlations(tmp_path: Path) -> None:
    table = simulate_expression(tmp_path, seed=0, n_samples=1000, n_features=1000, class_sizes=(700, 300))
    values = np.loadtxt(table.features)
    labels = np.loadtxt(table.labels)
    within = np.sqrt(0.7 * values[labels == 0].var(axis=0) + 0.3 * values[labels == 1].var(axis=0))
    effect = (values[labels == 1].mean(axis=0) - values[labels == 0].mean(axis=0)) / within
    names = table.names.read_text().split()
    causal = np.isin(names, table.causal_genes)
    assert 0.8 < np.abs(effect[causal]).min() < np.abs(effect[causal]).max() < 2.1
    assert np.abs(effect[~causal]).max() < 0.4
    # Genes of a module go together, others do not: many small correlations and some large ones.
    correlation = np.abs(np.corrcoef(values[labels == 0].T)[np.triu_indices(1000, 1)])
    assert np.median(correlation) < 0.1
    assert np.quantile(correlation, 0.999) > 0.35


def test_sizes_that_contradict(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must add up"):
        simulate_expression(tmp_path, seed=0, n_samples=10)
