"""RidgeRecommender(solver="sparse") against the dense solution and against small regressions in float64."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from threadpoolctl import threadpool_limits

from skgnnrec import ItemCatalog, RidgeRecommender, UserContentRecommender, compress, load, save
from skgnnrec.datasets import make_interactions
from skgnnrec.inspection import explain
from skgnnrec.model_selection import split_interactions
from skgnnrec.privacy import federated_fit

N_ITEMS = 60


@pytest.fixture(scope="module", name="X")
def interactions():
    """Return the interactions of 300 users with 60 items, of which six have no users."""
    data = make_interactions(300, N_ITEMS, n_interactions=3000, cold_item_share=0.1, random_state=0)
    return sparse.csr_array(data.interactions, dtype=np.float32)


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(1).standard_normal((N_ITEMS, 8)) + 1


def sparse_ridge(n_predictors=20, **settings):
    return RidgeRecommender(solver="sparse", n_predictors=n_predictors, **settings)


def assert_close(found, expected):
    assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize(
    "settings",
    [{}, {"user_exponent": 0.5, "item_exponent": 0.2, "popularity_exponent": 0.1}, {"binary": False, "alpha": 2}],
)
@pytest.mark.parametrize("has_content", [False, True])
def test_with_all_items_as_predictors_it_is_the_dense_solution(X, vectors, settings, has_content):
    values = X.copy()
    values.data[::3] = 2
    settings = {**settings, "gamma": 0, "catalog": ItemCatalog(vectors) if has_content else None}
    dense = RidgeRecommender(solver="dense", **settings).fit(values)
    rec = sparse_ridge(N_ITEMS, popularity_weight=dense.popularity_weight_, **settings).fit(values)
    assert (rec.solver_, dense.solver_) == ("sparse", "dense")
    assert_close(rec.decision_function(X), dense.decision_function(X))
    if not has_content:
        assert_close(rec.weights_.toarray(), dense.weights_)
        assert_close(np.abs(rec.transform(X)), np.abs(dense.transform(X)))
        return
    assert_close(rec.transform(X), dense.transform(X))
    new = ItemCatalog(vectors[:5] + 0.1, ids=list("abcde"))
    assert_close(rec.recommend(X, 5, candidates=new)[1], dense.recommend(X, 5, candidates=new)[1])


def test_each_item_is_predicted_from_the_items_of_the_largest_cosines(X):
    dense = X.toarray().astype(np.float64)
    C = dense.T @ dense
    counts = np.diag(C)
    ridge = 10 * counts[counts > 0].mean()
    found = sparse_ridge(5).fit(X).weights_.toarray()
    for item in np.flatnonzero(counts):
        predictors = np.flatnonzero(found[:, item])
        cosines = C[:, item] / np.sqrt(np.maximum(counts, 1))
        cosines[item] = 0
        assert len(predictors) == 5
        assert cosines[predictors].min() >= np.sort(cosines)[-5] - 1e-12
        G = C[np.ix_(predictors, predictors)] + ridge * np.eye(5)
        assert_allclose(found[predictors, item], np.linalg.solve(G, C[predictors, item]), atol=1e-6)


def test_a_weight_takes_eight_bytes(X):
    W = sparse_ridge().fit(X).weights_
    assert W.nnz > N_ITEMS
    assert W.data.nbytes + W.indices.nbytes == 8 * W.nnz


def test_the_weight_of_an_item_for_itself_is_zero(X, vectors):
    rec = sparse_ridge(popularity_weight=0, catalog=ItemCatalog(vectors)).fit(X)
    single = rec.decision_function(sparse.eye_array(N_ITEMS, format="csr"))
    known = np.bincount(X.indices, minlength=N_ITEMS) > 0
    assert_allclose(np.diag(single)[known], 0, atol=1e-6)
    assert np.abs(single[known]).max() > 0.01


def test_few_predictors_rank_about_as_well_as_all():
    data = make_interactions(1500, 600, n_interactions=30_000, n_topics=12, random_state=0)
    train, test = split_interactions(data.interactions, hold_out="random", test_size=0.3, random_state=0)
    scores = {solver: RidgeRecommender(solver=solver, n_predictors=40).fit(train).score(train, test) for solver in
              ("dense", "sparse")}  # fmt: skip
    assert scores["sparse"] > 0.98 * scores["dense"] > 0.1


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_lists_from_few_weights_are_those_of_all_scores(exclude_seen):
    X = sparse.csr_array(make_interactions(400, 1500, n_interactions=1600, n_topics=50, random_state=0).interactions)
    rec = sparse_ridge(4, popularity_weight=0).fit(X)
    X = sparse.vstack([X, sparse.csr_array((1, 1500))], format="csr")  # and a user without history
    items, scores = rec.recommend(X, 3, exclude_seen=exclude_seen)
    expected = rec.decision_function(X)
    if exclude_seen:
        expected[X.nonzero()] = -np.inf
    order = np.argsort(-expected, axis=1, kind="stable")[:, :3]
    assert_array_equal(items, order)
    assert_array_equal(scores, np.take_along_axis(expected, order, axis=1))


def test_the_solver_is_chosen_by_the_number_of_items_and_the_memory(X, monkeypatch):
    assert RidgeRecommender().fit(X).solver_ == "dense"
    wide = sparse.csr_array((X.data, X.indices, X.indptr), shape=(300, 30_001))
    assert RidgeRecommender(embedding_dim=2).fit(wide).solver_ == "sparse"
    monkeypatch.setattr("skgnnrec.recommenders._sparse_inverse.available_memory", lambda: 2**20)
    wide = sparse.csr_array((X.data, X.indices, X.indptr), shape=(300, 400))
    assert RidgeRecommender().fit(wide).solver_ == "sparse"
    assert RidgeRecommender(order_weight=1).fit(wide).solver_ == "dense"


def test_order_needs_the_dense_solver(X):
    with pytest.raises(ValueError, match=r'order_weight must be 0 with solver="sparse"; got 0\.5'):
        sparse_ridge(order_weight=0.5).fit(X)


@pytest.mark.parametrize("has_content", [False, True])
def test_updates_are_those_of_a_fit_to_the_remaining_users(X, vectors, has_content):
    settings = {"catalog": ItemCatalog(vectors) if has_content else None, "popularity_weight": 3}
    rec = sparse_ridge(**settings).fit(X[:200]).partial_fit(X[200:]).forget(X[50:100])
    kept = X[np.setdiff1d(np.arange(300), np.arange(50, 100))]
    assert_close(rec.decision_function(X), sparse_ridge(**settings).fit(kept).decision_function(X))


@pytest.mark.parametrize("has_content", [False, True])
def test_explanations_add_up(X, vectors, has_content):
    catalog = ItemCatalog(vectors) if has_content else None
    rec = sparse_ridge(popularity_weight=3, catalog=catalog).fit(X)
    items, scores = rec.recommend(X[:20], 1)
    found = explain(rec, X[:20], items)
    totals = found.groupby(found.columns[0])["contribution"].sum()
    assert_allclose(totals.to_numpy(), scores[:, 0], rtol=1e-5, atol=1e-5)


def test_it_is_saved_compressed_and_exported(X, vectors, tmp_path):
    rec = sparse_ridge(popularity_weight=3, catalog=ItemCatalog(vectors)).fit(X)
    expected = rec.decision_function(X)
    save(rec, tmp_path / "ridge.skgnnrec")
    assert_array_equal(load(tmp_path / "ridge.skgnnrec").decision_function(X), expected)
    assert_allclose(compress(rec).decision_function(X), expected, atol=0.03 * np.abs(expected).max())
    new = ItemCatalog(vectors[:3], ids=list("abc"))
    assert compress(rec, dtype="float32").recommend(X, 3, candidates=new)[0].shape == (300, 3)
    pytest.importorskip("onnx", reason="the extra export is not installed")
    runtime = pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    from skgnnrec.export import to_onnx

    to_onnx(rec, tmp_path / "ridge.onnx")
    session = runtime.InferenceSession(tmp_path / "ridge.onnx")
    history = {"positions": X[:1].indices[None].astype(np.int64), "weights": X[:1].data[None], "n": np.array([4])}
    items, _ = session.run(None, history)
    assert_array_equal(items, rec.recommend(X[:1], 4)[0])


def test_a_fit_to_statistics_is_that_to_the_users(X):
    rec = sparse_ridge(popularity_weight=0)
    fitted = federated_fit(rec, [X[:100], X[100:]])
    assert_close(fitted.weights_.toarray(), sparse_ridge(popularity_weight=0).fit(X).weights_.toarray())
    assert fitted.transform(X).shape == (300, N_ITEMS)


def test_popularity_is_chosen_by_a_second_fit_where_items_have_few_users():
    data = make_interactions(900, 700, n_interactions=3600, item_exponent=1.2, random_state=0)
    rec = sparse_ridge().fit(data.interactions)
    dense = RidgeRecommender(solver="dense").fit(data.interactions)
    assert rec.popularity_weight_ > 0
    assert dense.popularity_weight_ > 0


def test_profiles_are_not_columns_of_a_sparse_regression(X):
    profiles = np.random.default_rng(0).standard_normal((300, 3))
    with_profiles = UserContentRecommender(sparse_ridge(), profile_alpha=1.0).fit(X, users=profiles)
    assert with_profiles.profile_weights_ is None
    assert_close(with_profiles.decision_function(X), sparse_ridge().fit(X).decision_function(X))


def test_results_do_not_depend_on_threads_batches_or_the_order_of_users(X, vectors, monkeypatch):
    settings = {"catalog": ItemCatalog(vectors), "popularity_weight": 1}
    expected = sparse_ridge(**settings).fit(X)
    with threadpool_limits(1):
        single = sparse_ridge(**settings).fit(X)
    assert_array_equal(single.weights_.toarray(), expected.weights_.toarray())
    monkeypatch.setattr("skgnnrec.recommenders._sparse_inverse.BATCH_VALUES", 1000)
    monkeypatch.setattr("skgnnrec.recommenders._sparse_inverse.ROWS_SHARE", 1.0)
    permuted = sparse_ridge(**settings).fit(X[::-1])
    assert_close(permuted.decision_function(X), expected.decision_function(X))


@pytest.mark.parametrize("shape", [(3, 1), (3, 2), (1, 5), (4, 6)])
def test_degenerate_data(shape):
    assert np.isfinite(sparse_ridge().fit(np.ones(shape)).decision_function(np.ones(shape))).all()
    empty = sparse_ridge(catalog=ItemCatalog(np.ones((shape[1], 2)))).fit(np.zeros(shape))
    assert np.isfinite(empty.decision_function(np.ones(shape))).all()
