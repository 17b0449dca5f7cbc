"""LogRecommender learns and forgets after the fit, as a fit to the rest of the log would."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skgnnrec import (
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
)
from skgnnrec.exceptions import ItemAlignmentError

SETTINGS = {"user": "user", "item": "item", "weight": "n", "timestamp": "day", "rank_decay": 0.8}
RECOMMENDERS = {
    "popularity": PopularityRecommender(),
    "ridge": RidgeRecommender(item_exponent=0.1),
    "ridge with order": RidgeRecommender(order_weight=0.5),
    "filter": GraphFilterRecommender(n_components=8),
}


@pytest.fixture
def log(X, names):
    """Return a log with repeated pairs, in the order of time."""
    users, items = X.nonzero()
    rng = np.random.default_rng(0)
    rows = np.r_[rng.permutation(len(users)), rng.integers(0, len(users), 60)]
    users, items = users[rows], items[rows]
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.sort(rng.integers(0, 300, len(rows))), unit="D")
    return pd.DataFrame({"user": users + 1000, "item": names[items], "n": rng.integers(1, 5, len(rows)), "day": days})


@pytest.fixture(params=RECOMMENDERS)
def by_log(request):
    return LogRecommender(RECOMMENDERS[request.param], **SETTINGS)


def assert_same_answers(updated, fitted):
    assert_array_equal(updated.user_ids_, fitted.user_ids_)
    assert_array_equal(updated.item_ids_, fitted.item_ids_)
    assert (updated.interactions_ != fitted.interactions_).nnz == 0
    X = fitted.interactions_
    scores = [rec.recommender_.decision_function(X) for rec in (updated, fitted)]
    assert_allclose(*scores, rtol=1e-3, atol=2e-4 * np.abs(scores[1]).max())


def test_further_interactions_are_learned(by_log, log):
    updated = clone(by_log).fit(log[:400]).partial_fit(log[400:500]).partial_fit(log[500:])
    assert_same_answers(updated, by_log.fit(log))


def test_users_are_forgotten(by_log, log):
    users = log["user"].unique()[:7]
    updated = clone(by_log).fit(log).forget(users=users)
    assert not set(users) & set(updated.user_ids_)
    assert_same_answers(updated, by_log.fit(log[~log["user"].isin(users)]))


def test_items_are_forgotten(by_log, log, names):
    updated = clone(by_log).fit(log).forget(items=names[:2])
    assert_same_answers(updated, by_log.fit(log[~log["item"].isin(names[:2])]))


def test_interactions_are_forgotten(by_log, log):
    some = log[20:50]
    pairs = pd.MultiIndex.from_frame(log[["user", "item"]])
    rest = log[~pairs.isin(pd.MultiIndex.from_frame(some[["user", "item"]]))]
    assert_same_answers(clone(by_log).fit(log).forget(some), by_log.fit(rest))


def test_learning_and_forgetting_cancel(by_log, log):
    updated = clone(by_log).fit(log[:500]).partial_fit(log[500:])
    new = log["user"].isin(set(log["user"][500:]) - set(log["user"][:500]))
    if new.any():
        updated.forget(users=log["user"][new].unique())
    rest = log[~new]
    assert_same_answers(updated, by_log.fit(rest))


def test_partial_fit_fits_at_first(by_log, log):
    assert_same_answers(clone(by_log).partial_fit(log), by_log.fit(log))


def test_new_items_come_with_a_catalog(log, names, titles, encoder):
    old = ~log["item"].isin(names[:3])
    known, full = ItemCatalog(titles[3:], ids=names[3:]), ItemCatalog(titles, ids=names)
    model = RidgeRecommender(catalog=known, item_encoder=encoder)
    rec = LogRecommender(model, **SETTINGS).fit(log[old])
    with pytest.raises(ItemAlignmentError, match="catalog lacks 3 of"):
        rec.partial_fit(log[~old])
    rec.partial_fit(log[~old], catalog=full)
    expected = LogRecommender(clone(model).set_params(catalog=full), **SETTINGS).fit(log)
    assert_same_answers(rec, expected)
    assert rec.recommender.catalog is known
    rec.partial_fit(log[:5])  # the new catalog stays
    assert len(rec.item_ids_) == 40


def test_forgotten_items_of_a_catalog_remain_in_it(log, names, titles, encoder):
    model = RidgeRecommender(catalog=ItemCatalog(titles, ids=names), item_encoder=encoder)
    rec = LogRecommender(model, **SETTINGS).fit(log).forget(items=names[:3])
    assert len(rec.item_ids_) == 40
    assert not set(rec.interactions_.indices) & {0, 1, 2}


def test_the_log_is_weighed_anew(log):
    rec = LogRecommender(PopularityRecommender(), **SETTINGS).fit(log[:400])
    user = log["user"][0]
    row = rec._users_.positions(np.array([user]))[0]
    before = rec.interactions_[[row]].sum()
    later = pd.DataFrame({"user": [user], "item": ["sku-1"], "n": [1], "day": [pd.Timestamp("2030-01-01")]})
    rec.partial_fit(later)
    assert rec.interactions_[[row]].sum() < before + 1  # older interactions have decayed


def test_trained_models_continue_and_do_not_forget(log):
    model = GNNRecommender(embedding_dim=8, max_iter=2, device="cpu", early_stopping=False)
    rec = LogRecommender(model, user="user", item="item").fit(log[["user", "item"]][:400])
    rec.partial_fit(log[["user", "item"]][400:])
    assert rec.recommender_.n_iter_ == 3
    assert len(rec.user_ids_) == log["user"].nunique()
    with pytest.raises(ValueError, match="GNNRecommender is trained and cannot forget"):
        rec.forget(users=[log["user"][0]])


def test_ids_of_other_types_are_other_users(log):
    rec = LogRecommender(PopularityRecommender(), user="user", item="item").fit(log[["user", "item"]])
    texts = pd.DataFrame({"user": log["user"][:5].astype(str), "item": log["item"][:5]})
    with pytest.warns(UserWarning, match="None of the users was in the fit: their ids are of type str"):
        rec.partial_fit(texts)
    assert {type(user) for user in rec.user_ids_} == {int, str}
    assert len(rec.user_ids_) == log["user"].nunique() + texts["user"].nunique()
    with pytest.warns(UserWarning, match="None of the items was in the fit: their ids are of type"):
        rec.partial_fit(log[["user", "item"]][:5].assign(item=range(5)))


def test_units_of_time_are_converted(log):
    seconds = log[500:].assign(day=log["day"][500:].astype("datetime64[s]"))
    rec = LogRecommender(PopularityRecommender(), **SETTINGS)
    updated = clone(rec).fit(log[:500].assign(day=log["day"][:500].astype("datetime64[ns]"))).partial_fit(seconds)
    assert_same_answers(updated, rec.fit(log))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({}, "forget takes one of X, users and items"),
        ({"users": [1], "items": ["sku-1"]}, "forget takes one of X, users and items"),
        ({"X": ["ann"]}, r"got a list of ids\. forget\(users=\[\.\.\.\]\) takes ids of users"),
        ({"X": 7}, r"X must be a table of interactions with the columns of the fit, got the value 7\."),
        ({"users": [1, 2]}, "users holds 2 ids without interactions: 1, 2"),
        ({"items": ["unheard-of"]}, "items holds 1 ids without interactions: 'unheard-of'"),
    ],
)
def test_arguments_are_checked(log, arguments, match):
    rec = LogRecommender(PopularityRecommender(), **SETTINGS).fit(log)
    with pytest.raises(ValueError, match=match):
        rec.forget(**arguments)


def test_unknown_interactions_are_named_and_nothing_is_forgotten(log):
    rec = LogRecommender(PopularityRecommender(), **SETTINGS).fit(log)
    unknown = log[:1].assign(user=5)
    with pytest.raises(
        ValueError, match=r"X holds 1 interactions that are not in the log, such as user 5 with item 'sku"
    ):
        rec.forget(pd.concat([log[:3], unknown]))
    with pytest.raises(ValueError, match="forget would leave no interaction"):
        rec.forget(log)
    assert_same_answers(rec, clone(rec).fit(log))


def test_a_failed_update_changes_nothing(log):
    rec = LogRecommender(RidgeRecommender(), **SETTINGS).fit(log)
    expected = rec.recommend()[0]
    with pytest.raises(ValueError, match="must hold weights"):
        rec.partial_fit(log[:3].assign(n=[1, -1, 1]))
    with pytest.raises(ValueError, match="times of the fit are datetimes, the further ones numbers"):
        rec.partial_fit(log[:3].assign(day=[1, 2, 3]))
    with pytest.raises(TypeError, match="catalog must be an ItemCatalog or None; got a list"):
        rec.partial_fit(log[:3], catalog=["a"])
    assert_array_equal(rec.recommend()[0], expected)
