"""The network of ratings: messages of rating levels; no rating takes part in its own prediction."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.recommenders.ratings._biases import Pairs
from skgnnrec.recommenders.ratings._model import (
    Batch,
    RatingGraph,
    RatingLearner,
    RatingModel,
    initial_parameters,
    parameter_shapes,
)

N_USERS, N_ITEMS, N_LEVELS, DIM = 8, 6, 3, 4
CPU = torch.device("cpu")


@pytest.fixture
def pairs():
    rng = np.random.default_rng(0)
    users, items = np.divmod(np.sort(rng.choice(N_USERS * N_ITEMS, size=25, replace=False)), N_ITEMS)
    return Pairs(users, items, rng.standard_normal(25))


@pytest.fixture
def levels():
    return np.random.default_rng(1).integers(0, N_LEVELS, 25)


@pytest.fixture
def vectors():
    return np.random.default_rng(2).standard_normal((N_ITEMS, 5)).astype(np.float32)


def large_parameters(n_dimensions=None, with_ids=True):
    parameters = initial_parameters(parameter_shapes(N_USERS, N_ITEMS, N_LEVELS, n_dimensions, DIM, with_ids), seed=0)
    parameters |= {name: np.full_like(parameters[name], 0.1) for name in ("user_bias", "item_bias")}
    return {name: values if "bias" in name else 20 * values for name, values in parameters.items()}


def build(pairs, levels, parameters, vectors=None, backend="torch"):
    graph = RatingGraph(pairs, levels, N_USERS, N_ITEMS, N_LEVELS, backend=backend, device=CPU)
    return RatingModel(graph, parameters, vectors, CPU)


def dense_nodes(pairs, levels, parameters, vectors):
    """Return users and items by the formula of the docstring."""
    sent_by_users = parameters["sent_by_users"].reshape(N_LEVELS, N_USERS, DIM)
    sent_by_items = np.zeros((N_LEVELS, N_ITEMS, DIM), dtype=np.float32)
    if "sent_by_items" in parameters:
        sent_by_items = sent_by_items + parameters["sent_by_items"].reshape(sent_by_items.shape)
    z_users, z_items = np.zeros((N_USERS, DIM)), np.zeros((N_ITEMS, DIM))
    if vectors is not None:
        scaled = vectors / vectors.shape[1] ** 0.25
        sent_by_items = sent_by_items + np.stack(
            [scaled @ parameters["map_sent"][:, DIM * r : DIM * (r + 1)] for r in range(N_LEVELS)]
        )
        z_items = z_items + scaled @ parameters["map_own"]
    for u, i, r in zip(pairs.users, pairs.items, levels, strict=True):
        z_users[u] += sent_by_items[r, i] / np.sqrt((pairs.users == u).sum())
        z_items[i] += sent_by_users[r, u] / np.sqrt((pairs.items == i).sum())
    return z_users, z_items


@pytest.mark.parametrize("backend", ["torch", "dgl"])
@pytest.mark.parametrize(("with_vectors", "with_ids"), [(False, True), (True, True), (True, False)])
def test_nodes_follow_the_formula(pairs, levels, vectors, backend, with_vectors, with_ids):
    if backend == "dgl":
        pytest.importorskip("dgl", reason="DGL is not installed", exc_type=ImportError)
    vectors = vectors if with_vectors else None
    parameters = large_parameters(5 if with_vectors else None, with_ids)
    nodes = build(pairs, levels, parameters, vectors, backend).nodes()
    z_users, z_items = dense_nodes(pairs, levels, parameters, vectors)
    assert_allclose(nodes.users.detach(), z_users, atol=1e-5)
    assert_allclose(nodes.items.detach(), z_items, atol=1e-5)


def make_learner(model, pairs, *, seed=0, cold_fraction=0.0, **more):
    return RatingLearner(model, pairs, batch_size=10, seed=seed, cold_fraction=cold_fraction, **more)


def loss_of(learner, row, as_cold=False):
    return float(learner.loss(Batch(torch.tensor([row]), torch.tensor([as_cold]))).detach())


def losses_of_each(pairs, levels, vectors=None):
    model = build(pairs, levels, large_parameters(None if vectors is None else 5), vectors)
    learner = make_learner(model, pairs)
    return np.array([loss_of(learner, k) for k in range(len(levels))])


@pytest.mark.parametrize("with_vectors", [False, True])
def test_no_rating_takes_part_in_its_own_prediction(pairs, levels, vectors, with_vectors):
    vectors = vectors if with_vectors else None
    before = losses_of_each(pairs, levels, vectors)
    for k in (0, 7, 24):
        changed = levels.copy()
        changed[k] = (levels[k] + 1) % N_LEVELS
        after = losses_of_each(pairs, changed, vectors)
        assert_allclose(after[k], before[k], rtol=1e-4)
        neighbours = ((pairs.users == pairs.users[k]) | (pairs.items == pairs.items[k])) & (np.arange(25) != k)
        assert (np.abs(after - before)[neighbours] > 1e-4).any()


def test_the_loss_is_the_squared_error_without_the_own_message(pairs, levels):
    parameters = large_parameters()
    z_users, z_items = dense_nodes(pairs, levels, parameters, None)
    k = 11
    u, i, r = pairs.users[k], pairs.items[k], levels[k]
    own_u = parameters["sent_by_items"].reshape(N_LEVELS, N_ITEMS, DIM)[r, i] / np.sqrt((pairs.users == u).sum())
    own_i = parameters["sent_by_users"].reshape(N_LEVELS, N_USERS, DIM)[r, u] / np.sqrt((pairs.items == i).sum())
    expected = 0.2 + (z_users[u] - own_u) @ (z_items[i] - own_i)
    learner = make_learner(build(pairs, levels, parameters), pairs)
    assert_allclose(loss_of(learner, k), (expected - pairs.ratings[k]) ** 2, rtol=1e-4)
    assert loss_of(learner, k, as_cold=True) == loss_of(learner, k)  # without vectors, cold items are not simulated


def test_an_item_treated_as_cold_is_predicted_from_its_vector(pairs, levels, vectors):
    parameters = large_parameters(5)
    z_users, _ = dense_nodes(pairs, levels, parameters, vectors)
    k = 11
    u, i, r = pairs.users[k], pairs.items[k], levels[k]
    scaled = vectors[i] / 5**0.25
    sent = parameters["sent_by_items"].reshape(N_LEVELS, N_ITEMS, DIM)[r, i]
    sent = sent + scaled @ parameters["map_sent"][:, DIM * r : DIM * (r + 1)]
    expected = 0.2 + (z_users[u] - sent / np.sqrt((pairs.users == u).sum())) @ (scaled @ parameters["map_own"])
    learner = make_learner(build(pairs, levels, parameters, vectors), pairs)
    assert_allclose(loss_of(learner, k, as_cold=True), (expected - pairs.ratings[k]) ** 2, rtol=1e-4)


def test_batches_depend_on_the_seed_and_the_epoch_only(pairs, levels):
    learner = make_learner(build(pairs, levels, large_parameters()), pairs, seed=3, cold_fraction=0.4)
    first, again, other = (
        [(batch.rows.tolist(), batch.as_cold.tolist()) for batch in learner.batches(epoch)] for epoch in (4, 4, 5)
    )
    assert first == again != other
    assert [(len(rows), len(as_cold)) for rows, as_cold in first] == [(10, 10), (10, 10), (5, 5)]
    assert sorted(k for rows, _ in first for k in rows) == list(range(25))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_items_treated_as_cold(pairs, levels, share):
    learner = make_learner(build(pairs, levels, large_parameters()), pairs, cold_fraction=share)
    drawn = np.concatenate([batch.as_cold for epoch in range(100) for batch in learner.batches(epoch)])
    assert_allclose(drawn.mean(), share, atol=0.05)
    assert len(drawn) == 2500


def test_validation_is_r2_on_the_held_out_ratings(pairs, levels):
    held_out = Pairs(np.array([0, 3]), np.array([2, 1]), np.array([0.5, -1.0]))
    model = build(pairs, levels, large_parameters())
    learner = make_learner(model, pairs, held_out=held_out, variance=2.0)
    nodes = model.nodes()
    z = (nodes.users[[0, 3]] * nodes.items[[2, 1]]).sum(dim=1).detach().numpy()
    assert_allclose(learner.validate(), 1 - np.mean((0.2 + z - held_out.ratings) ** 2) / 2, rtol=1e-4)
    assert make_learner(model, pairs).validate() is None


def test_parameters_are_copied(pairs, levels, vectors):
    parameters = large_parameters(5)
    kept = {name: values.copy() for name, values in parameters.items()}
    model = build(pairs, levels, parameters, vectors)
    with torch.no_grad():
        for value in model.learned.values():
            value += 1
    for name, values in kept.items():
        assert_array_equal(parameters[name], values)
        assert_allclose(model.arrays()[name], values + 1, rtol=1e-6)


def test_shapes_of_the_parameters():
    biases = {"user_bias": (8,), "item_bias": (6,), "sent_by_users": (24, 4)}
    assert parameter_shapes(8, 6, 3, None, 4, True) == {**biases, "sent_by_items": (18, 4)}
    assert parameter_shapes(8, 6, 3, 5, 4, False) == {**biases, "map_sent": (5, 12), "map_own": (5, 4)}
