"""Data sets of a benchmark: logs and matrices, their times, catalogs and published splits."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.utils._param_validation import InvalidParameterError

from skgnnrec import ItemCatalog
from skgnnrec.exceptions import ItemAlignmentError
from skgnnrec.model_selection import BenchmarkData

LOG = pd.DataFrame({"who": ["ann", "ann", "bob", "bob"], "what": ["a", "b", "b", "c"], "day": [1, 2, 2, 3]})
COLUMNS = {"user": "who", "item": "what", "timestamp": "day"}
X = np.array([[1, 1, 0], [0, 1, 1]])


@pytest.mark.parametrize("log", [LOG, pl.DataFrame(LOG.to_dict("list")), LOG.to_dict("list")])
def test_sizes_of_logs(log):
    data = BenchmarkData(log, **COLUMNS)
    assert (data.n_users, data.n_items, data.n_interactions) == (2, 3, 4)
    assert "times=True, catalog=False)" in repr(data)


def test_items_of_the_catalog_without_interactions_count():
    catalog = ItemCatalog(np.eye(5), ids=list("edcba"))
    assert BenchmarkData(LOG, **COLUMNS, catalog=catalog).n_items == 5


def test_sizes_of_matrices():
    data = BenchmarkData(X, held_out=1 - X)
    assert (data.n_users, data.n_items, data.n_interactions) == (2, 3, 4)
    assert repr(data).endswith("times=False, catalog=False, held_out=True)")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"interactions": LOG}, ValueError, r"looks like a log of interactions"),
        ({"interactions": LOG, "user": "who"}, ValueError, r"user and item must be given together, for logs"),
        ({"interactions": X, "rank_decay": 0.5}, ValueError, r"rank_decay=0.5 requires timestamp; got None"),
        ({"interactions": X, "rank_decay": 2}, InvalidParameterError, r"The 'rank_decay' parameter of BenchmarkData"),
        ({"interactions": X, "timestamp": "day"}, ValueError, r"shape of the matrix, \(2, 3\); got 'day'. For logs"),
        ({"interactions": X, "timestamp": X.T}, ValueError, r"shape of interactions, \(2, 3\); got \(3, 2\)"),
        ({"interactions": X, "held_out": X.T}, ValueError, r"shape of interactions, \(2, 3\); got \(3, 2\)"),
        ({"interactions": X, "catalog": ItemCatalog(np.eye(4))}, ValueError, r"has 3 columns, the catalog 4 items"),
        ({"interactions": LOG, **COLUMNS, "held_out": LOG}, ValueError, r"held_out must be None for a log"),
        ({"interactions": LOG, **COLUMNS, "timestamp": [1]}, ValueError, r"a column of the log, .*; got a list"),
        ({"interactions": LOG, **COLUMNS, "catalog": ItemCatalog(np.eye(3))}, ValueError, r"must have ids for a log"),
        (
            {"interactions": LOG, **COLUMNS, "catalog": ItemCatalog(np.eye(2), ids=["a", "b"])},
            ValueError,
            r"catalog lacks items of the log: 'c'",
        ),
        (
            {"interactions": pd.DataFrame(X, columns=["a", "b", "c"]), "catalog": ItemCatalog(np.eye(1), ids=["a"])},
            ItemAlignmentError,
            r"lacks 2 of 3 items",
        ),
    ],
)
def test_errors_name_the_cause(arguments, error, message):
    with pytest.raises(error, match=message):
        BenchmarkData(**arguments)
