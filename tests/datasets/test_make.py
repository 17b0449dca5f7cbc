"""Generated data: exact counts, long tails, topics of users, items and titles, and errors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skgnnrec.datasets import make_interactions


@given(
    n_users=st.integers(1, 30),
    n_items=st.integers(1, 30),
    density=st.floats(0, 1),
    n_topics=st.integers(1, 12),
    cold_item_share=st.sampled_from([0.0, 0.3]),
    exponent=st.sampled_from([0.0, 0.8, 3.0, 1000.0]),
    concentration=st.sampled_from([1e-9, 0.1, 1e300]),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_exact_count_of_distinct_pairs(
    n_users, n_items, density, n_topics, cold_item_share, exponent, concentration, seed
):
    n_warm = n_items - round(cold_item_share * n_items)
    n_interactions = int(density * n_users * n_warm)
    data = make_interactions(
        n_users,
        n_items,
        n_interactions=n_interactions,
        n_topics=min(n_topics, n_warm),
        topic_concentration=concentration,
        user_exponent=exponent,
        item_exponent=exponent,
        cold_item_share=cold_item_share,
        random_state=seed,
    )
    X = data.interactions
    X.check_format(full_check=True)
    assert X.shape == (n_users, n_items)
    assert X.nnz == len(data.events) == n_interactions
    assert (X.data == 1).all()
    assert np.count_nonzero(X.sum(axis=0)) <= n_warm
    assert not data.events.duplicated(["user_id", "item_id"]).any()
    if n_interactions >= n_users:
        assert (np.diff(X.indptr) >= 1).all()
    np.testing.assert_allclose(data.user_topics.sum(axis=1), 1)


def test_activity_follows_the_power_law_up_to_the_number_of_items():
    # Weights 1, 1/2 and 1/3, for 6 interactions of 3 users with 3 items: the most active user has all items.
    data = make_interactions(3, 3, n_interactions=6, n_topics=1, user_exponent=1.0, random_state=0)
    assert sorted(np.diff(data.interactions.indptr), reverse=True) == [3, 2, 1]


@pytest.mark.parametrize(("given_as", "expected"), [(300, 300), (0.1, 500), (1.0, 5000), (1, 1), (0, 0)])
def test_n_interactions_is_a_count_or_a_share(given_as, expected):
    data = make_interactions(100, 50, n_interactions=given_as, random_state=0)
    assert data.interactions.nnz == expected


def test_same_seed_same_data():
    first, second = (make_interactions(random_state=3) for _ in range(2))
    pd.testing.assert_frame_equal(first.events, second.events)
    pd.testing.assert_frame_equal(first.item_frame, second.item_frame)
    np.testing.assert_array_equal(first.user_topics, second.user_topics)
    other = make_interactions(random_state=4)
    assert (first.interactions != other.interactions).nnz > 0


def test_layout():
    data = make_interactions(40, 30, n_interactions=200, random_state=0)
    assert list(data.events.columns) == ["user_id", "item_id", "timestamp"]
    assert data.events["timestamp"].dtype == "datetime64[s]"
    assert data.events["timestamp"].is_monotonic_increasing
    assert data.events["timestamp"].dt.year.eq(2024).all()
    assert data["items"] is data.item_frame
    assert list(data.item_frame.columns) == ["item_id", "text"]
    np.testing.assert_array_equal(data.item_ids, data.item_frame["item_id"])
    np.testing.assert_array_equal(data.user_ids, np.arange(40))
    assert data.interactions.dtype == np.float32
    assert "200 interactions" in data.DESCR
    assert data.user_topics.shape == (40, 10)
    assert data.item_topics.shape == (30,)


def test_activity_and_popularity_have_a_long_tail():
    X = make_interactions(2000, 1000, random_state=0).interactions
    assert _top_share(np.diff(X.indptr)) > 0.25
    assert _top_share(np.diff(X.tocsc().indptr)) > 0.4


def test_exponents_of_zero_give_equal_activity():
    data = make_interactions(
        300, 200, n_interactions=3000, user_exponent=0, item_exponent=0, topic_concentration=1e6, random_state=0
    )
    assert set(np.diff(data.interactions.indptr)) == {10}
    assert _top_share(np.diff(data.interactions.tocsc().indptr)) < 0.2


def _top_share(counts):
    counts = np.sort(counts)[::-1]
    return counts[: len(counts) // 10].sum() / counts.sum()


def test_users_have_items_of_preferred_topics():
    data = make_interactions(random_state=0)
    topics = data.item_topics[data.interactions.indices]
    users = np.repeat(np.arange(1000), np.diff(data.interactions.indptr))
    mean_preference = data.user_topics[users, topics].mean()
    assert mean_preference > 0.5  # it would be 0.1 at random


@pytest.mark.parametrize("n_topics", [3, 12, 400])
def test_words_of_titles_identify_the_topic(n_topics):
    data = make_interactions(10, 10 * n_topics, n_interactions=10, n_topics=n_topics, random_state=0)
    topic_of = {}
    for text, topic in zip(data.item_frame["text"], data.item_topics, strict=True):
        _, first, second, _ = text.lower().split()
        assert first != second
        assert topic_of.setdefault(first, topic) == topic_of.setdefault(second, topic) == topic
    assert len(topic_of) > 6 * n_topics


def test_cold_items_have_a_text_and_no_interaction():
    data = make_interactions(200, 100, n_interactions=0.3, cold_item_share=0.4, random_state=0)
    n_events = np.diff(data.interactions.tocsc().indptr)
    assert (n_events == 0).sum() == 40
    assert (data.item_frame["text"].str.len() > 0).all()
    assert set(data.item_topics[n_events == 0]) <= set(data.item_topics[n_events > 0])
    assert np.ptp(np.bincount(data.item_topics)) <= 1


def test_a_million_interactions_are_generated():
    data = make_interactions(20_000, 5000, n_interactions=1_000_000, random_state=0)
    assert data.interactions.nnz == 1_000_000


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_users": 0}, "The 'n_users' parameter of make_interactions must be an int"),
        ({"n_items": 2.5}, "The 'n_items' parameter of make_interactions must be an int"),
        ({"n_interactions": 1.5}, "The 'n_interactions' parameter of make_interactions must be"),
        ({"n_interactions": -1}, "The 'n_interactions' parameter of make_interactions must be"),
        ({"topic_concentration": 0}, "The 'topic_concentration' parameter .* Got 0 instead"),
        ({"item_exponent": np.inf}, "The 'item_exponent' parameter .* Got inf instead"),
        ({"cold_item_share": 1.0}, "The 'cold_item_share' parameter .* Got 1.0 instead"),
        ({"random_state": "x"}, "The 'random_state' parameter"),
        ({"n_interactions": 51}, "n_interactions must be at most 50, .*; got 51"),
        ({"n_interactions": 1.0, "cold_item_share": 0.5}, "at most 30, .* of 10 users and .* got 50"),
        ({"n_users": 2**40, "n_items": 2**40}, r"n_users \* n_items must be at most|needs .* of memory"),
        ({"n_users": 2**50, "n_interactions": 1}, r"Data of \d+ users and 5 items needs .* Reduce their numbers"),
        ({"n_topics": 6}, "n_topics must be at most 5, .*; got 6"),
    ],
)
def test_errors_name_the_parameter(parameters, message):
    defaults = {"n_users": 10, "n_items": 5, "n_topics": 2}
    with pytest.raises(ValueError, match=message):
        make_interactions(**{**defaults, **parameters})
