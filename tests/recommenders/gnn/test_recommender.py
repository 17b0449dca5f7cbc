"""The trained recommender: settings, item data, new users, further fits, callbacks, checkpoints."""

import pickle

import numpy as np
import pandas as pd
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
from skgnnrec.graph import item_degrees, normalized_history
from skgnnrec.metrics import intra_list_diversity
from skgnnrec.model_selection import SameUsers, split_interactions
from skgnnrec.recommenders.gnn import _learner

FIXED_EPOCHS = {
    "embedding_dim": 16,
    "batch_size": 20,
    "learning_rate_init": 0.01,
    "max_iter": 8,
    "early_stopping": False,
    "device": "cpu",
}
BPR = {"loss": "bpr", "batch_size": 200, "learning_rate_init": 0.02, "max_iter": 25}
SETTINGS = {
    "defaults": {},
    "layers": {"conv": "lightgcn", "n_layers": 2, "keep_input": True},
    "attention": {"conv": "attention"},
    "attention, layers": {"conv": "attention", "n_layers": 2, "keep_input": True},
    "bpr": {**BPR, "conv": "lightgcn", "keep_input": True},
    "bpr, two negatives": {**BPR, "n_negatives": 2},
    "sampled": {"n_negatives": 30, "max_iter": 20},
    "contrast": {"conv": "lightgcn", "n_layers": 2, "contrast_weight": 0.2, "temperature": 0.15},
    "adamw": {"solver": "adamw", "alpha": 1e-4},
    "early stopping": {"early_stopping": True, "n_iter_no_change": 2},
}
settings = pytest.mark.parametrize("params", SETTINGS.values(), ids=SETTINGS.keys())
gpu = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


def gnn(**params):
    return GNNRecommender(**{**FIXED_EPOCHS, **params})


@pytest.fixture(scope="module")
def readers():
    """Return interactions of 400 users with 300 items whose texts depend on their topics."""
    return make_interactions(400, 300, n_interactions=8000, n_topics=6, random_state=0)


# Accuracy and item data -----------------------------------------------------------------------------------------------


@settings
def test_every_setting_is_more_accurate_than_popularity(params, X):
    past, future = split_interactions(X, random_state=0)
    baseline = PopularityRecommender().fit(past).score(past, future)
    assert gnn(**params).fit(past).score(past, future) > baseline + 0.05


@settings
def test_the_loss_falls(params, X):
    losses = gnn(**params).fit(X).loss_curve_
    assert losses[-1] < losses[0]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize(
    ("id_embedding", "conv"),
    [(True, None), (False, None), (True, "lightgcn"), (False, "attention"), (True, "attention")],
)
def test_texts_rank_new_items(id_embedding, conv, readers):
    past, future = split_interactions(readers.interactions, hold_out="cold_items", test_size=60, random_state=0)
    cold = np.flatnonzero(future.sum(axis=0))
    catalog = ItemCatalog(readers["items"]["text"])
    rec = gnn(
        catalog=catalog,
        item_encoder=make_pipeline(TfidfVectorizer(), TruncatedSVD(8, random_state=0)),
        id_embedding=id_embedding,
        conv=conv,
        max_iter=20,
    ).fit(past)
    ranked, known = rec.recommend(past, 10, candidates=cold)
    hits = future.toarray()[np.arange(len(ranked))[:, None], ranked] > 0
    chance = 10 * (future > 0).sum() / len(cold)
    assert hits.sum() > 1.5 * chance
    # A new item has the score that it has as an item of the catalog without users.
    _, new = rec.recommend(past, 10, candidates=ItemCatalog(np.asarray(readers["items"]["text"])[cold]))
    assert_allclose(new, known, atol=1e-5)


def test_items_without_users_and_data_have_a_zero_embedding(X):
    past, future = split_interactions(X, hold_out="cold_items", test_size=3, random_state=0)
    cold = np.flatnonzero(future.sum(axis=0))
    rec = gnn().fit(past)
    assert_array_equal(rec.item_embedding_[cold], 0)


