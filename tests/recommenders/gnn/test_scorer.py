"""The scorers of a trained graph keep the contract of scorers, and score as the network does."""

import pickle

import numpy as np
import pytest
import skops.io
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.graph import item_degrees, message_passing, normalized_history
from skgnnrec.recommenders._item_inputs import ItemInputs, initial_parameters, parameter_shapes
from skgnnrec.recommenders._trained_scores import score_with_bias
from skgnnrec.recommenders.gnn import _scorer
from skgnnrec.recommenders.gnn._model import GraphEncoder
from skgnnrec.recommenders.gnn._scorer import graph_factors

N_USERS, N_ITEMS, DIM = 60, 23, 5


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


DEGREES = np.random.default_rng(0).integers(0, 9, N_ITEMS).astype(np.float64)
LAYERS = [normal(seed, N_ITEMS, DIM) for seed in (5, 6, 7)]
SCORERS = {
    "linear, cosine": graph_factors(LAYERS[0], LAYERS[1], None, DEGREES, is_cosine=True, keep_input=False),
    "linear, dot product": graph_factors(LAYERS[0], LAYERS[1], None, DEGREES, is_cosine=False, keep_input=True),
    "attention, cosine": graph_factors(LAYERS[0], LAYERS[0], LAYERS, DEGREES, is_cosine=True, keep_input=False),
    "attention, dot product": graph_factors(LAYERS[0], LAYERS[0], LAYERS, DEGREES, is_cosine=False, keep_input=True),
    "attention, one layer": graph_factors(LAYERS[0], LAYERS[0], LAYERS[:2], DEGREES, is_cosine=True, keep_input=True),
    "attention with bias": score_with_bias(
        graph_factors(LAYERS[0], LAYERS[0], LAYERS, DEGREES, is_cosine=True, keep_input=False), normal(8, N_ITEMS)
    ),
}


@pytest.fixture(params=SCORERS.values(), ids=SCORERS.keys())
def scorer(request):
    return request.param


@pytest.fixture(name="X")
def histories():
    """Return weighted histories; every seventh is empty."""
    X = sparse.random_array((N_USERS, N_ITEMS), density=0.2, rng=np.random.default_rng(0), dtype=np.float32).toarray()
    X[::7] = 0
    return sparse.csr_array(X)


# The contract ---------------------------------------------------------------------------------------------------------


def test_scores_have_a_row_per_history_and_a_column_per_candidate(scorer, X):
    scores = scorer.scores(X)
    assert (scores.shape, scores.dtype, scorer.n_columns) == ((N_USERS, N_ITEMS), np.float32, N_ITEMS)
    assert np.isfinite(scores).all()
    assert np.abs(scores).max() > 0.1


def test_a_row_has_the_same_bits_in_any_company(scorer, X, monkeypatch):
    scores = scorer.scores(X)
    for rows in ([3], [5, 3, 3], list(range(N_USERS - 1, -1, -1))):
        assert_array_equal(scorer.scores(X[rows]), scores[rows])
    monkeypatch.setattr(_scorer, "BLOCK_USERS", 7)
    assert_array_equal(scorer.scores(X), scores)


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_row_has_the_same_bits_with_any_number_of_threads(scorer, X, n_threads):
    before, scores = torch.get_num_threads(), scorer.scores(X)
    torch.set_num_threads(n_threads)
    try:
        assert_array_equal(scorer.scores(X), scores)
    finally:
        torch.set_num_threads(before)


def test_no_history_and_empty_histories(scorer, X):
    assert scorer.scores(X[:0]).shape == (0, N_ITEMS)
    assert_array_equal(
        scorer.scores(X[[7]])[0], scorer.baseline(X[[7] * N_ITEMS], np.arange(N_ITEMS)).astype(np.float32)
    )


@pytest.mark.parametrize("columns", [[4], [16, 3, 0], list(range(N_ITEMS)), []])
def test_chosen_candidates_keep_their_bits(scorer, X, columns):
    chosen = scorer.take(np.array(columns, dtype=np.int64))
    assert chosen.n_columns == len(columns)
    assert_array_equal(chosen.scores(X), scorer.scores(X)[:, columns])


