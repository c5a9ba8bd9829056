"""Cells of the target to class indices or numbers."""

import re
from dataclasses import replace

import numpy as np

from enas.data.dataset import Target
from enas.data.labels import Labels, some
from enas.data.numbers import is_missing, is_number
from enas.data.source import show
from enas.errors import DataError

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_WHOLE_WITH_POINT = re.compile(r"([+-]?[0-9]{1,18})\.0*")


def encode_classes(labels: Labels, classes: tuple[str, ...] | None) -> Target:
    """Class indices of one column of labels.

    Args:
        labels: one column.
        classes: those of the training run, in index order; None: infer (whole numbers in their order, else by text).

    Raises:
        DataError: several columns, an empty cell, an unknown class, a single class, values that are no classes.
    """
    if len(labels.columns) != 1:
        raise DataError(
            f"'{labels.source}' has {len(labels.columns)} label columns ({some(labels.names)}); name the one to "
            "predict in label_column (several need is_regression)"
        )
    texts = labels.columns[0]
    _refuse_missing(labels)
    points = [_WHOLE_WITH_POINT.fullmatch(text) or _WHOLE.fullmatch(text) for text in texts]
    if all(points) and any("." in text for text in texts):
        texts = [text.split(".")[0] for text in texts]
    if classes is None:
        classes = _infer_classes(texts, f"'{labels.source}': target {show(labels.names[0])}")
    index = {name: at for at, name in enumerate(classes)}
    unknown = next((at for at, text in enumerate(texts) if text not in index), None)
    if unknown is not None:
        known = ", ".join(show(name)[1:-1] for name in classes[:10])
        raise DataError(
            f"{labels.place(unknown)}: class {show(texts[unknown])} is unknown; the run was trained on {known}"
        )
    return Target(labels.names, np.array([index[text] for text in texts], dtype=np.int64), tuple(classes))


def _infer_classes(texts: list[str], place: str) -> tuple[str, ...]:
    found = set(texts)
    hint = "if it is a number to predict, set is_regression: true"
    if len(found) < 2:
        raise DataError(f"{place} has a single class, {show(texts[0])}: nothing can be learned from it; {hint}")
    whole = all(_WHOLE.fullmatch(text) for text in found)
    numeric = whole or all(is_number(text.encode()) for text in found)
    if len(found) > max(len(texts) / 2, 20 if whole or not numeric else 2):
        advice = hint if numeric else "does it hold sample ids? give label_column"
        raise DataError(
            f"{place} has {len(found):,} different values in {len(texts):,} samples, too many for classes; {advice}"
        )
    return tuple(sorted(found, key=lambda text: (int(text), text)) if whole else sorted(found))


def parse_targets(labels: Labels, expected: tuple[str, ...] | None) -> Target:
    """Numbers of one or more columns of labels, shape (n, n_targets).

    Args:
        labels: the columns.
        expected: names of the training run's targets: chosen by name, or by count where the names differ; None: all.

    Raises:
        DataError: an empty, infinite or non-numeric cell; other columns than expected.
    """
    if expected is not None and labels.names != expected:
        if set(expected) <= set(labels.names):
            columns = tuple(labels.columns[labels.names.index(name)] for name in expected)
            labels = replace(labels, names=expected, columns=columns)
        elif len(expected) != len(labels.names):
            raise DataError(
                f"the run was trained on the targets {some(expected)}; '{labels.source}' has {some(labels.names)}"
            )
    _refuse_missing(labels)
    for name, column in zip(labels.names, labels.columns, strict=True):
        bad = next((at for at, text in enumerate(column) if not is_number(text.encode())), None)
        if bad is not None:
            raise DataError(
                f"{labels.place(bad)}, target {show(name)}: {show(column[bad])} is not a number (is_regression is set)"
            )
    with np.errstate(over="ignore"):
        values = np.array([[float(text) for text in column] for column in labels.columns], dtype=np.float32).T
    if not np.isfinite(values).all():
        row, place = np.argwhere(~np.isfinite(values))[0]
        cell = show(labels.columns[place][row])
        raise DataError(f"{labels.place(int(row))}, target {show(labels.names[place])}: {cell} is not finite")
    if expected is None and len(values) > 1 and (constant := np.flatnonzero((values == values[0]).all(axis=0))).size:
        raise DataError(
            f"'{labels.source}': target {show(labels.names[constant[0]])} has the same value in all rows: "
            "nothing can be learned from it"
        )
    return Target(labels.names if expected is None else expected, np.ascontiguousarray(values))


def _refuse_missing(labels: Labels) -> None:
    for name, column in zip(labels.names, labels.columns, strict=True):
        at = next((row for row, text in enumerate(column) if is_missing(text.encode())), None)
        if at is not None:
            raise DataError(
                f"{labels.place(at)}: the sample has no label (target {show(name)} is {show(column[at])}); "
                "label it or leave it out"
            )
