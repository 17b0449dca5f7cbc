"""Loading a file does not import torch, which would take longer than the file."""

import subprocess
import sys

from skgnnrec import RidgeRecommender, save

LOADING = """
import sys
import skgnnrec
skgnnrec.load(sys.argv[1]).ranker()([0, 1])
assert "torch" not in sys.modules
assert "sklearn.externals.array_api_compat.torch" not in sys.modules
import sklearn.externals.array_api_compat.torch
import skops.io
from sklearn.linear_model import Ridge
content = skops.io.dumps(Ridge())
assert skops.io.get_untrusted_types(data=content) == []
"""


def test_a_file_is_loaded_without_torch(X, path):
    save(RidgeRecommender().fit(X), path)
    run = subprocess.run(
        [sys.executable, "-c", LOADING, path], capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
