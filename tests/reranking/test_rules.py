"""RulesRecommender: filters, exclusions, pinned items, and at most so many items of a category."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skgnnrec import ItemCatalog, PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.reranking import RulesRecommender


def obeying(items, kinds_of, n, *, allowed=(), pinned=(), limit=None):
    """Return the first n items of a full list that obey the rules."""
    listed, counts = [], {}
    for place, item in enumerate([*pinned, *items]):
        kinds = kinds_of(item)
        is_pinned = place < len(pinned)
        if item in listed or (allowed and item not in allowed):
            continue
        if not is_pinned and limit is not None and any(counts.get(kind, 0) >= limit for kind in kinds):
            continue
        listed.append(item)
        for kind in kinds:
            counts[kind] = counts.get(kind, 0) + 1
    return listed[:n]


@pytest.mark.parametrize("limit", [None, 1, 3])
@pytest.mark.parametrize("pinned", [[], ["sku-7", "sku-2"]])
def test_lists_are_those_of_the_recommender_as_far_as_the_rules_allow(ridge, table, X, limit, pinned):
    kind = dict(zip(table["sku"], table["kind"], strict=True))
    allowed = set(table["sku"][table["in_stock"]]) - {"sku-7", "sku-9"}
    rules = {"where": {"in_stock": True}, "exclude": ["sku-7", "sku-9"], "pinned": pinned}
    rec = RulesRecommender(ridge, **rules, category="kind", max_per_category=limit).fit(X)
    found = rec.recommend(X, 12)[0]
    full = clone(ridge).fit(X).recommend(X, 40)[0]
    for user in range(X.shape[0]):
        unseen = [item for item in full[user] if item is not None]
        expected = obeying(
            unseen,
            lambda item: [] if pd.isna(kind[item]) else [kind[item]],
            12,
            allowed=allowed,
            pinned=[item for item in pinned if item in unseen],
            limit=limit,
        )
        assert_array_equal(found[user], expected + [None] * (12 - len(expected)))


def test_lists_are_full_however_far_down_their_items_are():
    data = make_interactions(60, 700, random_state=0)
    X = data.interactions.tocsr()
    order = np.argsort(-np.bincount(X.indices, minlength=700), kind="stable")
    kinds = np.empty(700, dtype=object)
    kinds[order] = ["common"] * 690 + [f"rare {n}" for n in range(10)]
    rec = PopularityRecommender(catalog=ItemCatalog(pd.DataFrame({"kind": kinds})))
    rec = RulesRecommender(rec, category="kind", max_per_category=1).fit(X)
    items = rec.recommend(np.zeros((2, 700)), 12)[0]
    assert_array_equal(items[0], [order[0], *order[690:], -1])


def test_items_with_several_categories_count_in_each():
    catalog = ItemCatalog(pd.DataFrame({"genre": ["a|b", "a", "b", "c", None]}))
    X = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    popular = PopularityRecommender(catalog=catalog)
    rec = RulesRecommender(popular, category="genre", separator="|", max_per_category=1).fit(X)
    assert_array_equal(rec.recommend(np.zeros((1, 5)), 5)[0], [[0, 3, 4, -1, -1]])


def test_pinned_items_count_but_are_not_left_out():
    catalog = ItemCatalog(pd.DataFrame({"kind": ["a", "a", "a", "b"]}))
    X = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 1, 0, 0]])
    rules = {"category": "kind", "max_per_category": 1, "pinned": [2, 1]}
    rec = RulesRecommender(PopularityRecommender(catalog=catalog), **rules).fit(X)
    assert_array_equal(rec.recommend(np.zeros((1, 4)), 4)[0], [[2, 1, 3, -1]])
    items, scores = rec.recommend([[0, 0, 1, 0]], 4)
    assert_array_equal(items, [[1, 3, -1, -1]])
    assert_array_equal(scores, [rec.decision_function([[0, 0, 1, 0]])[0, [1, 3]].tolist() + [-np.inf] * 2])
    assert_array_equal(rec.recommend([[0, 0, 1, 0]], 2, exclude_seen=False)[0], [[2, 1]])
    assert_array_equal(rec.recommend(np.zeros((1, 4)), 2, candidates=[3, 1])[0], [[1, 3]])


def test_rules_change_without_a_fit(ridge, X):
    rec = RulesRecommender(ridge).fit(X)
    fitted = rec.recommender_
    before = rec.predict(X)
    assert rec.set_rules(exclude=before[0, :2]) is rec
    assert rec.recommender_ is fitted
    assert_array_equal(rec.predict(X)[0, :8], before[0, 2:])
    assert_array_equal(rec.set_rules().predict(X), before)
    with pytest.raises(ValueError, match="where='color' must be a column of the catalog"):
        rec.set_rules(pinned=["sku-1"], where={"color": "red"})
    assert_array_equal(rec.predict(X), before)
    assert rec.pinned is None


@pytest.mark.parametrize(
    ("rules", "match"),
    [
        ({"exclude": ["sku-1", "none"]}, r"exclude holds 1 ids that the recommender was not fitted with: 'none'"),
        ({"pinned": ["none"]}, r"pinned holds 1 ids that the recommender was not fitted with"),
        ({"pinned": ["sku-1", "sku-1"]}, "pinned names an item twice"),
        ({"max_per_category": 2}, r"max_per_category=2 requires category, a column of the catalog"),
        ({"max_per_category": 0, "category": "kind"}, "'max_per_category' parameter"),
        ({"where": ["kind"]}, "'where' parameter of RulesRecommender must be an instance of 'dict' or None"),
    ],
)
def test_rules_are_checked(ridge, X, rules, match):
    with pytest.raises(ValueError, match=match):
        RulesRecommender(ridge, **rules).fit(X)


def test_nothing_is_allowed(ridge, X):
    items, scores = RulesRecommender(ridge, where={"kind": "none"}).fit(X).recommend(X, 3)
    assert (items == None).all()  # noqa: E711  elementwise
    assert (scores == -np.inf).all()
    rec = RulesRecommender(RidgeRecommender(), exclude=np.arange(40)).fit(X)
    assert (rec.predict(X) == -1).all()
