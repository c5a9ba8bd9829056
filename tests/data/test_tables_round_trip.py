"""Any table, written in any of the ways that are promised, comes back as it was."""

import csv
import io
import itertools
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.testing import assert_array_equal

VALUES = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=6),
    elements=st.floats(width=32, allow_infinity=False, allow_subnormal=True),
)
FORMS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(["\t", ",", ";", "|", " "]),
        "header": st.booleans(),
        "ids": st.booleans(),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
        "end": st.sampled_from(["\n", "\r\n"]),
        "missing": st.sampled_from(["NA", "NaN", "?", "null"]),
        "names": st.lists(
            st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=5).map(
                "g{}".format
            ),
            min_size=12,
            max_size=12,
            unique=True,
        ),
    }
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=VALUES, form=FORMS)
def test_round_trip(read: Any, values: np.ndarray, form: dict[str, Any]) -> None:
    n, p = values.shape
    names, ids = form["names"][:p], form["names"][6 : 6 + n]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=form["delimiter"], quoting=form["quoting"], lineterminator=form["end"])
    if form["header"]:
        writer.writerow([*(["id"] if form["ids"] else []), *names])
    for name, row in zip(ids, values, strict=True):
        cells = [form["missing"] if np.isnan(value) else str(value) for value in row]
        writer.writerow([*([name] if form["ids"] else []), *cells])
    # All cells may be missing, so what the numbers cannot show is said.
    data = read(text.getvalue(), delimiter=form["delimiter"], header=form["header"], sample_ids=form["ids"])
    assert_array_equal(data.features, values)
    assert data.has_feature_names == form["header"]
    assert data.feature_names == (tuple(names) if form["header"] else tuple(f"feature_{j}" for j in range(p)))
    assert data.sample_ids == (tuple(ids) if form["ids"] else tuple(str(i) for i in range(n)))


def test_round_trip_is_detected(read: Any) -> None:
    values = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)
    for delimiter, header, ids, quote in itertools.product("\t,;| ", (True, False), (True, False), ('"', "")):
        rows = [[f"{quote}s{i}{quote}"] * ids + [str(value) for value in row] for i, row in enumerate(values)]
        head = [
            [f"{quote}name{quote}"] * ids + [f"{quote}gene {j}{quote}" if quote else f"g{j}" for j in range(4)]
        ] * header
        data = read("\n".join(delimiter.join(cells) for cells in [*head, *rows]))
        assert_array_equal(data.features, values)
        assert (data.has_feature_names, data.has_sample_ids) == (header, ids)
