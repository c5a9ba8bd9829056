"""The sections of a configuration of image folders: the flags of ENAS-Tensorflow and of ENAS's authors, same names.

`ImageTrainer` holds the first script's flags (search), `Retraining` the second's. Defaults are theirs, but for these:

- ``child_num_reductions`` is found from the image; the authors had two, ENAS-Tensorflow's final networks three.
- ``controller_convolution_bias`` starts at 0: the original's 10 saturates the squashing, so nothing is learned there.
- ``train_auxiliary`` trains the auxiliary head's weights, which the original leaves as they are.
- ``child_drop_path_keep_prob`` stands in `Retraining` alone: the supernet drops no paths, in the original neither.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from enas.config.image_flags import (
    AugImages,
    AuxAfter,
    BatchSize,
    CutoutSize,
    GradBound,
    KeepProb,
    L2Reg,
    LrMax,
    LrMin,
    LrT0,
    LrTMul,
    NumEpochs,
    NumLayers,
    NumReductions,
    OutFilters,
    TrainAuxiliary,
    UseAuxHeads,
)
from enas.config.sections import Inference, InputFn, Section
from enas.config.values import (
    NOT_BOOL,
    Arc,
    CheckpointEpochs,
    CheckpointSeconds,
    CompareWithRandom,
    Count,
    Device,
    MaxMemory,
    MlflowStore,
    Natural,
    Number,
    OptionalPath,
    Precision,
    ProjectName,
    RequiredPath,
    Seed,
    TimeLimit,
)

VALIDATION_SPLIT = 0.1
"""Share that is held back where neither a folder nor a share is named."""


class ImageModelArgs(Section):
    """What is searched and predicted."""

    search_space: Literal["micro"] = Field(
        default="micro", description="micro: a normal and a reduction cell, of which the network is stacked."
    )
    output_classes: Count | None = Field(
        default=None, ge=2, description="Number of classes; null: found in train_data_dir."
    )


class ImageModel(Section):
    """Which family of networks is searched."""

    type: Literal["enas"] = Field(default="enas", description="The only family here.")
    args: ImageModelArgs = Field(default=ImageModelArgs(), description="What is searched and predicted.")


class ImageTrainer(Section):
    """Data and search."""

    train_data_dir: RequiredPath = Field(description="Folder of the training images, one folder per class in it.")
    val_data_dir: OptionalPath = Field(
        default=None, description="Folder of the validation images, of the same classes; null: see validation_split."
    )
    test_data_dir: OptionalPath = Field(
        default=None, description="Folder of the test images, of the same classes; null: no test."
    )
    output_dir: Path = Field(
        default=Path("output"),
        description="Folder under which enas/<name>/<date_time>/ is written; save_dir is the same key.",
    )
    validation_split: Number | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="Share of the training images that is held back for validation; null: 0.1 without val_data_dir.",
    )
    channel: Annotated[Literal[1, 3], NOT_BOOL] | None = Field(
        default=None, description="1: grey, 3: colour; null: as most images are."
    )
    img_size: Count | None = Field(
        default=None, ge=8, le=4096, description="Side to which images are resized; null: their most common size."
    )
    skip_unreadable: bool = Field(
        default=False, description="Count and list files that cannot be read, instead of stopping at the first."
    )
    n_aug_img: AugImages = 1
    augment_crop: Natural | None = Field(
        default=None, description="Pixels of padding before a random crop; null: 4 in colour, 0 in grey; 0: none."
    )
    augment_flip: bool | None = Field(
        default=None, description="Flip images left to right at random; null: in colour, not in grey."
    )
    child_cutout_size: CutoutSize = None

    num_epochs: NumEpochs = 150
    batch_size: BatchSize = 160
    log_every_n_steps: Count = Field(default=50, description="Training steps between two lines of the log.")

    child_fixed_arc: Arc | None = Field(
        default=None, description='Architecture to train, such as "1 2 1 3 …", without a search; null: search one.'
    )
    child_num_layers: NumLayers = 6
    child_num_cells: Count = Field(default=5, le=16, description="Nodes of a cell.")
    child_out_filters: OutFilters = 20
    child_num_reductions: NumReductions = "auto"
    child_l2_reg: L2Reg = 1e-4
    child_keep_prob: KeepProb = 0.9
    child_use_aux_heads: UseAuxHeads = True
    child_aux_after: AuxAfter = None
    train_auxiliary: TrainAuxiliary = True
    child_lr_max: LrMax = 0.05
    child_lr_min: LrMin = 0.0005
    child_lr_T_0: LrT0 = 10
    child_lr_T_mul: LrTMul = 2
    child_grad_bound: GradBound = 5.0

    controller_lr: Number = Field(default=0.0035, gt=0, description="Learning rate of the controller (Adam).")
    controller_tanh_constant: Number = Field(
        default=1.10, gt=0, description="The controller's logits are squashed to ± this value."
    )
    controller_op_tanh_reduce: Number = Field(
        default=2.5, gt=0, description="For operations that value is divided by this one."
    )
    controller_temperature: Number | None = Field(
        default=None, gt=0, description="Logits are divided by it first; null: they are not."
    )
    controller_convolution_bias: Number = Field(
        default=0.0, description="Where the learned bias of the two convolutions starts; 10 as in the original."
    )
    controller_entropy_weight: Number = Field(
        default=1e-4, ge=0, description="Weight of the sampling entropy in the reward."
    )
    controller_exploration: Number = Field(
        default=0.0, ge=0, description="Weight of the policy's entropy in its loss, with gradient; 0 as in the paper."
    )
    controller_bl_dec: Number = Field(default=0.99, ge=0, lt=1, description="Decay of the reward's moving average.")
    controller_train_every: Count = Field(default=1, description="Epochs between two trainings of the controller.")
    controller_train_steps: Natural = Field(default=30, description="Updates of the controller per training.")
    controller_num_aggregate: Count = Field(default=10, description="Architectures per update.")

    restore_original: bool = Field(
        default=False,
        description="Search as the originals: dropout stays on while architectures are scored, deriving scores on one "
        "minibatch, weights start by their number of inputs as fan-in.",
    )
    n_derived: Count = Field(
        default=100, description="Architectures sampled at the end and scored on all validation images."
    )
    top_k_candidates: Count = Field(default=1, description="How many of the best architectures are retrained.")

    @property
    def save_dir(self) -> Path:
        """The folder of the runs, under the name that it has for tables."""
        return self.output_dir

    @model_validator(mode="before")
    @classmethod
    def _hold_some_back(cls, data: Any) -> Any:
        """Without a validation folder a share of the training images is held back."""
        if not isinstance(data, dict) or data.get("val_data_dir") or data.get("validation_split") is not None:
            return data
        return {**data, "validation_split": VALIDATION_SPLIT}


class Retraining(Section):
    """Training of the architectures found, from scratch."""

    num_epochs: NumEpochs = 310
    batch_size: BatchSize = 128
    n_aug_img: AugImages = 1
    child_cutout_size: CutoutSize = None
    warm_start: bool = Field(default=False, description="Start from the supernet's weights instead of from scratch.")
    child_num_layers: NumLayers = 15
    child_out_filters: OutFilters = 16
    child_num_reductions: NumReductions = "auto"
    child_l2_reg: L2Reg = 2e-4
    child_keep_prob: KeepProb = 0.8
    child_drop_path_keep_prob: Number = Field(
        default=0.6, gt=0, le=1, description="Share of paths kept in the last layer at the end of training; 1: all."
    )
    child_use_aux_heads: UseAuxHeads = True
    child_aux_after: AuxAfter = None
    train_auxiliary: TrainAuxiliary = True
    child_lr_max: LrMax = 0.05
    child_lr_min: LrMin = 1e-5
    child_lr_T_0: LrT0 = 10
    child_lr_T_mul: LrTMul = 2
    child_grad_bound: GradBound = 5.0


class ImageFolderArgs(Section):
    """Where images lie."""

    data_dir: RequiredPath = Field(description="Folder of images; those in folders below it count, too.")


class ImageFolder(Section):
    """One folder of images without classes."""

    args: ImageFolderArgs = Field(description="Where the images lie.")


class ImageExplainerArgs(Section):
    """How images are explained (attribution of the pixels)."""

    num_samples: Count = Field(default=80, description="How many test images are explained.")
    ranked_outputs: Count = Field(default=20, description="How many of them the sheet shows.")


class ImageExplainer(Section):
    """Which pixels decide."""

    args: ImageExplainerArgs = Field(default=ImageExplainerArgs(), description="How images are explained.")


class ImageConfig(Section):
    """A whole configuration of image folders, as it stands in one file."""

    name: ProjectName = Field(
        coerce_numbers_to_str=True, description="Project name; names the folder of its runs; the preset's by default."
    )
    preset: Literal["micro-small", "micro-mnist", "micro-cifar10"] | None = Field(
        default=None, description="Settings that fill what is absent here."
    )
    model: ImageModel = Field(default=ImageModel(), description="Which family of networks is searched.")
    trainer: ImageTrainer = Field(description="Data and search.")
    retrain: Retraining = Field(default=Retraining(), description="Training of the architectures found, from scratch.")
    data_predict: ImageFolder | None = Field(default=None, description="Images to predict; they need no classes.")
    input_fn: InputFn = Field(default=InputFn(), description="How data are read.")
    evaluator: Inference | None = Field(default=None, description="Evaluation.")
    predictor: Inference | None = Field(default=None, description="Prediction.")
    explainer: ImageExplainer | None = Field(default=None, description="Which pixels decide.")
    seed: Seed = 0
    device: Device = "auto"
    precision: Precision = "float32"
    compare_with_random: CompareWithRandom = True
    time_limit: TimeLimit = None
    checkpoint_seconds: CheckpointSeconds = 60
    checkpoint_epochs: CheckpointEpochs = None
    max_memory: MaxMemory = None
    mlflow: MlflowStore = None
