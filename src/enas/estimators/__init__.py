"""scikit-learn's estimators over the pipeline of tables: `ENASClassifier`, `ENASRegressor`."""

from enas.estimators.classifier import ENASClassifier
from enas.estimators.regressor import ENASRegressor

__all__ = ["ENASClassifier", "ENASRegressor"]
