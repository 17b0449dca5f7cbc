"""The scores of trained embeddings: cosines and the prior of popularity."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skgnnrec.recommenders._trained_scores import comparable, popularity_bias


def test_cosines_have_candidates_of_length_one():
    vectors = np.random.default_rng(0).standard_normal((6, 8)).astype(np.float32)
    items = np.vstack([vectors, np.zeros((1, 8), dtype=np.float32)])
    assert_allclose(np.linalg.norm(comparable(items, is_cosine=True), axis=1), [1] * 6 + [0], rtol=1e-5)
    assert_allclose(comparable(items, is_cosine=False), items, atol=1e-6)


def test_items_without_users_have_the_mean_popularity_bias():
    bias, new = popularity_bias(np.array([3.0, 0.0, 0.0, 8.0]), 0.5, 0.1)
    assert_allclose(bias, 0.05 * np.log([4, 6, 6, 9]), rtol=1e-6)
    assert bias.dtype == np.float32
    assert new == pytest.approx(0.05 * np.log(6))
    bias, new = popularity_bias(np.zeros(2), 0.5, 0.1)
    assert (bias.tolist(), new) == ([0, 0], 0)


@pytest.mark.parametrize(("exponent", "temperature"), [(1e300, 0.1), (0.4, 1e300), (1e300, 1e300)])
def test_biases_beyond_float32_are_refused(exponent, temperature):
    with pytest.raises(ValueError, match=r"temperature=.* and popularity_exponent=.* give biases above 1e\+30"):
        popularity_bias(np.array([3.0, 0.0]), exponent, temperature)
