"""How good predictions are: scores that steer the search, and records with 95 % intervals for people to read."""

from enas.metrics.classification import ClassificationMetrics, ClassMetrics, evaluate_classification
from enas.metrics.intervals import Estimate
from enas.metrics.regression import RegressionMetrics, TargetMetrics, evaluate_regression
from enas.metrics.rewards import RewardName, score, scores, tie_break

__all__ = [
    "ClassMetrics",
    "ClassificationMetrics",
    "Estimate",
    "RegressionMetrics",
    "RewardName",
    "TargetMetrics",
    "evaluate_classification",
    "evaluate_regression",
    "score",
    "scores",
    "tie_break",
]
