"""``model.json`` of an exported model: what it is, what it takes and gives, and the sketch of its network."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from enas.errors import RunError
from enas.export.image_sketch import ImageSketch, sketch_images
from enas.export.table_sketch import TableSketch, sketch_table
from enas.files import read_json, write_json
from enas.image_model import ImageModel
from enas.member_files import FORMAT, MODEL_FILE, Part, naming
from enas.table_model import TableModel

Kind = Literal["onnx", "torch", "script"]


class Description(Part):
    """What stands in ``model.json``.

    Args:
        exported: the kind.
        format: version of the layout of this file.
        input: in words.
        classes: class names; empty for regression.
        target_names: one per target column.
        feature_names: of a table, in the order of the input's columns; empty for images.
        has_feature_names: whether new tables are matched by these names.
        table, images: the sketch, one of the two.
    """

    exported: Kind
    format: int
    input: str
    classes: list[str]
    target_names: Annotated[list[str], Field(min_length=1)]
    feature_names: list[str]
    has_feature_names: bool
    table: TableSketch | None = None
    images: ImageSketch | None = None

    @property
    def input_name(self) -> str:
        """What the graph calls its input."""
        return "features" if self.table else "images"

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample: (p,), or (H, W, C)."""
        if self.images:
            return (*self.images.size, self.images.n_image_channels)
        return (len(self.feature_names),)

    @property
    def n_outputs(self) -> int:
        """C, classes or regression targets."""
        return len(self.classes or self.target_names)


def describe(model: TableModel | ImageModel, kind: Kind) -> Description:
    """What is to stand in ``model.json`` beside the exported model."""
    if isinstance(model, ImageModel):
        images, _ = sketch_images(model)
        shape = ", ".join(map(str, (*images.size, images.n_image_channels)))
        words = f"images: uint8 (batch, {shape}), pixels of 0 to 255; they are normalised inside"
        return _description(model, kind, words, [], False, None, images)
    table, _ = sketch_table(model)
    words = f"features: float32 (batch, {table.n_features}), raw, NaN = missing; they are preprocessed inside"
    return _description(model, kind, words, list(model.feature_names), model.has_feature_names, table, None)


def _description(
    model: TableModel | ImageModel,
    kind: Kind,
    words: str,
    names: list[str],
    has_names: bool,
    table: TableSketch | None,
    images: ImageSketch | None,
) -> Description:
    return Description(
        exported=kind,
        format=FORMAT,
        input=words,
        classes=list(model.classes),
        target_names=list(model.target_names),
        feature_names=names,
        has_feature_names=has_names,
        table=table,
        images=images,
    )


def write_description(description: Description, folder: Path) -> None:
    """Write ``model.json``; last of all, so that where it stands the rest is whole."""
    write_json(folder / MODEL_FILE, description.model_dump())


def is_exported(folder: Path) -> bool:
    """Whether ``model.json`` is that of an exported model.

    Raises:
        RunError: it is missing or damaged.
    """
    described = read_json(folder / MODEL_FILE)
    return isinstance(described, dict) and "exported" in described


def load_description(folder: Path) -> Description:
    """Read what `write_description` wrote.

    Raises:
        RunError: it is missing, damaged or of another version.
    """
    file = folder / MODEL_FILE
    described = read_json(file)
    if isinstance(described, dict) and described.get("format", FORMAT) != FORMAT:
        raise RunError(f"{file} has format {str(described['format'])[:20]}; this version reads {FORMAT}")
    with naming(file):
        found = Description.model_validate(described)
        _check(found)
    return found


def _check(found: Description) -> None:
    """That the parts go together."""
    if (found.table is None) == (found.images is None):
        raise ValueError("it describes neither a table nor images, or both")
    if found.table:
        _check_table(found.table)
    sketched = (found.table.n_features, found.table.n_outputs) if found.table else (0, 0)
    if found.images:
        _ = found.images.plan, [found.images.cells(candidate) for candidate in found.images.candidates]
        sketched = 0, found.images.n_classes
    if (len(found.feature_names), found.n_outputs) != sketched:
        raise ValueError(f"{len(found.feature_names)} features and {found.n_outputs} outputs are named, not {sketched}")


def _check_table(table: TableSketch) -> None:
    for candidate in table.candidates:
        fits = candidate.stem < len(table.stems) and len(candidate.skips) == len(candidate.widths) - 1
        if not fits or any(earlier >= i for i, skips in enumerate(candidate.skips) for earlier in skips):
            raise ValueError("its layers, skips and stems do not go together")
