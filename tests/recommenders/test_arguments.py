"""Arguments that recommenders refuse or warn of: logs as matrices, tables as catalogs, ratings as y."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import Binarizer

from skgnnrec import ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.model_selection import SameUsers, compare_recommenders, split_interactions

RNG = np.random.default_rng(0)
NUMBERS = RNG.integers(0, 100, (60, 3))


@pytest.mark.parametrize(
    "log",
    [
        pd.DataFrame({"user": ["ann", "bob"], "item": ["mug", "pot"]}),
        pl.DataFrame({"user": ["ann", "bob"], "item": ["mug", "pot"]}),
        [("ann", "mug"), ("bob", "pot")],
        {"user": ["ann", "bob"], "item": ["mug", "pot"]},
        pd.DataFrame({"user": [1, 2], "time": pd.to_datetime(["2024-01-01", "2024-01-02"])}),
        NUMBERS,
        NUMBERS.tolist(),
        pd.DataFrame(NUMBERS, columns=["user", "item", "stars"]),
    ],
    ids=["pandas", "polars", "rows", "dict", "times", "numbers", "rows of numbers", "frame of numbers"],
)
def test_a_log_is_no_matrix(log):
    compared = {"popularity": PopularityRecommender()}
    for call in (PopularityRecommender().fit, split_interactions, lambda X: compare_recommenders(compared, X)):
        with pytest.raises(ValueError, match=r"X looks like a log of .*Use LogRecommender\(recommender, user="):
            call(log)


@pytest.mark.parametrize(
    "matrix",
    [NUMBERS % 4, NUMBERS / 7, NUMBERS[:40], np.tile(NUMBERS, 3), sparse.csr_array(NUMBERS)],
    ids=["few weights", "fractions", "few rows", "many columns", "sparse"],
)
def test_matrices_of_few_items_are_learned(matrix):
    assert PopularityRecommender().fit(matrix).n_features_in_ == matrix.shape[1]


@pytest.mark.parametrize(("catalog", "came"), [(pd.DataFrame({"id": [1]}), "DataFrame"), ([1, 2], "list")])
def test_a_table_is_no_catalog(catalog, came):
    with pytest.raises(
        ValueError, match=rf"must be an ItemCatalog or None\. Got a {came} instead\. ItemCatalog\(table"
    ):
        RidgeRecommender(catalog=catalog).fit(np.eye(2))


def test_a_class_and_a_recommender_of_logs_are_no_recommenders_of_matrices():
    log = [("ann", "mug"), ("bob", "pot")]
    with pytest.raises(ValueError, match=r"Got the class RidgeRecommender instead\. Pass an instance of it"):
        LogRecommender(RidgeRecommender).fit(log)
    with pytest.raises(ValueError, match=r"Got a LogRecommender instead\. .* is the outermost one"):
        LogRecommender(LogRecommender(RidgeRecommender())).partial_fit(log)


def test_a_table_of_candidates_is_no_catalog():
    recommender = RidgeRecommender(catalog=ItemCatalog(np.eye(2))).fit(np.eye(2))
    with pytest.raises(ValueError, match=r"got a DataFrame\. ItemCatalog\(table, ids='sku'\) makes a catalog"):
        recommender.recommend(np.eye(2), candidates=pd.DataFrame({"sku": [7], "size": [1.0]}))


def test_unknown_items_keep_their_form_in_messages():
    ids = np.fromiter([("shop", 1), ("shop", 2)], dtype=object, count=2)
    rec = PopularityRecommender().fit(pd.DataFrame(np.eye(2), columns=pd.Index(ids, tupleize_cols=False)))
    with pytest.raises(ValueError, match=r"candidates holds 1 ids .*: \('shop', 3\)\."):
        rec.recommend(np.eye(2), candidates=[("shop", 1), ("shop", 3)])


def test_weights_beyond_float32_are_refused():
    rec = PopularityRecommender().fit(np.full((2, 3), 1e30))
    for call in (rec.fit, rec.recommend, rec.score):
        with pytest.raises(ValueError, match=r"X holds weights up to 3e\+38; .* Divide X by a constant"):
            call([[3e38, 1, 1]])


# Ratings as y ---------------------------------------------------------------------------------------------------------

MATRIX = sparse.csr_array((RNG.random((30, 8)) < 0.4).astype(float))
LOG = pd.DataFrame({"user": MATRIX.nonzero()[0], "item": MATRIX.nonzero()[1]})
STARS = RNG.integers(1, 6, MATRIX.nnz)
LOG_RECOMMENDER = LogRecommender(PopularityRecommender(), user="user", item="item")


@pytest.mark.parametrize(
    ("estimator", "X", "y", "advice"),
    [
        (PopularityRecommender(), MATRIX, STARS, "Put them into X"),
        (PopularityRecommender(), MATRIX.toarray().tolist(), STARS[:, None].tolist(), "Put them into X"),
        (PopularityRecommender(), MATRIX, np.arange(30) / 2, "Put them into X"),
        (make_pipeline(Binarizer(), PopularityRecommender()), MATRIX, np.arange(30) / 2, "Put them into X"),
        (LOG_RECOMMENDER, LOG, pd.Series(STARS), r"a column of X that weight=\.\.\. names"),
        (LOG_RECOMMENDER, LOG.to_dict("list"), STARS / 2, r"a column of X that weight=\.\.\. names"),
        (LOG_RECOMMENDER, pl.DataFrame(LOG), pl.Series(STARS), r"a column of X that weight=\.\.\. names"),
    ],
    ids=["stars", "lists", "of users", "pipeline", "log", "dict", "polars"],
)
def test_ratings_as_y_raise_a_warning(estimator, X, y, advice):
    with pytest.warns(UserWarning, match=rf"y is not used in fit, but holds {len(y)} numbers .*{advice}") as caught:
        estimator.fit(X, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__ or isinstance(estimator, Pipeline)


@pytest.mark.parametrize(
    ("estimator", "X", "y"),
    [
        (PopularityRecommender(), MATRIX, MATRIX),
        (PopularityRecommender(), MATRIX, MATRIX.toarray() / 2),
        (PopularityRecommender(), MATRIX, RNG.integers(-1, 8, 30)),
        (PopularityRecommender(), MATRIX, RNG.integers(0, 3, 30).astype(float)),
        (PopularityRecommender(), MATRIX, ["a", "b"] * 15),
        (PopularityRecommender(), MATRIX, [[1], [2, 3]]),
        (LOG_RECOMMENDER, LOG, LOG["user"]),
        (LOG_RECOMMENDER, LOG, STARS > 2),
        (LOG_RECOMMENDER, LOG, STARS.astype(str)),
        (LOG_RECOMMENDER, LOG, np.ones(len(LOG))),
    ],
    ids=["matrix", "array", "items", "labels", "names", "lists", "users", "flags", "texts", "ones"],
)
def test_held_out_items_and_labels_as_y_raise_none(estimator, X, y):
    with warnings.catch_warnings(action="error"):
        assert estimator.fit(X, y) is estimator


def test_searches_and_splitters_that_use_y_raise_none():
    past, future = split_interactions(MATRIX, random_state=0)
    with warnings.catch_warnings(action="error"):
        GridSearchCV(RidgeRecommender(), {"alpha": [1, 2]}, cv=SameUsers()).fit(past, future)
        scores = cross_val_score(LOG_RECOMMENDER, LOG, (STARS > 2).astype(int), cv=StratifiedKFold(3))
    assert np.isfinite(scores).all()
