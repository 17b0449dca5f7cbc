"""Properties of the metrics beyond accuracy: ranges and invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skgnnrec.metrics import (
    auc_at_k,
    average_popularity,
    catalog_coverage,
    gini_index,
    intra_list_diversity,
    item_exposure,
    miscalibration,
    novelty,
    popularity_lift,
    precision_at_k,
    serendipity,
)


@st.composite
def cases(draw):
    """Return histories, held-out items and lists of some users, and vectors of the items."""
    n_users, n_items = draw(st.integers(1, 6)), draw(st.integers(3, 8))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    histories = (rng.random((n_users, n_items)) < 0.4).astype(int)
    held_out = (rng.random((n_users, n_items)) < 0.3).astype(int) * (1 - histories)
    histories[:, :3], held_out[:, :3] = [1, 0, 0], [0, 1, 0]  # each user has a history and a held-out item
    lists = np.argsort(rng.random((n_users, n_items)), axis=1)[:, : draw(st.integers(2, n_items))]
    for row in lists:
        row[draw(st.integers(2, len(row))) :] = -1
    return histories, held_out, lists, np.abs(rng.standard_normal((n_items, 3)))


@given(cases())
def test_values_lie_in_their_ranges(case):
    histories, held_out, lists, vectors = case
    n_users, n_items = histories.shape
    tiny = 1e-12
    assert 0 <= gini_index(lists, n_items=n_items) <= 1 + tiny
    exposure = item_exposure(lists, n_items=n_items)
    assert (exposure >= 0).all()
    assert exposure.sum() == pytest.approx(1)
    assert (exposure > 0).mean() == catalog_coverage(lists, n_items=n_items)
    assert 0 <= novelty(lists, histories) <= np.log2(n_users) + tiny
    assert 0 <= average_popularity(lists, histories) <= 1
    assert popularity_lift(lists, histories) >= -1
    assert 0 <= serendipity(held_out, lists, lists[:, :1]) <= precision_at_k(held_out, lists) + tiny
    assert 0 <= intra_list_diversity(lists, vectors) <= 1 + tiny  # no negative values
    assert 0 <= intra_list_diversity(lists, vectors - 1) <= 2
    assert 0 <= miscalibration(lists, histories, vectors) <= np.log(100)
    assert 0 <= auc_at_k(held_out, lists, seen=histories) <= 1


@given(cases(), st.randoms(use_true_random=False))
def test_order_of_items_does_not_matter(case, random):
    histories, held_out, lists, vectors = case
    n_items = histories.shape[1]
    order = random.sample(range(n_items), n_items)
    place = np.append(np.argsort(order), -1)
    renamed = place[lists]
    for metric in (
        lambda lists, order: gini_index(lists, n_items=n_items),
        lambda lists, order: novelty(lists, histories[:, order]),
        lambda lists, order: popularity_lift(lists, histories[:, order]),
        lambda lists, order: intra_list_diversity(lists, vectors[order]),
        lambda lists, order: miscalibration(lists, histories[:, order], vectors[order]),
        lambda lists, order: auc_at_k(held_out[:, order], lists, seen=histories[:, order]),
    ):
        assert metric(renamed, order) == pytest.approx(metric(lists, np.arange(n_items)), abs=1e-6)


@given(cases())
def test_auc_of_reversed_lists_is_one_minus_the_auc(case):
    _, held_out, _, _ = case
    n_items = held_out.shape[1]
    lists = np.tile(np.arange(n_items), (len(held_out), 1))
    assert auc_at_k(held_out, lists) + auc_at_k(held_out, lists[:, ::-1]) == pytest.approx(1)


@given(cases())
def test_list_equal_to_the_history_is_calibrated(case):
    histories, _, _, categories = case
    lists = np.full(histories.shape, -1)
    for row, history in zip(lists, histories, strict=True):
        chosen = np.flatnonzero(history)
        row[: len(chosen)] = chosen
    assert miscalibration(lists, histories, categories) == pytest.approx(0, abs=1e-9)
    assert popularity_lift(lists, histories) == pytest.approx(0, abs=1e-9)
