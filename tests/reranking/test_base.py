"""What all re-rankers have in common: extremes, prefixes, company, composition, candidates, updates, files."""

import copy

import numpy as np
import pandas as pd
import pytest
from fitted_state import WAYS, foreign_values
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.utils import estimator_checks
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender, compress
from skgnnrec.compose import BlendedRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.inspection import explain
from skgnnrec.reranking import (
    CalibratedRecommender,
    DiverseRecommender,
    ExploringRecommender,
    FairRecommender,
    LongTailRecommender,
    RulesRecommender,
)


class KindsForAnyX:
    """A catalog with as many items as X has columns: the checks of scikit-learn have matrices of many widths."""

    def _aligned_catalog(self, vocabulary, n_items):
        return ItemCatalog(pd.DataFrame({"kind": np.arange(n_items) % 2}))


class Calibrated(KindsForAnyX, CalibratedRecommender):
    """A re-ranker for any X."""


class Fair(KindsForAnyX, FairRecommender):
    """A re-ranker for any X."""


class Rules(KindsForAnyX, RulesRecommender):
    """A re-ranker for any X."""


BATTERY = [
    DiverseRecommender(RidgeRecommender(), n_recommendations=1),
    LongTailRecommender(RidgeRecommender(), n_recommendations=1),
    ExploringRecommender(RidgeRecommender(), policy="linucb", exploration=0.5, n_recommendations=1),
    Calibrated(RidgeRecommender(), "kind", n_recommendations=1),
    Fair(RidgeRecommender(), "kind", {0: 0.5}, n_recommendations=1),
    Rules(RidgeRecommender(), category="kind", max_per_category=1, n_recommendations=1),
]


