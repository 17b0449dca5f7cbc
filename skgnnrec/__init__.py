"""Recommenders that read: text embeddings and graph models as scikit-learn estimators."""

__version__ = "0.1.0.dev0"
