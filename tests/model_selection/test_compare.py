"""The comparison of recommenders: protocols, metrics, uncertainty, logs and errors."""

import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, RepeatedKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import JointScorer, RankingScorer, ndcg_at_k, ranking_metrics
from skgnnrec.model_selection import RollingWindows, compare_recommenders, paired_bootstrap, split_interactions

FAST = {"n_resamples": 50}
RECALL = RankingScorer("recall")


@pytest.fixture(scope="module")
def pair(tastes):
    return split_interactions(tastes.interactions, random_state=0)


def without_cost(table):
    return table.drop(columns="cost")


def test_means_agree_with_the_metrics(pair):
    past, future = pair
    estimators = {"ridge": RidgeRecommender(), "filter": GraphFilterRecommender()}
    table = compare_recommenders(
        estimators, past, future, scoring=[RankingScorer("ndcg", k=5), RankingScorer("map", k=5)], **FAST
    )
    for name, recommender in {**estimators, "popularity": PopularityRecommender()}.items():
        expected = ranking_metrics(future, recommender.fit(past).recommend(past, 5)[0])
        assert_allclose(table.loc[name, ("ndcg@5", "mean")], expected["ndcg"])
        assert_allclose(table.loc[name, ("map@5", "mean")], expected["map"])
    means = table["ndcg@5", "mean"]
    assert (means.diff().dropna() <= 0).all()  # best first
    assert (table["ndcg@5", "low"] <= means).all()
    assert (means <= table["ndcg@5", "high"]).all()


def test_without_y_a_share_is_held_out(tastes):
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


def test_users_in_two_test_sets_count_once(X):
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


def test_p_values_of_every_metric_against_its_best(pair):
    def swapped(y, lists, average=True):  # the order of the recommenders is the opposite of that by ndcg
        return 1 - ndcg_at_k(y, lists, average=average)

    scoring = {"ndcg": RankingScorer("ndcg"), "swapped": RankingScorer(swapped)}
    estimators = {"ridge": RidgeRecommender(), "filter": GraphFilterRecommender()}
    table, users = compare_recommenders(estimators, *pair, scoring=scoring, return_users=True, **FAST)
    names = table.index.tolist()
    for metric, best in (("ndcg", names[0]), ("swapped", names[-1])):
        pairs = paired_bootstrap(users[metric][names], **FAST)["p_corrected"]
        assert np.isnan(table.loc[best, (metric, "p_vs_best")])
        for name in set(names) - {best}:
            expected = pairs.get((best, name), pairs.get((name, best)))
            assert table.loc[name, (metric, "p_vs_best")] == expected


def test_a_leak_is_warned_of_once(pair):
    past, future = pair
    with pytest.warns(LeakageWarning, match=f"{future.nnz} of {future.nnz} held-out interactions") as caught:
        compare_recommenders({"ridge": RidgeRecommender()}, past + future, future, **FAST)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_estimators_with_a_rank_held_out_of_their_own(pair):
    class Own(PopularityRecommender):
        def rank_held_out(self, X, y=None, n_recommendations=None):
            return super().rank_held_out(X, y, n_recommendations)

    table = compare_recommenders({"own": Own(), "ridge": RidgeRecommender()}, *pair, **FAST)
    assert table.loc["ridge", ("ndcg@10", "mean")] > table.loc["own", ("ndcg@10", "mean")] > 0


def test_pipelines_that_end_in_a_recommender(pair):
    doubled = make_pipeline(FunctionTransformer(lambda X: 2 * X, accept_sparse=True), RidgeRecommender())
    table = compare_recommenders({"pipeline": doubled, "ridge": RidgeRecommender()}, *pair, **FAST)
    assert_allclose(table.loc["pipeline", ("ndcg@10", "mean")], table.loc["ridge", ("ndcg@10", "mean")])


