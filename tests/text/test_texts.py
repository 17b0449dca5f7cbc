"""Reading texts out of lists, arrays, series and frames."""

import decimal

import numpy as np
import pandas as pd
import pytest

from skgnnrec.text._texts import as_table, read_text, read_texts

TEXTS = ["red mug", "", "garden hose"]


def read(X, columns=None, separator="\n"):
    return read_texts(as_table(X), columns, separator)


@pytest.mark.parametrize(
    "make",
    [
        list,
        tuple,
        np.array,
        pd.Series,
        pd.Index,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: np.array(texts, dtype=np.dtypes.StringDType()),
        lambda texts: np.array(texts)[:, np.newaxis],
        lambda texts: [[text] for text in texts],
        lambda texts: pd.Series(texts, dtype="string"),
        lambda texts: pd.Series(texts, dtype="category"),
        lambda texts: pd.DataFrame({"title": texts}, index=[7, 3, 5]),
    ],
)
def test_every_container_gives_the_same_texts(make):
    texts = read(make(TEXTS))
    assert texts == TEXTS
    assert {type(text) for text in texts} == {str}


@pytest.mark.parametrize(
    "missing",
    [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT, decimal.Decimal("nan"), "", " \t\n"],
)
def test_missing_and_blank_values_are_empty(missing):
    assert read(["mug", missing]) == ["mug", ""]


def test_column_without_any_text_is_empty():
    frame = pd.DataFrame({"title": [np.nan, np.nan]})
    assert frame["title"].dtype == np.float64
    assert read(frame) == ["", ""]


@pytest.mark.parametrize("value", [3, 3.5, True, b"mug", np.int64(3), ["mug"], {"a": 1}, np.inf])
def test_other_values_are_refused_by_place(value):
    X = np.empty(3, dtype=object)
    X[:] = ["mug", value, "hose"]
    name = type(value).__name__
    with pytest.raises(ValueError, match=rf"X must hold texts .* got {name} at row 1\."):
        read(X)


def test_value_in_a_frame_is_refused_by_column():
    frame = pd.DataFrame({"title": ["mug", "hose"], "price": [3, 4]})
    with pytest.raises(ValueError, match=r"got int at row 0, column 'price'\."):
        read(frame)


@pytest.mark.parametrize("X", ["red mug", b"red mug"])
def test_one_text_is_refused(X):
    with pytest.raises(ValueError, match=r"got one (str|bytes); wrap it in a list"):
        read(X)


@pytest.mark.parametrize("X", [None, 3, {"a", "b"}, np.full((2, 2, 2), "mug"), iter(["mug"])])
def test_other_shapes_are_refused(X):
    with pytest.raises(ValueError, match=r"X must be a sequence of texts, .* with [03] dimensions"):
        read(X)


def test_columns_are_joined_where_they_hold_text():
    frame = pd.DataFrame({"title": ["mug", "hose", None], "note": ["red", None, None], "price": [1, 2, 3]})
    assert read(frame, ["title", "note"]) == ["mug\nred", "hose", ""]
    assert read(frame, ["note", "title"], " | ") == ["red | mug", "hose", ""]


@pytest.mark.parametrize("columns", ["title", ["title"], np.array(["title"])])
def test_columns_select_by_label(columns):
    frame = pd.DataFrame({"price": [1, 2], "title": ["mug", "hose"]})
    assert read(frame, columns) == ["mug", "hose"]


@pytest.mark.parametrize("columns", [1, [1], np.int64(1), np.array([1])])
def test_columns_select_by_position_in_an_array(columns):
    assert read(np.array([["a", "mug"], ["b", "hose"]]), columns) == ["mug", "hose"]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["title", "brand"], r"columns selects \['brand'\], but X has the columns \['title', 'note', 'note'\]"),
        ("note", r"columns selects \['note'\], which X has more than once"),
        ([], r"columns must be None or select at least one column"),
    ],
)
def test_columns_that_cannot_be_selected(columns, message):
    frame = pd.DataFrame([["mug", "a", "b"]], columns=["title", "note", "note"])
    with pytest.raises(ValueError, match=message):
        read(frame, columns)


def test_frame_without_columns_is_refused():
    with pytest.raises(ValueError, match="X has no columns"):
        read(pd.DataFrame(index=[0, 1]))


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("\ud83d\ude00", "\U0001f600"),
        ("mug \ud800", "mug \ufffd"),
        ("\udc00\ud800", "\ufffd\ufffd"),
        ("na\u00efve \U0001f600", "na\u00efve \U0001f600"),
    ],
)
def test_surrogates_become_valid_unicode(text, repaired):
    assert read_text(text, 0) == repaired
    assert repaired.encode()
