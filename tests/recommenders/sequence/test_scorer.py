"""Steps of histories, and the scores of a trained sequence model."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec import SequenceRecommender
from skgnnrec.inspection import explain
from skgnnrec.interactions import places_from_end
from skgnnrec.recommenders.sequence._scorer import steps_of


@pytest.fixture(scope="module", params=["attention", "gru", "mlp"])
def fitted(request, cycles):
    return SequenceRecommender(request.param, embedding_dim=8, n_layers=2, max_iter=3, device="cpu").fit(cycles)


def test_equal_values_are_one_step():
    X = sparse.csr_array(np.array([[2, 0, 1, 2.0], [0, 0, 0, 0], [0, 5, 0, 0]]))
    starts, items = steps_of(X, places_from_end(X), 50)
    assert_array_equal(starts, [0, 2, 2, 3])
    assert_allclose(items.toarray(), [[0, 0, 1, 0], [0.5, 0, 0, 0.5], [0, 1, 0, 0]])


def test_the_latest_steps_are_kept():
    X = sparse.csr_array(np.array([[1, 2, 3, 4.0], [0, 0, 7, 7]]))
    starts, items = steps_of(X, places_from_end(X), 2)
    assert_array_equal(starts, [0, 2, 3])
    assert_allclose(items.toarray(), [[0, 0, 1, 0], [0, 0, 0, 1], [0, 0, 0.5, 0.5]])


def test_only_the_order_of_values_counts(fitted, cycles):
    expected = fitted.decision_function(cycles)
    decayed = sparse.csr_array((0.5 ** places_from_end(cycles), cycles.indices, cycles.indptr), shape=cycles.shape)
    assert_array_equal(fitted.decision_function(decayed), expected)
    assert np.abs(fitted.decision_function(cycles > 0) - expected).max() > 1e-3


def test_steps_before_the_longest_history_do_not_count(cycles):
    rec = SequenceRecommender(embedding_dim=8, max_length=2, max_iter=2, device="cpu").fit(cycles)
    assert_array_equal(
        rec.decision_function([[5, 4, 0, 0, 3, 0, 0, 0, 0, 0]]), rec.decision_function([[2, 1, 0, 0, 0, 0, 0, 0, 0, 0]])
    )


def test_a_history_has_the_same_bits_in_any_company(fitted, cycles, monkeypatch):
    together = fitted.decision_function(cycles)
    order = np.random.default_rng(0).permutation(cycles.shape[0])
    assert_array_equal(fitted.decision_function(cycles[order]), together[order])
    for row in (0, 60, 119):
        assert_array_equal(fitted.decision_function(cycles[[row]]), together[[row]])
    monkeypatch.setattr("skgnnrec.recommenders.sequence._scorer.BLOCK_STEPS", 3)
    assert_array_equal(fitted.decision_function(cycles), together)


def test_scores_are_cosines_plus_a_bias(fitted, cycles):
    users = fitted.transform(cycles)
    assert_allclose(np.linalg.norm(users, axis=1), 1, rtol=1e-5)
    expected = users @ fitted.item_embedding_.T + fitted.item_bias_
    assert_allclose(fitted.decision_function(cycles), expected, atol=1e-5)


def test_an_explanation_has_the_score_as_its_baseline(fitted, cycles):
    found = explain(fitted, cycles[:1], [[3]])
    assert found["kind"].tolist() == ["baseline"]
    assert_allclose(found["contribution"], fitted.decision_function(cycles[:1])[0, 3], atol=1e-5)
    assert len(explain(fitted, cycles[:1], [[3]], method="counterfactual")) == cycles[:1].nnz
