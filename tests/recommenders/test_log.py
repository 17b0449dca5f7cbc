"""LogRecommender: logs, their matrix, recency, unknown users, given histories, and scikit-learn's splitters."""

import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, TimeSeriesSplit, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_checks

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.exceptions import EmptyHistoryWarning, ItemAlignmentError, LeakageWarning

DAY = 24 * 3600


def table(recommender=None, **params):
    recommender = GraphFilterRecommender(n_recommendations=3) if recommender is None else recommender
    return LogRecommender(recommender, **{"user": "user", "item": "item", **params})


def as_log(rows, columns=("user", "item", "time", "weight")):
    return pd.DataFrame(rows, columns=list(columns)[: len(rows[0])])


@pytest.fixture(scope="module")
def data():
    data = make_interactions(80, 40, n_interactions=800, n_topics=4, cold_item_share=0.1, random_state=0)
    data.log = data.events.rename(columns={"user_id": "user", "item_id": "item", "timestamp": "time"})
    data.log["item"] = "i" + data.log["item"].astype(str).str.zfill(2)
    data.catalog = ItemCatalog(data.item_frame["text"], ids=[f"i{k:02d}" for k in range(40)])
    return data


@pytest.fixture
def purchases():
    return as_log(
        [
            ("ann", "mug", 1, 1.0),
            ("ann", "pot", 1, 1.0),
            ("ann", "tea", 4, 1.0),
            ("ann", "mug", 6, 0.5),
            ("bob", "pot", 9, 2.0),
            ("bob", "tea", 3, 1.0),
        ]
    )


logs = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(0, 6), st.integers(0, 5), st.sampled_from([0.5, 1.0, 2.0])),
    min_size=1,
    max_size=40,
)


# The matrix of a log


def test_the_matrix_holds_one_for_each_pair_and_the_ids_are_sorted(purchases):
    rec = table(PopularityRecommender()).fit(purchases)
    assert rec.user_ids_.tolist() == ["ann", "bob"]
    assert rec.item_ids_.tolist() == ["mug", "pot", "tea"]
    assert isinstance(rec.interactions_, sparse.csr_array)
    assert_array_equal(rec.interactions_.toarray(), [[1, 1, 1], [0, 1, 1]])


def test_of_repeated_interactions_the_largest_value_counts(purchases):
    rec = table(PopularityRecommender(), weight="weight").fit(purchases)
    assert_array_equal(rec.interactions_.toarray(), [[1, 1, 1], [0, 2, 1]])
    rec.set_params(timestamp="time", rank_decay=0.25).fit(purchases)  # mug: 0.5 now outweighs 0.25 ** 2
    assert_array_equal(rec.interactions_.toarray(), [[0.5, 0.0625, 0.25], [0, 2, 0.25]])


def test_half_life_counts_back_from_the_last_interaction_of_the_user(purchases):
    rec = table(PopularityRecommender(), timestamp="time", half_life=5).fit(purchases)
    expected = [[1, 0.5, 0.5 ** (2 / 5)], [0, 1, 0.5 ** (6 / 5)]]
    assert_allclose(rec.interactions_.toarray(), expected, rtol=1e-6)


