"""The comparison of recommenders: protocols, floors, uncertainty and costs."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgnnrec import GraphFilterRecommender, ItemCatalog, PopularityRecommender, RidgeRecommender, TableRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import JointScorer, auc_at, coverage_at, ndcg_at, ndcg_at_k, ranking_metrics, recall_at
from skgnnrec.model_selection import RollingWindows, compare_recommenders, paired_bootstrap, split_interactions
from skgnnrec.model_selection._cost import Stopwatch, pickled_bytes
from skgnnrec.model_selection._floors import TextCosineRecommender

FAST = {"n_resamples": 50}


@pytest.fixture(scope="module")
def pair(tastes):
    return split_interactions(tastes.interactions, random_state=0)


def without_cost(table):
    return table.drop(columns="cost")


def test_held_out_interactions_are_what_the_metrics_say(pair):
    past, future = pair
    estimators = {"ridge": RidgeRecommender(), "filter": GraphFilterRecommender()}
    table = compare_recommenders(estimators, past, future, scoring=["ndcg", "map"], k=5, **FAST)
    for name, recommender in {**estimators, "popularity": PopularityRecommender()}.items():
        expected = ranking_metrics(future, recommender.fit(past).recommend(past, 5)[0])
        assert_allclose(table.loc[name, ("ndcg@5", "mean")], expected["ndcg"])
        assert_allclose(table.loc[name, ("map@5", "mean")], expected["map"])
    means = table["ndcg@5", "mean"]
    assert (means.diff().dropna() <= 0).all()  # best first
    assert (table["ndcg@5", "low"] <= means).all()
    assert (means <= table["ndcg@5", "high"]).all()


def test_without_y_a_share_is_hidden_and_never_learned(tastes):
    X = tastes.interactions
    past, future = split_interactions(X, test_size=0.3, random_state=5)
    hidden = compare_recommenders({"ridge": RidgeRecommender()}, X, test_size=0.3, random_state=5, **FAST)
    given = compare_recommenders({"ridge": RidgeRecommender()}, past, future, random_state=5, **FAST)
    pd.testing.assert_frame_equal(without_cost(hidden), without_cost(given))


def test_held_out_users_are_those_of_cross_val_score(X):
    cv = KFold(3, shuffle=True, random_state=0)
    table, users = compare_recommenders({"ridge": RidgeRecommender()}, X, cv=cv, return_users=True, **FAST)
    # Folds of 40 users, all of whom have two interactions: the mean over users is that over folds.
    assert len(users) == X.shape[0]
    assert_allclose(table.loc["ridge", ("ndcg@10", "mean")], cross_val_score(RidgeRecommender(), X, cv=cv).mean())
    assert_allclose(users["ndcg@10", "ridge"].mean(), table.loc["ridge", ("ndcg@10", "mean")])


def test_folds_take_their_part_of_y(pair):
    past, future = pair
    table = compare_recommenders({"ridge": RidgeRecommender()}, past, future, cv=2, **FAST)
    halves = np.array_split(np.arange(past.shape[0]), 2)
    scores = [
        ndcg_at_k(future[test], RidgeRecommender().fit(past[train]).predict(past[test]), average=False)
        for train, test in (halves, halves[::-1])
    ]
    assert_allclose(table.loc["ridge", ("ndcg@10", "mean")], np.concatenate(scores).mean())


def test_users_who_are_tested_twice_count_once(X):
    cv = RepeatedKFold(n_splits=2, n_repeats=2, random_state=0)
    users = compare_recommenders({"ridge": RidgeRecommender()}, X, cv=cv, return_users=True, **FAST)[1]
    assert users.index.tolist() == list(range(X.shape[0]))


def test_p_values_are_those_of_the_pairs(pair):
    estimators = {"ridge": RidgeRecommender(), "filter": GraphFilterRecommender()}
    table, users = compare_recommenders(estimators, *pair, return_users=True, **FAST)
    pairs = paired_bootstrap(users["ndcg@10"][table.index.tolist()], **FAST)
    square = table["p_value"]
    assert square.columns.tolist() == table.index.tolist()
    for (first, second), row in pairs.iterrows():
        assert square.loc[first, second] == square.loc[second, first] == row["p_corrected"]
    assert np.isnan(np.diag(square)).all()
    assert square.loc["ridge", "popularity"] < 0.1


def test_every_metric_is_tested_against_its_best(pair):
    def swapped(y, lists):  # the order of the recommenders is another one than by ndcg
        return 1 - ranking_metrics(y, lists, average=False)["ndcg"]

    scoring = {"ndcg": partial(ndcg_at_k, average=False), "swapped": swapped}
    estimators = {"ridge": RidgeRecommender(), "filter": GraphFilterRecommender()}
    table, users = compare_recommenders(estimators, *pair, scoring=scoring, return_users=True, **FAST)
    names = table.index.tolist()
    for metric, best in (("ndcg", names[0]), ("swapped", names[-1])):
        pairs = paired_bootstrap(users[metric][names], **FAST)["p_corrected"]
        assert np.isnan(table.loc[best, (metric, "p_vs_best")])
        for name in set(names) - {best}:
            expected = pairs.get((best, name), pairs.get((name, best)))
            assert table.loc[name, (metric, "p_vs_best")] == expected


def test_a_leak_is_said_once(pair):
    past, future = pair
    with pytest.warns(LeakageWarning, match=f"{future.nnz} of {future.nnz} held-out interactions") as caught:
        compare_recommenders({"ridge": RidgeRecommender()}, past + future, future, **FAST)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_what_ranks_in_its_own_way_is_compared(pair):
    class Own(PopularityRecommender):
        def rank_held_out(self, X, y=None, n_recommendations=None):
            return super().rank_held_out(X, y, n_recommendations)

    table = compare_recommenders({"own": Own(), "ridge": RidgeRecommender()}, *pair, **FAST)
    assert table.loc["ridge", ("ndcg@10", "mean")] > table.loc["own", ("ndcg@10", "mean")] > 0


def test_pipelines_are_compared_by_what_ranks_at_their_end(pair):
    doubled = make_pipeline(FunctionTransformer(lambda X: 2 * X, accept_sparse=True), RidgeRecommender())
    table = compare_recommenders({"pipeline": doubled, "ridge": RidgeRecommender()}, *pair, **FAST)
    assert_allclose(table.loc["pipeline", ("ndcg@10", "mean")], table.loc["ridge", ("ndcg@10", "mean")])


# Logs -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def of_logs(catalog, encoder):
    columns = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "rank_decay": 0.9}
    ridge = RidgeRecommender(items=catalog, item_encoder=encoder)
    return {"ridge": TableRecommender(ridge, **columns), "text": TableRecommender(clone(ridge), **columns)}


@pytest.fixture
def log(tastes, names):
    events = tastes.events.assign(
        item_id=lambda events: names[events["item_id"]], user_id=lambda events: "u" + events["user_id"].astype(str)
    )
    return events.sort_values("timestamp", kind="stable", ignore_index=True)


def test_logs_are_compared_as_they_are_scored(of_logs, log):
    past, future = log[:-150], log[-150:]
    of_logs["text"].set_params(recommender__text_weight=5.0, unknown_users="skip")
    table, users = compare_recommenders(of_logs, past, future, return_users=True, **FAST)
    assert set(table.index) == {"ridge", "text", "popularity", "text cosine"}
    assert table.loc["ridge", ("ndcg@10", "mean")] == pytest.approx(of_logs["ridge"].fit(past).score(future))
    assert set(users.index) <= set(future["user_id"])
    popular = clone(of_logs["ridge"]).set_params(
        recommender=PopularityRecommender(items=of_logs["ridge"].recommender.items)
    )
    assert table.loc["popularity", ("ndcg@10", "mean")] == pytest.approx(popular.fit(past).score(future))


def test_only_users_of_a_log_whom_all_answer_count(of_logs, log):
    past, future = log[:-150], log[-150:]
    newcomer = future["user_id"].iloc[0]
    past = past[past["user_id"] != newcomer]
    both = compare_recommenders({"ridge": of_logs["ridge"]}, past, future, return_users=True, **FAST)[1]
    of_logs["text"].set_params(unknown_users="skip")
    fewer = compare_recommenders(of_logs, past, future, return_users=True, **FAST)[1]
    assert newcomer in both.index
    # Who has one item, held out, has no history and is skipped; others have the rest of what they took.
    skipped = set(both.index) - set(fewer.index)
    known = set(past["user_id"])
    assert not skipped & known
    assert_array_equal(fewer["ndcg@10", "ridge"], both["ndcg@10", "ridge"][fewer.index])


def test_users_of_a_log_who_are_tested_in_several_windows_count_once(of_logs, log):
    cv = RollingWindows("timestamp", n_splits=3)
    search = GridSearchCV(of_logs["ridge"], {"recommender__alpha": [10.0]}, cv=cv)
    table, users = compare_recommenders(
        {"ridge": of_logs["ridge"], "search": search}, log, cv=cv, return_users=True, **FAST
    )
    assert users.index.is_unique
    assert_array_equal(users["ndcg@10", "ridge"], users["ndcg@10", "search"])  # 10 is the default
    assert table.loc["ridge", ("ndcg@10", "mean")] == pytest.approx(users["ndcg@10", "ridge"].mean())


def test_candidates_of_a_log_go_by_id(of_logs, log, names):
    past, future = log[:-150], log[-150:]
    some = compare_recommenders({"ridge": of_logs["ridge"]}, past, future, items=names[:20], scoring="recall", **FAST)
    every = compare_recommenders({"ridge": of_logs["ridge"]}, past, future, items=names, scoring="recall", **FAST)
    whole = compare_recommenders({"ridge": of_logs["ridge"]}, past, future, scoring="recall", **FAST)
    pd.testing.assert_frame_equal(without_cost(every), without_cost(whole))
    assert not without_cost(some).equals(without_cost(whole))


# Costs and errors -----------------------------------------------------------------------------------------------------


def test_only_users_with_something_held_out_are_ranked(pair):
    past, future = pair
    asked = []

    class Watched(PopularityRecommender):
        def _item_scorer(self, columns):
            score = super()._item_scorer(columns)

            def watch(X):
                asked.append(X.shape[0])
                return score(X)

            return watch

    some = sparse.csr_array(sparse.diags_array((np.arange(past.shape[0]) < 10).astype(float)) @ future)
    compare_recommenders({"watched": Watched()}, past, some, **FAST)
    assert sum(asked) == np.count_nonzero(np.diff(some.indptr)) <= 10


def test_same_seed_same_bits(X):
    estimators = {"filter": GraphFilterRecommender(), "ridge": RidgeRecommender()}
    one, other = (without_cost(compare_recommenders(estimators, X, cv=2, **FAST)) for _ in range(2))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert not one.equals(without_cost(compare_recommenders(estimators, X, cv=2, random_state=1, **FAST)))


@pytest.mark.parametrize("container", [sparse.csr_matrix, sparse.coo_array, lambda X: X.toarray(), pd.DataFrame])
def test_every_container_gives_the_same(pair, container):
    expected = compare_recommenders({"ridge": RidgeRecommender()}, *pair, **FAST)
    parts = [container(sparse.csr_array(part).toarray() if container is pd.DataFrame else part) for part in pair]
    pd.testing.assert_frame_equal(
        without_cost(compare_recommenders({"ridge": RidgeRecommender()}, *parts, **FAST)), without_cost(expected)
    )


def test_ids_do_not_change_the_result(pair, names, titles):
    past, future = (pd.DataFrame(part.toarray(), columns=names).rename(index="user {}".format) for part in pair)
    items = ItemCatalog(titles, ids=names)
    estimators = {"ridge": RidgeRecommender(items=items, item_encoder=TfidfVectorizer(), alpha=3)}
    by_id, users = compare_recommenders(estimators, past, future, return_users=True, **FAST)
    estimators = {"ridge": RidgeRecommender(items=ItemCatalog(titles), item_encoder=TfidfVectorizer(), alpha=3)}
    pd.testing.assert_frame_equal(without_cost(by_id), without_cost(compare_recommenders(estimators, *pair, **FAST)))
    assert users.index[0] == "user 0"


def test_floors_come_with_what_they_need(pair, catalog, encoder):
    with_text = RidgeRecommender(items=catalog, item_encoder=encoder)
    assert set(compare_recommenders({"r": RidgeRecommender()}, *pair, **FAST).index) == {"r", "popularity"}
    assert set(compare_recommenders({"r": with_text}, *pair, **FAST).index) == {"r", "popularity", "text cosine"}
    own = compare_recommenders({"most taken": PopularityRecommender(), "r": RidgeRecommender()}, *pair, **FAST)
    assert set(own.index) == {"most taken", "r"}


def test_a_floor_alone_is_a_table_of_one_row(pair):
    table = compare_recommenders({"most taken": PopularityRecommender()}, *pair, **FAST)
    assert table.index.tolist() == ["most taken"]
    assert table["p_value"].isna().all(axis=None)


def test_each_kind_of_vectors_has_its_floor(pair, catalog, encoder, titles):
    vectors = ItemCatalog(TfidfVectorizer().fit_transform(titles).toarray(), ids=catalog.ids)
    estimators = {
        "a": RidgeRecommender(items=catalog, item_encoder=encoder),
        "b": GraphFilterRecommender(items=catalog, item_encoder=encoder),
        "c": RidgeRecommender(items=vectors),
        "no vectors": RidgeRecommender(items=catalog, text_weight=0),
    }
    found = set(compare_recommenders(estimators, *pair, **FAST).index) - set(estimators)
    assert found == {"popularity", "text cosine, a", "text cosine, c"}


def test_text_cosine_is_the_cosine():
    vectors = np.array([[1.0, 0, 0], [1, 0.1, 0], [0, 1, 0.5], [0, 0, 1]], dtype=np.float32)
    X = np.array([[1.0, 0, 0, 0], [0, 0, 2, 1], [0, 0, 0, 0]])
    floor = TextCosineRecommender(items=ItemCatalog(vectors)).fit(X)
    centred = vectors - vectors.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    profile = X[:2] @ unit
    expected = profile / np.linalg.norm(profile, axis=1, keepdims=True) @ unit.T
    assert_allclose(floor.decision_function(X)[:2], expected, atol=1e-5)
    assert floor.recommend(X[:1], 1)[0] == 1
    # Who has no history gets what most users have, as from every recommender.
    assert_array_equal(floor.decision_function(X)[2], [1, 0, 1, 1])
    new = ItemCatalog(np.array([[0, 0, 3.0], [3, 0, 0]]), ids=["like 3", "like 0"])
    assert floor.recommend(X[:1], 2, items=new)[0].tolist() == [["like 0", "like 3"]]


def test_cold_items_are_ranked_among_themselves(tastes, catalog, encoder):
    past, future = split_interactions(tastes.interactions, hold_out="cold_items", random_state=0)
    cold = np.flatnonzero(future.sum(axis=0))
    estimators = {"ridge": RidgeRecommender(items=catalog, item_encoder=encoder)}
    table = compare_recommenders(estimators, past, future, items=catalog.ids[cold], scoring="recall", k=3, **FAST)
    assert table.index.tolist()[-1] == "popularity"
    found = estimators["ridge"].fit(past).recommend(past, 3, items=catalog.ids[cold])[0]
    expected = ranking_metrics(future, catalog.positions(found))["recall"]
    assert_allclose(table.loc["ridge", ("recall@3", "mean")], expected)


def test_functions_score_too(pair):
    scoring = {"first": partial(ndcg_at_k, k=1, average=False)}
    table = compare_recommenders({"ridge": RidgeRecommender()}, *pair, scoring=scoring, **FAST)
    expected = ndcg_at_k(pair[1], RidgeRecommender().fit(pair[0]).predict(pair[0]), k=1)
    assert_allclose(table.loc["ridge", ("first", "mean")], expected)


def test_scorers_measure_with_their_own_lengths_and_segments(pair):
    past, future = pair
    scoring = [ndcg_at(5), recall_at(20, segment="tail"), auc_at(8, segment="light")]
    ridge = RidgeRecommender()
    for given in (scoring, tuple(scoring), JointScorer(scoring), {scorer.name: scorer for scorer in scoring}):
        table, users = compare_recommenders({"ridge": ridge}, *pair, scoring=given, return_users=True, **FAST)
        expected = JointScorer(scoring)(clone(ridge).fit(past), past, future)
        assert list(expected) == list(table.columns.get_level_values(0).unique())[:3]
        assert {name: table.loc["ridge", (name, "mean")] for name in expected} == pytest.approx(expected)
    counts = [int(users[name, "ridge"].notna().sum()) for name in expected]
    assert counts[0] > max(counts[1:])
    alone = compare_recommenders({"ridge": ridge}, *pair, scoring=ndcg_at(5), **FAST)
    pd.testing.assert_frame_equal(alone["ndcg@5"], table["ndcg@5"])  # other metrics take no users from it


def test_searches_are_compared_with_their_choice(pair):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1000.0, 1.0]}, cv=2)
    table = compare_recommenders({"search": search}, *pair, **FAST)
    best = search.fit(pair[0]).best_estimator_
    assert_allclose(table.loc["search", ("ndcg@10", "mean")], best.score(*pair))
    assert table.loc["search", ("cost", "fit_s")] > 0


def test_estimators_are_not_fitted_in_place(pair):
    ridge = RidgeRecommender()
    compare_recommenders({"ridge": ridge}, *pair, **FAST)
    assert not hasattr(ridge, "n_features_in_")


def test_costs_are_of_the_fit_and_of_the_answer(pair):
    class Greedy(PopularityRecommender):
        def fit(self, X, y=None):
            np.ones(20 << 20).sum()  # 160 MiB for a moment
            return super().fit(X)

    costs = compare_recommenders({"greedy": Greedy(), "ridge": RidgeRecommender()}, *pair, **FAST)["cost"]
    assert (costs[["fit_s", "recommend_s"]] > 0).all(axis=None)
    assert costs["fit_s"]["greedy"] > costs["recommend_s"]["greedy"]
    if np.isnan(costs["peak_mib"]["greedy"]):
        pytest.skip("this system does not keep a peak of the resident memory")
    assert 155 < costs["peak_mib"]["greedy"] < 250
    assert costs["peak_mib"]["ridge"] < 100


def test_size_of_a_model_is_that_of_its_pickle(tmp_path):
    import pickle

    array = {"weights": np.ones(100_000), "names": ["a", "b"]}
    assert pickled_bytes(array) == len(pickle.dumps(array, protocol=pickle.HIGHEST_PROTOCOL))
    assert np.isnan(pickled_bytes(lambda: None))


def test_where_the_system_keeps_no_peak_it_is_nan(monkeypatch, tmp_path):
    monkeypatch.setattr("skgnnrec.model_selection._cost.CLEAR_REFS", tmp_path / "absent" / "file")
    watch = Stopwatch()
    watch.lap()
    watch.lap()
    assert np.isnan(watch.stop(None).peak_bytes)


class _Leaky:
    """A splitter whose parts overlap."""

    def split(self, X, y=None, groups=None):
        yield np.arange(len(X.indptr) - 1), np.arange(3)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1


@pytest.mark.parametrize(
    ("estimators", "options", "error", "message"),
    [
        ({}, {}, ValueError, r"at least one recommender; got none"),
        (
            {"t": GridSearchCV(TableRecommender(RidgeRecommender()), {}), "r": RidgeRecommender()},
            {},
            TypeError,
            r"must all recommend from a log.*or none; got \{'t': True, 'r': False\}",
        ),
        ({"t": TableRecommender(RidgeRecommender())}, {}, ValueError, r"For a log, give either .*; got neither"),
        (
            {"t": TableRecommender(RidgeRecommender())},
            {"y": np.ones((3, 3)), "cv": 2},
            ValueError,
            r"as cv, such as RollingWindows; got both",
        ),
        ({"t": Ridge()}, {}, TypeError, r"searches over recommenders, or pipelines that end in one; got Ridge as 't'"),
        (
            {"s": GridSearchCV(RidgeRecommender(), {}, refit=False)},
            {},
            ValueError,
            r"leave a fitted recommender behind; got 's', a GridSearchCV with refit=False",
        ),
        ({"popularity": RidgeRecommender()}, {}, ValueError, r"leave the names of the floors.*got \['popularity'\]"),
        ({"r": RidgeRecommender()}, {"scoring": ["auc"]}, ValueError, r"scoring must name some of ndcg, recall"),
        ({"r": RidgeRecommender()}, {"scoring": []}, ValueError, r"scoring must name some of"),
        ({"r": RidgeRecommender()}, {"scoring": coverage_at(5)}, ValueError, r"a value for each user, which coverage"),
        ({"r": RidgeRecommender()}, {"scoring": [ndcg_at(5), "map"]}, ValueError, r"scorers must hold RankingScorers"),
        ({"r": RidgeRecommender()}, {"scoring": ndcg_at(5, segment="cold")}, ValueError, r"compared by 'ndcg@5_cold'"),
        ({"r": RidgeRecommender()}, {"scoring": {"n": ndcg_at_k}}, ValueError, r"'n' returned shape \(\)"),
        ({"r": RidgeRecommender()}, {"y": np.ones((2, 2))}, ValueError, r"y has shape \(2, 2\), X \(120, 40\)"),
        ({"r": RidgeRecommender()}, {"y": np.zeros((120, 40))}, ValueError, r"for at least one user"),
        ({"r": RidgeRecommender()}, {"cv": _Leaky()}, ValueError, r"cv must test either users that are not"),
        ({"r": RidgeRecommender()}, {"cv": 1}, ValueError, r"'cv' parameter of compare_recommenders"),
    ],
)
def test_what_cannot_be_compared_is_refused(X, estimators, options, error, message):
    with pytest.raises(error, match=message):
        compare_recommenders(estimators, X, **{**FAST, **options})


def test_columns_in_another_order_are_refused(pair, names):
    past, future = (pd.DataFrame(part.toarray(), columns=names) for part in pair)
    with pytest.raises(ValueError, match=r"y must have the columns of X, in that order"):
        compare_recommenders({"r": RidgeRecommender()}, past, future[names[::-1]])
