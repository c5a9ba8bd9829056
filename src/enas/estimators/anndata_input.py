"""AnnData objects as estimators take them: a matrix, labels and groups out of obs, features by name."""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enas.data.anndata_file import Keys, column_of, table_of
from enas.data.matrix import BlockMatrix
from enas.errors import DataError
from enas.estimators.settings import InputError


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What `unpack` makes of an AnnData.

    Args:
        features: (n, p), an array or a CSR matrix of float32.
        names: p distinct names.
    """

    features: Any
    names: tuple[str, ...]


def is_anndata(X: Any) -> bool:
    """Whether it is an AnnData; the library is not imported for that."""
    anndata = sys.modules.get("anndata")
    return anndata is not None and isinstance(X, anndata.AnnData)


def unpack(adata: Any, layer: str | None) -> Unpacked:
    """Its matrix, sparse where it is sparse there.

    Raises:
        InputError: there is no such layer, or it holds no finite numbers.
    """
    try:
        table = table_of(adata, Keys(layer=layer))
    except DataError as error:
        raise InputError(str(error)) from None
    features = table.features.stored if isinstance(table.features, BlockMatrix) else table.features
    return Unpacked(features, table.names)


def take_column(adata: Any, key: str | list[str], name: str) -> NDArray[Any]:
    """A column of obs, or several as columns.

    Raises:
        InputError: there is none of that name, or it lacks values.
    """
    try:
        if not isinstance(key, str):
            return np.stack([take_column(adata, one, name) for one in key], axis=1)
        return np.asarray(column_of(adata.obs, key, name, "the AnnData object"))
    except DataError as error:
        raise InputError(str(error)) from None


def match_names(unpacked: Unpacked, names: NDArray[Any]) -> Any:
    """The features that were trained on, by name, in their order.

    Raises:
        InputError: some are missing.
    """
    if unpacked.names == tuple(names):
        return unpacked.features
    place = {name: at for at, name in enumerate(unpacked.names)}
    missing = [str(name) for name in names if name not in place]
    if missing:
        shown = ", ".join(missing[:5])
        raise InputError(f"the AnnData object lacks {len(missing):,} of the {len(names):,} features: {shown}, …")
    return unpacked.features[:, [place[name] for name in names]]