def test_id_embedding_false_requires_a_catalog(X):
    with pytest.raises(
        ValueError, match=r"id_embedding=False requires catalog=ItemCatalog\(\.\.\.\), got catalog=None"
    ):
        gnn(id_embedding=False).fit(X)


def test_contrast_requires_a_convolution(X):
    match = "contrast_weight=0.5 requires conv='lightgcn' or 'attention', got conv=None"
    with pytest.raises(ValueError, match=match):
        gnn(contrast_weight=0.5).fit(X)


def test_diversity_requires_the_softmax(X):
    with pytest.raises(ValueError, match=r"diversity_weight=0.5 requires loss='softmax', got loss='bpr'"):
        gnn(diversity_weight=0.5, loss="bpr").fit(X)


@pytest.mark.parametrize("n_negatives", [None, 30])
def test_lists_are_more_diverse_with_diversity_in_the_loss(X, vectors, n_negatives):
    def diversity(weight):
        rec = gnn(diversity_weight=weight, n_negatives=n_negatives, catalog=ItemCatalog(vectors)).fit(X)
        return intra_list_diversity(rec.predict(X), vectors)

    assert diversity(30.0) > diversity(0.0) + 0.02


def test_new_items_require_item_vectors(X, vectors):
    rec = gnn(max_iter=1).fit(X)
    with pytest.raises(ValueError, match=r"1 new items, but GNNRecommender was fitted without item vectors"):
        rec.recommend(X, candidates=ItemCatalog(vectors[:1], ids=["new"]))


def test_a_user_outside_the_fit_is_the_weighted_sum_of_the_items_of_the_history(X):
    rec = gnn(loss="bpr", conv="lightgcn", n_layers=2).fit(
        X[:90]
    )  # with a dot product, item_embedding_ is not scaled to unit length
    expected = normalized_history(X[90:], item_degrees(X[:90])) @ rec.item_embedding_
    assert_allclose(rec.transform(X[90:]), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected).max() > 0.01


@pytest.mark.parametrize("conv", [None, "lightgcn", "attention"])
def test_the_embedding_of_a_user_depends_on_the_history_only(X, conv):
    rec = gnn(conv=conv, n_layers=2).fit(X[:90])
    users = rec.transform(X)
    assert_array_equal(rec.transform(X[[100]]), users[[100]])
    assert_array_equal(rec.transform(X[:90]), users[:90])
    assert_allclose(np.linalg.norm(users, axis=1), np.diff(X.indptr) > 0, rtol=1e-5)


@pytest.mark.parametrize("backend", ["auto", "torch", "dgl"])
def test_backends_learn_the_same(X, backend):
    if backend == "dgl":
        pytest.importorskip("dgl", reason="DGL has no wheel for this Python or platform", exc_type=Exception)
    for conv in (None, "lightgcn", "attention"):
        expected = gnn(conv=conv, max_iter=2).fit(X)
        found = gnn(conv=conv, max_iter=2, backend=backend).fit(X)
        assert_allclose(found.item_embedding_, expected.item_embedding_, atol=1e-4)


# Attention ------------------------------------------------------------------------------------------------------------


def test_attention_weights_sum_to_one(X):
    rec = gnn(conv="attention", n_layers=2).fit(X)
    weights = rec.attention(X)
    assert_array_equal(weights.indices, X.indices)
    assert_allclose(weights.sum(axis=1)[np.diff(X.indptr) > 0], 1, rtol=1e-5)
    assert (weights.data >= 0).all()
    assert weights.data.std() > 0


