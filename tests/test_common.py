"""The contract of every recommender, and the batteries of scikit-learn."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from catalogs import with_catalog
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import ProgressBar
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer
from sklearn.utils import estimator_checks
from uncalled_checks import UNCALLED_CHECKS

from skgnnrec import ItemCatalog
from skgnnrec.exceptions import EmptyHistoryWarning, ItemAlignmentError
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.model_selection import SameUsers, split_interactions


def reads_items(recommender):
    return any(name.split("__")[-1] == "item_encoder" for name in recommender.get_params())


def frame_of(X, columns):
    return pd.DataFrame(X.toarray(), columns=columns)


def new_items(titles, names):
    return ItemCatalog(list(titles), ids=list(names))


# scikit-learn's batteries ---------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
def test_the_battery_of_scikit_learn(recommender):
    results = estimator_checks.check_estimator(recommender.set_params(n_recommendations=1), on_fail=None)
    objections = {result["check_name"]: result["exception"] for result in results if result["status"] != "passed"}
    assert objections == {}
    assert len({result["check_name"] for result in results}) >= 44
    assert len(results) >= 47


@pytest.mark.filterwarnings("ignore:X (has|does not have valid) feature names:UserWarning")  # some checks mix them
@pytest.mark.filterwarnings("ignore:y is not used in fit, but holds:UserWarning")  # the checks pass numbers
@pytest.mark.parametrize("name", UNCALLED_CHECKS)
def test_public_checks_that_check_estimator_does_not_call(recommender, name):
    recommender.set_params(n_recommendations=1)
    assert getattr(estimator_checks, name)(type(recommender).__name__, recommender) is None


def test_progress_nests_in_the_bar_of_a_search(recommender, X, capsys):
    search = GridSearchCV(recommender, {"n_recommendations": [1, 2]}, cv=2).set_callbacks(ProgressBar())
    with warnings.catch_warnings(action="error"):  # scikit-learn warns of estimators without callbacks
        warnings.filterwarnings("ignore", message="X has no order")
        search.fit(X)
    assert type(recommender).__name__ in capsys.readouterr().out


# Shapes and types -----------------------------------------------------------------------------------------------------


def test_users_without_history_receive_the_popularity_ranking(recommender, X):
    nobody = sparse.csr_array((2, X.shape[1]))
    n_users = np.bincount(X.indices, minlength=X.shape[1])
    assert_array_equal(recommender.fit(X).decision_function(nobody), [n_users, n_users])


def test_shapes_and_types(reader, X):
    n_users, n_items = X.shape
    assert reader.fit(X) is reader
    items, scores = reader.recommend(X, 7)
    assert items.shape == scores.shape == (n_users, 7)
    assert items.dtype == object
    assert scores.dtype == np.float32
    assert reader.predict(X).shape == (n_users, reader.n_recommendations)
    all_scores = reader.decision_function(X)
    assert (type(all_scores), all_scores.shape, all_scores.dtype) == (np.ndarray, (n_users, n_items), np.float32)
    embeddings = reader.transform(X)
    assert (type(embeddings), embeddings.dtype) == (np.ndarray, np.float32)
    assert embeddings.shape == (n_users, reader.item_embedding_.shape[1])
    assert reader.item_embedding_.shape[0] == reader.n_features_in_ == n_items
    similar, similarities = reader.similar_items(["sku-0", "sku-7"], 3)
    assert similar.shape == similarities.shape == (2, 3)
    assert type(reader.score(X)) is float


def test_recommendations_are_the_best_scores_in_order(recommender, X):
    recommender.fit(X)
    items, scores = recommender.recommend(X, 40, exclude_seen=False)
    assert items.dtype == np.int64
    assert_array_equal(np.sort(items, axis=1), np.tile(np.arange(40), (X.shape[0], 1)))
    assert (np.diff(scores, axis=1) <= 0).all()
    assert_allclose(scores, np.take_along_axis(recommender.decision_function(X), items, axis=1), rtol=1e-5, atol=1e-6)


def test_predict_is_recommend_without_scores(recommender, X):
    recommender.set_params(n_recommendations=4).fit(X)
    assert_array_equal(recommender.predict(X), recommender.recommend(X)[0])
    assert_array_equal(recommender.predict(X), recommender.recommend(X, 9)[0][:, :4])


def test_seen_items_are_left_out(recommender, X):
    items = recommender.fit(X).predict(X)
    assert not X.toarray()[np.arange(X.shape[0])[:, None], items].any()


def test_seen_items_stay_in_if_wanted(recommender, X):
    best = recommender.fit(X).recommend(X, 1, exclude_seen=False)[0][:, 0]
    assert_array_equal(recommender.decision_function(X).argmax(axis=1), best)


def test_dense_sparse_and_frames_give_the_same_scores(recommender, X):
    expected = recommender.fit(X).decision_function(X)
    for other in (X.toarray(), X.toarray().tolist(), sparse.coo_matrix(X), frame_of(X, np.arange(40))):
        assert_array_equal(clone(recommender).fit(other).decision_function(other), expected)


@pytest.mark.parametrize("n", [0, -1, 2.5, "3"])
def test_number_of_recommendations_is_checked(recommender, X, n):
    recommender.fit(X)
    with pytest.raises(ValueError, match="'n_recommendations' parameter of recommend must be an int"):
        recommender.recommend(X, n)
    with pytest.raises(ValueError, match="'n' parameter of similar_items must be an int"):
        recommender.similar_items([0], n)


@pytest.mark.parametrize("method", ["recommend", "predict", "decision_function", "transform", "score", "similar_items"])
def test_methods_require_a_fit(recommender, X, method):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(recommender, method)(X)


# Ids ------------------------------------------------------------------------------------------------------------------


def test_without_ids_items_are_positions(recommender, X):
    items = recommender.fit(X).predict(X)
    assert recommender.item_ids_ is None
    assert items.dtype == np.int64
    assert not hasattr(recommender, "feature_names_in_")


@pytest.mark.parametrize("ids", ["strings", "integers", "unsigned", "dates"])
def test_columns_of_a_frame_come_out_as_ids(recommender, X, names, ids):
    columns = {
        "strings": names,
        "integers": 1000 - np.arange(40),
        "unsigned": np.arange(40, dtype=np.uint8) + 100,
        "dates": np.array(pd.date_range("2024-01-01", periods=40), dtype=object),
    }[ids]
    positions = clone(recommender).fit(X).predict(X)
    frame = frame_of(X, columns)
    items = recommender.fit(frame).predict(frame)
    assert_array_equal(items, np.asarray(columns)[positions])
    assert_array_equal(recommender.item_ids_, columns)


def test_ids_of_the_catalog_serve_plain_matrices(reader, X, names):
    positions = with_catalog(reader, None).fit(X).recommend(X, 5)[0] if not reads_items(reader) else None
    items = reader.fit(X).recommend(X, 5)[0]
    assert_array_equal(reader.item_ids_, names)
    assert set(items.ravel()) <= set(names)
    if positions is not None:
        assert_array_equal(items, names[positions])


def test_similar_items_by_id_and_by_position(recommender, X, names):
    positions, scores = clone(recommender).fit(X).similar_items([3, 5], 6)
    items, same = recommender.fit(frame_of(X, names)).similar_items(names[[3, 5]], 6)
    assert_array_equal(items, names[positions])
    assert_array_equal(same, scores)
    assert not (positions == [[3], [5]]).any()


def test_similar_items_are_the_recommendations_to_a_user_with_the_item(recommender, X):
    recommender.fit(X)
    assert_array_equal(recommender.similar_items(4, 5)[0], recommender.recommend(np.eye(1, 40, 4), 5)[0])


@pytest.mark.parametrize(("kind", "padding"), [("positions", -1), ("integers", -1), ("strings", None)])
def test_lists_are_padded_where_items_run_out(recommender, kind, padding):
    X = np.array([[1.0, 1, 0], [0, 1, 1], [1, 1, 1]])
    columns = {"positions": [0, 1, 2], "integers": [7, 5, 9], "strings": ["a", "b", "c"]}[kind]
    frame = pd.DataFrame(X, columns=columns)
    items, scores = recommender.fit(frame).recommend(frame, 5)
    assert_array_equal(items[:, 0], [columns[2], columns[0], padding])
    assert all(value == padding for value in items[:, 1:].ravel())
    assert np.isfinite(scores[:2, 0]).all()
    assert (scores[2] == -np.inf).all()
    assert (scores[:, 1:] == -np.inf).all()


def test_columns_in_another_order_are_refused(recommender, X, names):
    recommender.fit(frame_of(X, names))
    shuffled = frame_of(X, names)[names[::-1]]
    for method in (recommender.recommend, recommender.decision_function, recommender.transform, recommender.score):
        with pytest.raises(ValueError, match="Feature names must be in the same order as they were in fit"):
            method(shuffled)


def test_integer_columns_in_another_order_are_refused(recommender, X):
    frame = frame_of(X, np.arange(100, 140))
    recommender.fit(frame)
    with pytest.raises(ValueError, match=r"columns of X must be the items of the fit.*reindex"):
        recommender.predict(frame.iloc[:, ::-1])
    with pytest.raises(ValueError, match=r"columns of y must be the items of the fit.*y\.reindex"):
        recommender.score(frame, frame.iloc[:, ::-1])


def test_wrong_width_is_refused(recommender, X):
    recommender.fit(X)
    with pytest.raises(ValueError, match=r"X has 39 features, but .* is expecting 40 features"):
        recommender.predict(X[:, :39])


# The catalog ----------------------------------------------------------------------------------------------------------


def test_catalog_is_aligned_by_id(reader, X, catalog, names):
    frame = frame_of(X, names)
    expected = reader.fit(frame).decision_function(frame)
    order = np.random.default_rng(0).permutation(40)
    shuffled = with_catalog(reader, catalog.take(order)).fit(frame)
    assert_array_equal(shuffled.item_ids_, names)
    assert_allclose(shuffled.decision_function(frame), expected, rtol=1e-4, atol=1e-5)


def test_catalog_may_hold_more_than_the_columns(reader, X, names):
    frame = frame_of(X, names)[names[:30]]
    assert set(reader.fit(frame).predict(frame).ravel()) <= {*names[:30], None}


def test_catalog_that_lacks_items_is_refused(reader, X, names):
    columns = names.copy()
    columns[3] = "unheard-of"
    with pytest.raises(ItemAlignmentError, match=r"catalog lacks 1 of 40 items: 'unheard-of'"):
        reader.fit(frame_of(X, columns))


def test_catalog_of_another_length_is_refused(reader, X):
    with pytest.raises(ItemAlignmentError, match="X has 39 columns, the catalog 40 items"):
        reader.fit(X[:, :39])


def test_a_catalog_of_another_type_is_refused(recommender, X, titles):
    match = r"'catalog' parameter of .* must be an ItemCatalog or None\. Got a Series instead\. .*ItemCatalog\(table"
    with pytest.raises(ValueError, match=match):
        with_catalog(recommender, titles).fit(X)


# Candidates -----------------------------------------------------------------------------------------------------------


def test_candidates_by_id_or_position(recommender, X, names):
    chosen = np.array([20, 3, 11, 5, 38])
    scores = recommender.fit(X).decision_function(X)[:, chosen]
    positions, found = recommender.recommend(X, 5, candidates=chosen, exclude_seen=False)
    assert_array_equal(np.sort(positions, axis=1), np.tile(np.sort(chosen), (X.shape[0], 1)))
    assert_allclose(found, -np.sort(-scores, axis=1), rtol=1e-5, atol=1e-6)
    frame = frame_of(X, names)
    items = clone(recommender).fit(frame).recommend(frame, 5, candidates=names[chosen], exclude_seen=False)[0]
    assert_array_equal(items, names[positions])


def test_held_out_items_are_ranked_among_candidates(recommender, X, names):
    past, future = split_interactions(X, random_state=0)
    users = np.flatnonzero(np.diff(future.indptr))
    columns = np.array([30, 3, 17, 8])
    recommender.fit(past)
    ranking = recommender.rank_held_out(past, future, 5, candidates=columns)
    assert_array_equal(ranking.recommended[users], recommender.recommend(past[users], 5, candidates=columns)[0])
    frames = [pd.DataFrame(part.toarray(), columns=names) for part in (past, future)]
    by_id = recommender.fit(frames[0]).rank_held_out(*frames, 5, candidates=names[columns])
    assert_array_equal(by_id.recommended, ranking.recommended)
    with pytest.raises(ValueError, match="got an ItemCatalog: rank_held_out takes no new items"):
        recommender.rank_held_out(*frames, candidates=ItemCatalog(np.eye(2)))


def test_seen_candidates_are_left_out(recommender, X):
    chosen = np.array([20, 3, 11, 5, 38])
    items, scores = recommender.fit(X).recommend(X, 5, candidates=chosen)
    n_unseen = 5 - (X.toarray()[:, chosen] > 0).sum(axis=1)
    assert_array_equal((items >= 0).sum(axis=1), n_unseen)
    assert_array_equal(np.isfinite(scores), items >= 0)
    users, places = np.nonzero(items >= 0)
    assert not X.toarray()[users, items[users, places]].any()


def test_no_candidates_no_items(recommender, X):
    items, scores = recommender.fit(X).recommend(X, 2, candidates=np.array([], dtype=int))
    assert (items == -1).all()
    assert (scores == -np.inf).all()


@pytest.mark.parametrize(
    ("items", "match"),
    [
        ([3, 40], r"holds 1 positions that the recommender was not fitted with: 40"),
        ([-1], r"holds 1 positions that .*: -1"),
        (["sku-1"], "must be integers, the positions of items"),
        ([0.0], "must be integers, the positions of items"),
        ([[1, 2]], "must be values that can be hashed|have one dimension"),
        ([1, 2, 1], "names an item twice"),
    ],
)
def test_candidates_are_checked(recommender, X, items, match):
    recommender.fit(X)
    with pytest.raises(ValueError, match=match):
        recommender.recommend(X, candidates=items)


def test_unknown_ids_are_named(reader, X):
    reader.fit(X)
    with pytest.raises(ValueError, match=r"1 ids that the recommender was not fitted with: 'sku-99'\..*ItemCatalog"):
        reader.recommend(X, candidates=["sku-1", "sku-99"])
    with pytest.raises(ValueError, match=r"1 ids that .*: 'sku-99'"):
        reader.similar_items(["sku-99"])


def test_new_items_are_candidates(reader, X, titles):
    reader.fit(X)
    new = new_items(titles[:3], ["n0", "n1", "n2"])
    items, scores = reader.recommend(X, 4, candidates=new)
    assert {*items[:, :3].ravel()} == {"n0", "n1", "n2"}
    assert (items[:, 3] == None).all()  # noqa: E711  elementwise
    assert np.isfinite(scores[:, :3]).all()


def test_new_items_without_ids_are_positions(reader, X, titles):
    items = reader.fit(X).recommend(X, 3, candidates=ItemCatalog(list(titles[:3])))[0]
    assert items.dtype == np.int64
    assert_array_equal(np.sort(items, axis=1), np.tile(np.arange(3), (X.shape[0], 1)))


def test_known_and_new_items_mix(reader, X, titles, names):
    reader.fit(X)
    known, new = [4, 17], ["fresh"]
    mixed = new_items([titles[4], titles[9], titles[17]], [names[4], *new, names[17]])
    items, scores = reader.recommend(X, 3, candidates=mixed, exclude_seen=False)
    alone = reader.recommend(X, 1, candidates=new_items([titles[9]], new))[1]
    all_scores = reader.decision_function(X)
    for item, expected in [*((names[j], all_scores[:, [j]]) for j in known), ("fresh", alone)]:
        assert_allclose(scores[items == item], expected[:, 0], rtol=1e-5, atol=1e-6)
    left = reader.recommend(X, 3, candidates=mixed)[0]
    assert_array_equal((left == names[4]).any(axis=1), X.toarray()[:, 4] == 0)
    assert (left == "fresh").any(axis=1).all()


def test_new_items_need_item_data(personal, X, titles):
    personal.fit(X)
    with pytest.raises(ValueError, match=r"1 new items, but .* was fitted without item vectors"):
        personal.recommend(X, candidates=new_items(titles[:1], ["new"]))


# Scoring --------------------------------------------------------------------------------------------------------------


def test_y_is_ignored_in_fit(recommender, X):
    expected = recommender.fit(X).decision_function(X)
    for y in (X, sparse.coo_array(X), np.full(X.shape[0], np.nan), "anything"):
        assert_array_equal(clone(recommender).fit(X, y).decision_function(X), expected)


def test_score_is_ndcg_of_the_recommendations(recommender, X):
    past, future = split_interactions(X, random_state=0)
    recommender.set_params(n_recommendations=5).fit(past)
    assert recommender.score(past, future) == pytest.approx(ndcg_at_k(future, recommender.predict(past)))


def test_score_takes_held_out_interactions_in_any_format(recommender, X):
    past, future = split_interactions(X, random_state=0)
    expected = recommender.fit(past).score(past, future)
    formats = [future.asformat(name) for name in ("coo", "csc", "lil", "dok", "bsr", "dia")]
    for y in [*formats, sparse.csr_matrix(future), future.toarray(), frame_of(future, np.arange(40))]:
        assert recommender.score(past, y) == expected


def test_score_without_y_hides_a_seeded_share(recommender, X):
    recommender.fit(X)
    assert 0 < recommender.score(X) < 1
    assert recommender.score(X) == recommender.score(X.toarray())
    order = np.random.default_rng(0).permutation(X.shape[0])
    assert recommender.score(X[order]) == pytest.approx(recommender.score(X))


def test_score_weighs_users(recommender, X):
    past, future = split_interactions(X, random_state=0)
    recommender.fit(past)
    chosen = np.arange(X.shape[0]) % 3 == 0
    assert recommender.score(past, future, chosen) == pytest.approx(recommender.score(past[chosen], future[chosen]))


def test_score_takes_one_held_out_item_for_each_user(recommender, X):
    recommender.fit(X)
    held_out = np.random.default_rng(0).integers(-1, 40, X.shape[0])
    y = np.zeros(X.shape)
    y[np.flatnonzero(held_out >= 0), held_out[held_out >= 0]] = 1
    assert recommender.score(X, held_out) == recommender.score(X, held_out[:, None]) == recommender.score(X, y)


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (np.ones((120, 39)), r"y has shape \(120, 39\), X \(120, 40\)"),
        (np.ones((119, 40)), r"y has shape \(119, 40\), X \(120, 40\)"),
        (np.full(120, 40), "positions of items, integers from 0 to 39 or -1"),
        (np.full(120, -2), "positions of items, integers from 0 to 39 or -1"),
        (np.full(120, 0.5), "positions of items, integers .* of dtype float64"),
        (-np.ones((120, 40)), "Negative values in data passed to y"),
        (np.full((120, 40), np.nan), "y contains NaN"),
        (np.zeros((120, 40)), "nothing to find"),
    ],
)
def test_held_out_interactions_are_checked(recommender, X, y, match):
    recommender.fit(X)
    with pytest.raises(ValueError, match=match):
        recommender.score(X, y)


def test_a_score_without_held_out_interactions_warns(recommender):
    X = np.eye(5)
    recommender.fit(X)
    with pytest.warns(EmptyHistoryWarning, match="of the 5 users"), pytest.raises(ValueError, match="nothing to find"):
        recommender.score(X)


# In scikit-learn's company --------------------------------------------------------------------------------------------


def test_clone_keeps_the_catalog(reader, catalog):
    copy = clone(reader)
    assert copy.catalog is catalog
    assert copy.get_params().keys() == reader.get_params().keys()


def test_at_the_end_of_a_pipeline(reader, X):
    counts = 3 * X
    pipeline = make_pipeline(Binarizer(), reader).fit(counts)
    assert_array_equal(pipeline.predict(counts), clone(reader).fit(X).predict(X))


def test_at_the_start_of_a_pipeline(reader, X):
    labels = X.toarray()[:, 0] > 0
    pipeline = make_pipeline(reader, LogisticRegression()).fit(X, labels)
    assert pipeline.score(X, labels) >= 0.5
    assert pipeline[:-1].get_feature_names_out()[0] == f"{type(reader).__name__.lower()}0"


def test_set_output_and_feature_names(reader, X):
    embeddings = reader.fit(X).transform(X)
    table = clone(reader).set_output(transform="pandas").fit(X).transform(X)
    assert_array_equal(table.to_numpy(), embeddings)
    assert_array_equal(table.columns, reader.get_feature_names_out())
    assert len(table.columns) == embeddings.shape[1]


def test_pickles_give_the_same_answers(reader, X):
    reader.fit(X)
    copy = pickle.loads(pickle.dumps(reader))
    assert_array_equal(copy.predict(X), reader.predict(X))
    assert_array_equal(copy.transform(X), reader.transform(X))


def test_search_over_held_out_users(reader, X):
    search = GridSearchCV(reader, {"n_recommendations": [3, 10]}, cv=5).fit(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(X).shape == (X.shape[0], search.best_params_["n_recommendations"])
    assert len(cross_val_score(reader, X, cv=3)) == 3


@pytest.mark.parametrize("routing", [False, True], ids=["plain", "routing"])
def test_search_over_held_out_interactions_in_two_processes(reader, X, routing):
    past, future = split_interactions(X, random_state=0)
    grid = {"n_recommendations": [3, 10]}
    for name in [name for name in reader.get_params() if name.endswith("item_encoder__truncatedsvd__n_components")][:1]:
        grid[name] = [2, 8]
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(reader, grid, cv=SameUsers(), n_jobs=2).fit(past, future)
    for params, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True):
        assert clone(reader).set_params(**params).fit(past).score(past, future) == pytest.approx(score)


class WholeCatalogOnly(TransformerMixin, BaseEstimator):
    """Vectors of letter counts, and an error where a part of the catalog is to be learned from."""

    def __init__(self, n_items):
        self.n_items = n_items

    def fit(self, titles, y=None):
        assert len(titles) == self.n_items, f"the catalog arrived cut to {len(titles)} items"
        self.fitted_ = True
        return self

    def transform(self, titles):
        return np.array([[title.count(letter) for letter in "aeiot"] for title in titles], dtype=float)


@pytest.mark.parametrize("routing", [False, True], ids=["plain", "routing"])
def test_item_data_is_never_sliced_with_the_users(recommender, furnish, X, routing):
    square = X[:40]  # as many users as items: whatever is passed along with X would be cut
    model = furnish(recommender, item_encoder=WholeCatalogOnly(40))
    with config_context(enable_metadata_routing=routing):
        search = GridSearchCV(make_pipeline(Binarizer(), model), {}, cv=3, error_score="raise").fit(square)
        same = GridSearchCV(model, {}, cv=SameUsers(), error_score="raise").fit(square, square[::-1])
    assert search.best_estimator_[-1].catalog.n_items == 40
    assert np.isfinite([search.best_score_, same.best_score_]).all()


def test_parameters_of_the_encoder_stay_unfitted(personal, furnish, X):
    model = furnish(personal).fit(X)
    encoders = {name: value for name, value in model.get_params().items() if name.split("__")[-1] == "item_encoder"}
    assert encoders
    for encoder in encoders.values():
        with pytest.raises(NotFittedError, match="not fitted"):
            encoder[0].transform(["mug"])


def test_text_helps_for_cold_items(personal, furnish, X):
    past, future = split_interactions(X, hold_out="cold_items", test_size=8, random_state=0)
    blind = clone(personal).fit(past).score(past, future)
    assert furnish(personal).fit(past).score(past, future) > blind + 0.02
