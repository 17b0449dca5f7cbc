"""The trained sequence models: known answers, item data, new users, further fits, logs, checkpoints."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.utils.estimator_checks import check_estimator

from skgnnrec import (
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    SequenceRecommender,
    SocialRecommender,
)
from skgnnrec.compose import BackfillRecommender, BlendedRecommender
from skgnnrec.exceptions import MemoryLimitError, NonFiniteLossError
from skgnnrec.interactions import hold_out_last
from skgnnrec.model_selection import split_interactions
from skgnnrec.reranking import LongTailRecommender

FAST = {"embedding_dim": 16, "learning_rate_init": 0.02, "batch_size": 32, "dropout": 0.0, "device": "cpu"}
FIXED = {**FAST, "max_iter": 15, "early_stopping": False}
heads = pytest.mark.parametrize("head", ["attention", "gru", "mlp"])


def sequences(*histories, n_items=10):
    """Return histories whose items are given from the earliest one."""
    X = np.zeros((len(histories), n_items), dtype=np.float32)
    for row, history in zip(X, histories, strict=True):
        row[list(history)] = np.arange(1, len(history) + 1)
    return sparse.csr_array(X)


@pytest.mark.filterwarnings("ignore:X has no order:UserWarning", "ignore:y is not used in fit:UserWarning")
def test_the_battery_of_scikit_learn():
    tiny = {"embedding_dim": 4, "max_iter": 1, "early_stopping": False, "device": "cpu"}
    results = check_estimator(SequenceRecommender(**tiny, n_recommendations=1), on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}
    assert len(results) >= 47


# Known answers --------------------------------------------------------------------------------------------------------


@heads
def test_the_order_of_a_history_tells_the_next_item(head, cycles):
    rec = SequenceRecommender(head, **FIXED).fit(cycles)
    histories = sequences([3, 4], [4, 3], [8, 9, 0], [0, 9, 8], [2, 3, 4, 5], [5, 4, 3, 2])
    assert_array_equal(rec.recommend(histories, 1)[0][:, 0], [5, 2, 1, 7, 6, 1])
    past, future = hold_out_last(cycles, cycles.data, 1)
    rec = clone(rec).set_params(n_recommendations=1).fit(past)
    assert rec.score(past, future) > 0.9
    with pytest.warns(UserWarning, match="X has no order"):
        blind = clone(rec).fit(past > 0)
    assert blind.score(past > 0, future) < 0.7
    assert RidgeRecommender(n_recommendations=1).fit(past > 0).score(past > 0, future) < 0.7


def test_sampled_negatives_lead_to_the_same_answers(cycles):
    rec = SequenceRecommender(n_negatives=6, **FIXED).fit(cycles)
    assert_array_equal(rec.recommend(sequences([3, 4], [4, 3]), 1)[0][:, 0], [5, 2])


def test_a_history_without_order_is_a_set(tastes):
    X = sparse.csr_array(tastes.interactions, dtype=np.float32)
    past, future = split_interactions(X, random_state=0)
    with pytest.warns(UserWarning, match="X has no order: the values of its rows do not differ") as raised:
        rec = SequenceRecommender(**FIXED).fit(past)
    assert raised[0].filename == __file__
    assert rec.score(past, future) > PopularityRecommender().fit(past).score(past, future) + 0.05
    assert_array_equal(rec.predict(7 * past), rec.predict(past))


# Item data ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_embedding", [True, False])
def test_new_items_are_ranked_by_their_vectors(id_embedding, cycles):
    angles = 2 * np.pi * np.arange(10) / 10
    vectors = np.column_stack([np.cos(angles), np.sin(angles), np.cos(2 * angles), np.sin(2 * angles)])
    past = sparse.csr_array(np.where(np.arange(10) == 5, 0, cycles.toarray()))
    catalog = ItemCatalog(vectors, ids=[f"item {place}" for place in range(10)])
    rec = SequenceRecommender(id_embedding=id_embedding, catalog=catalog, **FIXED).fit(past)
    # Nobody has item 5 in the fit; a new item with its vector has its score.
    new = ItemCatalog(vectors[[5, 0]], ids=["new 5", "new 0"])
    history = sequences([2, 3, 4])
    assert rec.recommend(history, 1, candidates=new)[0].tolist() == [["new 5"]]
    known = rec.decision_function(history)[0, 5]
    assert_allclose(rec.recommend(history, 1, candidates=new)[1], [[known]], atol=1e-5)


def test_id_embedding_false_requires_a_catalog(cycles):
    with pytest.raises(ValueError, match=r"id_embedding=False requires catalog=ItemCatalog\(\.\.\.\)"):
        SequenceRecommender(id_embedding=False, **FIXED).fit(cycles)


# Training -------------------------------------------------------------------------------------------------------------


@heads
def test_a_fit_depends_on_the_seed_only(head, cycles):
    settings = {**FIXED, "max_iter": 2, "dropout": 0.2}
    first = SequenceRecommender(head, **settings).fit(cycles)
    assert_array_equal(SequenceRecommender(head, **settings).fit(cycles).item_embedding_, first.item_embedding_)
    other = SequenceRecommender(head, **settings, random_state=1).fit(cycles)
    assert np.abs(other.item_embedding_ - first.item_embedding_).max() > 1e-3


def test_early_stopping_keeps_the_best_epoch(cycles):
    rec = SequenceRecommender(**FAST, validation_fraction=0.5, max_iter=8, n_iter_no_change=2)
    scores = rec.fit(cycles).validation_scores_
    assert len(scores) == rec.n_iter_ == len(rec.loss_curve_) <= 8
    best = int(np.argmax(scores))
    assert_array_equal(clone(rec).set_params(max_iter=best + 1).fit(cycles).item_embedding_, rec.item_embedding_)


def test_callbacks_score_each_epoch_on_the_held_out_interactions(cycles):
    monitor = ScoringMonitor(scoring=lambda rec, X, y: {"ndcg": rec.score(X, y)})
    rec = SequenceRecommender(**{**FAST, "max_iter": 3}).set_callbacks(monitor).fit(cycles)
    scores = monitor.get_logs().data_as_pandas["ndcg"].dropna()
    assert_allclose(scores, rec.validation_scores_, atol=1e-6)


def test_a_loss_that_is_not_finite_is_an_error(cycles):
    rec = SequenceRecommender(**{**FIXED, "learning_rate_init": 1e25})
    with pytest.raises(NonFiniteLossError, match=r"training has diverged\. Lower learning_rate_init"):
        rec.fit(cycles)
    assert not hasattr(rec, "item_embedding_")


def test_a_training_beyond_the_memory_is_refused(cycles):
    with pytest.raises(MemoryLimitError, match="Training SequenceRecommender on 120 users and 10 items"):
        SequenceRecommender(embedding_dim=10_000_000, device="cpu").fit(cycles)


def test_a_fit_continues_from_a_checkpoint(cycles, tmp_path):
    settings = {**FIXED, "dropout": 0.2, "checkpoint_dir": tmp_path}
    SequenceRecommender(**{**settings, "max_iter": 2}).fit(cycles)
    rec = SequenceRecommender(**{**settings, "max_iter": 4}).fit(cycles)
    assert len(list(tmp_path.iterdir())) == 1
    expected = SequenceRecommender(**{**FIXED, "dropout": 0.2, "max_iter": 4}).fit(cycles)
    assert_array_equal(rec.item_embedding_, expected.item_embedding_)
    assert rec.loss_curve_ == expected.loss_curve_
    SequenceRecommender("gru", **{**settings, "max_iter": 1}).fit(cycles)
    assert len(list(tmp_path.iterdir())) == 2


def test_partial_fit_trains_for_one_epoch_on_further_users(cycles):
    rec = SequenceRecommender(**{**FIXED, "max_iter": 1}).fit(cycles[:60])
    assert_array_equal(SequenceRecommender(**FIXED).partial_fit(cycles[:60]).item_embedding_, rec.item_embedding_)
    past, future = hold_out_last(cycles, cycles.data, 1)
    before = rec.score(past, future)
    for _ in range(8):
        rec.partial_fit(cycles[60:])
    assert rec.score(past, future) > before + 0.2
    assert rec.n_iter_ == len(rec.loss_curve_) == 9
    assert rec.item_bias_.min() >= SequenceRecommender(**FIXED).fit(cycles[:60]).item_bias_.min()


def test_warm_start_continues_with_items_matched_by_id(cycles):
    table = pd.DataFrame(cycles.toarray(), columns=[f"item {place}" for place in range(10)])
    rec = SequenceRecommender(**FIXED, warm_start=True).fit(table)
    first = rec.loss_curve_
    turned = rec.set_params(max_iter=1).fit(table.iloc[:, ::-1])
    assert turned.loss_curve_[0] < first[2]
    with pytest.raises(ValueError, match="must be those of the previous fit for training to continue"):
        rec.set_params(head="gru").fit(table)


# With others ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def log(cycles):
    """Return the cycles as a log: its rows are in random order, and weights have nothing to do with time."""
    users, items = cycles.nonzero()
    log = pd.DataFrame({"user": users, "item": items, "day": cycles.data.astype(int), "weight": 1.0 + users % 3})
    return log.sample(frac=1, random_state=0)


def test_logs_are_ordered_by_time(log, cycles):
    rec = LogRecommender(SequenceRecommender(**FIXED), user="user", item="item", weight="weight", timestamp="day")
    rec.fit(log)
    expected = SequenceRecommender(**FIXED).fit(cycles)
    assert_array_equal(rec.recommend(np.arange(20), 3)[0], expected.recommend(cycles[:20], 3)[0])
    found = rec.recommend(histories=[[3, 4], (4, 3), {3, 4}], n_recommendations=1)[0][:, 0]
    assert found[:2].tolist() == [5, 2]
    again = rec.recommend(histories=[[9, 3, 4, 3]], n_recommendations=1)[0]
    assert again == expected.recommend(sequences([9, 4, 3]), 1)[0]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda sequence: LongTailRecommender(sequence, novelty=0.0),
        lambda sequence: SocialRecommender(sequence, sparse.csr_array((120, 120))),
        lambda sequence: BackfillRecommender([("sequence", sequence), ("popular", PopularityRecommender())]),
    ],
)
def test_logs_are_ordered_by_time_inside_other_recommenders(wrap, log):
    settings = {"user": "user", "item": "item", "weight": "weight", "timestamp": "day"}
    alone, wrapped = (
        LogRecommender(recommender, **settings).fit(log)
        for recommender in (SequenceRecommender(**FIXED), wrap(SequenceRecommender(**FIXED)))
    )
    users = np.arange(20)
    assert_array_equal(wrapped.recommend(users, 1)[0], alone.recommend(users, 1)[0])
    baskets = {0: [3, 4], 1: [4, 3]}
    assert wrapped.recommend(histories=baskets, n_recommendations=1)[0][:, 0].tolist() == [5, 2]


def test_a_log_without_times_has_no_order(log):
    with pytest.warns(UserWarning, match="LogRecommender makes them from a column of times"):
        LogRecommender(SequenceRecommender(**{**FIXED, "max_iter": 1})).fit(log[["user", "item"]])


def test_a_blend_with_a_ridge(cycles):
    past, future = hold_out_last(cycles, cycles.data, 1)
    parts = [("ridge", RidgeRecommender()), ("sequence", SequenceRecommender(**FIXED))]
    blend = BlendedRecommender(parts, weights="auto", n_recommendations=1).fit(past)
    assert blend.weights_[1] > 0.3
    assert blend.score(past, future) > 0.9
