"""FairRecommender: minimum shares in each beginning of a list, with the best items that reach them."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skgnnrec import ItemCatalog, PopularityRecommender
from skgnnrec.reranking import FairRecommender

SHARES = [
    {"b": 0.5},
    {"b": 1 / 3, "c": 1 / 3},
    {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3},
    {"b": 0.25, "c": 0.5},
    {"c": 0.4, "a": 0.4},
]


def is_fair(groups, shares):
    """Return whether each beginning of a list has the minimum number of items of each group."""
    lengths = np.arange(1, len(groups) + 1)
    return all((np.cumsum(groups == name) >= np.floor(share * lengths + 1e-9)).all() for name, share in shares.items())


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("seed", range(3))
def test_lists_are_the_best_that_have_the_shares(shares, seed):
    groups = np.array(list("aaabbbccc"))[np.random.default_rng(seed).permutation(9)]
    catalog = ItemCatalog(pd.DataFrame({"group": groups}))
    X = np.tri(9)[:, ::-1].copy()  # item 0 is the most popular one, then 1, ...
    X = X[:, np.argsort(-X.sum(axis=0), kind="stable")]
    rec = FairRecommender(PopularityRecommender(catalog=catalog), "group", shares).fit(X)
    items = rec.recommend(np.zeros((1, 9)), 6)[0][0]
    # The first in the order of the recommender, of all lists that have the shares.
    expected = next(list(found) for found in permutations(range(9), 6) if is_fair(groups[list(found)], shares))
    assert_array_equal(items, expected)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 1.0])
def test_each_beginning_has_the_share(ridge, kinds, X, share):
    rec = FairRecommender(ridge, "kind", {"pot": share}).fit(X)
    positions = ridge.catalog.positions(rec.recommend(X, 6)[0])
    n_unseen = ((kinds == "pot") & (X.toarray() == 0)).sum(axis=1)
    for row in np.flatnonzero(n_unseen >= 6):
        assert is_fair(kinds[positions[row]], {"pot": share})
    assert (n_unseen >= 6).sum() > 20


def test_at_one_other_items_follow_when_the_group_has_no_more(ridge, kinds, X):
    items = ridge.catalog.positions(FairRecommender(ridge, "kind", {"tray": 1}).fit(X).recommend(X, 40)[0])
    full = ridge.catalog.positions(clone(ridge).fit(X).recommend(X, 40)[0])
    for own, inner in zip(items, full, strict=True):
        inner = inner[inner >= 0]
        is_tray = kinds[inner] == "tray"
        assert_array_equal(own[own >= 0], [*inner[is_tray], *inner[~is_tray]])


def test_a_rare_group_is_found_however_far_down_it_is():
    groups = ["large"] * 500 + ["small"] * 10
    X = np.ones((3, 510))
    X[1:, 250:] = 0
    X[2, 400:] = 0
    rec = FairRecommender(
        PopularityRecommender(catalog=ItemCatalog(pd.DataFrame({"brand": groups}))), "brand", {"small": 0.5}
    )
    items = rec.fit(X).recommend(np.zeros((2, 510)), 8)[0]
    assert_array_equal(items >= 500, [[False, True] * 4] * 2)


@pytest.mark.parametrize(
    ("shares", "match"),
    [
        ({"pot": 1.5}, r"min_shares must have values in \[0, 1\] whose sum is at most 1; got \[1\.5\]"),
        ({"pot": 0.6, "mug": 0.6}, "whose sum is at most 1"),
        ({"pot": "a"}, r"min_shares must have values in \[0, 1\]"),
        ({"jug": 0.5}, r"min_shares names \['jug'\]; the groups in the column 'kind' are 'mug', 'pot', 'tray'"),
        ([0.5], "'min_shares' parameter of FairRecommender must be an instance of 'dict'"),
    ],
)
def test_shares_are_checked(ridge, X, shares, match):
    with pytest.raises(ValueError, match=match):
        FairRecommender(ridge, "kind", shares).fit(X)


def test_an_item_has_one_group(X):
    lists = pd.Series([["a", "b"]] * 40, dtype=object)
    popular = PopularityRecommender(catalog=ItemCatalog(pd.DataFrame({"kind": lists})))
    with pytest.raises(ValueError, match="must be a column with one group for each item"):
        FairRecommender(popular, "kind", {"a": 0.5}).fit(X)


def test_no_shares_are_no_change(ridge, X):
    assert_array_equal(FairRecommender(ridge, "kind", {}).fit(X).predict(X), clone(ridge).fit(X).predict(X))
