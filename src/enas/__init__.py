"""ENAS: find a neural network's architecture for your data, train it, say honestly how good it is, and explain it.

Importing this loads nothing heavy; public names are imported when they are first used.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from enas.automl import Auto
    from enas.estimators import ENASClassifier, ENASImageClassifier, ENASRegressor
    from enas.progress import Progress
    from enas.search_space.architecture import Architecture

__version__ = "0.1.0"
__all__ = ["Architecture", "ENASClassifier", "ENASImageClassifier", "ENASRegressor", "__version__", "auto"]


def auto(
    config: str | Path | Mapping[str, Any],
    *,
    run: str | Path | None = None,
    overrides: Sequence[str] = (),
    progress: "Progress | None" = None,
) -> "Auto":
    """Open a configuration; the result has ``train()``, ``evaluate()``, ``predict()`` and ``explain()``.

    Args:
        config: a JSON or YAML file, or a mapping of the same shape.
        run: a finished run directory to take up; None: the newest one of the config's name, unless ``train`` is called.
        overrides: changes such as ``"trainer.batch_size=32"``.
        progress: where the log goes; None: standard output.

    Raises:
        ConfigError: the configuration is wrong.
        RunError: ``run`` is no run directory.
    """
    from enas.automl import Auto

    return Auto(config, run=run, overrides=overrides, progress=progress)


def __getattr__(name: str) -> Any:
    if name == "Architecture":
        from enas.search_space.architecture import Architecture

        return Architecture
    if name in ("ENASClassifier", "ENASImageClassifier", "ENASRegressor"):
        from enas import estimators

        return getattr(estimators, name)
    raise AttributeError(f"module 'enas' has no attribute {name!r}")
