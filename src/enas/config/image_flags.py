"""The flags that ENAS-Tensorflow's two scripts share: bounds and meaning; the sections hold their defaults."""

from typing import Annotated, Literal

from pydantic import Field

from enas.config.values import EVEN, NOT_BOOL, Count, Natural, Number

NumLayers = Annotated[
    int, Field(ge=1, le=64, description="L: the network has L + 2 layers, the reduction layers among them."), NOT_BOOL
]
OutFilters = Annotated[
    int, Field(ge=2, le=1024, description="Channels of the first layers; each reduction doubles them."), NOT_BOOL, EVEN
]
NumReductions = Annotated[
    Annotated[int, Field(ge=1, le=6), NOT_BOOL] | Literal["auto"],
    Field(
        description="Layers that halve the image: 2 as in the paper, 3 as in ENAS-Tensorflow; auto: 2 up to 32 pixels, "
        "more for larger images."
    ),
]
L2Reg = Annotated[Number, Field(ge=0, description="Weight of the L2 penalty, λ·Σw² over all trained weights.")]
KeepProb = Annotated[
    Number, Field(gt=0, le=1, description="Share of units that dropout keeps before the last layer; 1: none.")
]
UseAuxHeads = Annotated[bool, Field(description="Add an auxiliary head half-way; its loss counts 0.4.")]
AuxAfter = Annotated[
    Natural | None,
    Field(description="The layer, from 0, before the auxiliary head; null: the one after the second reduction."),
]
TrainAuxiliary = Annotated[
    bool,
    Field(description="Train the auxiliary head's own weights; false as in the original, which leaves them random."),
]
LrMax = Annotated[Number, Field(gt=0, description="Learning rate at the start and after each restart.")]
LrMin = Annotated[Number, Field(ge=0, description="Learning rate that each cosine falls to.")]
LrT0 = Annotated[int, Field(ge=1, description="Epochs before the first restart of the learning rate."), NOT_BOOL]
LrTMul = Annotated[int, Field(ge=1, le=10, description="Each cycle is this many times the one before."), NOT_BOOL]
GradBound = Annotated[
    Number,
    Field(
        ge=0, description="Bound of the gradient's norm; 0: none, as in the original, where the bound has no effect."
    ),
]
CutoutSize = Annotated[
    Count | None, Field(description="Side of a square that is blanked in each training image; null: none.")
]
AugImages = Annotated[
    int,
    Field(
        ge=1,
        le=100,
        description="m: each training image comes with m − 1 copies, at random enlarged, turned, brightened, speckled, "
        "flipped; 1: none.",
    ),
    NOT_BOOL,
]
NumEpochs = Annotated[int, Field(ge=1, le=100_000, description="Epochs."), NOT_BOOL]
BatchSize = Annotated[int, Field(ge=1, le=100_000, description="Images per training step."), NOT_BOOL]
