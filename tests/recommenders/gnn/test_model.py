"""The network of the trained recommender: parameters, propagation, attention."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.graph import item_degrees, message_passing, normalized_history
from skgnnrec.interactions import Vocabulary
from skgnnrec.recommenders._item_inputs import (
    ItemInputs,
    continue_from,
    initial_parameters,
    match_items,
    parameter_shapes,
)
from skgnnrec.recommenders.gnn._model import GraphEncoder

DIM = 8


def make_encoder(X, parameters, vectors=None, **settings):
    """Return an encoder on the graph of X."""
    degrees = item_degrees(X)
    graph = message_passing(normalized_history(X, degrees))
    inputs = ItemInputs(parameters, vectors, degrees > 0, torch.device("cpu"))
    return GraphEncoder(
        graph, inputs, degrees > 0, **{"conv": "lightgcn", "n_layers": 2, "keep_input": True, **settings}
    )


def fresh_parameters(vectors=None, with_embedding=True, with_source=False):
    n_dimensions = None if vectors is None else vectors.shape[1]
    shapes = parameter_shapes(40, n_dimensions, DIM, with_embedding=with_embedding, with_source=with_source)
    return initial_parameters(shapes, seed=0)


# Parameters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_dimensions", "with_embedding", "with_source", "expected"),
    [
        (None, True, False, {"embedding": (40, 8)}),
        (None, True, True, {"embedding": (40, 8), "source": (40, 8)}),
        (6, False, False, {"weight": (6, 8), "bias": (8,), "weight_out": (8, 8)}),
        (30, True, False, {"weight": (30, 19), "bias": (19,), "weight_out": (19, 8), "embedding": (40, 8)}),
    ],
)
def test_shapes_of_the_parameters(n_dimensions, with_embedding, with_source, expected):
    shapes = parameter_shapes(40, n_dimensions, 8, with_embedding=with_embedding, with_source=with_source)
    assert shapes == expected
    parameters = initial_parameters(shapes, seed=0)
    assert {name: array.shape for name, array in parameters.items()} == expected
    assert {array.dtype for array in parameters.values()} == {np.dtype(np.float32)}
    assert not parameters.get("source", np.zeros(1)).any()


def test_embeddings_have_a_length_of_about_one_at_the_start():
    vectors = np.random.default_rng(0).standard_normal((2000, 60)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shapes = parameter_shapes(2000, 60, 50, with_embedding=True, with_source=False)
    parameters = initial_parameters(shapes, seed=0)
    inputs = ItemInputs(parameters, vectors, np.ones(2000, dtype=bool), torch.device("cpu"))
    mapped = inputs.mapped(torch.tensor(vectors)).detach().numpy()
    assert_allclose(np.linalg.norm(parameters["embedding"], axis=1).mean(), 1, rtol=0.05)
    assert_allclose(np.linalg.norm(mapped, axis=1).mean(), 1, rtol=0.2)


def test_parameters_are_copied():
    parameters = fresh_parameters()
    kept = parameters["embedding"].copy()
    inputs = ItemInputs(parameters, None, np.ones(40, dtype=bool), torch.device("cpu"))
    with torch.no_grad():
        inputs.learned["embedding"] += 1
    assert_array_equal(parameters["embedding"], kept)
    assert_allclose(inputs.arrays()["embedding"], kept + 1)


# Another fit ----------------------------------------------------------------------------------------------------------


def test_items_are_matched_by_id():
    before, now = Vocabulary(["a", "b", "c"]), Vocabulary(["c", "new", "a", "b"])
    assert_array_equal(match_items(before, now, 3, 4), [2, -1, 0, 1])


def test_items_without_ids_are_matched_by_position():
    assert_array_equal(match_items(None, None, 3, 3), [0, 1, 2])
    assert_array_equal(match_items(None, Vocabulary([0, 1, 2]), 3, 3), [0, 1, 2])
    assert_array_equal(match_items(Vocabulary([0, 1, 2]), None, 3, 3), [0, 1, 2])


@pytest.mark.parametrize(
    ("before", "now", "n_items", "match"),
    [
        (None, None, 4, "X has 4 columns, the previous fit 3 items"),
        (Vocabulary([0, 1, 2]), None, 4, "X has 4 columns, the previous fit 3 items"),
        (Vocabulary(["a", "b", "c"]), None, 3, "by id, but this fit has no item ids"),
        (None, Vocabulary(["a", "b", "c"]), 3, "by id, but the previous fit had no item ids"),
        (None, Vocabulary([2, 1, 0]), 3, "by id, but the previous fit had no item ids"),
    ],
)
def test_items_that_cannot_be_matched_are_refused(before, now, n_items, match):
    with pytest.raises(ValueError, match=match):
        match_items(before, now, 3, n_items)


def test_learned_embeddings_follow_their_items():
    table = np.arange(6.0).reshape(3, 2)
    learned = {"embedding": table, "source": table + 10, "weight": np.ones((4, 2))}
    fresh = {"embedding": np.full((4, 2), -1.0), "source": np.zeros((4, 2)), "weight": np.zeros((4, 2))}
    continued = continue_from(learned, np.array([2, -1, 0, 1]), fresh)
    assert_array_equal(continued["embedding"], [[4, 5], [-1, -1], [0, 1], [2, 3]])
    assert_array_equal(continued["source"], [[14, 15], [0, 0], [10, 11], [12, 13]])
    assert_array_equal(continued["weight"], 1)


@pytest.mark.parametrize(
    ("fresh", "match"),
    [
        ({"embedding": np.ones((2, 3))}, r"'embedding' has the shape \(2, 3\), in the previous fit \(2, 2\)"),
        ({"weight": np.ones((2, 2))}, r"the previous fit has the parameters \['embedding'\], this one \['weight'\]"),
    ],
)
def test_parameters_of_other_settings_are_refused(fresh, match):
    with pytest.raises(ValueError, match=match):
        continue_from({"embedding": np.ones((3, 2))}, np.array([0, 1]), fresh)


def test_a_fit_without_a_common_item_does_not_continue():
    learned, fresh = {"embedding": np.ones((3, 2))}, {"embedding": np.zeros((2, 2))}
    with pytest.raises(ValueError, match="none of the 2 item ids was in it"):
        continue_from(learned, np.array([-1, -1]), fresh)
    with_map = continue_from(
        {**learned, "weight": np.ones((4, 2))}, np.array([-1, -1]), {**fresh, "weight": np.zeros((4, 2))}
    )
    assert_array_equal(with_map["embedding"], 0)
    assert_array_equal(with_map["weight"], 1)


# Propagation ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_input", [True, False])
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_linear_propagation_is_light_gcn(X, n_layers, keep_input):
    """The means over 2 L + 1 hops; users start at zero, so items are in even hops and users in odd ones."""
    encoder = make_encoder(X, fresh_parameters(), n_layers=n_layers, keep_input=keep_input)
    A = normalized_history(X, item_degrees(X)).toarray()
    n_users = len(A)
    adjacency = np.block([[np.zeros((n_users, n_users)), A], [A.T, np.zeros((40, 40))]])
    hops = [np.vstack([np.zeros((n_users, DIM)), encoder.inputs().detach().numpy()])]
    for _ in range(2 * n_layers + 1):
        hops.append(adjacency @ hops[-1])
    first = 0 if keep_input else 1
    expected_items = np.mean([hops[2 * layer][n_users:] for layer in range(first, n_layers + 1)], axis=0)
    expected_users = np.mean([hops[2 * layer + 1][:n_users] for layer in range(first, n_layers + 1)], axis=0)
    embeddings = encoder.propagate()
    assert embeddings.users is None
    assert_allclose(embeddings.items.detach(), expected_items, atol=1e-6)
    assert_allclose(encoder.graph.to_rows(embeddings.items).detach(), expected_users, atol=1e-6)
    user_layers, item_layers = encoder.layers()
    assert_allclose(sum(item_layers[first:]).detach() / (n_layers + 1 - first), expected_items, atol=1e-6)
    assert_allclose(sum(user_layers[first:]).detach() / (n_layers + 1 - first), expected_users, atol=1e-6)


def test_without_layers_items_are_their_inputs_and_sources_have_an_offset(X):
    parameters = fresh_parameters(with_source=True)
    parameters["source"] += 0.5
    embeddings = make_encoder(X, parameters, n_layers=0, keep_input=False).propagate()
    has_users = (item_degrees(X) > 0)[:, None]
    assert_allclose(embeddings.items.detach(), parameters["embedding"] * has_users)
    assert_allclose(embeddings.sources.detach(), (parameters["embedding"] + 0.5) * has_users)


def test_the_map_has_one_hidden_layer(vectors):
    parameters = fresh_parameters(vectors, with_embedding=False)
    parameters["bias"] += 0.3
    inputs = ItemInputs(parameters, vectors, np.ones(40, dtype=bool), torch.device("cpu"))
    hidden = vectors @ parameters["weight"] + 0.3
    expected = np.where(hidden > 0, hidden, 0.01 * hidden) @ parameters["weight_out"]
    assert_allclose(inputs().detach(), expected, atol=1e-5)


@pytest.mark.parametrize("conv", ["lightgcn", "attention"])
def test_items_without_users_keep_their_mapped_vectors(X, conv):
    X = X.tolil()
    X[:, [3, 9]] = 0
    vectors = np.eye(40, 5, dtype=np.float32)
    encoder = make_encoder(sparse.csr_array(X), fresh_parameters(vectors), vectors, conv=conv, keep_input=False)
    items = encoder.propagate().items.detach()
    assert_array_equal(items[[3, 9]], encoder.inputs.mapped(torch.tensor(vectors[[3, 9]])).detach())
    assert (items[3] != 0).any()


def test_noise_has_its_length_and_keeps_signs(X):
    encoder = make_encoder(X, fresh_parameters(), n_layers=1, keep_input=False)
    plain = encoder.layers()[1][1].detach()
    noisy = encoder.layers(0.2, torch.Generator().manual_seed(0))[1][1].detach()
    has_users = item_degrees(X) > 0
    assert_allclose(torch.linalg.norm(noisy - plain, dim=1)[has_users], 0.2, rtol=1e-4)
    assert ((noisy - plain) * plain >= 0).all()


# Attention ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_layers", [1, 2])
def test_attention_follows_its_formula(X, n_layers):
    encoder = make_encoder(X, fresh_parameters(), conv="attention", n_layers=n_layers, keep_input=True)
    items = encoder.inputs().detach().numpy().astype(np.float64)
    users = normalized_history(X, item_degrees(X)).toarray() @ items
    user_layers, item_layers = [users], [items]
    has = X.toarray() > 0
    for _ in range(n_layers):
        items = softmax_of_edges(user_layers[-1] @ item_layers[-1].T, has, axis=0).T @ user_layers[-1]
        items[~has.any(axis=0)] = item_layers[0][~has.any(axis=0)]
        users = softmax_of_edges(user_layers[-1] @ items.T, has, axis=1) @ items
        user_layers.append(users)
        item_layers.append(items)
    embeddings = encoder.propagate()
    assert_allclose(embeddings.items.detach(), np.mean(item_layers, axis=0), atol=1e-5)
    assert_allclose(embeddings.users.detach(), np.mean(user_layers, axis=0), atol=1e-5)


def softmax_of_edges(scores, has, axis):
    powers = np.where(has, np.exp(scores / DIM**0.5), 0)
    total = powers.sum(axis=axis, keepdims=True)
    return np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)
