"""The configuration: one frozen model per section, read from a file or a dict.

The sections and most keys are those of AutoGenome's JSON; ``load_config`` reads a file (or a dict), applies overrides,
and reports everything that is wrong in one error.
"""

from enas.config.load import list_missing_files, load_config
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
    "Inference",
    "InputFn",
    "Model",
    "ModelArgs",
    "Preprocessing",
    "Section",
    "Trainer",
    "list_missing_files",
    "load_config",
]
