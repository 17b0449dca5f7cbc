"""The trained recommender: its paths, settings, losses, checkpoints and what it reads."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from skgnnrec import GNNRecommender, ItemCatalog, PopularityRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.exceptions import NonFiniteLossError
from skgnnrec.graph import degrees, message_passing, normalized_history
from skgnnrec.model_selection import SameUsers, split_interactions
from skgnnrec.recommenders import _gnn_learner
from skgnnrec.recommenders._gnn_answers import popularity_bias
from skgnnrec.recommenders._gnn_model import GraphEncoder, ItemInputs, initial_parameters

FIXED_EPOCHS = {"embedding_dim": 16, "batch_size": 200, "max_iter": 8, "early_stopping": False, "device": "cpu"}
SETTINGS = {
    "defaults": {},
    "layers": {"n_layers": 2, "keep_input": True},
    "attention": {"conv": "attention"},
    "attention, layers": {"conv": "attention", "n_layers": 2, "keep_input": True},
    "bpr": {"loss": "bpr", "learning_rate_init": 0.02, "max_iter": 25, "keep_input": True},
    "bpr, popular negatives": {
        "loss": "bpr",
        "learning_rate_init": 0.02,
        "max_iter": 25,
        "n_negatives": 2,
        "negative_exponent": 0.5,
    },
    "sampled": {"n_negatives": 10},
    "contrast": {"n_layers": 2, "contrast_weight": 0.2, "temperature": 0.15},
    "adamw": {"solver": "adamw", "alpha": 1e-4},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2},
}
settings = pytest.mark.parametrize("params", SETTINGS.values(), ids=SETTINGS.keys())
gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def gnn(**params):
    return GNNRecommender(**{**FIXED_EPOCHS, **params})


@pytest.fixture(scope="module")
def vectors():
    """Return random item vectors of 40 items."""
    vectors = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def readers():
    """Return interactions of 400 users with 300 items whose texts tell their topics."""
    return make_interactions(400, 300, n_interactions=8000, n_topics=6, random_state=0)


def encoder_of(X, vectors, item_map="linear", with_ids=True, seed=0, dtype=None, **params):
    """Return an encoder with fresh parameters on the graph of X."""
    has_users = degrees(X)[1] > 0
    n_dimensions = None if vectors is None else vectors.shape[1]
    parameters = initial_parameters(X.shape[1], n_dimensions, 8, item_map, with_ids, seed)
    inputs = ItemInputs(parameters, vectors, has_users, torch.device("cpu"))
    graph = message_passing(normalized_history(X, degrees(X)[1]))
    return GraphEncoder(graph, inputs, has_users, **{"conv": "lightgcn", "n_layers": 2, "keep_input": True, **params})


# What is learned ------------------------------------------------------------------------------------------------------


@settings
def test_every_setting_learns_more_than_popularity(params, X):
    past, future = split_interactions(X, random_state=0)
    floor = PopularityRecommender().fit(past).score(past, future)
    assert gnn(**params).fit(past).score(past, future) > floor + 0.05


@settings
def test_the_loss_falls(params, X):
    losses = gnn(**params).fit(X).loss_curve_
    assert losses[-1] < losses[0]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("item_features", ["linear", "mlp"])
@pytest.mark.parametrize("id_embedding", [True, False])
@pytest.mark.parametrize("conv", ["lightgcn", "attention"])
def test_texts_find_new_items(item_features, id_embedding, conv, readers):
    past, future = split_interactions(readers.interactions, hold_out="cold_items", test_size=60, random_state=0)
    cold = np.flatnonzero(future.sum(axis=0))
    items = ItemCatalog(readers["items"]["text"])
    rec = gnn(
        items=items,
        item_encoder=make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0)),
        item_features=item_features,
        id_embedding=id_embedding,
        conv=conv,
        batch_size=1000,
        max_iter=20,
    ).fit(past)
    ranked, known = rec.recommend(past, 10, items=cold)
    hits = future.toarray()[np.arange(len(ranked))[:, None], ranked] > 0
    chance = 10 * (future > 0).sum() / len(cold)
    assert hits.sum() > 1.5 * chance
    # An item that the fit did not know stands where it would have stood in the catalog without users.
    _, new = rec.recommend(past, 10, items=ItemCatalog(np.asarray(readers["items"]["text"])[cold]))
    assert_allclose(new, known, atol=1e-5)


def test_cold_items_without_data_score_nothing(X):
    past, future = split_interactions(X, hold_out="cold_items", test_size=3, random_state=0)
    cold = np.flatnonzero(future.sum(axis=0))
    rec = gnn().fit(past)
    assert_array_equal(rec.item_embedding_[cold], 0)


def test_nothing_to_learn_from_is_said(X, vectors):
    with pytest.raises(ValueError, match=r"id_embedding=False leaves nothing to learn from without items=ItemCatalog"):
        gnn(id_embedding=False).fit(X)
    with pytest.raises(ValueError, match=r"id_embedding=False leaves nothing .* item_features='linear' or 'mlp'"):
        gnn(id_embedding=False, items=ItemCatalog(vectors), item_features=None).fit(X)


def test_ids_alone_know_no_new_items(X, vectors):
    rec = gnn(items=ItemCatalog(vectors), item_features=None).fit(X)
    with pytest.raises(ValueError, match=r"1 new items, but GNNRecommender was fitted .* item_features='linear'"):
        rec.recommend(X, items=ItemCatalog(vectors[:1], ids=["new"]))


def test_a_new_user_is_embedded_as_one_of_the_fit(X):
    rec, history = gnn(n_layers=2).fit(X), sparse.csr_array(X[[3]])
    item_degrees = degrees(X)[1]
    expected = normalized_history(X, item_degrees)[[3]] @ rec._answers._projection
    assert rec._answers._projection.shape == (40, 16)
    assert_allclose(rec.transform(history), rec.transform(X)[[3]], rtol=1e-6)
    assert np.isfinite(expected).all()


# Propagation ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_input", [True, False])
@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_linear_propagation_is_light_gcn(X, n_layers, keep_input):
    """The mean of the powers of the adjacency of 2 L + 1 hops, users starting at zero: items even hops, users odd."""
    encoder = encoder_of(X, None, n_layers=n_layers, keep_input=keep_input)
    A = normalized_history(X, degrees(X)[1]).toarray()
    n_users = len(A)
    adjacency = np.block([[np.zeros((n_users, n_users)), A], [A.T, np.zeros((40, 40))]])
    items = encoder.inputs().detach().numpy()
    hops = [np.vstack([np.zeros((n_users, 8)), items])]
    for _ in range(2 * n_layers + 1):
        hops.append(adjacency @ hops[-1])
    first = 0 if keep_input else 1
    expected_items = np.mean([hops[2 * layer][n_users:] for layer in range(first, n_layers + 1)], axis=0)
    expected_users = np.mean([hops[2 * layer + 1][:n_users] for layer in range(first, n_layers + 1)], axis=0)
    spread = encoder.spread()
    assert spread.users is None
    assert_allclose(spread.items.detach(), expected_items, atol=1e-6)
    assert_allclose(encoder.graph.to_users(spread.items).detach(), expected_users, atol=1e-6)
    user_layers, item_layers = encoder.layers()
    assert_allclose(sum(item_layers[first:]).detach() / (n_layers + 1 - first), expected_items, atol=1e-6)
    assert_allclose(sum(user_layers[first:]).detach() / (n_layers + 1 - first), expected_users, atol=1e-6)


@pytest.mark.parametrize("with_ids", [True, False])
def test_the_fast_path_is_the_slow_path(X, vectors, with_ids):
    """A linear map of frozen vectors is propagated before training: the same embeddings, the same gradients."""
    fast, slow = (encoder_of(X, vectors, with_ids=with_ids) for _ in range(2))
    assert fast._spread_features is not None
    slow._spread_features = None
    found, expected = fast.spread().items, slow.spread().items
    assert_allclose(found.detach(), expected.detach(), atol=1e-6)
    weights = torch.arange(1.0, 1 + found.numel()).reshape(found.shape)
    pairs = zip(
        torch.autograd.grad((found * weights).sum(), list(fast.inputs.learned.values())),
        torch.autograd.grad((expected * weights).sum(), list(slow.inputs.learned.values())),
        strict=True,
    )
    for ours, theirs in pairs:
        assert_allclose(ours, theirs, rtol=1e-4, atol=1e-3)


def test_isolated_items_stay_where_they_begin(X):
    X = X.tolil()
    X[:, [3, 9]] = 0
    X = sparse.csr_array(X)
    vectors = np.eye(40, 5, dtype=np.float32)
    for conv in ("lightgcn", "attention"):
        encoder = encoder_of(X, vectors, conv=conv, keep_input=False)
        items = encoder.spread().items.detach()
        assert_allclose(items[[3, 9]], encoder.inputs().detach()[[3, 9]])
        assert_allclose(items[9], encoder.inputs.mapped(torch.tensor(vectors[9])).detach())


def test_noise_has_the_length_and_the_signs_asked_for(X):
    encoder = encoder_of(X, None, n_layers=1, keep_input=False)
    generator = torch.Generator().manual_seed(0)
    plain = encoder.layers()[1][1].detach()
    noisy = encoder.layers(0.2, generator)[1][1].detach()
    has_users = degrees(X)[1] > 0
    assert_allclose(torch.linalg.norm(noisy - plain, dim=1)[has_users], 0.2, rtol=1e-4)
    assert ((noisy - plain) * plain >= 0).all()


@pytest.mark.parametrize("backend", ["auto", "torch", "dgl"])
def test_backends_learn_the_same(X, backend):
    if backend == "dgl":
        pytest.importorskip("dgl", reason="DGL has no wheel for this Python or platform", exc_type=Exception)
    for conv in ("lightgcn", "attention"):
        expected = gnn(conv=conv, max_iter=2).fit(X)
        found = gnn(conv=conv, max_iter=2, backend=backend).fit(X)
        assert_allclose(found.item_embedding_, expected.item_embedding_, atol=1e-4)


# Attention ------------------------------------------------------------------------------------------------------------


def test_attention_can_be_read(X):
    rec = gnn(conv="attention", n_layers=2).fit(X)
    weights = rec.attention(X)
    assert_array_equal(weights.indices, X.indices)
    assert_allclose(weights.sum(axis=1)[np.diff(X.indptr) > 0], 1, rtol=1e-5)
    assert (weights.data >= 0).all()
    assert weights.data.std() > 0


def test_attention_of_the_answers_is_that_of_the_training(X):
    rec = gnn(conv="attention", n_layers=2, max_iter=2).fit(X)
    inputs = ItemInputs(rec._parameters, None, degrees(X)[1] > 0, torch.device("cpu"))
    graph = message_passing(normalized_history(X, degrees(X)[1]))
    encoder = GraphEncoder(graph, inputs, degrees(X)[1] > 0, conv="attention", n_layers=2, keep_input=False)
    users = torch.nn.functional.normalize(encoder.spread().users, dim=1)
    assert_allclose(rec.transform(X), users.detach(), atol=1e-5)


def test_attention_needs_attention(X):
    rec = gnn().fit(X)
    assert not hasattr(rec, "attention")
    with pytest.raises(AttributeError, match="has no attribute 'attention'") as raised:
        rec.attention(X)
    assert "conv='attention', got conv='lightgcn'" in str(raised.value.__cause__)


# The loss -------------------------------------------------------------------------------------------------------------


def make_learner(X, **params):
    encoder = encoder_of(X, None, n_layers=1, keep_input=True)
    defaults = {
        "first_row": 0,
        "seed": 0,
        "loss": "softmax",
        "batch_size": 10**6,
        "n_negatives": None,
        "popularity_exponent": 0.0,
        "negative_exponent": 0.0,
        "temperature": 0.1,
        "contrast_weight": 0.0,
        "noise": 0.1,
        "validation": None,
    }
    return _gnn_learner.RankingLearner(encoder, normalized_history(X, degrees(X)[1]), **{**defaults, **params})


def test_the_item_to_be_found_is_no_part_of_the_history_that_finds_it(X):
    learner = make_learner(X)
    (batch,) = learner.batches(0)
    items = learner.encoder.spread().items.detach().numpy()
    unit = items / np.linalg.norm(items, axis=1, keepdims=True)
    history = normalized_history(X, degrees(X)[1]).toarray()
    users = history @ items
    normaliser = np.log(np.exp(users / np.linalg.norm(users, axis=1, keepdims=True) @ unit.T / 0.1).sum(axis=1))
    losses = []
    for user, item in zip(*np.nonzero(history), strict=True):
        others = users[user] - history[user, item] * items[item]
        losses.append(normaliser[user] - others @ unit[item] / max(np.linalg.norm(others), 1e-12) / 0.1)
    assert float(learner.loss(batch).detach()) == pytest.approx(np.mean(losses), rel=1e-4)


def test_shared_negatives_that_a_user_has_do_not_count(X):
    learner = make_learner(X, n_negatives=60)
    (batch,) = learner.batches(0)
    has = X[batch.users.numpy()].toarray()[:, batch.negatives.numpy()] > 0
    marked = np.zeros_like(has)
    marked[batch.clashes[0].numpy(), batch.clashes[1].numpy()] = True
    assert_array_equal(marked, has)


def test_items_that_nobody_has_are_no_negatives(X):
    past, future = split_interactions(X, hold_out="cold_items", test_size=5, random_state=0)
    cold = np.flatnonzero(future.sum(axis=0))
    learner = make_learner(past, n_negatives=500)
    assert not np.isin(next(iter(learner.batches(0))).negatives.numpy(), cold).any()
    assert len(make_learner(past)._warm) == 35


def test_steps_of_bpr_hold_random_interactions_with_items_their_users_do_not_have(X):
    learner = make_learner(X, loss="bpr", batch_size=50, n_negatives=3)
    batches = list(learner.batches(0))
    assert len(batches) == round(X.nnz / 50)
    pairs = np.concatenate([np.c_[batch.users[batch.rows], batch.columns] for batch in batches])
    assert_array_equal(np.unique(pairs, axis=0), np.transpose(X.nonzero()))
    for batch in batches:
        assert not X.toarray()[batch.users[batch.rows][:, None], batch.negatives].any()
        spread = learner.encoder.spread()
        expected = learner.encoder.graph.to_users(spread.items)[batch.users]
        assert_allclose(learner._users_of(spread, batch).detach(), expected.detach(), atol=1e-6)


def test_partial_fit_takes_steps_on_further_interactions_only(X):
    learner = make_learner(X, loss="bpr", first_row=100)
    assert all((batch.users >= 100).all() for batch in learner.batches(0))


@pytest.mark.parametrize("conv", ["lightgcn", "attention"])
def test_popularity_is_a_prior_of_the_answers(X, conv):
    plain, rec = (gnn(conv=conv, popularity_exponent=gamma).fit(X) for gamma in (0.0, 0.5))
    expected = np.exp(plain.decision_function(X) / 0.08) * (1 + X.toarray().sum(axis=0)) ** 0.5
    assert_allclose(np.exp(rec.decision_function(X) / 0.08), expected, rtol=1e-3)
    assert_allclose(rec.transform(X) @ rec.item_embedding_.T + rec.item_bias_, rec.decision_function(X), atol=1e-5)
    assert_array_equal(plain.item_bias_, 0)
    assert_array_equal(gnn(loss="bpr", max_iter=1).fit(X).item_bias_, 0)


def test_new_items_are_as_popular_as_the_others_in_the_mean():
    bias, new = popularity_bias(np.array([3.0, 0.0, 0.0, 8.0]), 0.5, 0.1)
    assert_allclose(bias, 0.05 * np.log([4, 6, 6, 9]), rtol=1e-6)
    assert new == pytest.approx(0.05 * np.log(6))
    bias, new = popularity_bias(np.zeros(2), 0.5, 0.1)
    assert (bias.tolist(), new) == ([0, 0], 0)


def test_candidates_carry_their_own_prior(X):
    rec = gnn(popularity_exponent=2.0).fit(X)
    chosen = np.array([7, 3, 20])
    items, scores = rec.recommend(X[:4], 3, items=chosen, exclude_seen=False)
    assert_allclose(scores, np.take_along_axis(rec.decision_function(X[:4]), items, axis=1), atol=1e-6)


def test_validation_ranks_as_the_answers_do(X):
    rec = gnn(early_stopping=True, validation_fraction=0.9, popularity_exponent=5.0, max_iter=2).fit(X)
    plain = rec.set_params(popularity_exponent=0.0)
    assert rec.validation_scores_ != clone(plain).fit(X).validation_scores_


def test_large_steps_diverge_by_name(X):
    with pytest.raises(NonFiniteLossError, match="Lower learning_rate_init"):
        gnn(loss="bpr", learning_rate_init=1e30, max_iter=20).fit(X)


def test_an_injected_nan_is_never_returned_as_fitted(X, monkeypatch):
    steps = []

    def broken(*args):
        steps.append(1)
        return torch.tensor(torch.nan, requires_grad=True)

    monkeypatch.setattr(_gnn_learner, "softmax_loss", broken)
    rec = gnn()
    with pytest.raises(NonFiniteLossError, match="loss is nan in epoch 1"):
        rec.fit(X)
    assert len(steps) == 1
    assert not hasattr(rec, "item_embedding_")


# Stopping, going on ---------------------------------------------------------------------------------------------------


def test_early_stopping_keeps_the_best_epoch(X):
    rec = gnn(early_stopping=True, max_iter=60, n_iter_no_change=3, learning_rate_init=0.05).fit(X)
    assert len(rec.validation_scores_) == len(rec.loss_curve_) == rec.n_iter_ < 60
    best = int(np.argmax(rec.validation_scores_)) + 1
    again = gnn(early_stopping=True, max_iter=best, n_iter_no_change=3, learning_rate_init=0.05).fit(X)
    assert_array_equal(again.item_embedding_, rec.item_embedding_)


def test_nothing_to_hold_out_is_no_error():
    X = sparse.csr_array(np.eye(6, dtype=np.float32))
    rec = gnn(early_stopping=True, max_iter=2).fit(X)
    assert rec.validation_scores_ == []
    assert rec.n_iter_ == 2


def test_warm_start_goes_on(X):
    rec = gnn(max_iter=2, warm_start=True).fit(X)
    first = rec.loss_curve_
    rec.fit(X)
    assert rec.loss_curve_[0] < first[0]
    assert rec.loss_curve_[-1] < first[-1]
    cold = gnn(max_iter=2).fit(X).fit(X)
    assert cold.loss_curve_ == first


def test_warm_start_needs_the_same_items(X):
    rec = gnn(max_iter=1, warm_start=True).fit(X)
    with pytest.raises(ValueError, match=r"embeddings of shape \(40, 16\), X and embedding_dim ask for \(39, 16\)"):
        rec.fit(X[:, :39])
    with pytest.raises(ValueError, match=r"embeddings of shape \(40, 16\), .* ask for \(40, 8\)"):
        rec.set_params(embedding_dim=8).fit(X)


def test_warm_start_needs_the_same_inputs(X, vectors):
    rec = gnn(max_iter=1, warm_start=True, items=ItemCatalog(vectors)).fit(X)
    with pytest.raises(ValueError, match=r"goes on with \['embedding', 'weight'\], .* ask for \['weight'\]"):
        clone_with(rec, id_embedding=False).fit(X)
    with pytest.raises(ValueError, match=r"weights of shape \(6, 16\), X and embedding_dim ask for \(5, 16\)"):
        clone_with(rec, items=ItemCatalog(vectors[:, :5])).fit(X)


def clone_with(rec, **params):
    """Return a fitted copy with other parameters."""
    return pickle.loads(pickle.dumps(rec)).set_params(**params)


def test_partial_fit_that_fails_leaves_what_was(X, monkeypatch):
    rec = gnn(max_iter=1).fit(X)
    before = rec.decision_function(X), rec._popularity.copy()
    monkeypatch.setattr(_gnn_learner, "softmax_loss", lambda *args: torch.tensor(torch.nan, requires_grad=True))
    with pytest.raises(NonFiniteLossError, match="loss is nan"):
        rec.partial_fit(X[:20])
    assert_array_equal(rec.decision_function(X), before[0])
    assert_array_equal(rec._popularity, before[1])


def test_partial_fit_learns_from_further_users(X):
    past, future = split_interactions(X, random_state=0)
    rec = gnn(max_iter=4).fit(past[:60])
    before = rec.score(past[60:], future[60:])
    for _ in range(4):
        rec.partial_fit(past[60:])
    assert rec.score(past[60:], future[60:]) > before
    assert rec.n_iter_ == 8 == len(rec.loss_curve_)
    assert rec._interactions.shape[0] == 60 + 4 * 60


def test_first_partial_fit_is_a_fit_of_one_epoch(X):
    assert_array_equal(gnn().partial_fit(X).item_embedding_, gnn(max_iter=1).fit(X).item_embedding_)


def test_partial_fit_of_other_items_is_refused(X):
    rec = gnn(max_iter=1).partial_fit(X)
    with pytest.raises(ValueError, match="X has 39 features, but GNNRecommender is expecting 40 features"):
        rec.partial_fit(X[:, :39])


# Callbacks ------------------------------------------------------------------------------------------------------------


class Watch:
    """A callback that takes down the tasks it sees and stops the training after some epochs."""

    def __init__(self, stop_after=None):
        self.tasks, self.stop_after = [], stop_after

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append((context.task_name, context.task_id, context.max_subtasks))

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


def test_each_epoch_is_a_task_of_the_fit(X):
    watch = Watch()
    gnn(max_iter=3).set_callbacks(watch).fit(X)
    assert watch.tasks == [("fit", 0, 3), *(("epoch", number, 0) for number in range(3))]


def test_the_bar_of_the_fit_nests_inside_a_search(X, capsys):
    pytest.importorskip("rich")
    search = GridSearchCV(gnn(max_iter=3), {"temperature": [0.1, 0.2]}, cv=SameUsers()).set_callbacks(ProgressBar())
    search.fit(*split_interactions(X, random_state=0))
    assert "GNNRecommender - fit" in capsys.readouterr().out


def test_a_monitor_scores_each_epoch_on_what_is_held_out(X):
    monitor = ScoringMonitor(scoring=lambda rec, X, y: {"ndcg": rec.score(X, y)})
    rec = gnn(early_stopping=True, max_iter=3).set_callbacks(monitor).fit(X)
    scores = monitor.get_logs().data_as_pandas["ndcg"].dropna()
    assert_allclose(scores, rec.validation_scores_, atol=1e-6)


def test_a_callback_stops_the_training(X):
    assert gnn(max_iter=9).set_callbacks(Watch(stop_after=2)).fit(X).n_iter_ == 2


# Reproducible, resumable ----------------------------------------------------------------------------------------------


def test_seeds_decide(X):
    first, again, other = (gnn(random_state=seed).fit(X).item_embedding_ for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert (first != other).any()


@settings
@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_fit_has_the_same_bits_each_time(params, X, n_threads):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n_threads)
        with threadpool_limits(n_threads):
            fits = [gnn(**{**params, "max_iter": 3}).fit(X).item_embedding_.tobytes() for _ in range(3)]
    finally:
        torch.set_num_threads(before)
    assert len(set(fits)) == 1


def test_the_order_of_users_within_a_step_hardly_matters(X):
    order = np.random.default_rng(0).permutation(X.shape[0])
    whole = gnn(batch_size=10**6, max_iter=3)
    expected = clone(whole).fit(X).item_embedding_
    assert_allclose(clone(whole).fit(X[order]).item_embedding_, expected, atol=1e-4)


def test_pickles_hold_no_torch_objects(X, vectors):
    for params in ({}, {"conv": "attention"}):
        rec = gnn(items=ItemCatalog(vectors), **params).fit(X)
        assert b"torch" not in pickle.dumps(rec)


KILLED_FITS = """
import hashlib, os, signal, sys, time
from pathlib import Path
import numpy as np
import skgnnrec.recommenders._gnn_learner  # what takes long to import; threads start with the first fit, in a child
from skgnnrec import GNNRecommender
from skgnnrec.datasets import make_interactions

