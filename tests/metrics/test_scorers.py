"""Scorers: the same numbers as the metrics, in every search, by segment, from one ranking."""

import pickle
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import clone
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  makes the next import work
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer

from skgnnrec import GraphFilterRecommender, PopularityRecommender, RidgeRecommender, TableRecommender, metrics
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import (
    HeldOutRanking,
    JointScorer,
    RankingScorer,
    auc_at,
    auc_at_k,
    catalog_coverage,
    coverage_at,
    ndcg_at,
    recall_at,
    recall_at_k,
)
from skgnnrec.model_selection import SameUsers, split_interactions

NAMES = ["ndcg", "recall", "precision", "hit_rate", "mrr", "map"]
SEGMENTS = ["warm", "cold", "head", "tail", "light", "heavy"]
GRID = {"sharpness": [0.5, 1.0]}


@pytest.fixture
def pair(X):
    return split_interactions(X, random_state=0)


@pytest.fixture
def fitted(pair):
    return RidgeRecommender().fit(pair[0])


class Counting(GraphFilterRecommender):
    """Counts how often it ranks."""

    n_rankings = 0

    def rank_held_out(self, X, y=None, n_recommendations=None):
        Counting.n_rankings += 1
        return super().rank_held_out(X, y, n_recommendations)


# The numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [1, 5, 20])
def test_scorer_is_the_metric_of_the_recommendations(fitted, pair, name, k):
    past, future = pair
    scorer = getattr(metrics, f"{name}_at")(k)
    expected = getattr(metrics, f"{name}_at_k")(future, fitted.recommend(past, k)[0])
    assert scorer(fitted, past, future) == expected
    assert scorer.name == f"{name}@{k}"
    assert scorer.get_params() == {"metric": name, "k": k, "segment": None}


def test_ndcg_is_what_score_returns(fitted, pair, X):
    assert ndcg_at(10)(fitted, *pair) == fitted.score(*pair)
    assert ndcg_at(10)(fitted, X) == fitted.score(X)  # a seeded share is hidden


def test_auc_and_coverage(fitted, pair):
    past, future = pair
    n_items = past.shape[1]
    lists = fitted.recommend(past, n_items)[0]
    assert auc_at(n_items)(fitted, past, future) == auc_at_k(future, lists, seen=past) > 0.6
    assert coverage_at(3)(fitted, past, future) == catalog_coverage(lists, n_items=n_items, k=3)


def test_users_with_nothing_held_out_are_not_ranked(fitted, pair):
    past, future = pair
    asked = np.arange(past.shape[0]) % 3 == 0
    part = sparse.csr_array(sparse.diags_array(asked.astype(float)) @ future)
    lists = fitted.rank_held_out(past, part, 5).recommended
    assert (lists[~asked] == -1).all()
    assert_array_equal(lists[asked], fitted.recommend(past[asked], 5)[0])
    assert ndcg_at(5)(fitted, past, part) == ndcg_at(5)(fitted, past[asked], future[asked])


def test_weights_of_users(fitted, pair):
    past, future = pair
    weights = np.arange(past.shape[0]) % 3
    lists = fitted.recommend(past, 10)[0]
    assert recall_at(10)(fitted, past, future, weights) == recall_at_k(future, lists, sample_weight=weights)
    heavy = recall_at(10, segment="heavy")
    chosen = weights == 0
    assert heavy(fitted, past, future, chosen) != heavy(fitted, past, future)


def test_callables_are_metrics(fitted, pair):
    def share_of_even(y_true, recommended):
        assert y_true.shape == pair[1].shape
        return (recommended % 2 == 0).mean()

    scorer = RankingScorer(share_of_even, k=4)
    assert scorer(fitted, *pair) == (fitted.recommend(pair[0], 4)[0] % 2 == 0).mean()
    assert scorer.name == "share_of_even@4"


# Segments -------------------------------------------------------------------------------------------------------------


