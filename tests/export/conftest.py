"""The packages of the extra, and runs of exported graphs."""

import numpy as np
import pytest


@pytest.fixture
def path(tmp_path):
    """Return the path of a file that does not exist."""
    return tmp_path / "model.onnx"


@pytest.fixture
def run(path):
    """Return a function that runs the exported graph and returns its outputs."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")

    def run(**inputs):
        session = onnxruntime.InferenceSession(path)
        return session.run(None, {name: np.asarray(value) for name, value in inputs.items()})

    return run
