"""Groups of rows, such as the samples of one patient: from cells to whole numbers that mean the same in every table."""

import hashlib

import numpy as np

from enas.data.dataset import Dataset, IntArray
from enas.data.labels import Labels
from enas.data.numbers import is_missing
from enas.data.source import show
from enas.errors import DataError


def encode_groups(labels: Labels) -> IntArray:
    """Hashes of one column's cells, so that groups of several tables can be compared.

    Args:
        labels: one column, in the order of the rows.

    Returns:
        (n,), equal where the cells are.

    Raises:
        DataError: a cell is empty; names its row.
    """
    texts = [text.strip() for text in labels.columns[0]]
    code_of = {text: _hash(text) for text in set(texts)}
    empty = next((at for at, text in enumerate(texts) if is_missing(text.encode())), None)
    if empty is not None:
        raise DataError(
            f"{labels.place(empty)}: the group ({show(labels.names[0])}, group_column) is missing; fill it in or leave "
            "the row out"
        )
    return np.array([code_of[text] for text in texts], dtype=np.int64)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)


def refuse_shared_groups(table: Dataset, validation: Dataset) -> None:
    """Groups stay together: none may train while it judges.

    Raises:
        DataError: rows of the validation table are of groups that the training table has, too.
    """
    if table.groups is None or validation.groups is None:
        return
    shared = np.flatnonzero(np.isin(validation.groups, table.groups))
    if len(shared):
        other = int(np.flatnonzero(table.groups == validation.groups[shared[0]])[0])
        raise DataError(
            f"'{validation.source}': {len(shared):,} of {validation.n_samples:,} rows are of groups that train, too: "
            f"{show(validation.sample_ids[int(shared[0])])} is of the group of {show(table.sample_ids[other])} in "
            f"'{table.source}'; move such rows to one side, or leave group_column out"
        )
