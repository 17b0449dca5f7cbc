"""Arguments that recommenders refuse: logs as matrices, tables as catalogs, wrong held-out items."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

from skgnnrec import PopularityRecommender, RidgeRecommender

RNG = np.random.default_rng(0)
NUMBERS = RNG.integers(0, 100, (60, 3))


@pytest.mark.parametrize(
    "log",
    [
        pd.DataFrame({"user": ["ann", "bob"], "item": ["mug", "pot"]}),
        pl.DataFrame({"user": ["ann", "bob"], "item": ["mug", "pot"]}),
        [("ann", "mug"), ("bob", "pot")],
        pd.DataFrame({"user": [1, 2], "time": pd.to_datetime(["2024-01-01", "2024-01-02"])}),
        NUMBERS,
        NUMBERS.tolist(),
        pd.DataFrame(NUMBERS, columns=["user", "item", "stars"]),
    ],
    ids=["pandas", "polars", "rows", "times", "numbers", "rows of numbers", "frame of numbers"],
)
def test_a_log_is_no_matrix(log):
    with pytest.raises(ValueError, match=r"X looks like a log of interactions.*Use LogRecommender\(recommender, user="):
        PopularityRecommender().fit(log)


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


def test_unknown_items_keep_their_form_in_messages():
    ids = np.fromiter([("shop", 1), ("shop", 2)], dtype=object, count=2)
    rec = PopularityRecommender().fit(pd.DataFrame(np.eye(2), columns=pd.Index(ids, tupleize_cols=False)))
    with pytest.raises(ValueError, match=r"candidates holds 1 ids .*: \('shop', 3\)\."):
        rec.recommend(np.eye(2), candidates=[("shop", 1), ("shop", 3)])
