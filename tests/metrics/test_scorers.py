"""Scorers: values, segments, joint scorers, and their use in searches and with logs."""

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
    KFold,
    RandomizedSearchCV,
    TimeSeriesSplit,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer

from skgnnrec import GraphFilterRecommender, LogRecommender, PopularityRecommender, RidgeRecommender, metrics
from skgnnrec.exceptions import LeakageWarning
from skgnnrec.metrics import (
    HeldOutRanking,
    JointScorer,
    RankingScorer,
    auc_at_k,
    catalog_coverage,
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
    """A recommender that counts its rankings."""

    n_rankings = 0

    def rank_held_out(self, X, y=None, n_recommendations=None):
        Counting.n_rankings += 1
        return super().rank_held_out(X, y, n_recommendations)


# Values ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("k", [1, 5, 20])
def test_scorer_is_the_metric_of_the_recommendations(fitted, pair, name, k):
    past, future = pair
    scorer = RankingScorer(name, k=k)
    expected = getattr(metrics, f"{name}_at_k")(future, fitted.recommend(past, k)[0])
    assert scorer(fitted, past, future) == expected
    assert scorer.name == f"{name}@{k}"
    assert scorer.get_params() == {"metric": name, "k": k, "segment": None}


def test_ndcg_is_what_score_returns(fitted, pair, X):
    assert RankingScorer("ndcg", k=10)(fitted, *pair) == fitted.score(*pair)
    assert RankingScorer("ndcg", k=10)(fitted, X) == fitted.score(X)  # a seeded share is hidden


def test_auc_and_coverage(fitted, pair):
    past, future = pair
    n_items = past.shape[1]
    lists = fitted.recommend(past, n_items)[0]
    assert RankingScorer("auc", k=n_items)(fitted, past, future) == auc_at_k(future, lists, seen=past) > 0.6
    assert RankingScorer("coverage", k=3)(fitted, past, future) == catalog_coverage(lists, n_items=n_items, k=3)


def test_users_without_held_out_items_are_not_ranked(fitted, pair):
    past, future = pair
    asked = np.arange(past.shape[0]) % 3 == 0
    part = sparse.csr_array(sparse.diags_array(asked.astype(float)) @ future)
    lists = fitted.rank_held_out(past, part, 5).recommended
    assert (lists[~asked] == -1).all()
    assert_array_equal(lists[asked], fitted.recommend(past[asked], 5)[0])
    assert RankingScorer("ndcg", k=5)(fitted, past, part) == RankingScorer("ndcg", k=5)(
        fitted, past[asked], future[asked]
    )


def test_weights_of_users(fitted, pair):
    past, future = pair
    weights = np.arange(past.shape[0]) % 3
    lists = fitted.recommend(past, 10)[0]
    assert RankingScorer("recall", k=10)(fitted, past, future, weights) == recall_at_k(
        future, lists, sample_weight=weights
    )
    heavy = RankingScorer("recall", k=10, segment="heavy")
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
    """The items have 40, 30, 20, 10 (twice), 2 (four times) and 0 users."""
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


def test_only_held_out_items_of_the_segment_are_relevant(fitted, pair):
    past, future = pair
    lists = fitted.recommend(past, 10)[0]
    counts = np.bincount(past.indices, minlength=past.shape[1])
    scores = {
        name: RankingScorer("recall", k=10, segment=name)(fitted, past, future)
        for name in ("head", "tail", "warm", "cold")
    }
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
    assert RankingScorer("recall", k=40, segment="cold")(model, past, future) == 1
    assert np.isnan(RankingScorer("recall", k=40, segment="warm")(model, past, future))


def test_segments_of_users(fitted, pair):
    past, future = pair
    lengths, lists = np.diff(past.indptr), fitted.recommend(past, 10)[0]
    is_light = lengths <= np.median(lengths[np.diff(future.indptr) > 0])
    for name, chosen in (("light", is_light), ("heavy", ~is_light)):
        assert RankingScorer("recall", k=10, segment=name)(fitted, past, future) == recall_at_k(
            future[chosen], lists[chosen]
        )
        share = RankingScorer("coverage", k=10, segment=name)(fitted, past, future)
        scored = chosen & (np.diff(future.indptr) > 0)
        assert share == catalog_coverage(lists[scored], n_items=40)


def test_auc_of_a_segment_ignores_held_out_items_of_other_segments():
    held_out = sparse.csr_array([[1, 1, 0, 0]])
    ranking = HeldOutRanking(sparse.csr_array((1, 4)), held_out, np.array([[0, 2, 1, 3]]), np.array([0, 5, 5, 5]))
    assert RankingScorer("auc", k=4, segment="warm").evaluate(ranking) == 1 / 2
    assert RankingScorer("auc", k=4, segment="cold").evaluate(ranking) == 1


# One ranking for all metrics ------------------------------------------------------------------------------------------


def test_joint_scorer_ranks_once(pair):
    scorers = [
        RankingScorer("ndcg", k=10),
        RankingScorer("recall", k=20),
        *(RankingScorer("recall", k=20, segment=name) for name in SEGMENTS),
        RankingScorer("auc", k=40),
    ]
    model = Counting().fit(pair[0])
    expected = {scorer.name: scorer(model, *pair) for scorer in scorers}
    Counting.n_rankings = 0
    found = JointScorer(scorers)(model, *pair)
    assert Counting.n_rankings == 1
    assert found == pytest.approx(expected, nan_ok=True)
    named = JointScorer({"a": RankingScorer("ndcg", k=10), "b": RankingScorer("recall", k=20)})(model, *pair)
    assert named == {"a": expected["ndcg@10"], "b": expected["recall@20"]}


def test_joint_scorer_in_a_search_over_several_metrics(pair):
    joint = JointScorer([RankingScorer("ndcg", k=10), RankingScorer("recall", k=20)])
    search = GridSearchCV(Counting(), GRID, cv=SameUsers(), scoring=joint, refit="recall@20")
    Counting.n_rankings = 0
    search.fit(*pair)
    assert Counting.n_rankings == 2
    as_dict = GridSearchCV(
        GraphFilterRecommender(),
        GRID,
        cv=SameUsers(),
        scoring={"n": RankingScorer("ndcg", k=10), "r": RankingScorer("recall", k=20)},
        refit="n",
    ).fit(*pair)
    assert_array_equal(search.cv_results_["mean_test_ndcg@10"], as_dict.cv_results_["mean_test_n"])
    assert_array_equal(search.cv_results_["mean_test_recall@20"], as_dict.cv_results_["mean_test_r"])
    assert search.score(*pair) == search.cv_results_["mean_test_recall@20"].max()


# With scikit-learn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scorer",
    [
        RankingScorer("ndcg", k=7),
        RankingScorer("recall", k=5, segment="tail"),
        JointScorer([RankingScorer("ndcg", k=3), RankingScorer("recall", k=5)]),
    ],
)
def test_pickles_clones_and_representation(scorer, fitted, pair):
    expected = scorer(fitted, *pair)
    for copy in (pickle.loads(pickle.dumps(scorer)), clone(scorer), eval(repr(scorer))):
        assert copy(fitted, *pair) == expected


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_scorers_work_in_searches_with_every_backend(pair, backend):
    from joblib import parallel_backend

    expected = [RankingScorer("ndcg", k=5)(RidgeRecommender(alpha).fit(pair[0]), *pair) for alpha in (1.0, 30.0)]
    with parallel_backend(backend):
        search = GridSearchCV(
            RidgeRecommender(), {"alpha": [1.0, 30.0]}, cv=SameUsers(), scoring=RankingScorer("ndcg", k=5), n_jobs=2
        ).fit(*pair)
    assert search.cv_results_["mean_test_score"] == pytest.approx(expected)
    assert clone(search).scoring.k == 5


