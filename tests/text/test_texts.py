"""Texts from lists, arrays, series and tables, and their normalisation."""

import decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skgnnrec.text._texts import as_table, clean_text, read_text, read_texts

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


# Normalisation --------------------------------------------------------------------------------------------------------

INVISIBLE = [
    "\u200b",
    "\ufeff",
    "\u00ad",
    "\x00",
    "\u2060",
    "\u200e",
    "\ufe0f",
    "\u2800",
    "\u3164",
    "\U000e0041",
    "\x7f",
    "\x85",
]


@pytest.mark.parametrize("character", INVISIBLE, ids=ascii)
def test_texts_without_a_visible_character_are_empty(character):
    for text in (character, 3 * character, f" {character}\n", f"{character} \t{character}", 100 * character):
        assert clean_text(text) == ""


@pytest.mark.parametrize("run", [" ", "\n \t", *INVISIBLE], ids=ascii)
def test_long_runs_become_one_blank(run):
    assert clean_text(20_000 * run + "red" + 20_000 * run + "mug" + 20_000 * run) == "red mug"


@pytest.mark.parametrize(
    "text",
    [
        "red  mug",
        "first paragraph\n\n    second paragraph",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "zw\u00adei",
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "caf\u00e9 \u2013 100 %",
    ],
)
def test_other_texts_are_kept(text):
    assert clean_text(text) == text


@given(st.text(st.characters(exclude_categories=())))
def test_normalisation_is_idempotent_and_valid_unicode(text):
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert cleaned.encode().decode() == cleaned
    assert len(cleaned) <= len(text)


# Other tables ---------------------------------------------------------------------------------------------------------


def test_polars_and_pyarrow_tables_are_read():
    polars, pyarrow = pytest.importorskip("polars"), pytest.importorskip("pyarrow")
    columns = {"title": ["mug", None, "hose"], "price": ["1", "2", "3"]}
    for table in (polars.DataFrame(columns), pyarrow.table(columns)):
        assert read(table, "title") == ["mug", "", "hose"]
    assert read(polars.Series(columns["title"])) == ["mug", "", "hose"]
    with pytest.raises(ValueError, match=r"X must be an eager table, got LazyFrame; call collect\(\) first"):
        read(polars.LazyFrame(columns))