@pytest.mark.parametrize("half_life", [2 * DAY, "2D", pd.Timedelta(days=2), np.timedelta64(48, "h")])
@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("unit", ["s", "ns"])
def test_datetimes_of_any_unit_and_zone_decay_alike(purchases, half_life, zone, unit):
    times = pd.to_datetime(purchases["time"] * DAY, unit="s").astype(f"datetime64[{unit}]")
    log = purchases.assign(time=times.dt.tz_localize("UTC").dt.tz_convert(zone) if zone else times)
    rec = table(PopularityRecommender(), timestamp="time", half_life=half_life, rank_decay=0.5).fit(log)
    numbers = clone(rec).set_params(half_life=2).fit(purchases)
    assert_allclose(rec.interactions_.toarray(), numbers.interactions_.toarray(), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(rows=logs, rank_decay=st.sampled_from([0.5, 0.75, 1.0]), half_life=st.sampled_from([None, 2.0]))
def test_the_matrix_equals_a_loop_over_the_log(rows, rank_decay, half_life):
    rec = table(
        PopularityRecommender(), weight="weight", timestamp="time", rank_decay=rank_decay, half_life=half_life
    ).fit(as_log(rows))
    expected = {}
    for user, item, time, weight in rows:
        own_times = {row[2] for row in rows if row[0] == user}
        value = weight * rank_decay ** sum(other > time for other in own_times)
        value *= 1 if half_life is None else 0.5 ** ((max(own_times) - time) / half_life)
        expected[user, item] = max(expected.get((user, item), 0), value)
    matrix = rec.interactions_.tocoo()
    found = zip(rec.user_ids_[matrix.row], rec.item_ids_[matrix.col], strict=True)
    assert dict(zip(found, matrix.data.tolist(), strict=True)) == pytest.approx(expected, rel=1e-6)
    assert rec.interactions_.has_canonical_format


@settings(max_examples=25, deadline=None)
@given(rows=logs, seed=st.integers(0, 100))
def test_the_order_of_the_rows_and_repeating_them_do_not_matter(rows, seed):
    log = as_log(rows)
    other = pd.concat([log, log]).sample(frac=1, random_state=seed)
    params = {"weight": "weight", "timestamp": "time", "rank_decay": 0.7}
    one, two = table(**params).fit(log), table(**params).fit(other)
    assert (one.interactions_ != two.interactions_).nnz == 0
    for a, b in zip(one.recommend(), two.recommend(), strict=True):
        assert_array_equal(a, b)


@settings(max_examples=25, deadline=None)
@given(train=logs, test=logs, seed=st.integers(0, 100), timestamp=st.sampled_from([None, "time"]))
@pytest.mark.filterwarnings("ignore::skgnnrec.exceptions.EmptyHistoryWarning")
@pytest.mark.filterwarnings("ignore::skgnnrec.exceptions.LeakageWarning")
def test_the_score_depends_neither_on_the_order_of_the_rows_nor_on_the_names_of_users(train, test, seed, timestamp):
    train, test = as_log(train), as_log(test)
    rec = table(PopularityRecommender(3), timestamp=timestamp, rank_decay=0.7 if timestamp else 1.0).fit(train)
    score = rec.score(test)
    assert np.isnan(score) or 0 <= score <= 1
    assert_array_equal(score, rec.score(test.sample(frac=1, random_state=seed)))
    names = {user: f"{k}{user}" for k, user in enumerate("edcba")}
    train, test = (log.assign(user=log["user"].map(names)) for log in (train, test))
    assert_allclose(clone(rec).fit(train).score(test), score, rtol=1e-6)


def test_a_long_history_does_not_decay_into_the_unseen():
    log = as_log([("ann", k, k) for k in range(2000)])
    for params in ({"rank_decay": 0.5}, {"half_life": 1e-3}):
        rec = table(PopularityRecommender(), timestamp="time", **params).fit(log)
        assert rec.interactions_.nnz == 2000
        assert (rec.interactions_.data > 0).all()
        assert rec.recommend(exclude_seen=True)[0].tolist() == [[-1] * 10]


def test_small_integer_times_do_not_wrap():
    log = as_log([("ann", 0, -128), ("ann", 1, 127)]).astype({"time": np.int8})
    rec = table(PopularityRecommender(), timestamp="time", half_life=255).fit(log)
    assert_allclose(rec.interactions_.toarray(), [[0.5, 1]])


def test_rows_of_weight_zero_are_no_interactions(purchases):
    log = purchases.assign(weight=[1, 0, 1, 1, 0, 0])
    rec = table(PopularityRecommender(), weight="weight").fit(log)
    assert (rec.user_ids_.tolist(), rec.item_ids_.tolist()) == (["ann"], ["mug", "tea"])
    with pytest.raises(ValueError, match=r"X has no interaction: all of its weights \(weight='weight'\) are 0"):
        rec.fit(log.assign(weight=0))


# What comes in


@pytest.mark.parametrize("kind", ["positions", "array", "list", "fortran", "category", "Int64"])
def test_every_kind_of_table_gives_the_same_recommendations(kind):
    pairs = np.random.default_rng(0).integers(8, size=(60, 2))
    expected = LogRecommender(GraphFilterRecommender()).fit(pairs)
    other = {
        "positions": lambda: pd.DataFrame(pairs, columns=["b", "a"]),
        "array": lambda: pairs.astype(object),
        "list": lambda: [tuple(pair) for pair in pairs.tolist()],
        "fortran": lambda: np.asfortranarray(pairs),
        "category": lambda: pd.DataFrame(pairs).astype("category"),
        "Int64": lambda: pd.DataFrame(pairs).astype("Int64"),
    }[kind]()
    rec = LogRecommender(GraphFilterRecommender()).fit(other)
    assert rec.item_ids_.dtype.kind == "i"
    for a, b in zip(rec.recommend([1, 5, 99]), expected.recommend([1, 5, 99]), strict=True):
        assert_array_equal(a, b)
    assert_array_equal(rec.predict(other), expected.predict(pairs))


def test_ids_of_one_list_keep_their_own_types():
    rec = LogRecommender(PopularityRecommender()).fit([("ann", 3), ("bob", 4), ("bob", 3)])
    assert rec.item_ids_.tolist() == [3, 4]
    assert rec.recommend("ann", 1)[0].tolist() == [[4]]


def test_ids_may_be_of_mixed_types():
    log = pd.DataFrame({"user": ["a", 1, 1], "item": ["x", 2, "x"]}, dtype=object)
    assert table(PopularityRecommender(1)).fit(log).recommend(["a"])[0].tolist() == [[2]]


def test_the_log_is_not_modified_and_other_columns_may_hold_anything(purchases):
    log = purchases.assign(note=[None, {}, [], np.nan, "", 1])
    before = log.copy(deep=True)
    rec = table(weight="weight", timestamp="time", rank_decay=0.5).fit(log)
    rec.score(log.assign(user="cy"))
    pd.testing.assert_frame_equal(log, before)
    assert rec.n_features_in_ == 5
    assert rec.feature_names_in_.tolist() == list(log.columns)


@pytest.mark.parametrize(
    ("params", "change", "match"),
    [
        ({"user": "who"}, {}, r"user='who' is not a column of X, which has 4 feature\(s\): 'user', 'item'"),
        ({"item": 9}, {}, r"item=9 is not a column of X"),
        (
            {},
            {"user": ["a", None, "b", np.nan, "c", "d"]},
            r"The column user='user' of X has missing values in 2 of 6 rows: 1, 3",
        ),
        ({}, {"item": [1.0, np.inf, 2, 3, 4, 5]}, r"The column item='item' of X has infinite values in 1 of 6 rows: 1"),
        ({"timestamp": "time"}, {"time": [pd.NaT] * 6}, r"timestamp='time' of X has missing values .* in 6 of 6 rows"),
        ({"timestamp": "time"}, {"time": list("abcdef")}, r"timestamp='time' of X must hold datetimes or numbers"),
        ({"weight": "weight"}, {"weight": -1.0}, r"weight='weight' of X must hold weights from 0 .* from -1.0"),
        ({"weight": "weight"}, {"weight": 1e300}, r"must hold weights from 0 to 1e\+30"),
        ({"weight": "weight"}, {"weight": "heavy"}, r"weight='weight' of X must hold numbers"),
        ({"weight": "weight"}, {"weight": np.nan}, r"weight='weight' of X has missing values"),
        ({"rank_decay": 0.5}, {}, r"rank_decay and half_life need the column of the times"),
        ({"half_life": 3}, {}, r"rank_decay and half_life need the column of the times"),
        ({"half_life": "3D", "timestamp": "time"}, {}, r"half_life must be a number where times are numbers"),
        ({"rank_decay": 0.0}, {}, r"The 'rank_decay' parameter of LogRecommender must be a float in the range \(0"),
        ({"unknown_users": "guess"}, {}, r"The 'unknown_users' parameter of LogRecommender must be a str among"),
        ({"recommender": "ridge"}, {}, "The 'recommender' parameter of LogRecommender must be a recommender"),
    ],
)
def test_errors_of_fit_name_the_column(purchases, params, change, match):
    with pytest.raises(ValueError, match=match):
        table().set_params(**params).fit(purchases.assign(**change))


def test_further_errors_of_tables(purchases):
    with pytest.raises(ValueError, match=r"half_life must be positive; got '-3D'"):
        table(timestamp="time", half_life="-3D").fit(purchases.assign(time=pd.Timestamp("2024-01-01")))
    twice = pd.concat([purchases, purchases[["user"]]], axis=1)
    with pytest.raises(ValueError, match=r"Expected unique column names, got:\n- 'user' 2 times"):
        table().fit(twice)
    with pytest.raises(ValueError, match=r"user='user' is the name of 2 columns of X"):
        table().fit(purchases).predict(twice)
    with pytest.raises(ValueError, match=r"user='user' is not a column of X, which has 2 feature\(s\): 0, 1"):
        table().fit(purchases[["user", "item"]].to_numpy())
    with pytest.raises(ValueError, match=r"Found 0 sample\(s\) \(shape=\(0, 4\)\)"):
        table().fit(purchases[:0])
    with pytest.raises(TypeError, match=r"A user given as argument must be .* hashed"):
        table().fit(purchases.assign(user=[{}] * 6))
    rec = table(timestamp="time").fit(purchases)
    with pytest.raises(ValueError, match=r"timestamp='time' is not a column of X"):
        rec.score(purchases[["user", "item"]])
    with pytest.raises(ValueError, match=r"The feature names should match"):
        LogRecommender(PopularityRecommender(), user=0, item=1).fit(purchases).predict(purchases[["item", "user"]])


# Recommendations and scores of pairs


def test_recommendations_are_those_of_the_matrix(data):
    rec = table(RidgeRecommender(n_recommendations=4)).fit(data.log)
    plain = RidgeRecommender(n_recommendations=4).fit(rec.interactions_)
    found, scores = rec.recommend()
    positions, expected = plain.recommend(rec.interactions_)
    assert_array_equal(found, np.append(rec.item_ids_, None)[positions])
    assert_array_equal(scores, expected)
    some = rec.user_ids_[[7, 3, 7]]
    assert_array_equal(rec.recommend(some, 2)[0], found[[7, 3, 7], :2])
    assert (rec.recommend(pd.Series(some), 2, exclude_seen=False)[1] >= scores[[7, 3, 7], :2]).all()


def test_candidates_go_by_id(data):
    with_catalog = table(RidgeRecommender(catalog=data.catalog, item_encoder=TfidfVectorizer())).fit(data.log)
    without = table(RidgeRecommender()).fit(data.log)
    candidates = without.item_ids_[[5, 2, 9]]
    for rec in (with_catalog, without):
        found, _ = rec.recommend(candidates=candidates, n_recommendations=3, exclude_seen=False)
        assert_array_equal(np.sort(found, axis=1), np.tile(np.sort(candidates), (80, 1)))
        with pytest.raises(ValueError, match=r"candidates holds 1 ids .*'i99'"):
            rec.recommend(candidates=["i99"])
    with pytest.raises(ValueError, match=r"candidates is an ItemCatalog, but the recommender has none"):
        without.recommend(candidates=data.catalog)
    with pytest.raises(ValueError, match=r"The 'n_recommendations' parameter of recommend must be an int"):
        without.recommend(n_recommendations=0)


def test_predict_gives_the_scores_of_recommend_whatever_the_block(data, monkeypatch):
    rec = table(GraphFilterRecommender(n_recommendations=5)).fit(data.log)
    found, scores = rec.recommend()
    pairs = pd.DataFrame({"item": found.ravel(), "user": np.repeat(rec.user_ids_, 5)})
    pairs, scores = pairs[pairs["item"].notna()], scores[np.isfinite(scores)]
    assert_array_equal(rec.predict(pairs), scores)
    monkeypatch.setattr("skgnnrec.recommenders._pairs.BLOCK_BYTES", 4 * 40 * 7)
    shuffled = np.random.default_rng(0).permutation(len(pairs))
    assert_array_equal(rec.predict(pairs.iloc[shuffled]), scores[shuffled])
    assert rec.predict(pairs).dtype == np.float32
    dense = rec.recommender_.decision_function(rec.interactions_)
    log_scores = dense[rec.user_ids_.searchsorted(data.log["user"]), rec.item_ids_.searchsorted(data.log["item"])]
    assert_array_equal(rec.predict(data.log), log_scores)


def test_held_out_rows_are_ranked_among_candidates(data):
    past, future = data.events[:-200], data.events[-200:]
    rec = LogRecommender(PopularityRecommender(), user="user_id", item="item_id").fit(past)
    candidates = rec.item_ids_[::3]
    lists = rec.rank_held_out(future, n_recommendations=5, candidates=candidates).recommended
    assert set(rec.item_ids_[lists[lists >= 0]]) <= set(candidates)
    assert (lists >= 0).any(axis=1).mean() > 0.9
    with pytest.raises(ValueError, match="got an ItemCatalog: rank_held_out takes no new items"):
        rec.rank_held_out(future, candidates=ItemCatalog(np.eye(2)))


def test_similar_items_by_id(data):
    rec = table(RidgeRecommender()).fit(data.log)
    query = rec.item_ids_[4]
    positions, expected = RidgeRecommender().fit(rec.interactions_).similar_items([4], 3)
    found, scores = rec.similar_items([query], 3)
    assert_array_equal(found, rec.item_ids_[positions])
    assert_array_equal(scores, expected)
    with_catalog = table(RidgeRecommender(catalog=data.catalog, item_encoder=TfidfVectorizer())).fit(data.log)
    assert sorted([query, *with_catalog.similar_items(query, 39)[0][0]]) == data.catalog.ids.tolist()
    with pytest.raises(ValueError, match=r"items holds 1 ids that were not in the fit: 'nope'"):
        rec.similar_items(["nope"])


# Users without a history


def test_unknown_users_get_what_is_popular(purchases):
    rec = table().fit(purchases)
    found, scores = rec.recommend(["zoe", "bob", "yan"], 3)
    assert found.tolist() == [["pot", "tea", "mug"], ["mug", None, None], ["pot", "tea", "mug"]]
    assert scores[[0, 2]].tolist() == [[2, 2, 1]] * 2
    pairs = as_log([("zoe", "mug"), ("bob", "mug"), ("zoe", "pot"), ("zoe", "new"), ("bob", "new")])
    assert_array_equal(rec.predict(pairs), [1, scores[1, 0], 2, np.nan, np.nan])
    assert rec.recommend("zoe", 1, candidates=["mug", "tea"])[0].tolist() == [["tea"]]


def test_unknown_users_are_skipped(purchases):
    rec = table(unknown_users="skip").fit(purchases)
    found, scores = rec.recommend(["zoe", "bob"], 1)
    assert found.tolist() == [[None], ["mug"]]
    assert scores[0, 0] == -np.inf
    assert_array_equal(np.isnan(rec.predict(as_log([("zoe", "mug"), ("bob", "mug")]))), [True, False])
    both = as_log([("zoe", "mug"), ("bob", "mug")])
    assert rec.score(both) == rec.score(both[1:]) == 1.0  # the only item bob has not got
    with pytest.warns(EmptyHistoryWarning, match="Nothing to score"):
        assert np.isnan(rec.score(both[:1]))


def test_unknown_users_are_an_error(purchases):
    rec = table(unknown_users="error").fit(purchases)
    one = as_log([("zoe", "mug"), ("bob", "mug")])
    for call in (lambda: rec.recommend(["bob", "zoe"]), lambda: rec.predict(one), lambda: rec.score(one)):
        with pytest.raises(ValueError, match=r"1 users are unknown, they were not in the fit: 'zoe'"):
            call()
    assert rec.recommend(["bob"])[0].shape == (1, 3)


def test_no_users_no_recommendations(purchases):
    found, scores = table().fit(purchases).recommend([])
    assert found.shape == scores.shape == (0, 3)


# Catalogs


def test_items_of_the_catalog_that_nobody_has_are_recommended():
    titles = ["red mug", "blue mug", "tea pot", "tea spoon"]
    catalog = ItemCatalog(titles, ids=["red", "blue", "pot", "spoon"])
    rec = table(RidgeRecommender(catalog=catalog, item_encoder=TfidfVectorizer(), n_recommendations=1))
    rec.fit(as_log([("ann", "red"), ("ann", "blue"), ("bob", "red"), ("bob", "blue"), ("cy", "pot")]))
    assert rec.item_ids_.tolist() == ["red", "blue", "pot", "spoon"]
    assert rec.recommend("cy")[0].tolist() == [["spoon"]]
    assert rec.score(as_log([("cy", "spoon")])) == 1.0
    new = ItemCatalog(["tea cup", "green mug"], ids=["cup", "green"])
    assert rec.recommend(["cy", "ann", "zoe"], candidates=new)[0].tolist() == [["cup"], ["green"], ["cup"]]


def test_the_catalog_must_hold_the_items_of_the_log(data):
    rec = table(PopularityRecommender(catalog=data.catalog))
    log = as_log([("ann", "i00"), ("ann", "cup"), ("bob", "cup")])
    with pytest.raises(ItemAlignmentError, match=r"The catalog lacks 1 of 2 items: 'cup'"):
        rec.fit(log)
    with pytest.raises(ItemAlignmentError, match=r"These ids are of type int, those of the catalog of type str"):
        rec.fit(as_log([("ann", 0), ("ann", 1)]))


def test_a_catalog_without_ids_knows_items_by_position():
    catalog = ItemCatalog(["red mug", "blue mug", "tea pot"])
    rec = table(PopularityRecommender(3, catalog=catalog)).fit(as_log([("ann", 2), ("bob", 2), ("bob", 0)]))
    assert rec.recommend(["ann", "zoe"])[0].tolist() == [[0, 1, -1], [2, 0, 1]]
    assert rec.recommend("zoe", 2, candidates=[1, 0])[0].tolist() == [[0, 1]]
    for item in (3, -1, 0.5, "red"):
        with pytest.raises(ItemAlignmentError, match=r"positions from 0 to 2; the log has 1 other items"):
            rec.fit(as_log([("ann", item)]))


# The score


def test_the_score_of_known_users_is_that_of_the_matrix(data):
    train, test = data.log[:600], data.log[600:]
    rec = table(RidgeRecommender(catalog=data.catalog, item_encoder=TfidfVectorizer()), unknown_users="skip").fit(train)
    known = test[test["user"].isin(rec.user_ids_)]
    rows, columns = rec.user_ids_.searchsorted(known["user"]), rec.item_ids_.searchsorted(known["item"])
    future = sparse.csr_array((np.ones(len(known)), (rows, columns)), shape=rec.interactions_.shape)
    assert len(known) < len(test) or set(test["user"]) <= set(train["user"])
    assert rec.score(known) == pytest.approx(rec.recommender_.score(rec.interactions_, future))


def test_pairs_of_the_fit_are_not_counted(purchases):
    log = pd.concat([purchases, as_log([("cy", "new"), ("cy", "pot")])])
    rec = table(PopularityRecommender(2)).fit(log)  # pot 3, tea 2
    assert rec.score(as_log([("cy", "tea"), ("cy", "pot")])) == rec.score(as_log([("cy", "tea")])) == 1.0
    with pytest.warns(EmptyHistoryWarning, match="Nothing to score"):
        assert np.isnan(rec.score(log))


def test_new_items_are_misses(purchases):
    rec = table(PopularityRecommender(2)).fit(purchases)
    discount = 1 / np.log2(3)
    assert rec.score(as_log([("bob", "mug"), ("bob", "cup")])) == pytest.approx(1 / (1 + discount))
    with pytest.warns(EmptyHistoryWarning, match=r"All held-out items are new .* catalog=ItemCatalog"):
        assert rec.score(as_log([("bob", "cup")])) == 0


def test_of_a_new_user_the_latest_item_is_held_out_and_the_others_are_the_history():
    rows = [(user, item, 1) for user in "abc" for item in ("mug", "pot")]
    log = as_log([*rows, *((user, item, 1) for user in "defgh" for item in ("tea", "cup"))])
    rec = table(RidgeRecommender(n_recommendations=1), timestamp="time").fit(log)
    new = as_log([("zoe", "pot", 8), ("zoe", "mug", 5), ("yan", "mug", 2), ("yan", "pot", 4)])
    assert rec.score(new) == 1.0  # mug -> pot; by popularity it would be cup or tea
    assert rec.score(as_log([("zoe", "tea", 9), ("zoe", "mug", 5)])) == 0.0
    assert rec.score(as_log([("zoe", "pot", 1)])) == 0.0  # a single item is ranked by popularity
    assert rec.score(as_log([("zoe", "cup", 1)])) == 1.0


def test_the_split_of_new_users_does_not_depend_on_what_is_tuned(data):
    train, test = data.log[data.log["user"] < 60], data.log[data.log["user"] >= 60]
    splits = []
    for rank_decay in (1.0, 0.5):
        rec = table(timestamp="time", rank_decay=rank_decay).fit(train)
        ranking = rec.rank_held_out(test)
        histories, held_out = ranking.histories, ranking.held_out
        splits.append(held_out)
        assert ranking.users.tolist() == sorted(set(test["user"]))
        n_items = test.groupby("user")["item"].nunique().to_numpy()
        assert_array_equal(np.diff(histories.indptr) + np.diff(held_out.indptr), n_items)
        assert_array_equal(np.diff(held_out.indptr), np.maximum(1, np.rint(0.2 * n_items)))
        assert histories.max() == 1
    assert (splits[0] != splits[1]).nnz == 0


# scikit-learn


def splitters(log):
    return {
        "interactions": (KFold(3, shuffle=True, random_state=0), None),
        "users": (GroupKFold(3), log["user"]),
        "items": (GroupKFold(3), log["item"]),
        "future": (TimeSeriesSplit(3), None),
    }


@pytest.mark.filterwarnings("ignore::skgnnrec.exceptions.LeakageWarning")
@pytest.mark.parametrize("name", ["interactions", "users", "items", "future"])
def test_every_splitter_scores_the_recommender_above_popularity(data, name):
    cv, groups = splitters(data.log)[name]
    text = {"catalog": data.catalog, "item_encoder": TfidfVectorizer()}
    scores, floor = (
        cross_val_score(table(rec, timestamp="time"), data.log, cv=cv, groups=groups, error_score="raise")
        for rec in (GraphFilterRecommender(**text), PopularityRecommender(catalog=data.catalog))
    )
    assert ((scores > 0) & (scores < 1)).all()
    assert scores.mean() > floor.mean()


def test_search_over_all_levels_in_a_pipeline(data):
    model = make_pipeline(
        FunctionTransformer(lambda log: log.assign(time=log["time"].dt.floor("D"))),
        table(GraphFilterRecommender(), timestamp="time"),
    )
    grid = {
        "logrecommender__rank_decay": [0.8, 1.0],
        "logrecommender__half_life": [None, "30D", 9 * DAY],
        "logrecommender__recommender__sharpness": [0.5, 1.0],
    }
    search = GridSearchCV(model, grid, cv=TimeSeriesSplit(2), error_score="raise").fit(data.log)
    assert len(set(search.cv_results_["mean_test_score"])) > 6
    assert search.predict(data.log).shape == (len(data.log),)
    assert search.best_estimator_[-1].recommend([0], 2)[0].shape == (1, 2)


def test_two_jobs_routing_and_pickles_change_nothing(data):
    rec = table(timestamp="time", rank_decay=0.9)
    groups = {"cv": GroupKFold(2), "groups": data.log["user"]}
    expected = cross_val_score(rec, data.log, **groups)
    assert_array_equal(cross_val_score(rec, data.log, n_jobs=2, **groups), expected)
    with config_context(enable_metadata_routing=True):
        routed = cross_val_score(rec, data.log, cv=groups["cv"], params={"groups": groups["groups"]})
    assert_array_equal(routed, expected)
    rec.fit(data.log)
    for copied in (pickle.loads(pickle.dumps(rec)), clone(rec).fit(data.log, np.ones(len(data.log)))):
        assert_array_equal(copied.recommend()[0], rec.recommend()[0])
    assert re.match(r"LogRecommender\(item='item',\s+rank_decay=0.9,", repr(rec))


def test_scores_on_the_training_rows_are_undefined_and_say_so(data):
    with pytest.warns(EmptyHistoryWarning, match="Nothing to score"):
        scores = cross_validate(table(), data.log, cv=2, return_train_score=True, error_score="raise")
    assert np.isnan(scores["train_score"]).all()
    assert (scores["test_score"] > 0).all()


@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
@pytest.mark.filterwarnings("ignore::skgnnrec.exceptions.EmptyHistoryWarning")  # random numbers make no repeated users
@pytest.mark.parametrize("recommender", [PopularityRecommender(), GraphFilterRecommender(), RidgeRecommender()])
def test_scikit_learn_battery(recommender):
    results = estimator_checks.check_estimator(
        LogRecommender(recommender, user=0, item=1), on_skip=None, on_fail="raise"
    )
    assert {result["status"] for result in results} == {"passed"}
    assert len(results) >= 41


@pytest.mark.filterwarnings("ignore::skgnnrec.exceptions.EmptyHistoryWarning")
@pytest.mark.parametrize(
    "check",
    ["check_dataframe_column_names_consistency", "check_inplace_ensure_writeable", "check_param_validation"],
)
def test_public_checks_that_the_battery_does_not_call(check):
    getattr(estimator_checks, check)("LogRecommender", LogRecommender(GraphFilterRecommender(), user=0, item=1))


# Histories of users outside the fit -----------------------------------------------------------------------------------


def test_a_basket_is_the_history_of_a_user(data):
    rec = table().fit(data.log)
    names = rec.item_ids_
    baskets = [names[[3, 5]].tolist(), [], names[[9]].tolist()]
    X = np.zeros((3, len(names)))
    X[0, [3, 5]] = X[2, 9] = 1
    positions, scores = rec.recommender_.recommend(X, 4)
    expected = names[positions], scores
    for asked in (baskets, tuple(baskets), dict(zip(["x", "y", "z"], baskets, strict=True))):
        for found, wanted in zip(rec.recommend(histories=asked, n_recommendations=4), expected, strict=True):
            assert_array_equal(found, wanted)


def test_a_log_of_new_users_counts_as_one_of_the_fit(data):
    rec = table(timestamp="time", half_life="30D").fit(data.log)
    some = data.log[data.log["user"].isin([3, 4, 11])]
    expected = rec.recommend([3, 4, 11])
    renamed = some.assign(user=some["user"].map({3: "a", 4: "b", 11: "c"})).sample(frac=1, random_state=0)
    for log in (some, renamed, {name: renamed[name].to_numpy() for name in renamed}):
        for found, wanted in zip(rec.recommend(histories=log), expected, strict=True):
            assert_array_equal(found, wanted)


def test_given_histories_replace_those_of_the_fit(data):
    rec = table().fit(data.log)
    user, item = rec.user_ids_[0], rec.item_ids_[7]
    found, _ = rec.recommend(histories={user: [item]})
    assert_array_equal(found, rec.recommend(histories=[[item]])[0])
    assert not np.array_equal(found, rec.recommend([user])[0])


def test_unknown_items_of_a_basket_are_left_out_with_a_warning(purchases):
    rec = table().fit(purchases)
    with pytest.warns(UserWarning, match="1 of 2 items in histories were not in the fit and are left out: 'cup'"):
        found, _ = rec.recommend(histories=[["mug", "cup"]])
    assert_array_equal(found, rec.recommend(histories=[["mug"]])[0])
    with pytest.warns(UserWarning, match=r"2 of 2 items .* left out: 1, 2\. The items of the fit are of type str"):
        rec.recommend(histories=[[1, 2]])


@pytest.mark.parametrize(
    ("error", "arguments", "match"),
    [
        (ValueError, {"users": ["ann"], "histories": [["mug"]]}, "users and histories are both given"),
        (TypeError, {"histories": ["mug", "pot"]}, "a list of item ids; got str 'mug' as basket 0"),
        (ValueError, {"histories": [["mug"], ["pot", None]]}, "Basket 1 of histories has missing values"),
        (ValueError, {"users": ["mug", "tea"]}, r"got ids of items: 'mug', 'tea'\. recommend\(histories=\[\[...\]\]\)"),
        (TypeError, {"users": [["mug", "tea"]]}, r"got a list of lists\. recommend\(histories=...\) takes baskets"),
    ],
)
def test_wrong_users_and_histories(purchases, error, arguments, match):
    with pytest.raises(error, match=match):
        table().fit(purchases).recommend(**arguments)


# Columns and leaks ----------------------------------------------------------------------------------------------------


def test_columns_without_names_are_the_two_that_nothing_else_names(purchases):
    expected = table(weight="weight", timestamp="time").fit(purchases).interactions_
    unnamed = LogRecommender(GraphFilterRecommender(), weight="weight", timestamp="time").fit(purchases)
    assert (unnamed.interactions_ != expected).nnz == 0
    half = LogRecommender(GraphFilterRecommender(), user="user", weight="weight", timestamp="time").fit(purchases)
    assert (half.interactions_ != expected).nnz == 0
    with pytest.raises(ValueError, match=r"X has 4 columns, 'user', 'item', 'time', 'weight': name the columns"):
        LogRecommender(GraphFilterRecommender()).fit(purchases)


def test_scores_of_the_past_of_a_user_warn_of_the_leak(data):
    rec = table(timestamp="time")
    early, late = (part for _, part in data.log.groupby(data.log["time"] > data.log["time"].median()))
    with pytest.warns(LeakageWarning, match=r"held-out interactions are earlier than the latest interaction of their"):
        rec.fit(late).score(early)
    with warnings.catch_warnings(action="error"):
        rec.fit(early).score(late)
        table().fit(late).score(early)  # without times nothing is known


# What first users stumbled over ---------------------------------------------------------------------------------------


def test_users_are_a_list_of_ids():
    log = pd.DataFrame({"user": [1, 1, 2], "item": ["a", "b", "a"]})
    rec = LogRecommender(PopularityRecommender(), user="user", item="item").fit(log)
    with pytest.raises(ValueError, match=r"users must be one column of ids, got a DataFrame"):
        rec.recommend(log[["user"]])


def test_ids_of_another_type_are_warned_of():
    log = pd.DataFrame({"user": [1, 1, 2], "item": ["a", "b", "a"]})
    rec = LogRecommender(PopularityRecommender(), user="user", item="item").fit(log)
    with pytest.warns(UserWarning, match="ids are of type str, those of the fit of type int"):
        items, _ = rec.recommend(["1"], 1)
    assert items.tolist() == [["a"]]


def test_a_table_in_place_of_a_catalog_is_named():
    rec = LogRecommender(PopularityRecommender(catalog=pd.DataFrame({"id": [1]})))
    with pytest.raises(ValueError, match=r"must be an ItemCatalog or None\. Got a DataFrame"):
        rec.fit([[1, 1], [2, 1]])