def test_attention_requires_the_attention_convolution(X):
    rec = gnn().fit(X)
    assert not hasattr(rec, "attention")
    with pytest.raises(AttributeError, match="has no attribute 'attention'") as raised:
        rec.attention(X)
    assert "requires conv='attention', got conv=None" in str(raised.value.__cause__)
    rec.set_params(conv="attention")
    with pytest.raises(ValueError, match="attention requires a fit with conv='attention'; conv was set after the fit"):
        rec.attention(X)


# Scores ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("conv", [None, "lightgcn", "attention"])
def test_popularity_is_a_prior_of_the_scores(X, conv):
    plain, rec = (gnn(conv=conv, popularity_exponent=gamma).fit(X) for gamma in (0.0, 0.5))
    expected = np.exp(plain.decision_function(X) / 0.1) * (1 + X.toarray().sum(axis=0)) ** 0.5
    assert_allclose(np.exp(rec.decision_function(X) / 0.1), expected, rtol=1e-3)
    assert_allclose(rec.transform(X) @ rec.item_embedding_.T + rec.item_bias_, rec.decision_function(X), atol=1e-5)
    assert_array_equal(plain.item_bias_, 0)
    assert_array_equal(gnn(loss="bpr", max_iter=1).fit(X).item_bias_, 0)


def test_chosen_candidates_keep_their_prior(X):
    rec = gnn(popularity_exponent=2.0).fit(X)
    chosen = np.array([7, 3, 20])
    items, scores = rec.recommend(X[:4], 3, candidates=chosen, exclude_seen=False)
    assert_allclose(scores, np.take_along_axis(rec.decision_function(X[:4]), items, axis=1), atol=1e-6)


def test_validation_uses_the_popularity_prior(X):
    rec = gnn(early_stopping=True, validation_fraction=0.9, popularity_exponent=5.0, max_iter=2).fit(X)
    plain = rec.set_params(popularity_exponent=0.0)
    assert rec.validation_scores_ != clone(plain).fit(X).validation_scores_


def test_the_popularity_exponent_is_chosen_on_the_users_held_out():
    rng = np.random.default_rng(0)
    chances = 1 / np.arange(1, 201)  # of items: nothing but popularity can be learned
    rows = [rng.choice(200, 4, replace=False, p=chances / chances.sum()) for _ in range(1200)]
    X = sparse.csr_array((np.ones(4800), (np.repeat(np.arange(1200), 4), np.concatenate(rows))), shape=(1200, 200))
    rec = gnn(early_stopping=True, max_iter=1, popularity_exponent="auto").fit(X)
    assert rec.popularity_exponent_ > 0.2
    bias = rec.temperature * rec.popularity_exponent_ * np.log1p(np.bincount(X.indices, minlength=200))
    assert_allclose(rec.item_bias_, bias, rtol=1e-5, atol=1e-6)
    assert rec.partial_fit(X[:200]).popularity_exponent_ == rec.popularity_exponent_  # the choice is kept
    assert gnn(early_stopping=True, max_iter=1, popularity_exponent="auto").fit(X[:150]).popularity_exponent_ == 0.2


# Warm start -----------------------------------------------------------------------------------------------------------


NEXT_TO_NO_STEP = {"max_iter": 1, "learning_rate_init": 1e-9}


def as_frame(X, names):
    return pd.DataFrame(X.toarray(), columns=names)


def cosines(first, second):
    lengths = np.linalg.norm(first, axis=1) * np.linalg.norm(second, axis=1)
    return (first * second).sum(axis=1) / np.where(lengths > 0, lengths, 1)


def test_warm_start_continues(X):
    rec = gnn(max_iter=2, warm_start=True).fit(X)
    first = rec.loss_curve_
    rec.fit(X)
    assert rec.loss_curve_[0] < first[0]
    assert rec.loss_curve_[-1] < first[-1]
    assert gnn(max_iter=2).fit(X).fit(X).loss_curve_ == first


