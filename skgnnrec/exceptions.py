"""Errors and warnings that users may want to catch by name."""

__all__ = [
    "CacheWarning",
    "EmptyHistoryWarning",
    "ItemAlignmentError",
    "LeakageWarning",
    "MemoryLimitError",
    "NonFiniteLossError",
]


class ItemAlignmentError(ValueError):
    """Raised when item data and the columns of the interactions do not match."""


class MemoryLimitError(MemoryError, ValueError):
    """Raised before an allocation that is larger than the memory at hand."""


class NonFiniteLossError(ArithmeticError):
    """Raised when training diverges: a loss is infinite or not a number."""


class EmptyHistoryWarning(UserWarning):
    """Warned when nothing can be held out because no user has two interactions."""


class LeakageWarning(UserWarning):
    """Warned when a split lets a recommender learn from what it is scored on, or from the time after it."""


class CacheWarning(UserWarning):
    """Warned when a cache of text vectors cannot be used; results are the same, they take longer."""