def test_contributions_and_baseline_sum_to_the_score(scorer, X, monkeypatch):
    scores, columns = scorer.scores(X), np.arange(N_USERS) % N_ITEMS
    parts, baseline = scorer.contributions(X, columns), scorer.baseline(X, columns)
    assert_array_equal(parts.indices, X.indices)
    assert_array_equal(parts.indptr, X.indptr)
    assert_allclose(parts.sum(axis=1) + baseline, scores[np.arange(N_USERS), columns], rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(_scorer, "BLOCK_USERS", 7)
    assert_allclose(scorer.contributions(X, columns).data, parts.data, rtol=1e-6)
    assert scorer.contributions(X[:0], columns[:0]).shape == (0, N_ITEMS)


def test_rough_scores_are_within_their_error_bound(scorer, X):
    scores, rough = scorer.scores(X), scorer.rough(X)
    difference = np.abs(rough.scores.astype(np.float64) - scores)
    rounding = 3 * 2.0**-24 * np.abs(scores).max(axis=1)
    assert (difference.max(axis=1) <= rough.error + rounding).all()
    rows, columns = np.nonzero(scores > np.median(scores))
    assert_array_equal(rough.exact(rows, columns).astype(np.float32), scores[rows, columns])


def test_weights_of_a_history_do_not_depend_on_their_unit(scorer, X):
    scores = scorer.scores(X)
    assert_array_equal(scorer.scores(X * np.float32(4)), scores)
    assert_allclose(scorer.scores(X * np.float32(1e-37)), scores, rtol=1e-2, atol=1e-2)


def test_files_and_pickles_give_the_same_scores(scorer, X):
    data = skops.io.dumps(scorer)
    trusted = skops.io.get_untrusted_types(data=data)
    assert all(name.startswith("skgnnrec.") for name in trusted)
    for copy in (skops.io.loads(data, trusted=trusted), pickle.loads(pickle.dumps(scorer))):
        assert_array_equal(copy.scores(X), scorer.scores(X))


def test_nothing_raises_where_numpy_raises_on_underflow(scorer, X):
    with np.errstate(all="raise"):
        scores = scorer.scores(X * np.float32(1e-30))
        scorer.contributions(X * np.float32(1e-30), np.zeros(N_USERS, dtype=np.int64))
    assert np.isfinite(scores).all()


# Formulas -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_input", [True, False])
@pytest.mark.parametrize("is_cosine", [True, False])
@pytest.mark.parametrize("conv", ["lightgcn", "attention"])
def test_users_are_embedded_as_in_training(conv, is_cosine, keep_input):
    X = sparse.csr_array(np.random.default_rng(0).random((N_USERS, N_ITEMS)) < 0.2, dtype=np.float32)
    degrees = item_degrees(X)
    parameters = initial_parameters(
        parameter_shapes(N_ITEMS, None, DIM, with_embedding=True, with_source=conv == "lightgcn"), seed=0
    )
    inputs = ItemInputs(
        {name: 4 * array + 1 for name, array in parameters.items()}, None, degrees > 0, torch.device("cpu")
    )
    graph = message_passing(normalized_history(X, degrees))
    encoder = GraphEncoder(graph, inputs, degrees > 0, conv=conv, n_layers=2, keep_input=keep_input)
    with torch.no_grad():
        embeddings = encoder.propagate()
        users = graph.to_rows(embeddings.sources) if embeddings.users is None else embeddings.users
    layers = None if embeddings.layers is None else [layer.detach().numpy() for layer in embeddings.layers[1]]
    items, sources = embeddings.items.numpy(), embeddings.sources.numpy()
    factors = graph_factors(items, sources, layers, degrees, is_cosine=is_cosine, keep_input=keep_input)
    expected = users.numpy()
    if is_cosine:
        expected = expected / np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    assert_allclose(factors.embed(X), expected, atol=1e-5)


def test_attention_of_a_history_sums_to_one(X):
    factors = SCORERS["attention, cosine"]
    weights = factors.attention(X)
    assert_array_equal(weights.indices, X.indices)
    assert_allclose(weights.sum(axis=1), np.diff(X.indptr) > 0, rtol=1e-5)
    assert (weights.data >= 0).all()
    assert weights.data.std() > 0


def test_the_weights_of_a_history_multiply_its_attention():
    factors = SCORERS["attention, one layer"]
    history = np.zeros((2, N_ITEMS), dtype=np.float32)
    history[:, [0, 1, 3]] = 1
    history[1, 1] = 2
    even, weighted = (weights[[0, 1, 3]] for weights in factors.attention(sparse.csr_array(history)).toarray())
    # Layer 0 of the user changes with the weights, too: twice the attention, up to that change.
    assert weighted[1] / weighted[0] > 1.5 * even[1] / even[0]


def test_an_item_of_next_to_no_weight_receives_no_attention():
    factors = SCORERS["attention, dot product"]
    history = np.zeros((1, N_ITEMS), dtype=np.float32)
    history[0, [0, 1]] = 1e30, 1e-30
    found = factors.attention(sparse.csr_array(history)).toarray()[0, :2]
    assert_allclose(found, [1, 0], atol=1e-6)
