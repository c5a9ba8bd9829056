"""From an estimator's parameters to the pipeline's configuration, with the estimator's names in every error."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from enas.config import Config
from enas.config.problems import describe
from enas.errors import ConfigError, DataError

AnyConfig = TypeVar("AnyConfig", bound=BaseModel)

KEYS = {
    "n_layers": "trainer.child_num_layers",
    "max_channels": "trainer.max_search_channel",
    "search_epochs": "trainer.max_number_of_epoches_in_search",
    "epochs": "trainer.max_number_of_epoches_in_fixed",
    "controller_steps": "controller.train_steps",
    "top_k": "trainer.top_k_candidates",
    "ensemble": "trainer.ensemble",
    "n_seeds": "trainer.n_seeds",
    "batch_size": "trainer.batch_size",
    "learning_rate": "trainer.child_lr",
    "l2": "trainer.child_l2_reg",
    "keep_prob": "trainer.child_keep_prob",
    "loss": "trainer.loss",
    "transformation": "preprocessing.transform",
    "scale": "preprocessing.scale",
    "screen": "preprocessing.screen",
    "time_limit": "time_limit",
    "device": "device",
}
"""Parameter → key of the configuration."""


class ParameterError(ConfigError, ValueError):
    """A parameter that cannot be used: an error of ours, and the ``ValueError`` that scikit-learn's tools expect."""


class InputError(DataError, ValueError):
    """Data that cannot be used: an error of ours, and the ``ValueError`` that scikit-learn's tools expect."""


def make_config(parameters: Mapping[str, Any], seed: int) -> Config:
    """The configuration of these parameters; those that have no key are left out.

    Raises:
        ParameterError: naming each parameter that is wrong.
    """
    names = {key: parameter for parameter, key in KEYS.items()}
    return build_config(Config, {"name": "estimator", "seed": seed, "compare_with_random": False}, parameters, names)


def build_config(
    model: type[AnyConfig], tree: dict[str, Any], parameters: Mapping[str, Any], names: Mapping[str, str]
) -> AnyConfig:
    """A configuration.

    Args:
        model: of tables or of images.
        tree: what does not come from parameters; changed.
        parameters: those of an estimator.
        names: key of the configuration → parameter.

    Raises:
        ParameterError: naming each parameter that is wrong.
    """
    for key, parameter in names.items():
        if parameter in parameters:
            *sections, name = key.split(".")
            place = tree
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = _plain(parameters[parameter])
    try:
        return model.model_validate(tree)
    except ValidationError as error:
        problems = [f"{names.get(key, key)}: {text}" for key, text in describe(error, model)]
        raise ParameterError("\n".join(dict.fromkeys(problems))) from None


def _plain(value: Any) -> Any:
    """A NumPy number as Python's: grids of parameters are arrays."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value
