"""The sections of the configuration: every key with its meaning, bounds and default."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from enas.config.values import (
    Arc,
    CheckpointEpochs,
    CheckpointSeconds,
    CompareWithRandom,
    Count,
    Delimiter,
    Device,
    Folds,
    MaxMemory,
    MlflowStore,
    Natural,
    Number,
    OptionalPath,
    Precision,
    ProjectName,
    Seed,
    TimeLimit,
)
from enas.errors import ConfigError

FAST_REWARDS = ("accuracy", "balanced_accuracy", "auroc", "neg_log_loss", "r2")
"""Known without scikit-learn, whose import takes a second."""


def rewards_numbers(name: str) -> bool:
    """Whether this reward is one of a regression."""
    if name in FAST_REWARDS:
        return name == "r2"
    from enas.metrics.scorers import is_of_regression

    return is_of_regression(name)


def _check_reward(name: str) -> str:
    if name not in FAST_REWARDS:
        from enas.metrics.scorers import check_name

        try:
            check_name(name)
        except ConfigError as error:
            raise ValueError(str(error).partition('" ')[2]) from None
    return name


class Section(BaseModel):
    """What all sections share: immutable, no unknown keys, ``null`` means the default."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _null_is_default(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in cls.model_fields}


class ModelArgs(Section):
    """What is predicted."""

    output_classes: Count | None = Field(
        default=None, description="Number of classes (or targets); null: found in the labels."
    )
    is_regression: bool = Field(default=False, description="Predict numbers instead of classes.")
    multi_tasks: bool = Field(default=False, description="Learn several target columns at once (regression).")


class Model(Section):
    """Which family of networks is searched."""

    type: Literal["enas"] = Field(default="enas", description="The only family here.")
    args: ModelArgs = Field(default=ModelArgs(), description="What is predicted.")


class DataArgs(Section):
    """Where a table lies and how it is to be read."""

    data_dir: OptionalPath = Field(
        default=None, description="Folder of the files below; null: the folder of the config."
    )
    features_file: OptionalPath = Field(
        default=None, description="Table of features, a row per sample: text (.gz, .zst too) or Parquet."
    )
    labels_file: OptionalPath = Field(default=None, description="Table of labels, a row per sample.")
    validation_split: Number | None = Field(
        default=None, gt=0, lt=1, description="Share of the samples that is held back for validation."
    )
    validation_features: OptionalPath = Field(default=None, description="Features of a validation set of its own.")
    validation_labels: OptionalPath = Field(default=None, description="Labels of that validation set.")
    shuffle: bool = Field(
        default=True, description="Shuffle the samples in each epoch; splits are stratified and drawn by the seed."
    )
    delimiter: Delimiter | None = Field(
        default=None, description='Cell delimiter: "\\t" or "tab", " " or "space", "," …; null: found in the file.'
    )
    header: bool | None = Field(default=None, description="Whether the first row holds names; null: found in the file.")
    sample_ids: bool | None = Field(
        default=None, description="Whether the first column holds ids; null: found in the file."
    )
    label_column: str | list[str] | None = Field(
        default=None,
        description="Column, or columns, to be predicted: of labels_file, or without one of the features.",
    )
    group_column: str | None = Field(
        default=None,
        description="Column of labels_file or of the features, such as patient: rows of one group train together or "
        "judge together; it is no feature. Name it in every section whose table has it.",
    )
    h5ad: OptionalPath = Field(default=None, description="AnnData file, in place of features_file and labels_file.")
    label_key: str | list[str] | None = Field(
        default=None, description="Column, or columns, of the AnnData's obs to be predicted."
    )
    layer: str | None = Field(default=None, description="Layer of the AnnData, or raw; null: X.")
    batch_key: str | None = Field(
        default=None, description="Column of the AnnData's obs; whole batches are held out together."
    )


class DataSection(Section):
    """One table."""

    type: Literal["DataLoader"] = Field(default="DataLoader", description="The only reader here.")
    args: DataArgs = Field(description="Where the table lies and how it is to be read.")


class InputFn(Section):
    """How data are read."""

    num_threads: Count | None = Field(default=None, description="Threads for reading and computing; null: all cores.")


class Trainer(Section):
    """Search and retraining."""

    child_num_layers: Count = Field(default=3, le=64, description="Searched layers, the fixed first layer not counted.")
    batch_size: Count = Field(default=64, description="Samples per training step.")
    max_number_of_epoches_in_search: Count = Field(default=10, description="Epochs of the search.")
    max_number_of_epoches_in_fixed: Count = Field(default=50, description="Epochs of retraining each candidate.")
    top_k_candidates: Count = Field(default=2, description="How many of the best architectures are retrained.")
    child_l2_reg: Number = Field(
        default=1e-4, ge=0, description="Weight of the L2 penalty; child_lr_reg is the same key."
    )
    max_search_channel: Count = Field(
        default=512,
        ge=16,
        description="Width of the first layer and the widest choice; the narrowest is W/16: take 64 or more.",
    )
    save_dir: Path = Field(default=Path("."), description="Folder under which enas/<name>/<date_time>/ is written.")
    log_every_n_steps: Count = Field(default=10, description="Training steps between two lines of the log.")
    reward: Annotated[str, AfterValidator(_check_reward)] | None = Field(
        default=None, description="What the search maximises on validation data; null: accuracy, or r2 for regression."
    )
    folds: Folds | Literal["auto"] = Field(
        default="auto",
        description="Folds of cross-fitting; 0: one split; auto: 5 for small data where no split is named.",
    )
    ensemble: bool = Field(default=False, description="Average the k best candidates instead of taking the best.")
    n_seeds: Count = Field(default=1, description="Networks with different seeds, averaged, per retrained candidate.")
    class_weight: Literal["balanced"] | None = Field(default=None, description="balanced: every class counts the same.")
    loss: Literal["cross_entropy", "focal"] = Field(
        default="cross_entropy", description="Training loss of classifiers."
    )
    child_lr: Number = Field(default=3e-3, gt=0, description="Learning rate of the networks.")
    child_keep_prob: Number = Field(default=1.0, gt=0, le=1, description="Share of units that dropout keeps; 1: none.")