@pytest.mark.parametrize("as_columns", [True, False], ids=["ids of columns", "ids of the catalog"])
def test_warm_start_matches_moved_items_by_id(X, names, vectors, as_columns):
    def furnish(rec, order):
        catalog = None if as_columns else ItemCatalog(vectors[order], ids=names[order])
        return rec.set_params(catalog=catalog), as_frame(X[:, order], names[order]) if as_columns else X[:, order]

    rec, table = furnish(gnn(max_iter=10, warm_start=True), np.arange(40))
    before = rec.fit(table).item_embedding_
    order = np.arange(40)[::-1]
    rec, table = furnish(rec.set_params(**NEXT_TO_NO_STEP), order)
    assert_allclose(cosines(rec.fit(table).item_embedding_, before[order]), 1, atol=1e-5)
    assert_array_equal(rec.item_ids_, names[order])


def test_warm_start_gives_new_items_fresh_embeddings(X, names):
    rec = gnn(warm_start=True).fit(as_frame(X, names))
    replaced = names.copy()
    replaced[:5] = [f"new-{j}" for j in range(5)]
    before = rec.item_embedding_
    continued = rec.set_params(**NEXT_TO_NO_STEP).fit(as_frame(X, replaced)).item_embedding_
    assert_allclose(cosines(continued, before)[5:], 1, atol=1e-5)
    assert (np.abs(cosines(continued, before)[:5]) < 0.9).all()


def test_warm_start_follows_a_growing_catalog(X, names):
    rec = gnn(max_iter=2, warm_start=True).fit(as_frame(X[:, :30], names[:30]))
    assert rec.fit(as_frame(X, names)).item_embedding_.shape == (40, 16)
    assert rec.fit(as_frame(X[:, 10:], names[10:])).item_embedding_.shape == (30, 16)


def test_warm_start_without_embeddings_of_items_takes_any_items(X, vectors):
    rec = gnn(max_iter=2, warm_start=True, id_embedding=False, catalog=ItemCatalog(vectors)).fit(X)
    loss = rec.loss_curve_[0]
    rec.set_params(catalog=ItemCatalog(vectors[:30])).fit(X[:, :30])
    assert rec.item_embedding_.shape == (30, 16)
    assert rec.loss_curve_[0] < loss


def test_warm_start_without_ids_requires_the_same_items(X, names):
    rec = gnn(max_iter=1, warm_start=True).fit(X)
    with pytest.raises(
        ValueError, match=r"requires the items of the previous fit: X has 39 columns, the previous fit 40"
    ):
        rec.fit(X[:, :39])
    with pytest.raises(ValueError, match="matches items by id, but the previous fit had no item ids"):
        rec.fit(as_frame(X, names))
    rec = gnn(max_iter=1, warm_start=True).fit(as_frame(X, names))
    with pytest.raises(ValueError, match="matches items by id, but this fit has no item ids"):
        rec.fit(X)
    with pytest.raises(ValueError, match="none of the 40 item ids was in it"):
        rec.fit(as_frame(X, [f"other-{j}" for j in range(40)]))


def test_warm_start_requires_the_settings_of_the_parameters(X, vectors):
    rec = gnn(max_iter=1, warm_start=True, catalog=ItemCatalog(vectors)).fit(X)
    for params, match in (
        ({"embedding_dim": 8}, r"'weight' has the shape \(6, 8\), in the previous fit \(6, 16\)"),
        ({"id_embedding": False}, r"this one \['bias', 'weight', 'weight_out'\]"),
        ({"catalog": ItemCatalog(vectors[:, :5])}, r"'weight' has the shape \(5, 16\), in the previous fit \(6, 16\)"),
    ):
        with pytest.raises(ValueError, match=match):
            pickle.loads(pickle.dumps(rec)).set_params(**params).fit(X)


# partial_fit ----------------------------------------------------------------------------------------------------------


def test_first_partial_fit_is_a_fit_of_one_epoch(X):
    assert_array_equal(gnn().partial_fit(X).item_embedding_, gnn(max_iter=1).fit(X).item_embedding_)


