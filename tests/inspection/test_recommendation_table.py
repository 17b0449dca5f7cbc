"""Recommendations as a table."""

import numpy as np
import pandas as pd
import pytest

from skgnnrec.inspection import recommendation_table

ITEMS = np.array([["mug", "pot"], ["<b>", None]], dtype=object)
SCORES = np.array([[2.0, 1.0], [0.5, -np.inf]])


def test_rows_are_recommended_items():
    table = recommendation_table(ITEMS, SCORES, users=["anna", "ben"], names=pd.Series({"mug": "red mug"}))
    expected = {
        "user": ["anna", "anna", "ben"],
        "place": [1, 2, 1],
        "item": ["mug", "pot", "<b>"],
        "name": ["red mug", "pot", "<b>"],
        "score": [2.0, 1.0, 0.5],
    }
    assert {name: column.tolist() for name, column in table.items()} == expected


def test_padding_of_positions_is_left_out():
    table = recommendation_table([[3, 1], [2, -1]])
    assert table.to_numpy().tolist() == [[0, 1, 3], [0, 2, 1], [1, 1, 2]]


def test_notebooks_show_a_row_for_each_user():
    html = recommendation_table(ITEMS, SCORES, users=["<i>", "ben"])._repr_html_()
    assert html.count("<tr>") == 3
    assert "&lt;i&gt;" in html
    assert "&lt;b&gt; <small" in html
    assert "<b>" not in html
    assert ">2</small>" in html


def test_notebooks_show_the_first_users_and_places():
    html = recommendation_table(np.tile(np.arange(12), (15, 1)))._repr_html_()
    assert html.count("<tr>") == 11
    assert ">10</td>" not in html
    assert "… 5 more users" in html


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"items": [1, 2]}, r"items must have one row for each user; got a list of shape \(2,\)"),
        ({"items": [[1], [2, 3]]}, "items must be an array-like; got rows of different lengths"),
        ({"scores": [[1.0, 2.0]]}, r"scores must have the shape of items, \(2, 2\); got a list of shape \(1, 2\)"),
        ({"users": ["a"]}, r"users must have one id for each of 2 rows of items; got a list of shape \(1,\)"),
    ],
)
def test_arguments_that_do_not_match(given, message):
    with pytest.raises(ValueError, match=message):
        recommendation_table(**{"items": ITEMS, **given})
