"""Logs that are read in blocks: ids of all types, times, weights, and the memory that is used."""

import datetime as dt
import json
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pytest

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, PopularityRecommender
from skgnnrec.exceptions import ItemAlignmentError
from skgnnrec.interactions import _logs, _sources

pa = pytest.importorskip("pyarrow", reason="logs in files need pyarrow")
ds = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")

IDS = {
    "int64": (pa.int64(), [2**62 + 1, -5, 2**62, 7]),
    "uint64": (pa.uint64(), [2**64 - 1, 3, 2**63, 0]),
    "int8": (pa.int8(), [3, -1, 2, 7]),
    "strings": (pa.string(), ["10", "9", "", "é"]),
    "categories": (pa.dictionary(pa.int32(), pa.string()), ["b", "a", "d", "c"]),
    "bytes": (pa.binary(), [b"b", b"\xff", b"", b"c"]),
    "floats": (pa.float64(), [0.5, -0.0, 0.0, 1e10]),
    "booleans": (pa.bool_(), [True, False, True, False]),
    "dates": (pa.date32(), [dt.date(2024, 5, day) for day in (4, 2, 3, 1)]),
    "times": (pa.timestamp("ns"), [5, 3, 4, 1]),
    "times with a zone": (pa.timestamp("us", "Europe/Paris"), [5, 3, 4, 1]),
    "decimals": (pa.decimal128(10, 2), [Decimal("1.50"), Decimal("0.25"), Decimal("3.00"), Decimal("-1.00")]),
}


@pytest.fixture(autouse=True)
def tiny_blocks(monkeypatch):
    """Read four rows at a time."""
    monkeypatch.setattr(_sources, "BLOCK_ROWS", 4)
    monkeypatch.setattr(_sources, "BATCH_ROWS", 2)


def fit(log, recommender=None, **parameters):
    parameters = {"user": "user", "item": "item", **parameters}
    return LogRecommender(recommender or PopularityRecommender(), **parameters).fit(log)


def make_log(n=400, n_users=40, n_items=25, seed=0):
    rng = np.random.default_rng(seed)
    return pa.table(
        {
            "user": rng.integers(n_users, size=n) * 3,
            "item": [f"item {place}" for place in (n_items * rng.random(n) ** 2).astype(int)],
            "weight": rng.choice([0.0, 1.0, 0.1, 2.0], size=n),
            "whole": rng.choice([1.0, 2.0], size=n),
            "time": pa.array(rng.integers(10**6, size=n)).cast(pa.timestamp("s")),
            "day": rng.integers(30, size=n),
        }
    )


def assert_equal(found, expected):
    assert found.user_ids_.tolist() == expected.user_ids_.tolist()
    assert found.item_ids_.tolist() == expected.item_ids_.tolist()
    assert list(map(type, found.item_ids_)) == list(map(type, expected.item_ids_))
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(found.interactions_, name), getattr(expected.interactions_, name))


@pytest.mark.parametrize("kind", IDS)
def test_ids_keep_their_type_and_value(kind):
    dtype, values = IDS[kind]
    items = pa.array([values[place] for place in (0, 1, 2, 3, 1, 0, 3, 2, 0)], type=dtype)
    log = pa.table({"user": pa.array([1, 2, 3, 1, 1, 2, 3, 2, 1], type=pa.int32()), "item": items})
    assert_equal(fit(ds.dataset(log)), fit(log))
    assert_equal(fit(ds.dataset(log), user="item", item="user"), fit(log, user="item", item="user"))


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"weight": "weight"},
        {"timestamp": "time"},
        {"timestamp": "time", "rank_decay": 0.8, "half_life": "5D"},
        {"timestamp": "day", "rank_decay": 0.9, "weight": "weight"},
        {"timestamp": "day", "half_life": 3, "weight": "whole"},
    ],
)
def test_weights_and_times_count_as_in_memory_after_updates_too(parameters, monkeypatch):
    log, further = make_log(), make_log(n=30, n_users=50, seed=1)
    interaction = log.filter((np.asarray(log["user"]) == 9) & (np.asarray(log["weight"]) > 0)).slice(0, 1)
    expected = fit(log, **parameters)
    monkeypatch.setattr(_logs, "BLOCK_ROWS", 20)
    found = fit(ds.dataset(log), **parameters)
    assert_equal(found, expected)
    for rec in (found, expected):
        rec.partial_fit(further).forget(users=[0, 6]).forget(interaction)
    assert_equal(found, expected)