def test_partial_fit_learns_from_further_users(X):
    past, future = split_interactions(X, random_state=0)
    rec = gnn(max_iter=4).fit(past[:60])
    before = rec.score(past[60:], future[60:])
    for _ in range(4):
        rec.partial_fit(past[60:])
    assert rec.score(past[60:], future[60:]) > before
    assert rec.n_iter_ == 8 == len(rec.loss_curve_)


def test_partial_fit_counts_all_users_of_an_item(X):
    rec = gnn(max_iter=1, popularity_exponent=0.5).fit(X[:60]).partial_fit(X[60:])
    assert_allclose(rec.item_bias_, gnn(max_iter=1, popularity_exponent=0.5).fit(X).item_bias_)
    empty = sparse.csr_array((1, 40), dtype=np.float32)
    assert_array_equal(rec.predict(empty), PopularityRecommender().fit(X).predict(empty))


@pytest.mark.parametrize("change", ["fewer columns", "turned columns", "renamed columns", "turned integers"])
def test_partial_fit_of_other_items_is_refused(X, names, change):
    table = as_frame(X, range(40) if change == "turned integers" else names)
    rec = gnn(max_iter=1).partial_fit(table)
    other = {
        "fewer columns": lambda: table.iloc[:, :39],
        "turned columns": lambda: table[names[::-1]],
        "renamed columns": lambda: table.set_axis([f"new-{j}" for j in range(40)], axis=1),
        "turned integers": lambda: table[list(range(40))[::-1]],
    }[change]()
    match = "columns of X must be the items of the fit|feature names"
    with pytest.raises(ValueError, match=match):
        rec.partial_fit(other)


def test_a_failed_partial_fit_changes_nothing(X, monkeypatch):
    rec = gnn(max_iter=1).fit(X)
    before = pickle.dumps(rec)
    monkeypatch.setattr(_learner, "softmax_loss", lambda *args: torch.tensor(torch.nan, requires_grad=True))
    with pytest.raises(NonFiniteLossError, match="loss is nan"):
        rec.partial_fit(X[:20])
    assert pickle.dumps(rec) == before


# Settings of the process ----------------------------------------------------------------------------------------------


class GlobalSetting:
    """Changes a setting of torch or NumPy for a block."""

    def __init__(self, change, restore):
        self.change, self.restore = change, restore

    def __enter__(self):
        self.change()

    def __exit__(self, *error):
        self.restore()


GLOBAL_SETTINGS = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "gradients disabled": lambda: torch.set_grad_enabled(False),
    "float64": lambda: GlobalSetting(
        lambda: torch.set_default_dtype(torch.float64), lambda: torch.set_default_dtype(torch.float32)
    ),
    "float16": lambda: GlobalSetting(
        lambda: torch.set_default_dtype(torch.float16), lambda: torch.set_default_dtype(torch.float32)
    ),
    "autocast": lambda: torch.autocast("cpu"),
    "meta device": lambda: torch.device("meta"),
    "deterministic": lambda: GlobalSetting(
        lambda: torch.use_deterministic_algorithms(True), lambda: torch.use_deterministic_algorithms(False)
    ),
    "NumPy raises": lambda: np.errstate(all="raise"),
}


@pytest.mark.parametrize("setting", GLOBAL_SETTINGS.values(), ids=GLOBAL_SETTINGS.keys())
@pytest.mark.parametrize("params", [{}, {"conv": "attention", "loss": "bpr"}])
def test_settings_of_the_process_change_neither_fits_nor_scores(X, vectors, params, setting):
    catalog = ItemCatalog(vectors)

    def answers(fitted):
        return [
            fitted.decision_function(X),
            fitted.transform(X),
            fitted.recommend(X, 5, candidates=catalog.take(range(6)), exclude_seen=False)[1],
            clone(fitted).fit(X).partial_fit(X[:40]).decision_function(X),
        ]

    fitted = gnn(max_iter=1, early_stopping=True, catalog=catalog, **params).fit(X)
    expected = answers(fitted)
    with setting():
        found = answers(fitted)
    for ours, theirs in zip(found, expected, strict=True):
        assert_array_equal(ours, theirs)
    assert torch.is_grad_enabled()
    assert torch.get_default_dtype() == torch.float32