def test_segments_of_items():
    """Ten items had by 40, 30, 20, 10 (twice) and 2 (four times) users, and one by nobody."""
    counts = np.array([40, 30, 20, 10, 10, 2, 2, 2, 2, 0])
    held_out = sparse.csr_array(np.eye(10))
    lists = np.arange(10)[:, None]
    ranking = HeldOutRanking(sparse.csr_array((10, 10)), held_out, lists, counts)
    found = {name: RankingScorer("coverage", k=1, segment=name).evaluate(ranking) for name in SEGMENTS[:4]}
    assert found == {"warm": 1, "cold": 1, "head": 1, "tail": 1}
    without = {"cold": [9], "warm": range(9), "head": range(4), "tail": range(5, 9)}
    for name, items in without.items():
        kept = np.setdiff1d(np.arange(10), items)
        left = HeldOutRanking(ranking.histories[kept], held_out[kept], lists[kept], counts)
        assert RankingScorer("coverage", k=1, segment=name).evaluate(left) == (0.2 if name == "head" else 0)
        assert RankingScorer("recall", k=1, segment=name).evaluate(ranking) == 1


def test_segments_of_items_count_what_is_held_out_of_them(fitted, pair):
    past, future = pair
    lists = fitted.recommend(past, 10)[0]
    counts = np.bincount(past.indices, minlength=past.shape[1])
    scores = {name: recall_at(10, segment=name)(fitted, past, future) for name in ("head", "tail", "warm", "cold")}
    order = np.argsort(-counts, kind="stable")
    head = order[np.cumsum(counts[order]) - counts[order] < 0.8 * counts.sum()]
    in_head = np.isin(np.arange(40), head) | (counts == counts[head].min())
    assert 0 < in_head.sum() < 40
    assert scores["head"] == recall_at_k(future.toarray() * in_head, lists)
    assert scores["tail"] == recall_at_k(future.toarray() * ~in_head, lists)
    assert scores["head"] > scores["tail"]
    assert scores["warm"] == recall_at_k(future, lists)
    assert np.isnan(scores["cold"])


def test_cold_items(X):
    past, future = split_interactions(X, hold_out="cold_items", random_state=0)
    model = PopularityRecommender().fit(past)
    assert recall_at(40, segment="cold")(model, past, future) == 1
    assert np.isnan(recall_at(40, segment="warm")(model, past, future))


def test_segments_of_users(fitted, pair):
    past, future = pair
    lengths, lists = np.diff(past.indptr), fitted.recommend(past, 10)[0]
    is_light = lengths <= np.median(lengths[np.diff(future.indptr) > 0])
    for name, chosen in (("light", is_light), ("heavy", ~is_light)):
        assert recall_at(10, segment=name)(fitted, past, future) == recall_at_k(future[chosen], lists[chosen])
        share = coverage_at(10, segment=name)(fitted, past, future)
        scored = chosen & (np.diff(future.indptr) > 0)
        assert share == catalog_coverage(lists[scored], n_items=40)


def test_auc_of_a_segment_leaves_out_what_is_held_out_of_others():
    held_out = sparse.csr_array([[1, 1, 0, 0]])
    ranking = HeldOutRanking(sparse.csr_array((1, 4)), held_out, np.array([[0, 2, 1, 3]]), np.array([0, 5, 5, 5]))
    assert auc_at(4, segment="warm").evaluate(ranking) == 1 / 2
    assert auc_at(4, segment="cold").evaluate(ranking) == 1


# One ranking for all metrics ------------------------------------------------------------------------------------------


def test_joint_scorer_ranks_once(pair):
    scorers = [ndcg_at(10), recall_at(20), *(recall_at(20, segment=name) for name in SEGMENTS), auc_at(40)]
    model = Counting().fit(pair[0])
    expected = {scorer.name: scorer(model, *pair) for scorer in scorers}
    Counting.n_rankings = 0
    found = JointScorer(scorers)(model, *pair)
    assert Counting.n_rankings == 1
    assert found == pytest.approx(expected, nan_ok=True)
    named = JointScorer({"a": ndcg_at(10), "b": recall_at(20)})(model, *pair)
    assert named == {"a": expected["ndcg@10"], "b": expected["recall@20"]}


def test_joint_scorer_in_a_search_over_several_metrics(pair):
    joint = JointScorer([ndcg_at(10), recall_at(20)])
    search = GridSearchCV(Counting(), GRID, cv=SameUsers(), scoring=joint, refit="recall@20")
    Counting.n_rankings = 0
    search.fit(*pair)
    assert Counting.n_rankings == 2
    as_dict = GridSearchCV(
        GraphFilterRecommender(), GRID, cv=SameUsers(), scoring={"n": ndcg_at(10), "r": recall_at(20)}, refit="n"
    ).fit(*pair)
    assert_array_equal(search.cv_results_["mean_test_ndcg@10"], as_dict.cv_results_["mean_test_n"])
    assert_array_equal(search.cv_results_["mean_test_recall@20"], as_dict.cv_results_["mean_test_r"])
    assert search.score(*pair) == search.cv_results_["mean_test_recall@20"].max()


