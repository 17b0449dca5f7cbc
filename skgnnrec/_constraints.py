"""Constraints of parameters that are stricter than those of scikit-learn: no booleans as numbers, no classes."""

from typing import Any

from sklearn.utils import _param_validation

__all__ = ["HasMethods", "Interval"]


class Interval(_param_validation.Interval):
    """An interval of numbers that contains no booleans: True is no count, and no number to compute with."""

    def is_satisfied_by(self, val: Any) -> bool:
        """Return whether a value is a number in the interval."""
        return not isinstance(val, bool) and super().is_satisfied_by(val)


class HasMethods(_param_validation.HasMethods):
    """Objects with given methods: instances, not the classes that define the methods."""

    def is_satisfied_by(self, val: Any) -> bool:
        """Return whether a value is an instance with the methods."""
        return not isinstance(val, type) and super().is_satisfied_by(val)
