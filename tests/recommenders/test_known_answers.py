"""Answers that can be told without a formula: on a checkerboard, the withheld item of one's colour comes first."""

import numpy as np
import pytest
from catalogs import with_catalog
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skgnnrec import ItemCatalog

N = 20
COLOURS = np.indices((N, N)).sum(axis=0) % 2 == 0  # users and items of even and of odd position like each other


@pytest.fixture
def checkerboard():
    """Return the board without its diagonal: what is withheld from each user."""
    return COLOURS & ~np.eye(N, dtype=bool)


def letters(n=N, first=0):
    """Return item vectors that tell the colour, and a little more."""
    colour = np.where(np.arange(first, first + n) % 2 == 0, 1.0, -1.0)
    return np.column_stack([colour, 0.1 * np.sin(np.arange(n))])


def test_the_withheld_item_comes_first(personal, checkerboard):
    items, scores = personal.fit(checkerboard).recommend(checkerboard, 2)
    assert_array_equal(items[:, 0], np.arange(N))
    assert (scores[:, 0] > scores[:, 1]).all()


def test_the_withheld_item_comes_first_with_item_data(personal, checkerboard):
    rec = with_catalog(personal, ItemCatalog(letters())).fit(checkerboard)
    assert_array_equal(rec.recommend(checkerboard, 1)[0][:, 0], np.arange(N))


def test_it_comes_first_for_users_who_were_not_in_the_fit(personal, checkerboard):
    rec = personal.fit(checkerboard[:10])
    assert_array_equal(rec.recommend(checkerboard[10:], 1)[0][:, 0], np.arange(10, N))


def test_similar_items_are_of_one_colour(personal, checkerboard):
    similar = personal.fit(checkerboard).similar_items(np.arange(N), N // 2 - 1)[0]
    assert_array_equal(similar % 2, np.tile(np.arange(N)[:, None] % 2, N // 2 - 1))


def test_an_item_nobody_has_is_found_by_its_data(personal, checkerboard):
    checkerboard[:, [4, 9]] = False
    rec = with_catalog(personal, ItemCatalog(letters())).fit(checkerboard)
    scores = rec.decision_function(checkerboard)
    for item in (4, 9):
        same_colour = np.arange(N) % 2 == item % 2
        assert scores[same_colour, item].min() > scores[~same_colour, item].max()


def test_a_new_item_is_found_by_its_data(personal, checkerboard):
    rec = with_catalog(personal, ItemCatalog(letters())).fit(checkerboard)
    items = rec.recommend(checkerboard, 2, candidates=ItemCatalog(letters(2), ids=["even", "odd"]))[0]
    assert_array_equal(items[:, 0], np.where(np.arange(N) % 2 == 0, "even", "odd"))


def test_weights_of_a_history_count(personal, checkerboard):
    """Who has both colours gets the colour that weighs more."""
    rec = clone(personal).fit(checkerboard)
    history = np.zeros((2, N))
    history[:, [0, 1]] = [[4.0, 1.0], [1.0, 4.0]]
    assert_array_equal(rec.recommend(history, 1)[0][:, 0] % 2, [0, 1])
