"""The columns of users and items, where a log has no others."""

import pandas as pd
import pytest

from skgnnrec.interactions import columns_of_pairs, read_table

LOG = pd.DataFrame([["ann", "mug", 1, 5]], columns=["who", "what", "stars", "day"])


@pytest.mark.parametrize(
    ("columns", "given", "others", "expected"),
    [
        (["who", "what"], (None, None), {}, ("who", "what")),
        (["what", "who"], (None, None), {}, ("what", "who")),
        (["who", "what"], ("what", None), {}, ("what", "who")),
        (["who", "what"], (None, "who"), {}, ("what", "who")),
        (["who", "what"], (None, 0), {}, ("what", 0)),
        (["who", "stars", "what"], (None, None), {"weight": "stars"}, ("who", "what")),
        (["who", "stars", "what"], (None, None), {"weight": 1, "timestamp": None}, ("who", "what")),
        (["who", "what", "stars", "day"], (None, None), {"weight": "stars", "timestamp": 3}, ("who", "what")),
        (["who", "what", "stars"], ("who", "what"), {}, ("who", "what")),
    ],
)
def test_the_columns_that_are_left_are_users_and_items(columns, given, others, expected):
    assert columns_of_pairs(read_table(LOG[columns]), *given, others) == expected


def test_columns_without_names_are_positions():
    assert columns_of_pairs(read_table([("ann", "mug")]), None, None, {}) == (0, 1)


@pytest.mark.parametrize("columns", [["who"], ["who", "what", "stars"]])
def test_names_are_needed_where_other_columns_are_left(columns):
    match = f"X has {len(columns)} columns, 'who'.*: name the columns of users and items, user=... and item=..."
    with pytest.raises(ValueError, match=match):
        columns_of_pairs(read_table(LOG[columns]), None, None, {})
