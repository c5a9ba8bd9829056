"""AnnData files: what is read, of which forms, what is refused with which words."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import csc_matrix, csr_matrix

from enas.config import DataArgs
from enas.data.anndata_file import Keys, read_anndata, table_of
from enas.data.dataset import Dataset
from enas.data.matrix import BlockMatrix
from enas.data.tables import read_dataset
from enas.errors import DataError

anndata = pytest.importorskip("anndata", reason="AnnData files are not tested: anndata is not installed")
h5py = pytest.importorskip("h5py")
pd = pytest.importorskip("pandas")

N, P = 12, 7
IDS = tuple(f"cell{i}" for i in range(N))
GENES = tuple(f"G{j}" for j in range(P))
BACKED = 1.0
"""A limit, in bytes, that no matrix stays below."""


def counts() -> np.ndarray:
    return np.random.default_rng(0).poisson(0.7, (N, P)).astype(np.float32)


def make(x: Any = None, **obs: Any) -> Any:
    columns = {"type": pd.Categorical(["T", "B", "NK"] * 4), "batch": ["one", "two"] * 6, **obs}
    return anndata.AnnData(
        csr_matrix(counts()) if x is None else x,
        obs=pd.DataFrame(columns, index=list(IDS)),
        var=pd.DataFrame(index=list(GENES)),
    )


def write(adata: Any, folder: Path, **options: Any) -> Path:
    path = folder / "cells.h5ad"
    adata.write_h5ad(path, **options)
    return path


FORMS: dict[str, Callable[[np.ndarray], Any]] = {
    "csr": csr_matrix,
    "csc": csc_matrix,
    "dense": lambda x: x,
    "float64": lambda x: csr_matrix(x.astype(np.float64)),
    "integers": lambda x: csr_matrix(x.astype(np.int64)),
    "small integers": lambda x: x.astype(np.int8),
    "bool": lambda x: csr_matrix(x.astype(bool)),
    "half": lambda x: x.astype(np.float16),
}


@pytest.mark.parametrize("max_memory", [None, BACKED], ids=["in memory", "backed"])
@pytest.mark.parametrize("compression", [None, "gzip"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_x_gives_the_same_table(
    form: str, compression: str | None, max_memory: float | None, tmp_path: Path
) -> None:
    expected = counts().astype(bool).astype(np.float32) if form == "bool" else counts()
    path = write(make(FORMS[form](counts())), tmp_path, compression=compression)
    table = read_anndata(path, Keys(), max_memory=max_memory)
    assert (table.names, table.ids, table.has_names) == (GENES, IDS, True)
    assert_array_equal(table.features[:], expected)
    assert_array_equal(table.features[np.array([3, 1]), 2:5], expected[[3, 1], 2:5])
    assert isinstance(table.features, np.ndarray) == (form in ("dense", "small integers", "half") and not max_memory)
    assert ("left in the file" in table.how) == bool(max_memory)


def test_labels_are_classes_in_the_words_of_obs(tmp_path: Path, log: Any) -> None:
    path = write(make(flag=[True, False] * 6, number=[2, 10, 1] * 4), tmp_path)
    for key, classes in (("type", ("B", "NK", "T")), ("flag", ("False", "True")), ("number", ("1", "2", "10"))):
        data = read_dataset(DataArgs(h5ad=path, label_key=key), regression=False, progress=log)
        assert data.target is not None
        assert data.target.classes == classes
        assert data.target.names == (key,)
        assert (data.has_sample_ids, data.sample_ids) == (True, IDS)


def test_columns_of_numbers_are_targets_of_a_regression(tmp_path: Path, log: Any) -> None:
    age = np.linspace(0, 1, N) ** 2
    path = write(make(age=age, size=np.arange(N)), tmp_path)
    data = read_dataset(DataArgs(h5ad=path, label_key=["age", "size"]), regression=True, progress=log)
    assert data.target is not None
    assert_array_equal(data.target.values, np.stack([age, np.arange(N)], axis=1).astype(np.float32))


def test_batches_are_groups_of_rows_and_told(tmp_path: Path, log: Any) -> None:
    path = write(make(), tmp_path)
    data = read_dataset(DataArgs(h5ad=path, label_key="type", batch_key="batch"), regression=False, progress=log)
    assert data.groups is not None
    assert len(set(data.groups[::2])) == len(set(data.groups[1::2])) == 1
    assert data.groups[0] != data.groups[1]
    assert any("2 groups of rows (batch_key)" in line for line in log.lines)


def test_layers_and_raw_are_read_in_place_of_x(tmp_path: Path) -> None:
    adata = make()
    adata.layers["doubled"] = csc_matrix(2 * counts())
    adata.raw = adata
    adata = adata[:, :3].copy()
    path = write(adata, tmp_path)
    assert_array_equal(read_anndata(path, Keys(layer="doubled")).features[:], 2 * counts()[:, :3])
    raw = read_anndata(path, Keys(layer="raw"))
    assert_array_equal(raw.features[:], counts())
    assert raw.names == GENES
    with pytest.raises(DataError, match=r"no layer 'other'; its matrices are: 'raw', 'doubled', 'X'"):
        read_anndata(path, Keys(layer="other"))


def test_an_object_in_memory_is_read_alike() -> None:
    table = table_of(make(), Keys(("type",), batch="batch"))
    assert_array_equal(table.features[:], counts())
    assert table.texts["type"][:3] == ["T", "B", "NK"]


def test_names_that_occur_twice_get_numbers_and_a_word(tmp_path: Path, log: Any) -> None:
    adata = make()
    adata.var_names = ["A", "B", "A", "C", "D", "E", "F"]
    with pytest.warns(UserWarning, match="not unique"):
        path = write(adata.copy(), tmp_path)
    data: Dataset = read_dataset(DataArgs(h5ad=path), regression=False, progress=log)
    assert data.feature_names[:3] == ("A", "B", "A.1")
    assert any("1 names of variables occur more than once" in text for text in log.warnings)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (Keys(("typ",)), "label_key 'typ' is no column of obs; did you mean 'type'"),
        (Keys(("xyz",)), "did you mean 'type', 'batch', 'gap'"),
        (Keys(("gap",)), r"label_key 'gap' is missing in 2 of 12 observations \('cell1', 'cell5'\)"),
        (Keys(("type",), batch="gap"), "batch_key 'gap' is missing in 2"),
        (Keys(batch="lot"), "batch_key 'lot' is no column"),
    ],
)
def test_columns_of_obs_are_checked_by_name(keys: Keys, words: str, tmp_path: Path) -> None:
    gap = pd.Categorical([None if i in (1, 5) else "x" for i in range(N)])
    with pytest.raises(DataError, match=words):
        read_anndata(write(make(gap=gap), tmp_path), keys)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _text(path: Path) -> None:
    path.write_text("gene\tcell\n1\t2\n")


def _with_file(change: Callable[[Any], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return damage


def _delete(name: str) -> Callable[[Path], None]:
    return _with_file(lambda file: file.__delitem__(name))


def _set(name: str, value: Any) -> Callable[[Path], None]:
    return _with_file(lambda file: file[name].__setitem__(0, value))


def _attribute(name: str, key: str, value: Any) -> Callable[[Path], None]:
    return _with_file(lambda file: file[name].attrs.__setitem__(key, value))


def _scramble(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[96:496] = b"\xff" * 400
    path.write_bytes(content)


NASTY: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (_cut, "cannot be opened as HDF5"),
    "empty": (_empty, "."),
    "text": (_text, "cannot be opened as HDF5"),
    "scrambled": (_scramble, "."),
    "no X": (_delete("X"), "has no X; its matrices are: none"),
    "no obs": (_delete("obs"), "cannot be read as AnnData"),
    "no var": (_delete("var"), "cannot be read as AnnData"),
    "no data": (_delete("X/data"), "cannot be read as AnnData"),
    "no indptr": (_delete("X/indptr"), "cannot be read as AnnData"),
    "no index": (_delete("obs/_index"), "cannot be read as AnnData"),
    "a column beyond the last": (_set("X/indices", 1000), "cannot be read as AnnData"),
    "a column before the first": (_set("X/indices", -3), "cannot be read as AnnData"),
    "rows that do not begin": (_set("X/indptr", 5), "cannot be read as AnnData|is damaged"),
    "another shape": (_attribute("X", "shape", np.array([N, P + 1])), "shape"),
    "more rows": (_attribute("X", "shape", np.array([N + 9, P])), "."),
    "infinite": (_set("X/data", np.inf), "'cell0', 'G.': the value is not a finite float32"),
    "codes beyond the categories": (_set("obs/type/codes", 100), "."),
    "another encoding": (_attribute("obs", "encoding-type", "unheard-of"), "cannot be read as AnnData"),
}


@pytest.mark.parametrize("max_memory", [None, BACKED], ids=["in memory", "backed"])
@pytest.mark.parametrize("what", NASTY)
def test_damaged_files_are_one_clear_error(what: str, max_memory: float | None, tmp_path: Path) -> None:
    damage, words = NASTY[what]
    path = write(make(), tmp_path)
    damage(path)
    with pytest.raises(DataError, match=words) as caught:
        read_anndata(path, Keys(("type",)), max_memory=max_memory)
    assert "\n" not in str(caught.value)
    assert "cells.h5ad" in str(caught.value)


@pytest.mark.parametrize("x", [np.zeros((0, P), np.float32), np.zeros((N, 0), np.float32)], ids=["rows", "columns"])
def test_an_empty_table_is_refused(x: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "cells.h5ad"
    anndata.AnnData(x).write_h5ad(path)
    with pytest.raises(DataError, match="are no table"):
        read_anndata(path, Keys())


def test_x_of_text_is_refused(tmp_path: Path) -> None:
    path = write(make(), tmp_path)
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = np.full((N, P), "a", dtype="S1")
        file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
    with pytest.raises(DataError, match="holds no matrix of numbers"):
        read_anndata(path, Keys())


def test_a_value_beyond_single_precision_is_refused(tmp_path: Path) -> None:
    x = counts().astype(np.float64)
    x[4, 2] = 1e200
    for form in (x, csr_matrix(x), csc_matrix(x)):
        for max_memory in (None, BACKED):
            with pytest.raises(DataError, match="'cell4', 'G2': the value is not a finite float32"):
                read_anndata(write(make(form), tmp_path), Keys(), max_memory=max_memory)


def test_missing_values_stay_missing(tmp_path: Path) -> None:
    x = counts()
    x[4, 2] = np.nan
    assert_array_equal(read_anndata(write(make(csr_matrix(x)), tmp_path), Keys()).features[:], x)


def test_without_anndata_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(make(), tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "anndata", None)
    with pytest.raises(DataError, match=r'needs the package anndata: pip install "enas\[single-cell\]"'):
        read_anndata(path, Keys())


def test_the_matrix_of_the_reader_is_not_that_of_the_user() -> None:
    x = csr_matrix((np.array([1.0, 2.0], np.float32), np.array([1, 1]), np.array([0, 2])), shape=(1, P))
    adata = anndata.AnnData(x)
    table = table_of(adata, Keys())
    assert isinstance(table.features, BlockMatrix)
    assert table.features[0:1][0, 1] == 3
    assert adata.X.nnz == 2