# Callbacks ------------------------------------------------------------------------------------------------------------


class Watch:
    """A callback that records its tasks and stops the training after some epochs."""

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


def test_the_progress_bar_of_a_fit_is_nested_in_that_of_a_search(X, capsys):
    pytest.importorskip("rich")
    search = GridSearchCV(gnn(max_iter=3), {"temperature": [0.1, 0.2]}, cv=SameUsers()).set_callbacks(ProgressBar())
    search.fit(*split_interactions(X, random_state=0))
    assert "GNNRecommender - fit" in capsys.readouterr().out


def test_a_monitor_scores_each_epoch_on_the_held_out_interactions(X):
    monitor = ScoringMonitor(scoring=lambda rec, X, y: {"ndcg": rec.score(X, y)})
    rec = gnn(early_stopping=True, max_iter=3).set_callbacks(monitor).fit(X)
    scores = monitor.get_logs().data_as_pandas["ndcg"].dropna()
    assert_allclose(scores, rec.validation_scores_, atol=1e-6)


def test_a_callback_stops_the_training(X):
    assert gnn(max_iter=9).set_callbacks(Watch(stop_after=2)).fit(X).n_iter_ == 2


# Order of histories and the start of training -------------------------------------------------------------------------


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_order_of_histories_tells_what_comes_next(is_reversed):
    """Users walk along a circle of 30 items, in one direction or in the other."""
    n_users, length = 150, 8
    starts = np.random.default_rng(0).integers(30, size=n_users)
    ages = np.arange(length)[:: 1 if is_reversed else -1]
    cells = np.repeat(np.arange(n_users), length), ((starts[:, None] + np.arange(length)) % 30).ravel()
    values = np.tile(0.75 ** ages.astype(np.float32), n_users)
    X = sparse.csr_array((values, cells), shape=(n_users, 30))
    following = (starts + (-1 if is_reversed else length)) % 30
    found = gnn(max_iter=30, n_recommendations=1).fit(X).predict(X).ravel()
    assert (found == following).mean() > 0.8


def test_the_unit_of_the_values_does_not_matter(X):
    assert_allclose(gnn().fit(7 * X).item_embedding_, gnn().fit(X).item_embedding_, atol=1e-3)


def test_training_starts_with_the_spectrum_of_the_interactions(X):
    past, future = split_interactions(X, random_state=0)
    baseline = PopularityRecommender().fit(past).score(past, future)
    assert gnn(**NEXT_TO_NO_STEP).fit(past).score(past, future) > baseline + 0.05


# Reproducibility ------------------------------------------------------------------------------------------------------


def test_pickles_hold_no_torch_objects(X, vectors):
    for params in ({}, {"conv": "attention"}):
        rec = gnn(catalog=ItemCatalog(vectors), **params).fit(X)
        assert b"torch" not in pickle.dumps(rec)


def test_the_seed_determines_the_fit(X):
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
            fits = [gnn(**{**params, "max_iter": 3}).fit(X).item_embedding_.tobytes() for _ in range(2)]
    finally:
        torch.set_num_threads(before)
    assert len(set(fits)) == 1


@pytest.mark.parametrize("params", [pytest.param({}, marks=gpu), pytest.param({"conv": "attention"}, marks=gpu)])
def test_a_gpu_learns_the_same(X, params):
    on_cpu, on_gpu = (gnn(**params, device=device).fit(X) for device in ("cpu", "cuda"))
    assert_allclose(on_gpu.loss_curve_, on_cpu.loss_curve_, rtol=1e-2)