def fit(folder):
    X = make_interactions(200, 60, n_interactions=2000, random_state=0).interactions
    rec = GNNRecommender(
        16, batch_size=500, max_iter=40, early_stopping=True, n_iter_no_change=40, device="cpu", checkpoint_dir=folder
    ).fit(X)
    state = rec.item_embedding_.tobytes() + repr((rec.loss_curve_, rec.validation_scores_)).encode()
    (folder / "result").write_text(hashlib.sha256(state).hexdigest())

def start(folder):
    child = os.fork()
    if child == 0:
        fit(folder)
        os._exit(0)
    return child

def state_of(folder):
    return [path.stat().st_mtime_ns for path in folder.glob("*.pt")]

whole, killed = (Path(sys.argv[1]) / name for name in ("whole", "killed"))
os.waitpid(start(whole), 0)
rng = np.random.default_rng(0)
n_kills = 0
while not (killed / "result").exists():
    before, child = state_of(killed), start(killed)
    while n_kills < 25 and state_of(killed) == before and not (killed / "result").exists():
        time.sleep(0.001)  # until it has got further
    if n_kills < 25:
        time.sleep(rng.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
    n_kills += os.waitpid(child, 0)[1] == signal.SIGKILL
print(n_kills, (whole / "result").read_text() == (killed / "result").read_text())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked, to be killed often within seconds")
def test_a_fit_that_is_killed_over_and_over_ends_as_if_it_had_not_been(tmp_path):
    command = [sys.executable, "-c", KILLED_FITS, str(tmp_path)]
    # One thread: twenty small fits beside other tests would wait for each other's.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    n_kills, is_same = run.stdout.split()
    assert int(n_kills) >= 20
    assert is_same == "True"


def test_resuming_needs_a_seed(X, tmp_path):
    with pytest.raises(ValueError, match="random_state must be an int to resume from checkpoint_dir, got None"):
        gnn(checkpoint_dir=tmp_path, random_state=None).fit(X)


def test_candidates_of_a_search_share_a_folder(X, tmp_path):
    grid = {"temperature": [0.1, 0.2]}
    past, future = split_interactions(X, random_state=0)
    search = GridSearchCV(gnn(max_iter=2, checkpoint_dir=tmp_path), grid, cv=SameUsers(), refit=False)
    plain = GridSearchCV(gnn(max_iter=2), grid, cv=SameUsers(), refit=False).fit(past, future)
    for _ in range(2):  # the second time from what is there
        search.fit(past, future)
        assert_array_equal(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    assert len(list(tmp_path.glob("*.pt"))) == 2
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("params", [pytest.param({}, marks=gpu), pytest.param({"conv": "attention"}, marks=gpu)])
def test_a_gpu_learns_the_same(X, params):
    on_cpu, on_gpu = (gnn(**params, device=device).fit(X) for device in ("cpu", "cuda"))
    assert_allclose(on_gpu.loss_curve_, on_cpu.loss_curve_, rtol=1e-2)