# Logs -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def of_logs(catalog, encoder):
    columns = {"user": "user_id", "item": "item_id", "timestamp": "timestamp", "rank_decay": 0.9}
    ridge = RidgeRecommender(catalog=catalog, item_encoder=encoder)
    return {"ridge": LogRecommender(ridge, **columns), "text": LogRecommender(clone(ridge), **columns)}


@pytest.fixture
def log(tastes, names):
    events = tastes.events.assign(
        item_id=lambda events: names[events["item_id"]], user_id=lambda events: "u" + events["user_id"].astype(str)
    )
    return events.sort_values("timestamp", kind="stable", ignore_index=True)


def test_means_of_logs_agree_with_score(of_logs, log):
    past, future = log[:-150], log[-150:]
    of_logs["text"].set_params(recommender__content_weight=5.0, unknown_users="skip")
    table, users = compare_recommenders(of_logs, past, future, return_users=True, **FAST)
    assert set(table.index) == {"ridge", "text", "popularity", "content"}
    assert table.loc["ridge", ("ndcg@10", "mean")] == pytest.approx(of_logs["ridge"].fit(past).score(future))
    assert set(users.index) <= set(future["user_id"])
    popular = clone(of_logs["ridge"]).set_params(
        recommender=PopularityRecommender(catalog=of_logs["ridge"].recommender.catalog)
    )
    assert table.loc["popularity", ("ndcg@10", "mean")] == pytest.approx(popular.fit(past).score(future))


def test_users_of_a_log_count_if_all_recommenders_answer(of_logs, log):
    past, future = log[:-150], log[-150:]
    newcomer = future["user_id"].iloc[0]
    past = past[past["user_id"] != newcomer]
    both = compare_recommenders({"ridge": of_logs["ridge"]}, past, future, return_users=True, **FAST)[1]
    of_logs["text"].set_params(unknown_users="skip")
    fewer = compare_recommenders(of_logs, past, future, return_users=True, **FAST)[1]
    assert newcomer in both.index
    # Users with one item, which is held out, have no history and are skipped.
    skipped = set(both.index) - set(fewer.index)
    known = set(past["user_id"])
    assert not skipped & known
    assert_array_equal(fewer["ndcg@10", "ridge"], both["ndcg@10", "ridge"][fewer.index])


def test_users_of_a_log_in_several_windows_count_once(of_logs, log):
    cv = RollingWindows("timestamp", n_splits=3)
    search = GridSearchCV(of_logs["ridge"], {"recommender__alpha": [10.0]}, cv=cv)
    table, users = compare_recommenders(
        {"ridge": of_logs["ridge"], "search": search}, log, cv=cv, return_users=True, **FAST
    )
    assert users.index.is_unique
    assert_array_equal(users["ndcg@10", "ridge"], users["ndcg@10", "search"])  # 10 is the default
    assert table.loc["ridge", ("ndcg@10", "mean")] == pytest.approx(users["ndcg@10", "ridge"].mean())


def test_candidates_of_a_log_are_ids(of_logs, log, names):
    past, future = log[:-150], log[-150:]
    some = compare_recommenders(
        {"ridge": of_logs["ridge"]}, past, future, candidates=names[:20], scoring=RECALL, **FAST
    )
    every = compare_recommenders({"ridge": of_logs["ridge"]}, past, future, candidates=names, scoring=RECALL, **FAST)
    whole = compare_recommenders({"ridge": of_logs["ridge"]}, past, future, scoring=RECALL, **FAST)
    pd.testing.assert_frame_equal(without_cost(every), without_cost(whole))
    assert not without_cost(some).equals(without_cost(whole))


@pytest.mark.parametrize("make", [dict, pl.DataFrame, pa.table], ids=["dict", "polars", "pyarrow"])
def test_logs_of_other_libraries(of_logs, log, make):
    moments = log["timestamp"].to_numpy().astype("M8[us]")  # polars has no seconds
    columns = {name: column.to_numpy() for name, column in log.assign(timestamp=moments).items()}
    cv = RollingWindows("timestamp", n_splits=2)
    expected = compare_recommenders({"ridge": of_logs["ridge"]}, log, cv=cv, **FAST)
    found = compare_recommenders({"ridge": of_logs["ridge"]}, make(columns), cv=cv, **FAST)
    pd.testing.assert_frame_equal(without_cost(found), without_cost(expected))