class Preprocessing(Section):
    """What is done to the features; fitted on training rows only."""

    scale: Literal["standard", "robust", "none"] = Field(
        default="standard", description="standard: mean 0, deviation 1; robust: by median and quartiles."
    )
    transform: Literal["none", "log1p", "asinh", "auto"] = Field(
        default="auto", description="Applied to each value before scaling; auto: asinh where values exceed 1,000."
    )
    screen: Count | Literal["all", "auto", "soft"] = Field(
        default="auto",
        description="Keep this many features, the best by univariate score; auto: the search chooses. soft: keep all, "
        "weighed by that score; the search chooses how sharply.",
    )


class ControllerSettings(Section):
    """The policy that proposes architectures, and how REINFORCE trains it."""

    lr: Number = Field(default=0.0035, gt=0, description="Learning rate (Adam).")
    hidden_size: Count = Field(default=64, description="Units of its LSTM.")
    tanh_constant: Number = Field(default=1.5, gt=0, description="Logits are squashed to ± this value.")
    temperature: Number | None = Field(
        default=None, gt=0, description="Logits are divided by it first; null: they are not."
    )
    entropy_weight: Number = Field(default=1e-4, ge=0, description="Weight of the sampling entropy in the reward.")
    exploration: Number = Field(
        default=0.005, ge=0, description="Weight of the policy's entropy in its loss, with gradient; 0 as in the paper."
    )
    baseline_decay: Number = Field(default=0.99, ge=0, lt=1, description="Decay of the reward's moving average.")
    train_steps: Natural = Field(default=30, description="Updates of the controller per epoch.")
    num_aggregate: Count = Field(default=10, description="Architectures per update.")
    skip_target: Number = Field(
        default=0.4, gt=0, lt=1, description="Rate of skip connections that the penalty aims at."
    )
    skip_weight: Number = Field(default=0.0, ge=0, description="Weight of that penalty; 0 turns it off.")


class Inference(Section):
    """Evaluation or prediction with a trained network."""

    max_number_of_steps: Count | None = Field(default=None, description="At most this many batches; null: all samples.")
    batch_size: Count = Field(default=100, description="Samples per batch.")
    checkpoint_path: OptionalPath = Field(default=None, description="Weights to use; null: the run's best.")
    arc: Arc | None = Field(
        default=None, description='Architecture to use, such as "[3 0 1 2 1 1]"; null: the run\'s best.'
    )


class ExplainerArgs(Section):
    """How features are ranked (SHAP)."""

    plot_type: Literal["bar", "dot"] | None = Field(
        default=None, description="AutoGenome's choice of summary plot; both kinds are drawn."
    )
    features_name_file: OptionalPath = Field(default=None, description="Names of the features, one per line.")
    num_samples: Count = Field(default=80, description="How many samples are explained.")
    ranked_outputs: Count = Field(default=20, description="How many features a plot shows.")


class Explainer(Section):
    """Ranking of the features."""

    args: ExplainerArgs = Field(default=ExplainerArgs(), description="How features are ranked.")


class Config(Section):
    """A whole configuration, as it stands in one file."""

    name: ProjectName = Field(coerce_numbers_to_str=True, description="Project name; names the folder of its runs.")
    model: Model = Field(default=Model(), description="Which family of networks is searched, and what is predicted.")
    data_train: DataSection | None = Field(default=None, description="Table to search and train on.")
    data_evaluate: DataSection | None = Field(default=None, description="Table to evaluate on; it needs labels.")
    data_predict: DataSection | None = Field(default=None, description="Table to predict; it needs no labels.")
    input_fn: InputFn = Field(default=InputFn(), description="How data are read.")
    trainer: Trainer = Field(default=Trainer(), description="Search and retraining.")
    evaluator: Inference | None = Field(default=None, description="Evaluation.")
    predictor: Inference | None = Field(default=None, description="Prediction.")
    explainer: Explainer | None = Field(default=None, description="Ranking of the features.")
    preprocessing: Preprocessing = Field(default=Preprocessing(), description="What is done to the features.")
    controller: ControllerSettings = Field(
        default=ControllerSettings(), description="The policy that proposes architectures."
    )
    seed: Seed = 0
    device: Device = "auto"
    precision: Precision = "float32"
    compare_with_random: CompareWithRandom = True
    time_limit: TimeLimit = None
    checkpoint_seconds: CheckpointSeconds = 60
    checkpoint_epochs: CheckpointEpochs = None
    max_memory: MaxMemory = None
    mlflow: MlflowStore = None
