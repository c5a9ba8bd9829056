"""The configuration: one frozen model per section, read from a file or a dict.

The sections and most keys are those of AutoGenome's JSON; ``load_config`` reads a file (or a dict), applies overrides,
and reports everything that is wrong in one error. There are two families, each with its own keys: ``Config`` is of
tables, ``ImageConfig`` of image folders.
"""

from enas.config.image_sections import (
    ImageConfig,
    ImageExplainer,
    ImageExplainerArgs,
    ImageFolder,
    ImageFolderArgs,
    ImageModel,
    ImageModelArgs,
    ImageTrainer,
    Retraining,
)
from enas.config.load import load_config, load_image_config, load_table_config
from enas.config.paths import list_missing_files
from enas.config.sections import (
    Config,
    ControllerSettings,
    DataArgs,
    DataSection,
    Explainer,
    ExplainerArgs,
    Inference,
    InputFn,
    Model,
    ModelArgs,
    Preprocessing,
    Section,
    Trainer,
)

__all__ = [
    "Config",
    "ControllerSettings",
    "DataArgs",
    "DataSection",
    "Explainer",
    "ExplainerArgs",
    "ImageConfig",
    "ImageExplainer",
    "ImageExplainerArgs",
    "ImageFolder",
    "ImageFolderArgs",
    "ImageModel",
    "ImageModelArgs",
    "ImageTrainer",
    "Inference",
    "InputFn",
    "Model",
    "ModelArgs",
    "Preprocessing",
    "Retraining",
    "Section",
    "Trainer",
    "list_missing_files",
    "load_config",
    "load_image_config",
    "load_table_config",
]
