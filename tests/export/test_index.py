"""Indexes find most of the best items, with exact scores, and leave out the history."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError

from skgnnrec import (
    ContentRecommender,
    GNNRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    LogRecommender,
    PopularityRecommender,
    RidgeRecommender,
    SequenceRecommender,
)
from skgnnrec.compose import CompressedRecommender
from skgnnrec.export import to_index

voyager = pytest.importorskip("voyager", reason="the extra export is not installed")

SMALL = {"embedding_dim": 8, "max_iter": 2, "device": "cpu"}
RECOMMENDERS = {
    "popularity": PopularityRecommender(),
    "content": ContentRecommender(),
    "gnn": GNNRecommender(**SMALL),
    "bpr": GNNRecommender(conv="lightgcn", loss="bpr", **SMALL),
    "attention": GNNRecommender(conv="attention", **SMALL),
    "sequence": SequenceRecommender(**SMALL),
    "gnn in int8": CompressedRecommender(GNNRecommender(**SMALL)),
}


pytestmark = pytest.mark.filterwarnings("ignore:X has no order:UserWarning")  # of the sequence model


@pytest.fixture(params=RECOMMENDERS)
def rec(request, furnish, X):
    rec = RECOMMENDERS[request.param]
    return (furnish(rec) if "catalog" in rec.get_params() else rec).fit(X)


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_a_small_catalog_is_searched_completely(rec, X, exclude_seen):
    X = X.tolil()
    X[3], X[4] = 0, 1
    X = sparse.csr_array(X)
    items, scores = to_index(rec).recommend(X, 7, exclude_seen=exclude_seen)
    wanted, best = rec.recommend(X, 7, exclude_seen=exclude_seen)
    assert (items == wanted).mean() > 0.99
    assert_array_equal(scores == -np.inf, best == -np.inf)
    assert_allclose(np.where(best == -np.inf, 0, scores), np.where(best == -np.inf, 0, best), rtol=1e-4, atol=1e-5)
    assert scores.dtype == np.float32


def test_most_of_the_best_of_many_items_are_found():
    rng = np.random.default_rng(0)
    catalog = ItemCatalog(rng.standard_normal((5000, 24)))
    X = sparse.random_array((200, 5000), density=0.002, format="csr", rng=rng)
    rec = ContentRecommender(catalog=catalog).fit(X)
    index = to_index(rec)
    found, scores = index.recommend(X, 20)
    wanted, _ = rec.recommend(X, 20)
    recall = np.mean([len(np.intersect1d(a, b)) / 20 for a, b in zip(found, wanted, strict=True)])
    assert recall > 0.98
    assert (np.diff(scores, axis=1) <= 0).all()
    seen = X.toarray() > 0
    assert not np.take_along_axis(seen, found, axis=1).any()
    shallow = to_index(rec, n_links=4, build_depth=8, search_depth=20).recommend(X, 20)[0]
    assert np.mean([len(np.intersect1d(a, b)) / 20 for a, b in zip(shallow, wanted, strict=True)]) < recall


def test_the_index_alone_finds_positions(rec, X, tmp_path):
    index = to_index(rec)
    queries = index.queries(X[:5])
    assert queries.dtype == np.float32
    index.index.save(str(tmp_path / "items.voy"))
    loaded = voyager.Index.load(str(tmp_path / "items.voy"))
    best, distances = loaded.query(queries, k=3)
    scores = np.sort(rec.decision_function(X[:5]), axis=1)[:, :-4:-1]
    assert_allclose(1 - distances, scores, rtol=1e-3, atol=1e-4)
    assert best.max() < 40


@pytest.mark.parametrize("rec", [RidgeRecommender(), GraphFilterRecommender()])
def test_scores_that_are_no_products_are_refused(rec, X):
    with pytest.raises(TypeError, match=f"to_index requires scores that are dot products.* {type(rec).__name__}"):
        to_index(rec.fit(X))


def test_other_estimators_are_refused():
    with pytest.raises(TypeError, match="recommender must be a recommender of matrices, got LogRecommender"):
        to_index(LogRecommender(GNNRecommender()))
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        to_index(GNNRecommender())


def test_arguments_are_validated(X):
    rec = GNNRecommender(**SMALL).fit(X)
    with pytest.raises(ValueError, match="The 'n_links' parameter of to_index must be an int"):
        to_index(rec, n_links=1)
    index = to_index(rec)
    with pytest.raises(ValueError, match="The 'n_recommendations' parameter of recommend must be an int"):
        index.recommend(X, 0)
    with pytest.raises(ValueError, match="X has 3 features, but GNNRecommender is expecting 40"):
        index.recommend(np.eye(3))