def test_scorers_work_in_every_search(X):
    scoring, model = RankingScorer("recall", k=5), GraphFilterRecommender(n_components=8)
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
    search = GridSearchCV(GraphFilterRecommender(n_components=8), GRID, cv=2, scoring=RankingScorer("ndcg", k=5))
    scores = cross_validate(
        search,
        X,
        cv=2,
        scoring=JointScorer([RankingScorer("ndcg", k=5), RankingScorer("recall", k=10)]),
        error_score="raise",
    )
    assert scores["test_recall@10"].shape == (2,)


def test_pipelines(pair):
    past, future = pair
    pipeline = make_pipeline(Binarizer(), RidgeRecommender()).fit(3 * past)
    assert RankingScorer("recall", k=20)(pipeline, 3 * past, future) == RankingScorer("recall", k=20)(
        RidgeRecommender().fit(past), past, future
    )
    assert RankingScorer("ndcg", k=10)(pipeline, past, future) == pipeline.score(past, future)
    assert RankingScorer("ndcg", k=10)(make_pipeline(RidgeRecommender()).fit(past), past, future) == pipeline.score(
        past, future
    )


def test_sample_weight_is_routed(pair):
    weights = np.arange(pair[0].shape[0], dtype=float)
    with config_context(enable_metadata_routing=True):
        scoring = RankingScorer("recall", k=5).set_score_request(sample_weight=True)
        search = GridSearchCV(RidgeRecommender(), {}, cv=SameUsers(), scoring=scoring)
        search.fit(*pair, sample_weight=weights)
        plain = GridSearchCV(RidgeRecommender(), {}, cv=SameUsers(), scoring=RankingScorer("recall", k=5)).fit(*pair)
    assert search.best_score_ == RankingScorer("recall", k=5)(search.best_estimator_, *pair, weights)
    assert plain.best_score_ == RankingScorer("recall", k=5)(search.best_estimator_, *pair)


