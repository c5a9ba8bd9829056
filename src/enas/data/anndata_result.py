"""What a model makes of an AnnData, written into it, or into a copy of its file; the user's file is never changed."""

import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.data.anndata_file import is_old, reading
from enas.data.raw import unique_names
from enas.files import replacing

LARGE = 1 << 30
"""Bytes of a file above which its matrices are not copied."""

PREDICTION, PROBABILITY, EMBEDDING, IMPORTANCE = "enas_prediction", "enas_probability", "X_enas", "enas_importance"


@dataclass(frozen=True, slots=True)
class Findings:
    """Columns by name, for the first n observations; importance by the name of a variable.

    Args:
        obs: numbers, or class names.
        obsm: (n, D) each.
        var: one number per variable that the model knows.
    """

    obs: Mapping[str, Sequence[str] | NDArray[Any]] = field(default_factory=dict)
    obsm: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    var: Mapping[str, float] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """Where they are found, for messages."""
        places = [*(f"obs[{key!r}]" for key in self.obs), *(f"obsm[{key!r}]" for key in self.obsm)]
        return (*places, *([f"var[{IMPORTANCE!r}]"] if self.var else ()))


def find_rows(
    values: NDArray[np.float64],
    embeddings: NDArray[np.float32],
    classes: tuple[str, ...],
    target_names: tuple[str, ...],
) -> Findings:
    """What was predicted of rows.

    Args:
        values: (n, C) probabilities of the classes, or values of the targets.
        embeddings: (n, D).
        classes: their names; empty for regression.
        target_names: one per target.
    """
    obs: dict[str, Sequence[str] | NDArray[Any]] = {}
    if classes:
        obs[PREDICTION] = [classes[i] for i in values.argmax(axis=1)]
        obs[PROBABILITY] = values.max(axis=1).astype(np.float32)
    elif len(target_names) == 1:
        obs[PREDICTION] = values[:, 0].astype(np.float32)
    else:
        names = (f"{PREDICTION}_{name.replace('/', '_')}" for name in target_names)
        obs.update({name: column.astype(np.float32) for name, column in zip(names, values.T, strict=True)})
    return Findings(obs, {EMBEDDING: embeddings})


def annotate(adata: Any, findings: Findings) -> None:
    """Write them into an object in memory; columns of these names are replaced."""
    for key, column in _obs_columns(findings, adata.n_obs).items():
        adata.obs[key] = column
    for key, values in findings.obsm.items():
        adata.obsm[key] = _padded(values, adata.n_obs)
    if findings.var:
        adata.var[IMPORTANCE] = _importance(findings, adata.var_names)


def write_copy(source: Path, path: Path, findings: Findings) -> bool:
    """Write a copy of an AnnData file with them, whole or not at all.

    Args:
        source: the user's file, or ``path`` itself.
        path: what is written.
        findings: what is added.

    Returns:
        Whether the copy has the matrices, too; of a large file it has obs, var and obsm alone.

    Raises:
        DataError: the file cannot be read any more.
        RunError: the system refuses to write.
    """
    import h5py

    is_large = source.stat().st_size > LARGE
    with replacing(path) as partial, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of old formats
        with reading(source), h5py.File(source, "r") as file:
            old = is_old(file)
            whole = _read(source, file, old) if old or is_large else None
        if whole is None:
            shutil.copyfile(source, partial)
            with h5py.File(partial, "r+") as file:
                _add(file, findings)
        else:
            annotate(whole, findings)
            whole.write_h5ad(partial)
    return not is_large


def _read(source: Path, file: Any, old: bool) -> Any:
    """The object of an old file, or obs and var of a large one."""
    import anndata
    from anndata.io import read_elem

    if old:
        return anndata.read_h5ad(source)
    return anndata.AnnData(obs=read_elem(file["obs"]), var=read_elem(file["var"]))


def _add(file: Any, findings: Findings) -> None:
    from anndata.io import read_elem, write_elem

    obs, var = read_elem(file["obs"]), read_elem(file["var"])
    if findings.obs:
        write_elem(file, "obs", obs.assign(**_obs_columns(findings, len(obs))))
    if findings.var:
        write_elem(file, "var", var.assign(**{IMPORTANCE: _importance(findings, var.index)}))
    if "obsm" not in file:
        write_elem(file, "obsm", {})
    for key, values in findings.obsm.items():
        write_elem(file["obsm"], key, _padded(values, len(obs)))


def _obs_columns(findings: Findings, n_rows: int) -> dict[str, Any]:
    """Columns of obs; class names become categories, rows without a finding have none."""
    import pandas as pd

    columns: dict[str, Any] = {}
    for key, values in findings.obs.items():
        if isinstance(values, np.ndarray):
            columns[key] = _padded(values, n_rows)
        else:
            columns[key] = pd.Categorical([*values, *([None] * (n_rows - len(values)))])
    return columns


def _padded(values: NDArray[Any], n_rows: int) -> NDArray[Any]:
    missing = np.full((n_rows - len(values), *values.shape[1:]), np.nan, values.dtype)
    return np.concatenate([values, missing]) if len(missing) else values


def _importance(findings: Findings, names: Sequence[str]) -> NDArray[np.float64]:
    """Of each variable; NaN where the model does not know it."""
    return np.array([findings.var.get(name, np.nan) for name in unique_names([str(name) for name in names])[0]])
