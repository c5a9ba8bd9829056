"""`enas embed` writes what `embeddings` gives, for tables and images, and says in one line what is wrong."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from export.models import features, write_images, write_table
from numpy.testing import assert_allclose, assert_array_equal
from typer.testing import CliRunner

from enas.cli import app
from enas.console import Silent
from enas.embed import embed, embed_file
from enas.errors import DataError
from enas.export.exporter import export_model
from enas.image_model import ImageModel
from enas.model_files import load_model
from enas.table_model import TableModel

pytestmark = pytest.mark.usefixtures("one_thread")
runner = CliRunner()


@pytest.mark.parametrize("models", ["", "models"], ids=["run", "models folder"])
def test_a_table_becomes_parquet(table_run: Path, tmp_path: Path, models: str) -> None:
    data = write_table(tmp_path / "data.tsv")
    result = runner.invoke(app, ["embed", str(table_run / models), str(data), "-o", str(tmp_path / "e.parquet")])
    assert result.exit_code == 0, result.stderr
    table, model = pl.read_parquet(tmp_path / "e.parquet"), load_model(table_run / "models")
    assert isinstance(model, TableModel)
    (expected,) = model.embeddings(features(40))
    assert table.columns == ["sample_id", *(f"e{j}" for j in range(expected.shape[1]))]
    assert set(table.dtypes[1:]) == {pl.Float32}
    assert table["sample_id"].to_list() == [f"s{i}" for i in range(24)]
    assert_array_equal(table.drop("sample_id").to_numpy(), expected)


def test_an_anndata_gives_what_its_table_gives(table_run: Path, tmp_path: Path) -> None:
    """Genes in another order, one more, and the layer that the run was trained on."""
    anndata = pytest.importorskip("anndata")
    csr_matrix = pytest.importorskip("scipy.sparse").csr_matrix
    table = write_table(tmp_path / "data.tsv", n=30)
    table.write_text(table.read_text().replace("\tnan\t", "\t0\t"))
    x, names, order = np.nan_to_num(features(40, 30)), [f"g{j}" for j in range(40)], [*reversed(range(40))]
    adata = anndata.AnnData(csr_matrix(np.c_[x[:, order], np.ones(30, np.float32)]))
    adata.var_names = [*(names[j] for j in order), "one more"]
    adata.obs_names = [f"cell {i}" for i in range(30)]
    adata.write_h5ad(tmp_path / "x.h5ad")
    expected = np.concatenate([values for _, values in embed(table_run, table)])
    found = [*embed(table_run, tmp_path / "x.h5ad")]
    assert [i for ids, _ in found for i in ids] == adata.obs_names.tolist()
    assert_allclose(np.concatenate([values for _, values in found]), expected, atol=1e-6)

    adata.layers["scaled"], adata.X = adata.X, adata.X * 0
    adata.write_h5ad(tmp_path / "layer.h5ad")
    run = shutil.copytree(table_run, tmp_path / "copy")
    (run / "config.json").write_text('{"data_train": {"args": {"layer": "scaled"}}}')
    (values,) = [values for _, values in embed(run, tmp_path / "layer.h5ad")]
    assert_allclose(values, expected, atol=1e-6)
    with pytest.raises(DataError, match="scaled"):
        [*embed(run, tmp_path / "x.h5ad")]
    result = runner.invoke(
        app, ["predict", "--model", str(run), str(tmp_path / "layer.h5ad"), "-o", str(tmp_path / "p.csv")]
    )
    assert result.exit_code == 0, result.stderr
    assert pl.read_csv(tmp_path / "p.csv")["sample_id"].to_list() == adata.obs_names.tolist()


def test_images_become_parquet(image_run: Path, tmp_path: Path) -> None:
    pixels = write_images(tmp_path / "new")
    assert embed_file(image_run, tmp_path / "new", tmp_path / "e.parquet", Silent()) == 6
    table, model = pl.read_parquet(tmp_path / "e.parquet"), load_model(image_run / "models")
    assert isinstance(model, ImageModel)
    (expected,) = model.embeddings(pixels)
    assert table["sample_id"].to_list() == [f"{i}.png" for i in range(6)]
    assert_array_equal(table.drop("sample_id").to_numpy(), expected)


def test_csv_holds_the_same_bits_and_no_formula(table_run: Path, tmp_path: Path) -> None:
    data = write_table(tmp_path / "data.tsv")
    data.write_text(data.read_text().replace("\ns0\t", "\n=s0\t"))
    for name in ("e.parquet", "e.csv"):
        embed_file(table_run, data, tmp_path / name, Silent())
    text, binary = pl.read_csv(tmp_path / "e.csv"), pl.read_parquet(tmp_path / "e.parquet")
    assert text.columns == binary.columns
    assert (text["sample_id"][0], binary["sample_id"][0]) == ("'=s0", "=s0")
    assert_array_equal(text.drop("sample_id").to_numpy().astype(np.float32), binary.drop("sample_id").to_numpy())


def test_blocks_are_the_whole(table_run: Path, tmp_path: Path) -> None:
    data = write_table(tmp_path / "many.tsv", n=2500)
    blocks = list(embed(table_run, data))
    assert [len(ids) for ids, _ in blocks] == [1000, 1000, 500]
    model = load_model(table_run / "models")
    assert isinstance(model, TableModel)
    expected = np.concatenate(list(model.embeddings(features(40, 2500))))
    assert_allclose(np.concatenate([values for _, values in blocks]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "{data}", "-o", "e.parquet"], "nowhere does not exist; name a finished run"),
        (["{here}", "{data}", "-o", "e.parquet"], "holds no model"),
        (["{here}/out", "{data}", "-o", "e.parquet"], "was exported and gives outputs alone"),
        (["{run}", "missing.tsv", "-o", "e.parquet"], "'missing.tsv' does not exist"),
        (["{run}", "other.tsv", "-o", "e.parquet"], "'other.tsv' lacks 40 of the 40 features"),
        (["{run}", "huge.tsv", "-o", "e.csv"], "sample 'huge': its values are beyond what the model can take"),
        (["{run}", "empty.tsv", "-o", "e.parquet"], "'empty.tsv' has a header and no rows below it"),
        (["{run}", "{data}", "-o", "e.tsv"], "e.tsv: embeddings are written as .parquet or .csv"),
        (["{run}", "{data}", "-o", "no/e.parquet"], "cannot write no/e.parquet"),
        (["{run}", "{data}", "-o", "no/e.csv"], "cannot write no/e.csv"),
    ],
)
def test_what_is_wrong_is_one_line(
    table_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_table(tmp_path / "data.tsv")
    header = "id\t" + "\t".join(f"g{j}" for j in range(40)) + "\n"
    Path("other.tsv").write_text("id\ta\tb\nx\t1\t2\n")
    Path("empty.tsv").write_text(header)
    Path("huge.tsv").write_text(header + "huge\t" + "\t".join(["3e38"] * 40) + "\n")
    if "out" in arguments[0]:
        export_model(table_run, "script", Path("out"), int8=False, progress=Silent())
    result = runner.invoke(
        app, ["embed", *(part.format(run=table_run, data=data, here=tmp_path) for part in arguments)]
    )
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not [*tmp_path.glob("*e.parquet"), *tmp_path.glob("*e.csv")]


def test_a_table_without_samples_is_refused(table_run: Path, tmp_path: Path) -> None:
    pl.DataFrame({f"g{j}": pl.Series([], dtype=pl.Float32) for j in range(40)}).write_parquet(tmp_path / "none.parquet")
    result = runner.invoke(app, ["embed", str(table_run), str(tmp_path / "none.parquet"), "-o", "e.parquet"])
    assert result.exit_code == 2
    assert "none.parquet" in result.stderr
