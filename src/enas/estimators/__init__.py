"""scikit-learn's estimators over the pipelines of tables and of images."""

from enas.estimators.classifier import ENASClassifier
from enas.estimators.image import ENASImageClassifier
from enas.estimators.regressor import ENASRegressor

__all__ = ["ENASClassifier", "ENASImageClassifier", "ENASRegressor"]
