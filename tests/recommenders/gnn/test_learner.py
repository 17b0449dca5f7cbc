"""The training objective: batches, losses and validation against their formulas."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.graph import item_degrees, message_passing, normalized_history
from skgnnrec.interactions import hold_out_share
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.model_selection import split_interactions
from skgnnrec.recommenders._item_inputs import ItemInputs, initial_parameters, parameter_shapes
from skgnnrec.recommenders.gnn._learner import RankingLearner, Validation
from skgnnrec.recommenders.gnn._model import GraphEncoder

TEMPERATURE = 0.1


def make_learner(X, conv="lightgcn", **params):
    """Return a learner with random parameters; a batch holds all users."""
    degrees = item_degrees(X)
    with_source = conv == "lightgcn" and params.get("loss") != "bpr"
    shapes = parameter_shapes(X.shape[1], None, 8, with_embedding=True, with_source=with_source)
    parameters = initial_parameters(shapes, 0)
    if with_source:
        parameters["source"] += np.random.default_rng(1).standard_normal((X.shape[1], 8)).astype(np.float32) / 8
    inputs = ItemInputs(parameters, None, degrees > 0, torch.device("cpu"))
    graph = message_passing(normalized_history(X, degrees))
    encoder = GraphEncoder(graph, inputs, degrees > 0, conv=conv, n_layers=1, keep_input=True)
    defaults = {
        "first_row": 0,
        "seed": 0,
        "loss": "softmax",
        "batch_size": 10**6,
        "n_negatives": None,
        "popularity_exponent": 0.0,
        "temperature": TEMPERATURE,
        "contrast_weight": 0.0,
        "noise": 0.1,
        "diversity_weight": 0.0,
        "validation": None,
    }
    return RankingLearner(encoder, X, normalized_history(X, degrees), **{**defaults, **params})


def embeddings_of(learner, X):
    """Return the user and item embeddings of a linear convolution."""
    embeddings = learner.encoder.propagate()
    items, sources = (part.detach().numpy().astype(np.float64) for part in (embeddings.items, embeddings.sources))
    return normalized_history(X, item_degrees(X)).toarray() @ sources, items


def past_of(batch, X):
    """Return X with the entries that are no targets of a batch."""
    past = X.toarray()
    past[batch.users[batch.rows], batch.columns] = 0
    return past


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


# Softmax --------------------------------------------------------------------------------------------------------------


def expected_softmax(learner, X, batch, others):
    """Return the mean loss of the targets; `others` maps the scores of a user to those that are compared."""
    embeddings = learner.encoder.propagate()
    items = embeddings.items.detach().numpy().astype(np.float64)
    users = embeddings.users
    if users is None:
        weights = normalized_history(X, item_degrees(X)).toarray() * (past_of(batch, X) > 0)
        users = weights @ embeddings.sources.detach().numpy()
    scores = unit(np.asarray(users.detach() if torch.is_tensor(users) else users)) @ unit(items).T / TEMPERATURE
    losses = []
    for user, item in zip(batch.users[batch.rows].tolist(), batch.columns.tolist(), strict=True):
        losses.append(others(user, scores[user], scores[user, item]) - scores[user, item])
    return np.mean(losses)


@pytest.mark.parametrize("conv", ["lightgcn", "attention"])
def test_the_earlier_part_of_a_history_predicts_the_later_part(X, conv):
    """A user in an attention layer keeps the whole history."""
    past, _ = split_interactions(X, hold_out="cold_items", test_size=5, random_state=0)  # items without users
    learner = make_learner(past, conv=conv)
    (batch,) = learner.batches(0)
    warm = past.toarray().any(axis=0)
    expected = expected_softmax(learner, past, batch, lambda user, scores, _: np.log(np.exp(scores[warm]).sum()))
    assert float(learner.loss(batch).detach()) == pytest.approx(expected, rel=1e-4)


def test_larger_values_are_later(X):
    weighted = sparse.csr_array((np.random.default_rng(0).permutation(X.nnz) + 1.0, X.indices, X.indptr), X.shape)
    weighted = weighted.astype(np.float32)
    (batch,) = make_learner(weighted).batches(0)
    values, past = weighted.toarray(), past_of(batch, weighted)
    for user in batch.users:
        targets = values[user][past[user] != values[user]]
        assert past[user].max() < targets.min()


def test_shared_negatives_of_a_user_are_left_out(X):
    learner = make_learner(X, n_negatives=60)
    (batch,) = learner.batches(0)
    negatives, has = batch.negatives.numpy(), X.toarray() > 0

    def others(user, scores, positive):
        drawn = np.where(has[user, negatives], -np.inf, scores[negatives])
        return np.logaddexp(positive, np.logaddexp.reduce(drawn))

    assert len(negatives) == 60
    assert float(learner.loss(batch).detach()) == pytest.approx(expected_softmax(learner, X, batch, others), rel=1e-4)


def test_items_without_users_are_no_negatives_of_the_softmax(X):
    past, future = split_interactions(X, hold_out="cold_items", test_size=5, random_state=0)
    cold = np.flatnonzero(future.sum(axis=0))
    (batch,) = make_learner(past, n_negatives=500).batches(0)
    assert_array_equal(np.unique(batch.negatives), np.setdiff1d(np.flatnonzero(X.sum(axis=0)), cold))


def test_an_epoch_of_the_softmax_takes_each_user_with_two_items_once(X):
    X = X.tolil()
    X[5, 1:] = 0  # a history of one item cannot be divided
    X[5, 0] = 1
    batches = list(make_learner(sparse.csr_array(X, dtype=np.float32), batch_size=20).batches(0))
    users = np.concatenate([batch.users for batch in batches])
    assert_array_equal(np.sort(users), np.flatnonzero((X.toarray() > 0).sum(axis=1) > 1))
    assert max(len(batch.users) for batch in batches) <= 24
    assert all(len(np.unique(batch.rows)) == len(batch.users) for batch in batches)


# BPR ------------------------------------------------------------------------------------------------------------------


def test_bpr_follows_its_formula(X):
    learner = make_learner(X, loss="bpr", batch_size=50, n_negatives=3)
    users, items = embeddings_of(learner, X)
    for batch in learner.batches(0):
        owner, columns, negatives = batch.users[batch.rows].numpy(), batch.columns.numpy(), batch.negatives.numpy()
        positive = (users[owner] * items[columns]).sum(axis=1)
        negative = np.einsum("nd,nkd->nk", users[owner], items[negatives])
        expected = np.log1p(np.exp(negative - positive[:, None])).mean()
        assert float(learner.loss(batch).detach()) == pytest.approx(expected, rel=1e-4)


def test_a_batch_of_bpr_holds_random_interactions_and_unseen_items(X):
    batches = list(make_learner(X, loss="bpr", batch_size=50, n_negatives=3).batches(0))
    assert len(batches) == round(X.nnz / 50)
    pairs = np.concatenate([np.c_[batch.users[batch.rows], batch.columns] for batch in batches])
    assert_array_equal(np.unique(pairs, axis=0), np.transpose(X.nonzero()))
    for batch in batches:
        assert not X.toarray()[batch.users[batch.rows][:, None], batch.negatives].any()


def test_users_with_all_items_add_no_loss():
    X = sparse.csr_array(np.ones((1, 4), dtype=np.float32))
    learner = make_learner(X, loss="bpr")
    (batch,) = learner.batches(0)
    assert float(learner.loss(batch).detach()) == 0


def test_partial_fit_takes_steps_on_further_users_only(X):
    for loss in ("bpr", "softmax"):
        learner = make_learner(X, loss=loss, first_row=100, batch_size=50)
        users = np.concatenate([batch.users for batch in learner.batches(0)])
        assert_array_equal(np.unique(users), 100 + np.flatnonzero(np.diff(X.indptr)[100:] > (loss == "softmax")))


# Contrast, validation, streams ----------------------------------------------------------------------------------------


def test_contrast_compares_the_first_layer_with_the_mean(X):
    plain, contrasted = (make_learner(X, contrast_weight=weight, noise=0.0, conv="attention") for weight in (0.0, 0.5))
    (batch,) = plain.batches(0)
    embeddings = plain.encoder.propagate()
    expected = 0.0
    for first, mean, nodes in (
        (embeddings.layers[0][1], embeddings.users, batch.users),
        (embeddings.layers[1][1], embeddings.items, torch.unique(batch.columns)),
    ):
        cosines = unit(first.detach().numpy()[nodes]) @ unit(mean.detach().numpy()[nodes]).T / TEMPERATURE
        expected += (np.log(np.exp(cosines).sum(axis=1)) - cosines.diagonal()).mean()
    difference = float(contrasted.loss(batch).detach()) - float(plain.loss(batch).detach())
    assert difference == pytest.approx(0.5 * expected, rel=1e-4)


def test_diversity_adds_the_expected_similarity_of_recommended_items(X):
    params = {"popularity_exponent": 0.5, "conv": "attention"}
    plain, diverse = (make_learner(X, diversity_weight=weight, **params) for weight in (0.0, 3.0))
    (batch,) = plain.batches(0)
    embeddings = plain.encoder.propagate()
    items = unit(embeddings.items.detach().numpy())
    prior = (1 + np.bincount(X.indices, minlength=X.shape[1])) ** 0.5
    shares = prior * np.exp(unit(embeddings.users.detach().numpy()[batch.users]) @ items.T / TEMPERATURE)
    shares /= shares.sum(axis=1, keepdims=True)
    expected = np.einsum("ui,uj,ij->u", shares, shares, items @ items.T).mean()
    difference = float(diverse.loss(batch).detach()) - float(plain.loss(batch).detach())
    assert difference == pytest.approx(3 * expected, rel=1e-4)


@pytest.mark.parametrize("loss", ["softmax", "bpr"])
def test_validation_is_the_ndcg_of_the_held_out_interactions(X, loss):
    train, held_out = hold_out_share(X, 0.3, 0)
    rows = np.flatnonzero(np.diff(held_out.indptr))
    history = normalized_history(train, item_degrees(train))
    validation = Validation(history[rows], rows, held_out[rows], 5)
    learner = make_learner(train, loss=loss, popularity_exponent=0.7, validation=validation)
    users, items = embeddings_of(learner, train)
    scores = users @ items.T
    if loss == "softmax":
        counts = train.toarray().astype(bool).sum(axis=0)
        prior = 0.7 * TEMPERATURE * np.log1p(counts)
        scores = unit(users) @ unit(items).T + np.where(counts > 0, prior, prior[counts > 0].mean())
    scores[train.toarray() > 0] = -np.inf
    ranked = np.argsort(-scores, axis=1, kind="stable")[rows, :5]
    assert learner.validate() == pytest.approx(ndcg_at_k(held_out[rows], ranked), abs=1e-6)
    assert make_learner(train, loss=loss).validate() is None


@pytest.mark.parametrize("params", [{}, {"n_negatives": 7}, {"loss": "bpr", "n_negatives": 2}])
def test_batches_depend_on_the_seed_and_the_epoch_only(X, params):
    def drawn(seed, epoch):
        learner = make_learner(X, seed=seed, batch_size=100, **params)
        return [[part.tolist() for part in batch[:3] if part is not None] for batch in learner.batches(epoch)]

    assert drawn(0, 3) == drawn(0, 3)
    assert drawn(0, 3) != drawn(0, 4)
    assert drawn(0, 3) != drawn(1, 3)


def test_parameters_are_those_of_the_encoder(X):
    learner = make_learner(X)
    embedding, source = learner.parameters()
    assert_allclose(embedding.detach(), learner.encoder.inputs.arrays()["embedding"])
    assert_allclose(source.detach(), learner.encoder.inputs.arrays()["source"])
