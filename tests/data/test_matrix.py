"""Tables that are not dense: blocks are those of the dense form, and so is all that is fitted on them, to the bit."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csc_matrix, csr_array, csr_matrix

from enas.data import matrix as module
from enas.data.dataset import FloatArray, Target
from enas.data.hashing import row_hashes
from enas.data.matrix import BlockMatrix, Matrix, Selection, row_blocks, take_columns, take_rows
from enas.data.preprocess import fit_preprocessor


def make_dense(n: int = 40, p: int = 30, seed: int = 0) -> FloatArray:
    generator = np.random.default_rng(seed)
    return (generator.poisson(0.4, (n, p)) * generator.gamma(2, 1, (n, p))).astype(np.float32)


def forms(dense: FloatArray) -> dict[str, BlockMatrix]:
    shape = (len(dense), dense.shape[1])
    return {
        "rows": BlockMatrix(csr_matrix(dense), shape, 0.3),
        "array": BlockMatrix(csr_array(dense.astype(np.float64)), shape, 0.3),
        "columns": BlockMatrix(csc_matrix(dense).T.tocsr(), shape, 0.3, is_transposed=True),
        "dense in blocks": BlockMatrix(dense.astype(np.float64), shape, 1.0),
    }


FORMS = tuple(forms(make_dense()))
ROWS = np.array([7, 3, 39, 0])
INDICES: tuple[Any, ...] = (
    slice(None),
    slice(5, 12),
    slice(38, 90),
    slice(0, 0),
    ROWS,
    (slice(None), slice(4, 9)),
    (slice(None), slice(0, 30)),
    (slice(2, 6), slice(25, 30)),
    (ROWS, slice(3, 4)),
    (slice(None), np.array([29, 0, 3, 3])),
    (np.array([], np.int64), slice(0, 5)),
)


@pytest.fixture(params=[1 << 23, 64], ids=["whole", "small blocks"])
def block_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CELLS", request.param)
    monkeypatch.setattr(module, "_PANEL", request.param)


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("form", FORMS)
def test_a_block_is_that_of_the_dense_form_in_the_same_layout(form: str) -> None:
    dense = make_dense()
    matrix = forms(dense)[form]
    assert (len(matrix), matrix.shape) == (40, (40, 30))
    for at in (*INDICES, *reversed(INDICES)):
        expected, found = dense[at], matrix[at]
        assert_array_equal(found, expected)
        assert found.dtype == np.float32
        if isinstance(at, tuple) and not isinstance(at[1], slice):
            assert found.flags.f_contiguous == expected.flags.f_contiguous


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("form", FORMS)
def test_selections_of_rows_and_columns_are_those_of_the_dense_form(form: str) -> None:
    dense, columns = make_dense(), np.array([4, 28, 1, 17])
    chosen = take_columns(take_rows(forms(dense)[form], ROWS), columns)
    assert isinstance(chosen, Selection)
    expected = take_columns(take_rows(dense, ROWS), columns)
    assert chosen.shape == expected.shape == (4, 4)
    for at in (slice(None), slice(1, 3), np.array([2, 0]), (slice(None), slice(1, 3)), (np.array([1]), slice(0, 2))):
        assert_array_equal(chosen[at], expected[at])
    assert_array_equal(take_rows(chosen, slice(1, 3))[:], expected[1:3])


@pytest.mark.usefixtures("block_size")
@pytest.mark.parametrize("form", FORMS)
def test_rows_are_known_again_by_the_hashes_of_the_dense_form(form: str) -> None:
    dense = make_dense()
    assert_array_equal(row_hashes(forms(dense)[form]), row_hashes(dense))
    assert_array_equal(np.concatenate(list(row_blocks(forms(dense)[form]))), dense)


def fit(features: Matrix, n: int, screens: tuple[int | None, ...], **settings: Any) -> tuple[list[Any], list[Any]]:
    target = Target(("y",), np.arange(n) % 3, ("a", "b", "c"))
    settings = {"transform": "auto", "scale": "standard", "seed": 4, **settings}
    fitted, coordinates = fit_preprocessor(features, target, np.arange(n)[: n * 4 // 5], screens=screens, **settings)
    scaler = fitted.scaler
    parts: list[Any] = [scaler.fill, scaler.center, scaler.factor]
    parts += [part for stem in fitted.stems for part in (stem.columns, stem.basis) if part is not None]
    return parts, list(coordinates)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("n", "p", "screens"),
    [(60, 400, (5, 20, 100, 200, None)), (300, 40, (5, 20, None)), (80, 30, (None,)), (80, 200, (100,))],
)
@pytest.mark.parametrize("has_missing", [False, True])
def test_preprocessing_fitted_on_blocks_has_the_bits_of_the_dense_form(
    form: str, n: int, p: int, screens: tuple[int | None, ...], has_missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PANEL", 3000)
    dense = make_dense(n, p)
    dense[::7, 3] = np.nan if has_missing else 5000  # the latter: transformed
    for scale in ("standard", "robust"):
        expected, found = fit(dense, n, screens, scale=scale), fit(forms(dense)[form], n, screens, scale=scale)
        for mine, other in zip([*found[0], *found[1]], [*expected[0], *expected[1]], strict=True):
            assert_array_equal(mine, other)


def test_a_value_beyond_single_precision_becomes_infinite_without_a_warning() -> None:
    assert np.isinf(BlockMatrix(csr_matrix([[1e300, 0.0]]), (1, 2), 0.5)[0:1][0, 0])
