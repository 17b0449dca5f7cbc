"""Generated logs: exact counts, texts with the interests of the users, times of new and fading items, and errors."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skgnnrec.datasets import make_log

TOPICS = {"tea": ["green tea", "a pot", "honey"], "garden": ["roses", "a spade"], "sea": ["a shell", "salt", "a boat"]}


@given(
    n_users=st.integers(1, 12),
    n_items=st.integers(3, 12),
    density=st.floats(0, 1),
    new_item_share=st.sampled_from([0.0, 0.5, 1.0]),
    half_life=st.sampled_from([None, 1e-3, 5.0]),
    concentration=st.sampled_from([1e-9, 0.1, 1e300]),
    n_days=st.sampled_from([1e-9, 30]),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_distinct_pairs_within_the_period(
    n_users, n_items, density, new_item_share, half_life, concentration, n_days, seed
):
    n_interactions = int(density * n_users * n_items)
    data = make_log(
        TOPICS,
        n_users,
        n_items,
        n_interactions=n_interactions,
        new_item_share=new_item_share,
        half_life=half_life,
        topic_concentration=concentration,
        n_days=n_days,
        start="2025-06-01",
        random_state=seed,
    )
    events = data.events
    assert data.interactions.nnz == len(events) == n_interactions
    assert not events.duplicated(["user_id", "item_id"]).any()
    assert events["timestamp"].is_monotonic_increasing
    first, last = pd.Timestamp("2025-06-01"), pd.Timestamp("2025-07-01")
    assert events["timestamp"].between(first, last).all()
    published = events["item_id"].map(data.item_frame["published"])
    assert (events["timestamp"] >= published).all()
    assert (data.item_frame["published"] > first).sum() <= round(new_item_share * n_items + 0.5)
    if n_interactions >= n_users:
        assert events["user_id"].nunique() == n_users


def test_texts_hold_two_phrases_of_the_topic():
    frame = make_log(
        TOPICS, 5, 14, n_interactions=5, templates=["{0} with {1}", "on {1}, {0}"], random_state=0
    ).item_frame
    for topic, text in zip(frame["topic"], frame["text"], strict=True):
        words = text.lower()
        assert sum(phrase in words for phrase in TOPICS[topic]) == 2
        assert text[0].isupper()
    assert set(frame["topic"].value_counts()) == {4, 5}
    sea = frame.loc[frame["topic"] == "sea", "text"]
    assert sea.is_unique  # there are twelve texts on the sea


def test_phrases_repeat_where_there_are_too_few():
    frame = make_log({"garden": TOPICS["garden"]}, 2, 5, n_interactions=3, random_state=0).item_frame
    assert set(frame["text"]) == {"Roses and a spade", "A spade and roses"}


def test_users_choose_their_topics_and_their_phrases():
    topics = {name: [f"{name} {number}" for number in range(8)] for name in "abcd"}
    data = make_log(topics, 400, 400, n_interactions=2000, item_exponent=0.0, random_state=0)
    topic = data.item_frame["topic"].to_numpy()[data.events["item_id"]]
    wanted = data.user_topics.to_numpy()[data.events["user_id"], pd.Index(topics).get_indexer(topic)]
    assert wanted.mean() > 0.5  # 0.25 by chance
    # Within the topic, the items of a user share phrases more often than by chance.
    phrases = [set(text.lower().split(" and ")) for text in data.item_frame["text"]]
    chosen = data.events.assign(topic=topic).groupby(["user_id", "topic"])["item_id"].agg(list)
    shared = np.mean([bool(phrases[i] & phrases[j]) for items in chosen for i in items for j in items if i < j])
    by_topic = data.item_frame.groupby("topic")["item_id"].agg(list)
    chance = np.mean([bool(phrases[i] & phrases[j]) for items in by_topic for i in items for j in items if i < j])
    assert shared > 1.1 * chance


def test_popularity_has_a_long_tail():
    top = [
        np.sort(make_log(TOPICS, 100, 60, n_interactions=900, item_exponent=e, random_state=0).interactions.sum(axis=0))
        for e in (0.0, 1.5)
    ]
    share = [float(np.asarray(counts).ravel()[-6:].sum() / 900) for counts in top]
    assert share[1] > 1.5 * share[0]


def test_items_fade_with_their_half_life():
    ages = {}
    for half_life in (None, 2.0):
        data = make_log(
            TOPICS, 60, 90, n_interactions=300, new_item_share=1.0, half_life=half_life, n_days=60, random_state=0
        )
        age = data.events["timestamp"] - data.events["item_id"].map(data.item_frame["published"])
        ages[half_life] = age.median() / pd.Timedelta("1D")
    assert 2 * ages[2.0] < ages[None]


def test_the_seed_determines_the_data():
    first, second, other = (make_log(TOPICS, 10, 6, n_interactions=30, random_state=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first.events, second.events)
    pd.testing.assert_frame_equal(first.item_frame, second.item_frame)
    assert not first.events.equals(other.events)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"topics": {"tea": ["green tea"]}}, "topics must map names to lists of at least two different phrases; got"),
        ({"topics": {"tea": "green tea"}}, "got 'green tea' for 'tea'"),
        ({"topics": {1: ["a", "b"]}}, r"got \['a', 'b'\] for 1"),
        ({"topics": {}}, "topics must hold between 1 and n_items=120 topics; got 0"),
        ({"n_items": 2}, "topics must hold between 1 and n_items=2 topics; got 3"),
        ({"n_users": 2, "n_items": 3, "n_interactions": 7}, "n_interactions must be at most 6.*; got 7"),
        ({"templates": ["{0}"]}, r"templates must hold strings with the fields \{0\} and \{1\}; got '\{0\}'"),
        ({"templates": ["{0} {1} {2}"]}, r"templates must hold strings .*; got '\{0\} \{1\} \{2\}'"),
        ({"templates": []}, "templates must hold at least one string; got none"),
        ({"start": "soon"}, "start must be a date such as '2024-01-01'; got 'soon'"),
        ({"start": pd.Timestamp("2024-01-01", tz="UTC")}, "start must be a date without time zone"),
    ],
)
def test_errors_name_the_parameter(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_log(**{"topics": TOPICS, **arguments})


def test_too_much_data_for_the_memory_is_an_error():
    with pytest.raises(ValueError, match="Data of 10000000 users and 10000000 items"):
        make_log(TOPICS, 10_000_000, 10_000_000)
