"""Catalog coverage."""

import numpy as np
import pytest

from skgnnrec.metrics import catalog_coverage


@pytest.mark.parametrize(
    ("lists", "k", "expected"),
    [
        ([[0, 1], [1, 2]], None, 3 / 5),
        ([[0, 1], [1, 2]], 1, 2 / 5),
        ([[0, -1], [-1, -1]], None, 1 / 5),
        ([[-1], [-1]], None, 0),
        ([[4, 3, 2, 1, 0]], None, 1),
        (np.zeros((0, 3), dtype=int), None, 0),
    ],
)
def test_known_answer(lists, k, expected):
    assert catalog_coverage(lists, n_items=5, k=k) == expected


@pytest.mark.parametrize(
    ("lists", "options", "message"),
    [
        ([[0, 5]], {"n_items": 5}, "from 0 to 4, or -1 as padding; got 5 in row 0, column 1"),
        ([[0, 1]], {"n_items": 5, "k": 3}, "k must be at most the length of the lists"),
        ([[0, 1]], {"n_items": 0}, "The 'n_items' parameter of catalog_coverage must be an int"),
        ([[1, 1]], {"n_items": 5}, "contain an item at most once per row; got item 1"),
    ],
)
def test_errors_name_the_cause(lists, options, message):
    with pytest.raises(ValueError, match=message):
        catalog_coverage(lists, **options)
