"""Searches on a cluster."""

import numpy as np
import pytest
from joblib import Parallel, delayed

from skgnnrec import distributed
from skgnnrec.datasets import make_interactions

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.ray


def test_a_large_matrix_is_passed_once(cluster, monkeypatch):
    import ray

    X = make_interactions(300, 400, n_interactions=0.3, random_state=0).interactions
    put, stored = ray.put, []
    monkeypatch.setattr(ray, "put", lambda value: stored.append(value) or put(value))

    def total(X, factor):
        return float(X.sum()) * factor, X.data.flags.writeable

    with distributed.ray_backend():
        found = Parallel()(delayed(total)(X, factor) for factor in range(6))
    assert [value for value, _ in found] == [float(X.sum()) * factor for factor in range(6)]
    assert not any(is_copy for _, is_copy in found)
    assert len(stored) == 2  # the values and the indices, not once for each of the six calls


def test_errors_of_tasks_are_raised(cluster):
    def fail(value):
        raise ValueError(f"the value {value} is wrong")

    with pytest.raises(ValueError, match="the value 3 is wrong"), distributed.ray_backend(n_jobs=2):
        Parallel()(delayed(fail)(3) for _ in range(2))
    with distributed.ray_backend(n_jobs=2):
        assert Parallel()(delayed(np.square)(value) for value in range(5)) == [0, 1, 4, 9, 16]