# Data, metrics and errors ---------------------------------------------------------------------------------------------


def test_same_seed_same_bits(X):
    estimators = {"filter": GraphFilterRecommender(), "ridge": RidgeRecommender()}
    one, other = (without_cost(compare_recommenders(estimators, X, cv=2, **FAST)) for _ in range(2))
    pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert not one.equals(without_cost(compare_recommenders(estimators, X, cv=2, random_state=1, **FAST)))


@pytest.mark.parametrize(
    "container",
    [
        sparse.csr_matrix,
        sparse.coo_array,
        sparse.bsr_array,
        sparse.dok_array,
        lambda X: X.astype(np.int8),
        lambda X: X.toarray(),
        lambda X: dict(enumerate(X.toarray().T)),
        lambda X: pd.DataFrame(X.toarray()),
        lambda X: pl.DataFrame(X.toarray()),
        lambda X: pa.table(pd.DataFrame(X.toarray()).rename(columns=str)),
    ],
)
def test_every_container_gives_the_same_result(pair, container):
    expected = compare_recommenders({"ridge": RidgeRecommender()}, *pair, **FAST)
    parts = [container(part) for part in pair]
    pd.testing.assert_frame_equal(
        without_cost(compare_recommenders({"ridge": RidgeRecommender()}, *parts, **FAST)), without_cost(expected)
    )


def test_indices_of_sparse_matrices_are_checked_before_rows_are_selected():
    script = """if True:
        import numpy as np
        from scipy import sparse
        from skgnnrec import PopularityRecommender
        from skgnnrec.model_selection import compare_recommenders

        X = sparse.csr_array(np.eye(4, 5))
        X.indptr = np.array([0, 1, 2, 3, 10**9])
        for options in ({"X": X}, {"X": X, "cv": 2}, {"X": np.eye(4, 5), "y": X}):
            try:
                compare_recommenders({"popularity": PopularityRecommender()}, **options)
            except ValueError as error:
                print(error)
    """
    # In a process of its own: without the check it crashes.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    found = [line.split(": its indptr must be from 0 to 4")[0] for line in done.stdout.splitlines()]
    assert found == [f"{name} is not a valid CSR matrix" for name in "XXy"]


def test_ids_do_not_change_the_result(pair, names, titles):
    past, future = (pd.DataFrame(part.toarray(), columns=names).rename(index="user {}".format) for part in pair)
    items = ItemCatalog(titles, ids=names)
    estimators = {"ridge": RidgeRecommender(catalog=items, item_encoder=TfidfVectorizer(), alpha=3)}
    by_id, users = compare_recommenders(estimators, past, future, return_users=True, **FAST)
    estimators = {"ridge": RidgeRecommender(catalog=ItemCatalog(titles), item_encoder=TfidfVectorizer(), alpha=3)}
    pd.testing.assert_frame_equal(without_cost(by_id), without_cost(compare_recommenders(estimators, *pair, **FAST)))
    assert users.index[0] == "user 0"


def test_cold_items_are_ranked_among_themselves(tastes, catalog, encoder):
    past, future = split_interactions(tastes.interactions, hold_out="cold_items", random_state=0)
    cold = np.flatnonzero(future.sum(axis=0))
    estimators = {"ridge": RidgeRecommender(catalog=catalog, item_encoder=encoder)}
    table = compare_recommenders(
        estimators, past, future, candidates=catalog.ids[cold], scoring=RankingScorer("recall", k=3), **FAST
    )
    assert table.index.tolist()[-1] == "popularity"
    found = estimators["ridge"].fit(past).recommend(past, 3, candidates=catalog.ids[cold])[0]
    expected = ranking_metrics(future, catalog.positions(found))["recall"]
    assert_allclose(table.loc["ridge", ("recall@3", "mean")], expected)


