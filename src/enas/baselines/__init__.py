"""Linear models for comparison: any network must be ahead of them to be worth its trouble."""

from enas.baselines.fitting import Baseline, Rows, fit_baselines
from enas.baselines.linear import LinearModel, load_linear, save_linear

__all__ = ["Baseline", "LinearModel", "Rows", "fit_baselines", "load_linear", "save_linear"]
