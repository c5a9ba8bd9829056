"""Repeated cross-validation of the whole pipeline: search, retraining and choice anew in each fold."""

from enas.cross_validation.result import CrossValidation

__all__ = ["CrossValidation"]
