"""`enas export`: a run's model written as ONNX, torch program or script, and compared with the model before it counts.

``model.json`` is written last: a folder without it holds no model.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from enas import __version__
from enas.errors import RunError
from enas.export.check import Compute, Difference, compare, draw_samples, refuse_difference
from enas.export.description import Description, Kind, describe, is_exported, write_description
from enas.export.example import example_source, readme
from enas.export.image_sketch import sketch_images
from enas.export.measure import config_of, measure_int8
from enas.export.network import (
    PROGRAM_FILE,
    SCRIPT_FILE,
    WEIGHTS_FILE,
    build_network,
    compute_all,
    load_network,
    load_program,
    record_program,
    save_program,
    write_source,
)
from enas.export.onnx_file import INT8_FILE, ONNX_FILE, OnnxNetwork, write_int8, write_onnx
from enas.export.table_sketch import sketch_table
from enas.files import write_text
from enas.image_model import ImageModel
from enas.member_files import MODEL_FILE
from enas.model_files import load_model
from enas.progress import Progress
from enas.table_model import TableModel
from enas.tensor_files import write_tensors


@dataclass(frozen=True, slots=True)
class Exported:
    """What `export_model` wrote.

    Args:
        files: in the order in which they should be read.
        difference: between the exported model and the run's.
        int8: one sentence on what 8 bits cost; empty without them.
    """

    files: tuple[Path, ...]
    difference: Difference
    int8: str


def export_model(run: Path, kind: Kind, folder: Path, *, int8: bool, progress: Progress) -> Exported:
    """Write the model of a run (or of a folder ``models``) into ``folder``.

    Args:
        run: a finished run, or its folder of models.
        kind: onnx, torch or script.
        folder: made if it is missing; an exported model in it is replaced.
        int8: also write an ONNX file of 8 bits and measure it on the run's data.
        progress: told the differences.

    Raises:
        ConfigError: a library is not installed.
        DataError: the run's data, on which 8 bits are measured, cannot be read.
        RunError: there is no model, the disk refuses, or the exported model computes something else.
    """
    models = models_of(run)
    if is_exported(models):
        raise RunError(f"{models} was exported already; export the run that it came from")
    if int8:
        config_of(run)
    model = load_model(models)
    description = describe(model, kind)
    _prepare(folder)
    _, tensors = sketch_images(model) if isinstance(model, ImageModel) else sketch_table(model)
    network = build_network(description, tensors)
    if kind == "script":
        write_tensors(folder / WEIGHTS_FILE, tensors)
        write_text(folder / SCRIPT_FILE, write_source(description))
    elif kind == "torch":
        save_program(record_program(description, network), folder)
    else:
        write_onnx(record_program(description, network), description, folder)
        write_text(folder / "example.py", example_source(description))
    found = _check(model, _loaded(description, folder), kind, progress)
    lost = ""
    if int8:
        write_int8(folder)
        lost = measure_int8(run, model, OnnxNetwork(folder / INT8_FILE, description), progress)
        progress.line(lost)
    write_text(folder / "README.txt", readme(description, __version__, int8))
    write_description(description, folder)
    files = tuple(folder / name for name in _names(kind, int8))
    return Exported(files, found, lost)


def models_of(run: Path) -> Path:
    """The folder of models of a run, or the folder itself if it is one.

    Raises:
        RunError: it is neither.
    """
    for folder in (run / "models", run):
        if (folder / MODEL_FILE).is_file():
            return folder
    what = "is no run and holds no model: it has no model.json" if run.is_dir() else "does not exist"
    raise RunError(f"{run} {what}; name a finished run, a folder of models or an exported model")


def _prepare(folder: Path) -> None:
    """Make the folder; what an earlier export left no longer counts, and what else stands there is not overwritten."""
    described = folder / MODEL_FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if described.is_file():
            if not is_exported(folder):
                raise RunError(f"{folder} holds a model that was not exported; choose another folder")
            for name in (MODEL_FILE, *_ALL_FILES):
                (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write into {folder}: {error.strerror or error}") from error


def _loaded(description: Description, folder: Path) -> Compute:
    """What was just written, read back."""
    if description.exported == "onnx":
        return OnnxNetwork(folder / ONNX_FILE, description).compute_all
    load = load_program if description.exported == "torch" else load_network
    return partial(compute_all, load(description, folder))


def _check(model: TableModel | ImageModel, exported: Compute, kind: Kind, progress: Progress) -> Difference:
    samples = draw_samples(model)
    found = compare(model, exported, samples)
    refuse_difference(found, kind)
    noun = "images" if isinstance(model, ImageModel) else "rows"
    progress.line(f"compared with the model on {found.n_samples:,} {noun}: {found}")
    return found


_ALL_FILES = (ONNX_FILE, INT8_FILE, "example.py", PROGRAM_FILE, SCRIPT_FILE, WEIGHTS_FILE, "README.txt")


def _names(kind: Kind, int8: bool) -> list[str]:
    own = {"onnx": [ONNX_FILE, "example.py"], "torch": [PROGRAM_FILE], "script": [SCRIPT_FILE, WEIGHTS_FILE]}[kind]
    return [*own, *([INT8_FILE] if int8 else []), MODEL_FILE, "README.txt"]