def test_recommendations_equal_those_of_the_table_in_memory():
    log = make_log(n=1500, n_users=100, n_items=60)
    found, expected = (fit(X, GraphFilterRecommender(), timestamp="time") for X in (ds.dataset(log), log))
    for one, other in zip(found.recommend(), expected.recommend(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_items_are_those_of_the_catalog():
    log = make_log()
    names = [f"item {place}" for place in range(30)][::-1]
    catalog = ItemCatalog({"name": names}, ids=names)
    found, expected = (fit(X, PopularityRecommender(catalog=catalog)) for X in (ds.dataset(log), log))
    assert found.item_ids_.tolist() == names
    assert_equal(found, expected)
    with pytest.raises(ItemAlignmentError, match=r"The catalog lacks .* items: 'item "):
        fit(ds.dataset(log), PopularityRecommender(catalog=catalog.take(range(10))))


@pytest.mark.parametrize(
    ("column", "values", "error", "message"),
    [
        ("user", [1, 2, 3, 4, None], ValueError, "user='user' of X from row 4 on has missing values in 1 of 1 rows"),
        ("item", [1.0, 2.0, 3.0, 4.0, np.nan], ValueError, "item='item' of X from row 4 on has missing values in 1 of"),
        ("item", [1.0, 2.0, 3.0, 4.0, np.inf], ValueError, "item='item' of X has infinite values"),
        ("user", [[1], [2], [3], [4], [5]], TypeError, "user='user' of X must hold ids that can be hashed.*got list"),
        ("weight", [1.0, 1, 1, 1, -2], ValueError, "weight='weight' of X from row 4 on must hold weights from 0 to"),
        ("weight", [1.0, 1, 1, 1, None], ValueError, "weight='weight' of X from row 4 on has missing values"),
        ("time", ["a", "b", "c", "d", "e"], ValueError, "timestamp='time' of X must hold datetimes or numbers"),
    ],
)
def test_errors_name_the_column_and_the_block(column, values, error, message):
    columns = {"user": [1, 2, 3, 4, 5], "item": [1, 2, 3, 4, 5], "weight": np.ones(5), "time": np.arange(5)}
    log = ds.dataset(pa.table(columns | {column: pa.array(values)}))
    with pytest.raises(error, match=message):
        fit(log, weight="weight", timestamp="time")


MEASURE = """
import json, sys
from pathlib import Path
from skgnnrec import LogRecommender, PopularityRecommender
from skgnnrec.interactions import _logs, _sources
import pyarrow.dataset

_logs.BLOCK_ROWS = _sources.BLOCK_ROWS = 1 << 16

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024

rec = LogRecommender(PopularityRecommender(), user="user", item="item")
rec.fit(sys.argv[1])  # what is loaded on first use
before = peak()
X = rec.fit(sys.argv[2]).interactions_
print(json.dumps([peak() - before, X.data.nbytes + X.indices.nbytes + X.indptr.nbytes]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_memory_is_a_multiple_of_that_of_the_matrix(tmp_path):
    n = 2_000_000
    rng = np.random.default_rng(0)
    log = pa.table({"user": rng.integers(30_000, size=n), "item": rng.integers(20_000, size=n)})
    paths = [str(tmp_path / name) for name in ("small.parquet", "large.parquet")]
    for path, part in zip(paths, (log.slice(0, 1000), log), strict=True):
        pq.write_table(part, path, row_group_size=100_000)
    command = [sys.executable, "-c", MEASURE, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    added, matrix = json.loads(done.stdout)
    # 8 bytes a row for the positions and 8 for the matrix, and 60 MB for blocks and libraries. The same table in
    # memory needs 300 MB more.
    assert added < 2.5 * matrix + 60e6