# Logs -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def log(tastes):
    return tastes.events


def test_logs(log):
    model = LogRecommender(RidgeRecommender(), user="user_id", item="item_id", timestamp="timestamp")
    past, future = log[:-150], log[-150:]
    model.fit(past)
    assert RankingScorer("ndcg", k=10)(model, future) == model.score(future)
    joint = JointScorer(
        [
            RankingScorer("recall", k=5),
            RankingScorer("recall", k=20),
            RankingScorer("recall", k=20, segment="heavy"),
            RankingScorer("auc", k=40),
        ]
    )
    scores = joint(model, future)
    assert scores["recall@5"] < scores["recall@20"]
    assert 0.5 < scores["auc@40"] < 1
    options = {"scoring": joint, "error_score": "raise"}
    results = cross_validate(model, log, cv=TimeSeriesSplit(3), **options)
    assert np.isfinite(results["test_recall@20"]).all()
    with pytest.warns(LeakageWarning, match="held-out interactions are earlier than the latest interaction"):
        cross_validate(model, log, cv=KFold(3), **options)


def test_items_outside_the_fitted_log_are_cold(log):
    is_late = log["item_id"] >= 30
    model = LogRecommender(PopularityRecommender(), user="user_id", item="item_id").fit(log[~is_late])
    scorers = [
        RankingScorer("recall", k=20),
        RankingScorer("recall", k=20, segment="cold"),
        RankingScorer("auc", k=20),
        RankingScorer("coverage", k=20),
    ]
    with pytest.warns(UserWarning, match="All held-out items are new"):
        scores = JointScorer(scorers)(model, log[is_late])
    assert scores["recall@20"] == scores["recall@20_cold"] == 0
    assert 0 < scores["auc@20"] < 0.5
    assert scores["coverage@20"] > 0.5


def test_score_of_a_log_without_held_out_interactions_is_nan(log):
    model = LogRecommender(PopularityRecommender(), user="user_id", item="item_id").fit(log)
    with pytest.warns(UserWarning, match="Nothing to score"):
        assert np.isnan(RankingScorer("ndcg", k=5)(model, log))


# Errors and warnings --------------------------------------------------------------------------------------------------


def test_leaking_split_warns(X, pair):
    past, future = pair
    model = RidgeRecommender().fit(X)
    with pytest.warns(
        LeakageWarning, match=rf"{future.nnz} of {future.nnz} held-out interactions are in the histories"
    ):
        RankingScorer("ndcg", k=5)(model, X, future)
    with warnings.catch_warnings(action="error"):
        RankingScorer("ndcg", k=5)(model, past, future)
        RankingScorer("ndcg", k=5)(model, X)


@pytest.mark.parametrize(
    ("scorer", "message"),
    [
        (RankingScorer("ndcg", k=0), "The 'k' parameter of RankingScorer must be an int in the range"),
        (
            RankingScorer("ndcg", k=5, segment="lukewarm"),
            "The 'segment' parameter of RankingScorer must be a str among",
        ),
        (RankingScorer("recall@20"), r"must be a name without k.* Pass RankingScorer\('recall', k=20\)"),
        (RankingScorer("accuracy"), "The 'metric' parameter of RankingScorer must be a str among"),
        (JointScorer([]), r"scorers must hold RankingScorers, such as RankingScorer\('ndcg', k=10\); got none"),
        (JointScorer({"a": "ndcg"}), r"scorers must hold RankingScorers.*got \['str'\]"),
        (
            JointScorer([RankingScorer("ndcg", k=5), RankingScorer("ndcg", k=5)]),
            r"scorers must have different names.*got \['ndcg@5', 'ndcg@5'\]",
        ),
        (JointScorer([RankingScorer("ndcg", k=0)]), "The 'k' parameter of RankingScorer must be an int"),
        (JointScorer("ndcg"), "The 'scorers' parameter of JointScorer must be"),
    ],
)
def test_errors_name_the_cause(fitted, pair, scorer, message):
    with pytest.raises(ValueError, match=message):
        scorer(fitted, *pair)


