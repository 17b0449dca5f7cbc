"""Assignment of users to variants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from skgnnrec.online import assign_buckets

HALVES = {"a": 0.5, "b": 0.5}
ids = st.lists(st.text() | st.integers(), min_size=1, max_size=20)


def test_assignment_never_changes():
    # Recorded values: a release must not move users between the variants of a running experiment.
    found = assign_buckets(["ann", "bob", "cy", 7, "ß€\ud800"], experiment="e", shares=HALVES)
    assert found.tolist() == ["a", "a", "b", "a", "a"]


@given(ids, st.randoms(use_true_random=False))
def test_variant_of_a_user_does_not_depend_on_other_users(users, random):
    together = assign_buckets(users, experiment="e", shares=HALVES)
    order = random.sample(range(len(users)), len(users))
    assert together[order].tolist() == [assign_buckets([users[i]], experiment="e", shares=HALVES)[0] for i in order]


@given(ids)
def test_order_of_the_shares_does_not_matter(users):
    shares = {"x": 0.2, "y": 0.3, "z": 0.5}
    turned = dict(reversed(shares.items()))
    found = assign_buckets(users, experiment="e", shares=shares)
    assert found.tolist() == assign_buckets(users, experiment="e", shares=turned).tolist()


@pytest.mark.parametrize("shares", [HALVES, {"a": 0.1, "b": 0.2, "c": 0.7}, {"a": 0.01, "b": 0.99}])
def test_shares_are_kept(shares):
    names, counts = np.unique(assign_buckets(np.arange(50_000), experiment="e", shares=shares), return_counts=True)
    assert chisquare(counts, [50_000 * shares[name] for name in names]).pvalue > 1e-3


def test_experiments_are_independent():
    first, second = (assign_buckets(np.arange(50_000), experiment=name, shares=HALVES) == "a" for name in "ef")
    table = np.histogram2d(first, second, bins=2)[0]
    assert chi2_contingency(table).pvalue > 1e-3


def test_experiment_name_and_id_are_separated():
    users = [f"c{i}" for i in range(200)]
    longer = assign_buckets(users, experiment="ab", shares=HALVES)
    shorter = assign_buckets([f"b{user}" for user in users], experiment="a", shares=HALVES)
    assert longer.tolist() != shorter.tolist()


@pytest.mark.parametrize("users", [[7, 8], ["7", "8"], np.array([7, 8], dtype=np.int32), np.array(["7", "8"])])
def test_integers_and_their_strings_are_one_id(users):
    found = assign_buckets(users, experiment="e", shares=HALVES)
    assert found.tolist() == assign_buckets([7, 8], experiment="e", shares=HALVES).tolist()


def test_variant_with_share_zero_has_no_users():
    assert set(assign_buckets(range(500), experiment="e", shares={"a": 0.0, "b": 1.0})) == {"b"}


@pytest.mark.parametrize("users", [[1.0], [None], [float("nan")], [b"ann"], [True], np.array([7.0])])
def test_ids_of_other_types_are_refused(users):
    with pytest.raises(TypeError, match=r"users must be strings or integers; got .* at position 0"):
        assign_buckets(users, experiment="e", shares=HALVES)


@pytest.mark.parametrize(
    ("users", "message"),
    [
        ({"ann", "bob"}, "users must have an order, got a set"),
        ({"ann": 1}, "users must have an order, got a dict"),
        ([["ann", "bob"]], "users must be values that can be hashed"),
        (np.array([["ann"]]), "users must have one dimension"),
    ],
)
def test_users_without_an_order_are_refused(users, message):
    with pytest.raises(ValueError, match=message):
        assign_buckets(users, experiment="e", shares=HALVES)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"a": 0.5}, r"sum to 1; got 0.5"),
        ({"a": 1.5, "b": -0.5}, r"numbers >= 0; got 'b': -0.5"),
        ({"a": float("nan")}, r"numbers >= 0; got 'a': nan"),
        ({1: 1.0}, r"names to numbers >= 0; got 1: 1.0"),
        ({}, r"sum to 1; got 0"),
    ],
)
def test_bad_shares_are_refused(shares, message):
    with pytest.raises(ValueError, match=message):
        assign_buckets(["ann"], experiment="e", shares=shares)