@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
@pytest.mark.parametrize("reranker", BATTERY, ids=lambda reranker: type(reranker).__name__)
def test_the_battery_of_scikit_learn(reranker):
    results = estimator_checks.check_estimator(reranker, on_fail=None)
    assert {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"} == {}
    assert len(results) >= 47


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # some checks mix them
@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
@pytest.mark.parametrize("reranker", BATTERY, ids=lambda reranker: type(reranker).__name__)
def test_public_checks_that_check_estimator_does_not_call(reranker, name):
    assert getattr(estimator_checks, name)(type(reranker).__name__, clone(reranker)) is None


def test_without_strength_the_lists_are_those_of_the_recommender(rerank, ridge, X):
    items, scores = rerank(ridge, 0).fit(X).recommend(X, 30)
    expected, same = clone(ridge).fit(X).recommend(X, 30)
    assert_array_equal(items, expected)
    assert_array_equal(scores, same)


def test_with_strength_the_lists_are_others_with_the_scores_of_the_recommender(rerank, ridge, X):
    rec, inner = rerank(ridge, 0.9).fit(X), clone(ridge).fit(X)
    items, scores = rec.recommend(X, 10)
    assert (items != inner.recommend(X, 10)[0]).any(axis=1).mean() > 0.5
    assert_array_equal(rec.decision_function(X), inner.decision_function(X))
    found = np.isfinite(scores)
    positions = inner.catalog.positions(items)
    assert_allclose(
        scores[found], np.take_along_axis(inner.decision_function(X), positions, axis=1)[found], rtol=1e-5, atol=1e-6
    )
    seen = np.take_along_axis(X.toarray(), positions, axis=1)[found]
    assert not seen.any()
    for row, is_found in zip(items, found, strict=True):
        assert len(set(row[is_found])) == is_found.sum()


def test_short_lists_are_the_beginnings_of_long_ones(rerank, ridge, X):
    rec = rerank(ridge, 0.4).fit(X)
    items, scores = rec.recommend(X, 40)
    for n in (1, 7, 20):
        found, same = rec.recommend(X, n)
        assert_array_equal(found, items[:, :n])
        assert_array_equal(same, scores[:, :n])


@pytest.mark.parametrize("kind", ["mmr", "dpp", "long tail"])
def test_places_below_the_candidates_have_the_order_of_the_recommender(kind, ridge, X):
    inner = clone(ridge).fit(X).recommend(X, 25)[0]
    rec = {
        "mmr": DiverseRecommender(ridge, diversity=0.9, n_candidates=8),
        "dpp": DiverseRecommender(ridge, diversity=0.9, n_candidates=8, method="dpp"),
        "long tail": LongTailRecommender(ridge, novelty=0.9, n_candidates=8),
    }[kind]
    items = rec.fit(X).recommend(X, 25)[0]
    assert_array_equal(items[:, 8:], inner[:, 8:])
    assert_array_equal(np.sort(items[:, :8], axis=1), np.sort(inner[:, :8], axis=1))
    assert (items[:, :8] != inner[:, :8]).any()


def test_a_user_gets_the_same_alone_and_in_any_company(rerank, kinds):
    data = make_interactions(300, 200, random_state=0)
    catalog = ItemCatalog(pd.DataFrame({"kind": np.resize(kinds, 200)}))
    X = data.interactions.tocsr()
    rec = rerank(RidgeRecommender(catalog=catalog, content_weight=0), 0.5).fit(X)
    items, scores = rec.recommend(X, 40)
    order = np.random.default_rng(0).permutation(300)
    found, same = rec.recommend(X[order], 40)
    assert_array_equal(found, items[order])
    assert_array_equal(same, scores[order])
    rank = rec.ranker()
    for user in range(0, 300, 9):
        found, same = rec.recommend(X[[user]], 40)
        assert_array_equal(found[0], items[user])
        assert_array_equal(same[0], scores[user])
        row = slice(X.indptr[user], X.indptr[user + 1])
        assert_array_equal(rank(X.indices[row], X.data[row], 40)[0], items[user])


def test_rerankers_compose(rerank, ridge, X):
    tail = LongTailRecommender(ridge, novelty=0.7)
    assert_array_equal(rerank(tail, 0).fit(X).recommend(X, 20)[0], clone(tail).fit(X).recommend(X, 20)[0])
    within = RulesRecommender(rerank(ridge, 0.5), where={"in_stock": True}).fit(X)
    stocked = ridge.catalog.ids[ridge.catalog.data["in_stock"]]
    items, scores = within.recommend(X, 10)
    assert set(items[np.isfinite(scores)]) <= set(stocked)


def test_all_in_one_list(ridge, X):
    rec = DiverseRecommender(LongTailRecommender(ridge), similarity="behavior")
    rec = RulesRecommender(
        FairRecommender(CalibratedRecommender(rec, "kind"), "kind", {"tray": 0.2}), exclude=["sku-3"]
    )
    assert np.isfinite(rec.fit(X).recommend(X, 5)[1]).all()
    assert 0 < rec.score(X) < 1


def test_candidates_by_id(rerank, ridge, X):
    chosen = ridge.catalog.ids[:20]
    items, scores = rerank(ridge, 0.5).fit(X).recommend(X, 20, candidates=chosen, exclude_seen=False)
    found = np.isfinite(scores)
    assert set(items[found]) <= set(chosen)
    assert found[:, :5].all()


def test_new_items_are_candidates(kinds, X):
    catalog = ItemCatalog(pd.DataFrame({"sku": np.arange(40), "kind": kinds}), ids="sku")
    new = ItemCatalog(pd.DataFrame({"sku": [100, 6, 101, 102], "kind": ["tray", "pot", "jug", None]}), ids="sku")
    popular = PopularityRecommender(catalog=catalog)
    nobody = np.zeros((1, 40))
    fair = FairRecommender(popular, "kind", {"tray": 1.0}).fit(X).recommend(nobody, 4, candidates=new)[0]
    assert_array_equal(fair, [[100, 6, 101, 102]])
    rules = RulesRecommender(popular, where={"kind": ["jug", "pot"]}).fit(X).recommend(nobody, 4, candidates=new)[0]
    assert_array_equal(rules, [[6, 101, -1, -1]])
    tail = LongTailRecommender(popular, novelty=1.0).fit(X).recommend(nobody, 4, candidates=new)[0]
    assert_array_equal(tail, [[100, 101, 102, 6]])
    likes_pots = (np.asarray(kinds) == "pot").astype(float)[None]
    calibrated = CalibratedRecommender(popular, "kind", calibration=1.0).fit(X)
    assert calibrated.recommend(likes_pots, 1, candidates=new, exclude_seen=False)[0] == 6
    assert calibrated.recommend(likes_pots, 4, candidates=new)[0].shape == (1, 4)


def test_a_search_reaches_the_recommender_inside(rerank, ridge, X):
    search = GridSearchCV(rerank(ridge, 0.3), {"recommender__alpha": [1.0, 100.0]}, cv=2).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.recommender_.alpha == search.best_params_["recommender__alpha"]


def test_logs(rerank, ridge, X, names):
    users, items = X.nonzero()
    log = pd.DataFrame({"user": users, "item": names[items]})
    rec = LogRecommender(rerank(ridge, 0.5)).fit(log)
    expected = rerank(ridge, 0.5).fit(X).recommend(X[:5], 4)
    found = rec.recommend(np.arange(5), 4)
    assert_array_equal(found[0], expected[0])
    assert_array_equal(rec.ranker()(3, 4)[0], found[0][3])
    more = ItemCatalog(
        pd.concat([ridge.catalog.data.assign(sku=names), pd.DataFrame({"sku": ["new"], "kind": ["pot"]})]), ids="sku"
    )
    rec.partial_fit(pd.DataFrame({"user": [0, 1], "item": ["new", "new"]}), catalog=more)
    assert "new" in rec.item_ids_


@pytest.mark.parametrize("way", WAYS)
def test_saved_rerankers_give_the_same_answers(rerank, ridge, X, way):
    rec = rerank(ridge, 0.6).fit(X)
    assert foreign_values(rec) == []
    found, scores = WAYS[way](rec).recommend(X, 12)
    assert_array_equal(found, rec.recommend(X, 12)[0])
    assert_array_equal(scores, rec.recommend(X, 12)[1])


def test_updates_are_those_of_the_recommender(rerank, ridge, X):
    expected = rerank(ridge, 0.5).fit(X)
    updated = rerank(ridge, 0.5).fit(X[:100])
    before = updated.predict(X)
    copied = copy.copy(updated)
    updated.partial_fit(X[100:])
    assert_allclose(updated.decision_function(X), expected.decision_function(X), atol=1e-3)
    assert (updated.predict(X) == expected.predict(X)).mean() > 0.9
    assert_array_equal(copied.predict(X), before)
    assert (updated.forget(X[100:]).predict(X) == before).mean() > 0.9
    assert_array_equal(rerank(ridge, 0.5).partial_fit(X).predict(X), expected.predict(X))


def test_recommenders_without_updates_have_rerankers_without_updates():
    from skgnnrec import GNNRecommender

    assert not hasattr(LongTailRecommender(GNNRecommender()), "forget")
    assert hasattr(LongTailRecommender(GNNRecommender()), "partial_fit")


def test_queries_steer_the_candidates(with_vectors, X):
    query = np.random.default_rng(3).standard_normal(6)
    inner = clone(with_vectors).fit(X)
    rec = DiverseRecommender(with_vectors, diversity=0).fit(X)
    assert_array_equal(rec.recommend(X, 5, query=query)[0], inner.recommend(X, 5, query=query)[0])
    diverse = DiverseRecommender(with_vectors, diversity=0.9).fit(X)
    assert (diverse.recommend(X, 5, query=query)[0] != inner.recommend(X, 5, query=query)[0]).any()


def test_what_the_recommender_computes_is_handed_on(with_vectors, X):
    rec, inner = DiverseRecommender(with_vectors).fit(X), clone(with_vectors).fit(X)
    assert_array_equal(rec.transform(X), inner.transform(X))
    assert_array_equal(rec.item_vectors_, inner.item_vectors_)
    assert_array_equal(rec.item_embedding_, inner.item_embedding_)
    assert len(rec.get_feature_names_out()) == rec.transform(X).shape[1]


def test_explanations_are_those_of_the_recommender(with_vectors, X):
    rec, inner = DiverseRecommender(with_vectors, diversity=0.8).fit(X), clone(with_vectors).fit(X)
    items = rec.recommend(X[:9], 3)[0]
    pd.testing.assert_frame_equal(explain(rec, X[:9], items), explain(inner, X[:9], items))


def test_a_compressed_reranker_keeps_its_order(ridge, X):
    rec = LongTailRecommender(ridge, novelty=1).fit(X)
    assert (compress(rec).predict(X) == rec.predict(X)).mean() > 0.9


def test_a_blend_takes_scores(ridge, X):
    blend = BlendedRecommender([("diverse", DiverseRecommender(ridge)), ("ridge", ridge)]).fit(X)
    assert_array_equal(blend.predict(X), clone(ridge).fit(X).predict(X))


@pytest.mark.parametrize("kind", [CalibratedRecommender, FairRecommender, RulesRecommender])
def test_columns_are_those_of_the_catalog(kind, ridge, X):
    def with_column(column, recommender):
        return {
            CalibratedRecommender: lambda: CalibratedRecommender(recommender, column),
            FairRecommender: lambda: FairRecommender(recommender, column, {"pot": 0.5}),
            RulesRecommender: lambda: RulesRecommender(recommender, category=column, max_per_category=2),
        }[kind]()

    with pytest.raises(
        ValueError, match=r"='color' must be a column of the catalog, which has the columns 'kind', 'in_stock'"
    ):
        with_column("color", ridge).fit(X)
    with pytest.raises(
        ValueError,
        match=r"='kind' must name a column of the catalog, but the recommender, a RidgeRecommender, has none",
    ):
        with_column("kind", RidgeRecommender()).fit(X)
    with pytest.raises(ValueError, match=r"='kind' must be a column of the catalog, which is no table"):
        with_column("kind", RidgeRecommender(catalog=ItemCatalog(np.eye(40)))).fit(X)


def test_parameters_of_the_recommender_are_checked(rerank, X):
    with pytest.raises(ValueError, match="'alpha' parameter of RidgeRecommender"):
        rerank(RidgeRecommender(alpha=-1), 0.5).fit(X)
    with pytest.raises(ValueError, match=r"'recommender' parameter of .* must be a recommender, .* Got a NoneType"):
        rerank(None, 0.5).fit(X)
    with pytest.raises(ValueError, match=r"A LogRecommender takes the whole log and is the outermost one"):
        rerank(LogRecommender(RidgeRecommender()), 0.5).fit(X)


def test_a_failed_fit_changes_nothing(ridge, X):
    rec = CalibratedRecommender(ridge, "kind").fit(X)
    before = rec.predict(X)
    with pytest.raises(ValueError, match="category='color' must be a column"):
        rec.set_params(category="color").fit(X)
    assert_array_equal(rec.predict(X), before)


def test_no_candidates_no_items(rerank, ridge, X):
    items, scores = rerank(ridge, 0.5).fit(X).recommend(X, 2, candidates=[])
    assert (items == None).all()  # noqa: E711  elementwise
    assert (scores == -np.inf).all()
