"""Simulates a gene-expression table of the shape that AutoGenome's ENAS case describes.

log2 expression of a gene in a sample = mean of the gene + sd of the gene x (module + batch + noise + class effect). A
module is a latent factor that a hundred genes or so load on, so that genes correlate within modules as they do in
tissue; a batch shifts its samples along one random direction. Each causal gene lies in a module of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np

from enas.data.dataset import FloatArray, IntArray
from enas.files import replacing

N_MODULES = 200
N_BATCHES = 4
MODULE_SHARE = (0.2, 0.6)  # share of a gene's variance that its module explains, from and to
BATCH_SD = 0.25  # in units of the gene's sd
EFFECT = (1.0, 1.8)  # standardised difference of a causal gene between the classes, from and to


@dataclass(frozen=True, slots=True)
class SimulatedTable:
    """Where the files are; all features files are tab-delimited, without header and ids.

    Args:
        features: training samples, one row each.
        labels: 0 or 1 for each row of ``features``.
        test_features: as many further samples from the same distribution.
        test_labels: their labels.
        names: one gene name per line.
        causal: names of the causal genes, one per line.
        causal_genes: the same, in the order of the columns.
    """

    features: Path
    labels: Path
    test_features: Path
    test_labels: Path
    names: Path
    causal: Path
    causal_genes: tuple[str, ...]


def simulate_expression(
    folder: Path,
    *,
    seed: int,
    n_samples: int = 100,
    n_features: int = 23_361,
    n_causal: int = 20,
    class_sizes: tuple[int, int] = (70, 30),
) -> SimulatedTable:
    """Draws training and test samples and writes them to ``folder``, which is made if need be.

    Args:
        folder: for the six files.
        seed: the same seed gives the same files.
        n_samples: of the training set, and of the test set.
        n_features: genes.
        n_causal: genes whose mean differs between the classes, at most ``N_MODULES``.
        class_sizes: samples of class 0 and class 1, in each of the two sets.

    Raises:
        ValueError: sizes that contradict each other.
    """
    if sum(class_sizes) != n_samples or not 0 < n_causal <= min(n_features, N_MODULES):
        raise ValueError(f"{class_sizes=} must add up to {n_samples=}, and {n_causal=} must be at most {N_MODULES}")
    rng = np.random.default_rng(seed)
    modules = rng.integers(0, N_MODULES, size=n_features)
    causal = _choose_causal(modules, n_causal, rng)
    labels = np.concatenate([_shuffled_labels(class_sizes, rng) for _ in range(2)])
    expression = _draw(modules, causal, labels, rng)
    names = [f"GENE{number:05d}" for number in range(1, n_features + 1)]
    table = SimulatedTable(
        features=folder / "little_exp.tsv",
        labels=folder / "little_learning_target.tsv",
        test_features=folder / "little_exp_test.tsv",
        test_labels=folder / "little_learning_target_test.tsv",
        names=folder / "names_2.txt",
        causal=folder / "causal_genes.txt",
        causal_genes=tuple(names[j] for j in causal),
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write_numbers(table.features, expression[:n_samples])
    _write_numbers(table.test_features, expression[n_samples:])
    _write_lines(table.labels, [str(label) for label in labels[:n_samples]])
    _write_lines(table.test_labels, [str(label) for label in labels[n_samples:]])
    _write_lines(table.names, names)
    _write_lines(table.causal, table.causal_genes)
    return table


def _choose_causal(modules: IntArray, n_causal: int, rng: np.random.Generator) -> IntArray:
    """One gene of each of ``n_causal`` modules."""
    order = rng.permutation(len(modules))
    _, first = np.unique(modules[order], return_index=True)
    if len(first) < n_causal:
        raise ValueError(f"{len(modules):,} genes fill only {len(first)} modules, too few for {n_causal=}")
    return np.sort(order[rng.permutation(first)[:n_causal]])


def _shuffled_labels(class_sizes: Sequence[int], rng: np.random.Generator) -> IntArray:
    return rng.permutation(np.repeat(np.arange(2), class_sizes))


def _draw(modules: IntArray, causal: IntArray, labels: IntArray, rng: np.random.Generator) -> FloatArray:
    """log2 expression, shape (2 n_samples, n_features)."""
    n_rows, n_genes = len(labels), len(modules)
    mean = rng.gamma(4.0, 1.5, size=n_genes).astype(np.float32) + np.float32(2)
    sd = (rng.gamma(4.0, 0.12, size=n_genes) + 0.1).astype(np.float32)
    share = rng.uniform(*MODULE_SHARE, size=n_genes).astype(np.float32)
    loading = np.sqrt(share) * rng.choice(np.array([-1, 1], dtype=np.float32), size=n_genes)
    values = rng.standard_normal((n_rows, n_genes), dtype=np.float32)
    values *= np.sqrt(1 - share)
    values += rng.standard_normal((n_rows, N_MODULES), dtype=np.float32)[:, modules] * loading
    batches = rng.integers(0, N_BATCHES, size=n_rows)
    values += (np.float32(BATCH_SD) * rng.standard_normal((N_BATCHES, n_genes), dtype=np.float32))[batches]
    effect = rng.uniform(*EFFECT, size=len(causal)) * rng.choice([-1, 1], size=len(causal))
    # The batch widens the spread; the effect is measured in the whole of it.
    values[:, causal] += np.outer(labels - 0.5, effect * np.sqrt(1 + BATCH_SD**2)).astype(np.float32)
    values *= sd
    values += mean
    return np.maximum(values, np.float32(0.01))


def _write_numbers(path: Path, values: FloatArray) -> None:
    """Four significant digits. One column of numbers is written fast; most of its line ends then become tabs."""
    import polars as pl

    column = pl.Series("value", values.reshape(-1)).round_sig_figs(4)
    stream = BytesIO()
    column.to_frame().write_csv(stream, include_header=False)
    text = np.frombuffer(stream.getbuffer(), dtype=np.uint8).copy()
    ends = np.flatnonzero(text == ord("\n"))
    text[ends] = ord("\t")
    text[ends[values.shape[1] - 1 :: values.shape[1]]] = ord("\n")
    _write(path, text.tobytes())


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    _write(path, "".join(f"{line}\n" for line in lines).encode())


def _write(path: Path, content: bytes) -> None:
    with replacing(path) as partial:
        partial.write_bytes(content)
