"""Graphs of users: what is read, and what is refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse

from skgnnrec import PopularityRecommender, SocialRecommender

X = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]])


def scores_of(friends, users=("ann", "bob", 7)):
    users = np.array(users, dtype=object)
    rec = SocialRecommender(PopularityRecommender(), friends, friend_weight=2.0).fit(X, users=users)
    return rec._scorer_.smooth(rec._with_data(sparse.csr_array(X, dtype=np.float32), users)).toarray()


def test_pairs_are_arrays_or_lists_of_ids_of_any_type():
    pairs = [("ann", "bob"), ("ann", "bob"), ("bob", 7), (7, "nobody"), ("ann", "ann")]
    expected = np.array([X[0] + 2 * X[1], X[1] + 2 * X[2], X[2]])
    assert_array_equal(scores_of(pairs), expected)
    assert_array_equal(scores_of(np.array(pairs, dtype=object)), expected)
    assert_array_equal(scores_of([(1, 2), (2, "1")], users=[1, 2, "1"]), expected)


@pytest.mark.parametrize(
    ("friends", "message"),
    [
        (sparse.csr_array((3, 4)), r"friends must be a matrix of users x users; got one of shape \(3, 4\)"),
        (-sparse.eye_array(3), "friends"),
        ([("ann", "bob", 1.0)], "friends must be a sparse matrix of users x users, or pairs of ids"),
        (np.eye(3), "pairs of ids.*got a ndarray"),
        ([], "pairs of ids.*got a list"),
        ([("ann", None)], "The second column of friends"),
    ],
)
def test_other_graphs_are_refused(friends, message):
    with pytest.raises(ValueError, match=message):
        SocialRecommender(PopularityRecommender(), friends).fit(X, users=[0, 1, 2])


def test_ids_require_users():
    with pytest.raises(ValueError, match="users is required, because friends names users by id"):
        SocialRecommender(PopularityRecommender(), [(0, 1)]).fit(X)
    with pytest.raises(ValueError, match="users must be distinct; repeated: 1"):
        SocialRecommender(PopularityRecommender(), [(0, 1)]).fit(X, users=[0, 1, 1])


@pytest.mark.parametrize(
    ("friends", "message"),
    [
        ([[0]], "a list of ids for each of 3 rows of X; got a list of 1 entries"),
        (["ann", "bob", "cy"], "a list of ids for each of 3 rows"),
        (sparse.csr_array((2, 3)), r"friends has shape \(2, 3\), expected \(3, 3\)"),
        (7, "got a int of 0 entries"),
    ],
)
def test_other_friends_of_rows_are_refused(friends, message):
    rec = SocialRecommender(PopularityRecommender()).fit(X)
    with pytest.raises(ValueError, match=message):
        rec.recommend(X, friends=friends)
