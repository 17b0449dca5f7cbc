"""Errors and warnings of the package."""

__all__ = [
    "CacheWarning",
    "EmptyHistoryWarning",
    "ItemAlignmentError",
    "LeakageWarning",
    "LoadError",
    "MemoryLimitError",
    "NonFiniteLossError",
    "PrivacyBudgetError",
]


class ItemAlignmentError(ValueError):
    """Raised when item data do not match the columns of the interactions."""


class LoadError(ValueError):
    """Raised when a saved file is damaged, of another kind or of a newer format, or has types that are not trusted."""


class MemoryLimitError(MemoryError, ValueError):
    """Raised before an allocation that exceeds the memory of the machine."""


class NonFiniteLossError(ArithmeticError):
    """Raised when training diverges: a loss is infinite or NaN."""


class PrivacyBudgetError(ValueError):
    """Raised when an update would exceed the privacy budget of a recommender."""


class EmptyHistoryWarning(UserWarning):
    """Warned when there are no interactions to hold out or to score."""


class LeakageWarning(UserWarning):
    """Warned when a recommender learns from the interactions it is scored on, or from later ones."""


class CacheWarning(UserWarning):
    """Warned when a cache of text vectors cannot be used: results are the same but take longer."""
