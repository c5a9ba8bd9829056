"""A trained model on disk, of whichever family: written and read by the family's own module."""

from pathlib import Path

from enas.errors import RunError
from enas.files import read_json
from enas.image_model import ImageModel
from enas.image_model_files import load_image_model, save_image_model
from enas.member_files import MODEL_FILE
from enas.model import Model
from enas.table_model import TableModel
from enas.table_model_files import load_table_model, save_table_model


def save_model(model: Model, folder: Path) -> None:
    """Write the model into ``folder``; ``model.json`` comes last, so that where it stands the rest is whole."""
    if isinstance(model, ImageModel):
        save_image_model(model, folder)
    elif isinstance(model, TableModel):
        save_table_model(model, folder)
    else:
        raise TypeError(f"no file format for {type(model).__name__}")


def load_model(folder: Path) -> TableModel | ImageModel:
    """Read what `save_model` wrote.

    Raises:
        RunError: a file is missing, damaged or of another version.
    """
    described = read_json(folder / MODEL_FILE)
    if not isinstance(described, dict):
        raise RunError(f"{folder / MODEL_FILE} is damaged: it does not describe a model")
    return load_image_model(folder) if "plan" in described else load_table_model(folder)
