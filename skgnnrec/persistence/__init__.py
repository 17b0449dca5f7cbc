"""Saving and loading of fitted estimators, without pickle."""

from skgnnrec.persistence._persist import load, save

__all__ = ["load", "save"]