def test_lists_that_are_too_short_are_refused(fitted, pair):
    with pytest.raises(ValueError, match="recall@20 needs lists of 20 items; the lists of ranking have 10"):
        RankingScorer("recall", k=20).evaluate(fitted.rank_held_out(*pair))


def test_estimators_that_do_not_recommend_are_refused(pair):
    with pytest.raises(TypeError, match="a pipeline that ends in one; got Binarizer"):
        RankingScorer("ndcg", k=5)(Binarizer(), *pair)


@pytest.mark.parametrize("ranking", [None, [[0, 1]], {"recommended": [[0, 1]]}, np.zeros((2, 2), dtype=int)])
def test_other_values_than_rankings_are_refused(ranking):
    for evaluate in (
        RankingScorer().evaluate,
        RankingScorer().evaluate_users,
        JointScorer([RankingScorer()]).evaluate_users,
    ):
        with pytest.raises(TypeError, match=r"ranking must be a HeldOutRanking, such as rank_held_out .* got a"):
            evaluate(ranking)


@pytest.mark.parametrize("segment", [None, "head", "light"])
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "sample_weight has 1 weights for 120 users"),
        ({1.0}, "sample_weight must hold one weight >= 0 per user.*got a set"),
        (120 * ["1"], "sample_weight must hold one weight >= 0 per user.*got values of dtype <U1"),
        (120 * [[1.0]], r"sample_weight must hold one weight >= 0 per user.*got shape \(120, 1\)"),
        (120 * [-1.0], "sample_weight must hold weights >= 0; got negative weights, such as -1"),
        (120 * [np.nan], "sample_weight contains NaN"),
        (120 * [np.inf], "sample_weight contains infinity"),
    ],
)
def test_bad_weights_are_refused(fitted, pair, segment, weights, message):
    with pytest.raises(ValueError, match=message):
        RankingScorer("recall", k=10, segment=segment)(fitted, *pair, weights)


def test_callables_must_return_a_number(fitted, pair):
    scorer = RankingScorer(lambda y_true, recommended, average=True: np.zeros((3, 2)), k=5)
    with pytest.raises(ValueError, match=r"metric must return a number; .*@5 returned shape \(3, 2\)"):
        scorer(fitted, *pair)
    with pytest.raises(ValueError, match=r"one value per user with average=False; .* returned shape \(3, 2\) for 120"):
        scorer.evaluate_users(fitted.rank_held_out(*pair, 5))


def test_no_held_out_interactions_are_an_error(fitted, pair):
    with pytest.raises(ValueError, match="nothing to find"):
        RankingScorer("ndcg", k=5)(fitted, pair[0], 0 * pair[1])


def test_search_without_refit_is_refused(pair):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1.0]}, cv=2, refit=False).fit(pair[0])
    with pytest.raises(TypeError, match="GridSearchCV was fitted with refit=False and holds no fitted recommender"):
        RankingScorer("ndcg", k=5)(search, *pair)


@pytest.mark.parametrize("metric", [*NAMES, "auc"])
@pytest.mark.parametrize("segment", [None, "head", "tail", "light", "heavy"])
def test_the_score_is_the_mean_over_its_users(pair, fitted, metric, segment):
    scorer = RankingScorer(metric, k=8, segment=segment)
    ranking = fitted.rank_held_out(*pair, 10)
    values = scorer.evaluate_users(ranking)
    assert np.nanmean(values) == pytest.approx(scorer.evaluate(ranking))
    assert np.isnan(values).any() == (segment is not None)


def test_coverage_of_single_users_is_refused(pair, fitted):
    with pytest.raises(ValueError, match="metric='coverage' is not defined for a single user"):
        RankingScorer("coverage", k=5).evaluate_users(fitted.rank_held_out(*pair, 5))