# In scikit-learn's company --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scorer", [ndcg_at(7), recall_at(5, segment="tail"), JointScorer([ndcg_at(3), recall_at(5)])])
def test_pickles_clones_and_representation(scorer, fitted, pair):
    expected = scorer(fitted, *pair)
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer), eval(repr(scorer))):
        assert copy(fitted, *pair) == expected


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_searches_take_scorers_in_every_backend(pair, backend):
    from joblib import parallel_backend

    expected = [ndcg_at(5)(RidgeRecommender(alpha).fit(pair[0]), *pair) for alpha in (1.0, 30.0)]
    with parallel_backend(backend):
        search = GridSearchCV(
            RidgeRecommender(), {"alpha": [1.0, 30.0]}, cv=SameUsers(), scoring=ndcg_at(5), n_jobs=2
        ).fit(*pair)
    assert search.cv_results_["mean_test_score"] == pytest.approx(expected)
    assert clone(search).scoring.k == 5


def test_every_search_over_held_out_users(X):
    scoring, model = recall_at(5), GraphFilterRecommender(n_components=8)
    for search in (
        GridSearchCV(model, GRID, cv=3, scoring=scoring),
        RandomizedSearchCV(model, GRID, n_iter=2, cv=3, scoring=scoring, random_state=0),
        HalvingGridSearchCV(model, GRID, cv=3, scoring=scoring, min_resources=60, random_state=0),
    ):
        assert 0 < search.fit(X).best_score_ <= 1
        assert scoring(search, X) == scoring(search.best_estimator_, X)
    folds = cross_val_score(model, X, cv=3, scoring=scoring)
    assert_array_equal(folds, cross_validate(model, X, cv=3, scoring={"r": scoring})["test_r"])
    _, train, test = learning_curve(model, X, None, cv=3, scoring=scoring, train_sizes=[0.5, 1.0])
    assert train.shape == test.shape == (2, 3)


def test_a_search_inside_of_cross_validation(X):
    search = GridSearchCV(GraphFilterRecommender(n_components=8), GRID, cv=2, scoring=ndcg_at(5))
    scores = cross_validate(search, X, cv=2, scoring=JointScorer([ndcg_at(5), recall_at(10)]), error_score="raise")
    assert scores["test_recall@10"].shape == (2,)


def test_pipelines(pair):
    past, future = pair
    pipeline = make_pipeline(Binarizer(), RidgeRecommender()).fit(3 * past)
    assert recall_at(20)(pipeline, 3 * past, future) == recall_at(20)(RidgeRecommender().fit(past), past, future)
    assert ndcg_at(10)(pipeline, past, future) == pipeline.score(past, future)
    assert ndcg_at(10)(make_pipeline(RidgeRecommender()).fit(past), past, future) == pipeline.score(past, future)


def test_sample_weight_is_routed(pair):
    weights = np.arange(pair[0].shape[0], dtype=float)
    with config_context(enable_metadata_routing=True):
        scoring = recall_at(5).set_score_request(sample_weight=True)
        search = GridSearchCV(RidgeRecommender(), {}, cv=SameUsers(), scoring=scoring)
        search.fit(*pair, sample_weight=weights)
        plain = GridSearchCV(RidgeRecommender(), {}, cv=SameUsers(), scoring=recall_at(5)).fit(*pair)
    assert search.best_score_ == recall_at(5)(search.best_estimator_, *pair, weights)
    assert plain.best_score_ == recall_at(5)(search.best_estimator_, *pair)


# Logs -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def log(tastes):
    return tastes.events


def test_logs(log):
    model = TableRecommender(RidgeRecommender(), user="user_id", item="item_id", timestamp="timestamp")
    past, future = log[:-150], log[-150:]
    model.fit(past)
    assert ndcg_at(10)(model, future) == model.score(future)
    joint = JointScorer([recall_at(5), recall_at(20), recall_at(20, segment="heavy"), auc_at(40)])
    scores = joint(model, future)
    assert scores["recall@5"] < scores["recall@20"]
    assert 0.5 < scores["auc@40"] < 1
    results = cross_validate(model, log, cv=3, scoring=joint, error_score="raise")
    assert np.isfinite(results["test_recall@20"]).all()


