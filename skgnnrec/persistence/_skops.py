"""The package skops, imported without torch."""

import sys
from threading import Thread
from typing import Any

from skgnnrec._device import ForkSafeLock

__all__ = ["import_skops", "start_import_of_skops"]

# skops lists the estimators of scikit-learn, for which it imports all modules of it. This one defines no estimator, and
# imports torch, which takes longer than reading a file of 0.6 GB.
IMPORTS_TORCH = "sklearn.externals.array_api_compat.torch"
_lock = ForkSafeLock()


def import_skops() -> Any:
    """Return the package skops.io."""
    with _lock:
        is_left_out = IMPORTS_TORCH not in sys.modules
        if is_left_out:
            sys.modules[IMPORTS_TORCH] = None  # type: ignore[assignment]  # Python's mark of modules that do not exist
        try:
            import skops.io
        finally:
            if is_left_out:
                del sys.modules[IMPORTS_TORCH]
    return skops.io


def start_import_of_skops() -> None:
    """Import skops in another thread, while this one reads a file."""
    Thread(target=import_skops).start()