def test_metrics_by_default(pair):
    table = compare_recommenders({"ridge": RidgeRecommender()}, *pair, **FAST)
    scoring = [RankingScorer("ndcg", k=10), RankingScorer("recall", k=10)]
    explicit = compare_recommenders({"ridge": RidgeRecommender()}, *pair, scoring=scoring, **FAST)
    pd.testing.assert_frame_equal(without_cost(table), without_cost(explicit))
    assert list(table.columns.get_level_values(0).unique()) == ["ndcg@10", "recall@10", "p_value", "cost"]


@pytest.mark.parametrize(
    "scoring",
    [RankingScorer("recall", k=5), JointScorer([RankingScorer("recall", k=5), RankingScorer(ndcg_at_k, k=3)])],
)
def test_scoring_is_that_of_scikit_learn(X, scoring):
    cv = KFold(3)  # of 40 users each, all of whom have two interactions
    table = compare_recommenders({"ridge": RidgeRecommender()}, X, cv=cv, scoring=scoring, **FAST)
    by_fold = cross_validate(RidgeRecommender(), X, cv=cv, scoring=scoring)
    names = {"recall@5": "score"} if isinstance(scoring, RankingScorer) else {}
    for metric in table.columns.get_level_values(0).unique()[:-2]:
        expected = by_fold[f"test_{names.get(metric, metric)}"].mean()
        assert table.loc["ridge", (metric, "mean")] == pytest.approx(expected)


def test_scorers_with_different_lengths_and_segments(pair):
    past, future = pair
    scoring = [
        RankingScorer("ndcg", k=5),
        RankingScorer("recall", k=20, segment="tail"),
        RankingScorer("auc", k=8, segment="light"),
    ]
    ridge = RidgeRecommender()
    for given in (scoring, tuple(scoring), JointScorer(scoring), {scorer.name: scorer for scorer in scoring}):
        table, users = compare_recommenders({"ridge": ridge}, *pair, scoring=given, return_users=True, **FAST)
        expected = JointScorer(scoring)(clone(ridge).fit(past), past, future)
        assert list(expected) == list(table.columns.get_level_values(0).unique())[:3]
        assert {name: table.loc["ridge", (name, "mean")] for name in expected} == pytest.approx(expected)
    counts = [int(users[name, "ridge"].notna().sum()) for name in expected]
    assert counts[0] > max(counts[1:])
    alone = compare_recommenders({"ridge": ridge}, *pair, scoring=RankingScorer("ndcg", k=5), **FAST)
    pd.testing.assert_frame_equal(alone["ndcg@5"], table["ndcg@5"])  # the users of other metrics do not matter


def test_searches_are_compared_by_their_best_estimator(pair):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1000.0, 1.0]}, cv=2)
    table = compare_recommenders({"search": search}, *pair, **FAST)
    best = search.fit(pair[0]).best_estimator_
    assert_allclose(table.loc["search", ("ndcg@10", "mean")], best.score(*pair))
    assert table.loc["search", ("cost", "fit_s")] > 0


def test_estimators_are_not_changed(pair):
    ridge = RidgeRecommender()
    compare_recommenders({"ridge": ridge}, *pair, **FAST)
    assert not hasattr(ridge, "n_features_in_")


class Overlapping:
    """A splitter of which some test users are training users."""

    def split(self, X, y=None, groups=None):
        yield np.arange(len(X.indptr) - 1), np.arange(3)

    def get_n_splits(self, X=None, y=None, groups=None):
        return 1


