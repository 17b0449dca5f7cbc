"""Tables that are compared cell by cell have the same labels in the same order, or are refused."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skgnnrec import PopularityRecommender
from skgnnrec.model_selection import check_leakage, compare_recommenders, split_interactions

NAMES = ["a", "b", "c"]
X = pd.DataFrame([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0], [1.0, 0.0, 1.0]], index=["ann", "bob", "cy"], columns=NAMES)
Y = 1.0 - X
TIMES = pd.DataFrame(np.arange(9).reshape(3, 3), index=X.index, columns=NAMES)

CALLS = {
    "check_leakage": ("test", lambda other: check_leakage(X, other), Y, "train"),
    "check_leakage, times": ("timestamp", lambda other: check_leakage(X, Y, timestamp=other), TIMES, "train"),
    "split_interactions": (
        "timestamps",
        lambda other: split_interactions(X, hold_out="last", timestamps=other),
        TIMES,
        "X",
    ),
    "compare_recommenders": (
        "y",
        lambda other: compare_recommenders({"most taken": PopularityRecommender()}, X, other, n_resamples=5),
        Y,
        "X",
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_the_same_labels_are_accepted(call):
    _, ask, table, _ = CALLS[call]
    with warnings.catch_warnings(action="ignore"):
        by_label, by_position = ask(table), ask(table.to_numpy())  # without labels, cells are found by position
    assert type(by_label) is type(by_position)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda table: table[["a", "c", "b"]],
            r"{0} must have the columns of {1} in the same order; got 'c' instead of 'b' at position 1. "
            r"{0}\[{1}.columns\] aligns them.",
        ),
        (
            lambda table: table.rename(columns={"a": "z"}),
            "{0} must have the columns of {1}; it lacks 'a' and also has 'z'.",
        ),
        (
            lambda table: table.loc[["cy", "bob", "ann"]],
            r"{0} must have the rows of {1} in the same order; got 'cy' instead of 'ann' at position 0. "
            r"{0}.loc\[{1}.index\] aligns them.",
        ),
        (
            lambda table: table.rename(index={"bob": "dan"}),
            "{0} must have the rows of {1}; it lacks 'bob' and also has 'dan'.",
        ),
        (
            lambda table: pl.DataFrame(table[["a", "c", "b"]].to_dict("list")),
            r"{0} must have the columns of {1} in the same order; got 'c' instead of 'b' at position 1. "
            r"{0}.select\(list\({1}.columns\)\) aligns them.",
        ),
        (
            lambda table: pa.table(table[["a", "c", "b"]].to_dict("list")),
            r"{0}.select\(list\({1}.columns\)\) aligns them.",
        ),
    ],
    ids=["columns", "other columns", "rows", "other rows", "polars", "pyarrow"],
)
def test_other_labels_are_refused(call, change, message):
    name, ask, table, first = CALLS[call]
    with pytest.raises(ValueError, match=message.format(name, first)):
        ask(change(table))


def test_the_advice_aligns():
    turned = Y[["c", "b", "a"]].loc[["cy", "ann", "bob"]]
    with warnings.catch_warnings(action="ignore"):
        assert check_leakage(X, turned[X.columns].loc[X.index]) == check_leakage(X, Y)


def test_labels_of_different_types_differ():
    numbers, texts = (table.set_axis(labels, axis=1) for table, labels in ((X, [0, 1, 2]), (Y, ["0", "1", "2"])))
    with pytest.raises(
        ValueError, match="test must have the columns of train; it lacks 0, 1, 2 and also has '0', '1', '2'"
    ):
        check_leakage(numbers, texts)


@given(st.permutations(range(5)), st.permutations(range(4)))
def test_no_order_is_misread(columns, rows):
    train = pd.DataFrame(np.arange(20).reshape(4, 5) % 3 == 0, dtype=float)
    test = pd.DataFrame(np.arange(20).reshape(4, 5) % 3 == 1, dtype=float)
    turned = test.iloc[rows, columns]
    if list(columns) == list(range(5)) and list(rows) == list(range(4)):
        assert check_leakage(train, turned)["n_shared"] == 0
    else:
        with pytest.raises(ValueError, match=r"test must have the (columns|rows) of train in the same order"):
            check_leakage(train, turned)


@pytest.mark.parametrize("call", CALLS)
def test_lazy_tables_are_refused(call):
    name, ask, table, _ = CALLS[call]
    with pytest.raises(TypeError, match=rf"{name} is a lazy table, LazyFrame: call {name}\.collect\(\) first"):
        ask(pl.DataFrame(table.to_dict("list")).lazy())
