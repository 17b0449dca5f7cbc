"""The fairness report against direct computations."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from skgnnrec import LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.inspection import fairness_report
from skgnnrec.metrics import ndcg_at_k, popularity_lift


@pytest.fixture(name="data", scope="module")
def split():
    rng = np.random.default_rng(0)
    X = (rng.random((80, 20)) < np.linspace(0.5, 0.1, 20)).astype(float)
    y = ((rng.random((80, 20)) < 0.1) & (X == 0)).astype(float)
    y[:3] = 0  # users without held-out interactions do not count
    return X, y


def values(report, measure):
    rows = report[report["measure"] == measure]
    return dict(zip(rows["group"], rows["value"], strict=True))


def test_groups_of_users(data):
    X, y = data
    rec, groups = RidgeRecommender().fit(X), np.array(["a", "b"] * 40)
    report = fairness_report(rec, X, y, user_groups=groups, k=5, n_resamples=50)
    lists = rec.recommend(X, 5)[0]
    for group in "ab":
        rows = np.flatnonzero((groups == group) & y.any(axis=1))
        assert values(report, "ndcg")[group] == pytest.approx(ndcg_at_k(y[rows], lists[rows]))
        assert report.loc[report["group"] == group, "size"].tolist() == [len(rows)] * 3
        lift = popularity_lift(lists[rows], X[rows], interactions=X)
        assert values(report, "popularity lift")[group] == pytest.approx(lift)
    gaps = values(report, "ndcg gap")
    sizes = report[report["measure"] == "ndcg"].set_index("group")["size"]
    assert gaps["a"] * sizes["a"] + gaps["b"] * sizes["b"] == pytest.approx(0, abs=1e-9)
    assert (report["low"] <= report["value"]).all()
    assert (report["value"] <= report["high"]).all()


def test_groups_of_items(data):
    X, y = data
    rec = PopularityRecommender().fit(X)
    groups = np.array(["head"] * 10 + ["tail"] * 10)
    report = fairness_report(rec, X, y, item_groups=groups, k=4, n_resamples=50)
    lists = rec.recommend(X, 4)[0][y.any(axis=1)]
    attention = 1 / np.log2(np.arange(2, 6))
    of_head = ((lists < 10) * attention).sum() / (attention.sum() * len(lists))
    assert values(report, "exposure") == pytest.approx({"head": of_head, "tail": 1 - of_head})
    merit = y[:, :10].sum() / y.sum()
    assert values(report, "merit") == pytest.approx({"head": merit, "tail": 1 - merit})
    assert values(report, "exposure / merit")["tail"] == pytest.approx((1 - of_head) / (1 - merit))
    assert values(report, "exposure / merit")["tail"] < 1


def test_intervals_are_those_of_the_mean(data):
    X, y = data
    rec = RidgeRecommender().fit(X)
    report = fairness_report(rec, X, y, user_groups=["one"] * 80, n_resamples=2000, confidence_level=0.9)
    each = ndcg_at_k(y, rec.recommend(X, 10)[0], average=False)
    each = each[~np.isnan(each)]
    row = report[report["measure"] == "ndcg"].iloc[0]
    expected = each.mean() + np.array([-1.645, 1.645]) * each.std() / np.sqrt(len(each))
    assert_allclose([row["low"], row["high"]], expected, atol=0.01)
    assert_allclose(report.loc[report["measure"] == "ndcg gap", ["value", "low", "high"]], 0, atol=1e-12)


def test_logs_have_groups_by_id(data):
    X, _ = data
    rows, columns = np.nonzero(X)
    log = pd.DataFrame({"user": rows, "item": [f"item {column}" for column in columns]})
    rec = LogRecommender(PopularityRecommender()).fit(log[::2])
    groups = {user: "even" if user % 2 == 0 else "odd" for user in range(80)}
    of_items = {f"item {item}": item < 10 for item in range(20)}
    report = fairness_report(rec, log[1::2], user_groups=groups, item_groups=of_items, n_resamples=9)
    assert set(report["group"]) == {"even", "odd", True, False}
    with pytest.raises(ValueError, match="user_groups lacks 79 of 80 users: 1, 2, 3"):
        fairness_report(rec, log[1::2], user_groups={0: "even"})


def test_wrong_groups_are_refused(data):
    X, y = data
    rec = PopularityRecommender().fit(X)
    with pytest.raises(ValueError, match="user_groups and item_groups are both None"):
        fairness_report(rec, X, y)
    with pytest.raises(ValueError, match="item_groups has 2 entries for 20 items"):
        fairness_report(rec, X, y, item_groups=["a", "b"])
