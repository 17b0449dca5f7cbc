"""Warnings at the line of a user's program that called the package, also through searches of scikit-learn."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

__all__ = ["warn_caller"]

PASSED = sys.stdlib_module_names | {"joblib", "numpy", "sklearn", "skgnnrec"}  # packages that are not the caller


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line outside the package that made the current call; a function that warns does so once per call."""
    source = sys._getframe(1)
    outermost, stacklevel = source, 2
    while outermost.f_back is not None and not _is_caller(outermost.f_back):
        outermost, stacklevel = outermost.f_back, stacklevel + 1
    # The outermost frame of a call lives as long as the call, which may score many folds. The registry of `warnings`
    # does not suffice: scikit-learn resets it in each fold.
    mark = f"{source.f_code.co_qualname} has warned"
    if outermost.f_back is not None:  # else there is no caller, as in a thread
        if mark in outermost.f_locals:
            return
        outermost.f_locals[mark] = True
    warnings.warn(message, category, stacklevel=stacklevel + 1)


def _is_caller(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__", "").partition(".")[0] not in PASSED
