"""Settings and fixtures for all tests."""

import os

# Read when scipy is imported: without it, scikit-learn skips its array API checks.
os.environ["SCIPY_ARRAY_API"] = "1"
# No test reaches for a model hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
