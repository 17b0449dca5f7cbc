"""The network of the trained recommender: parameters, propagation, attention."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.graph import item_degrees, message_passing, normalized_history
from skgnnrec.recommenders._item_inputs import (
    ItemInputs,
    initial_parameters,
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