@pytest.mark.parametrize(
    ("estimators", "options", "error", "message"),
    [
        ({}, {}, ValueError, r"at least one recommender; got none"),
        (
            {"t": GridSearchCV(LogRecommender(RidgeRecommender()), {}), "r": RidgeRecommender()},
            {},
            TypeError,
            r"must all be LogRecommenders, or none of them; got \{'t': True, 'r': False\}",
        ),
        (
            {"t": LogRecommender(RidgeRecommender())},
            {},
            ValueError,
            r"y or cv must be given for a log: .*; got neither",
        ),
        (
            {"t": LogRecommender(RidgeRecommender())},
            {"y": np.ones((3, 3)), "cv": 2},
            ValueError,
            r"a splitter of rows such as RollingWindows as cv; got both",
        ),
        ({"t": Ridge()}, {}, TypeError, r"searches over recommenders, or pipelines that end in one; got Ridge as 't'"),
        (
            {"s": GridSearchCV(RidgeRecommender(), {}, refit=False)},
            {},
            ValueError,
            r"searches must be fitted with refit; got a GridSearchCV with refit=False as 's'",
        ),
        (
            {"r": RidgeRecommender()},
            {"scoring": RankingScorer("coverage", k=5)},
            ValueError,
            r"scoring must have a value for each user; coverage",
        ),
        (
            {"r": RidgeRecommender()},
            {"scoring": [RankingScorer("ndcg", k=5), "map"]},
            ValueError,
            r"scoring must be a RankingScorer, .* or a list or dict of them; got \[RankingScorer\(k=5\), 'map'\]",
        ),
        (
            {"r": RidgeRecommender()},
            {"scoring": RankingScorer("ndcg", k=5, segment="cold")},
            ValueError,
            r"y must have a held-out interaction that counts for 'ndcg@5_cold'; got none among 120 users",
        ),
        (
            {"r": RidgeRecommender()},
            {"scoring": {"n": ndcg_at_k}},
            ValueError,
            r"RankingScorer\('ndcg', k=10\), or a list",
        ),
        ({"r": RidgeRecommender()}, {"scoring": "ndcg"}, ValueError, r"RankingScorer\('ndcg', k=10\), .*; got 'ndcg'"),
        (
            {"r": RidgeRecommender()},
            {"scoring": ["ndcg"]},
            ValueError,
            r"RankingScorer\('ndcg', k=10\), .*; got \['ndcg'",
        ),
        (
            {"r": RidgeRecommender()},
            {"scoring": JointScorer(["ndcg"])},
            ValueError,
            r"a list or dict of them; got Joint",
        ),
        ([RidgeRecommender()], {}, ValueError, r"a mapping from names to recommenders, .* Got a list instead"),
        ({"r": RidgeRecommender()}, {"scoring": []}, ValueError, r"a list or dict of them; got \[\]"),
        (
            {"r": RidgeRecommender()},
            {"scoring": RankingScorer("nearness")},
            ValueError,
            r"The 'metric' parameter of Rank",
        ),
        ({"r": RidgeRecommender(alpha=-1)}, {}, ValueError, r"The 'alpha' parameter of RidgeRecommender"),
        ({"r": RidgeRecommender(catalog=pd.DataFrame())}, {}, ValueError, r"The 'catalog' parameter .* an ItemCatalog"),
        (
            {"r": RidgeRecommender()},
            {"y": np.ones((2, 2))},
            ValueError,
            r"y must have the shape of X, \(120, 40\); got \(2, 2\)",
        ),
        ({"r": RidgeRecommender()}, {"y": np.zeros((120, 40))}, ValueError, r"counts for 'ndcg@10'; got none"),
        (
            {"r": RidgeRecommender()},
            {"cv": Overlapping()},
            ValueError,
            r"cv must return test users that are all new, .* 3 test users, 3 of them training",
        ),
        ({"r": RidgeRecommender()}, {"cv": 1}, ValueError, r"'cv' parameter of compare_recommenders"),
    ],
)
def test_errors_name_the_cause(X, estimators, options, error, message):
    with pytest.raises(error, match=message):
        compare_recommenders(estimators, X, **{**FAST, **options})