def test_items_that_a_log_brings_later_are_cold(log):
    is_late = log["item_id"] >= 30
    model = TableRecommender(PopularityRecommender(), user="user_id", item="item_id").fit(log[~is_late])
    scorers = [recall_at(20), recall_at(20, segment="cold"), auc_at(20), coverage_at(20)]
    with pytest.warns(UserWarning, match="All held-out items are new"):
        scores = JointScorer(scorers)(model, log[is_late])
    assert scores["recall@20"] == scores["recall@20_cold"] == 0
    assert 0 < scores["auc@20"] < 0.5
    assert scores["coverage@20"] > 0.5


def test_nothing_to_score_in_a_log_is_nan(log):
    model = TableRecommender(PopularityRecommender(), user="user_id", item="item_id").fit(log)
    with pytest.warns(UserWarning, match="Nothing to score"):
        assert np.isnan(ndcg_at(5)(model, log))


# What is refused, and warned of ---------------------------------------------------------------------------------------


def test_a_leaking_split_is_warned_of(X, pair):
    past, future = pair
    model = RidgeRecommender().fit(X)
    with pytest.warns(LeakageWarning, match=rf"{future.nnz} of {future.nnz} held-out interactions stand in"):
        ndcg_at(5)(model, X, future)
    with warnings.catch_warnings(action="error"):
        ndcg_at(5)(model, past, future)
        ndcg_at(5)(model, X)


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (ndcg_at(0), "The 'k' parameter of RankingScorer must be an int in the range"),
        (ndcg_at(5, segment="lukewarm"), "The 'segment' parameter of RankingScorer must be a str among"),
        (RankingScorer("accuracy"), "The 'metric' parameter of RankingScorer must be a str among"),
        (JointScorer([]), "scorers must hold RankingScorers, such as ndcg_at.10.; got none"),
        (JointScorer({"a": "ndcg"}), r"scorers must hold RankingScorers.*got \['str'\]"),
        (JointScorer([ndcg_at(5), ndcg_at(5)]), r"scorers must differ in name.*got \['ndcg@5', 'ndcg@5'\]"),
        (JointScorer([ndcg_at(0)]), "The 'k' parameter of RankingScorer must be an int"),
        (JointScorer("ndcg"), "The 'scorers' parameter of JointScorer must be"),
    ],
)
def test_errors_name_the_cause(fitted, pair, scorer, message):
    with pytest.raises(ValueError, match=message):
        scorer(fitted, *pair)


def test_lists_that_are_too_short_are_refused(fitted, pair):
    with pytest.raises(ValueError, match="recall@20 needs lists of 20 items; ranking has 10"):
        recall_at(20).evaluate(fitted.rank_held_out(*pair))


def test_estimators_that_do_not_recommend_are_refused(pair):
    with pytest.raises(TypeError, match="a pipeline that ends in one; got Binarizer"):
        ndcg_at(5)(Binarizer(), *pair)


def test_nothing_held_out_is_an_error_as_in_score(fitted, pair):
    with pytest.raises(ValueError, match="nothing to find"):
        ndcg_at(5)(fitted, pair[0], 0 * pair[1])


def test_a_search_that_kept_no_recommender_says_so(pair):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1.0]}, cv=2, refit=False).fit(pair[0])
    with pytest.raises(TypeError, match="GridSearchCV was fitted with refit=False, which leaves no recommender"):
        ndcg_at(5)(search, *pair)


@pytest.mark.parametrize("metric", [*NAMES, "auc"])
@pytest.mark.parametrize("segment", [None, "head", "tail", "light", "heavy"])
def test_the_score_is_the_mean_over_its_users(pair, fitted, metric, segment):
    scorer = RankingScorer(metric, k=8, segment=segment)
    ranking = fitted.rank_held_out(*pair, 10)
    values = scorer.evaluate_users(ranking)
    assert np.nanmean(values) == pytest.approx(scorer.evaluate(ranking))
    assert np.isnan(values).any() == (segment is not None)


def test_no_user_has_a_coverage(pair, fitted):
    with pytest.raises(ValueError, match="coverage is of the lists of all users together"):
        coverage_at(5).evaluate_users(fitted.rank_held_out(*pair, 5))
