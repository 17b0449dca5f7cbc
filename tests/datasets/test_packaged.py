"""Packaged data sets: figures, layout and size."""

import pickle
from importlib import resources

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from skgnnrec.datasets import load_movietweetings, load_online_retail

LOADERS = [load_online_retail, load_movietweetings]


@pytest.fixture(scope="module")
def retail():
    return load_online_retail()


@pytest.fixture(scope="module")
def movies():
    return load_movietweetings()


@pytest.mark.parametrize("load", LOADERS)
def test_layout(load):
    data = load()
    X = data.interactions
    assert sparse.issparse(X)
    assert X.format == "csr"
    assert X.dtype == np.float32
    assert X.has_canonical_format
    X.check_format(full_check=True)
    assert (X.data > 0).all()
    assert X.shape == (len(data.user_ids), len(data.item_ids))
    np.testing.assert_array_equal(data.item_ids, data.item_frame["item_id"])
    assert data["items"] is data.item_frame
    assert data.item_frame["item_id"].is_unique
    assert data.events["timestamp"].is_monotonic_increasing
    assert data.events["timestamp"].dtype == "datetime64[s]"
    assert list(data.events.index[:2]) == [0, 1]
    assert not data.events.isna().any().any()


@pytest.mark.parametrize("load", LOADERS)
def test_matrix_agrees_with_events(load):
    data = load()
    rows = pd.Index(data.user_ids).get_indexer(data.events["user_id"])
    columns = pd.Index(data.item_ids).get_indexer(data.events["item_id"])
    assert set(zip(rows, columns, strict=True)) == set(zip(*data.interactions.nonzero(), strict=True))


@pytest.mark.parametrize("load", LOADERS)
def test_two_calls_return_equal_and_independent_data(load):
    first, second = load(), load()
    pd.testing.assert_frame_equal(first.events, second.events)
    pd.testing.assert_frame_equal(first.item_frame, second.item_frame)
    assert (first.interactions != second.interactions).nnz == 0
    first.interactions.data[:] = 0
    assert (second.interactions.data > 0).all()


def test_online_retail_figures(retail):
    assert retail.interactions.shape == (4335, 3657)
    assert retail.interactions.nnz == 266_154
    assert len(retail.events) == 386_261
    assert retail.interactions.sum() == 386_261
    assert retail.events["timestamp"].min() == pd.Timestamp("2010-12-01 08:26")
    assert retail.events["timestamp"].max() == pd.Timestamp("2011-12-09 12:50")


def test_online_retail_first_invoice(retail):
    # Invoice 536365 of the source, by customer 17850.
    invoice = retail.events[retail.events["timestamp"] == "2010-12-01 08:26"].set_index("item_id")
    assert set(invoice["user_id"]) == {17850}
    assert sorted(invoice.index) == ["21730", "22752", "71053", "84029E", "84029G", "84406B", "85123A"]
    assert invoice.loc["85123A", ["quantity", "unit_price"]].tolist() == [6, 2.55]
    descriptions = retail.item_frame.set_index("item_id")["description"]
    assert descriptions["85123A"] == "WHITE HANGING HEART T-LIGHT HOLDER"


def test_online_retail_holds_sales_of_products_only(retail):
    assert retail.item_frame["item_id"].str.fullmatch(r"\d{5}[A-Za-z]*").all()
    assert not {"23444", "23574", "POST", "M"} & set(retail.item_ids)
    assert (retail.events["quantity"] > 0).all()
    assert (retail.events["unit_price"] >= 0).all()
    assert (retail.item_frame["description"].str.len() > 0).all()
    assert not retail.item_frame["description"].str.contains(r"^\s|\s$|\s\s").any()


def test_movietweetings_figures(movies):
    assert movies.interactions.shape == (16_554, 10_506)
    assert movies.interactions.nnz == len(movies.events) == 100_000
    assert movies.events["rating"].agg(["min", "max"]).tolist() == [0, 10]
    assert (movies.item_frame["genres"] == "").sum() == 66
    assert movies.item_frame["year"].dtype == "Int64"


def test_movietweetings_known_movie(movies):
    movie = movies.item_frame.set_index("item_id").loc[34583]
    assert movie.tolist() == ["Casablanca", 1942, "Drama|Romance|War"]


def test_ratings_of_zero_have_the_value_one(movies):
    zeros = movies.events[movies.events["rating"] == 0]
    assert len(zeros) == 12
    rows = np.searchsorted(movies.user_ids, zeros["user_id"])
    columns = np.searchsorted(movies.item_ids, zeros["item_id"])
    np.testing.assert_array_equal(np.asarray(movies.interactions[rows, columns]).ravel(), 1.0)


@pytest.mark.parametrize("load", LOADERS)
def test_description_names_source_licence_and_cleaning(load):
    for heading in ("**Source.**", "**Licence.**", "**Cleaning rules.**"):
        assert heading in load().DESCR


@pytest.mark.parametrize("load", LOADERS)
def test_bunch_can_be_pickled(load):
    data = load()
    copy = pickle.loads(pickle.dumps(data))
    pd.testing.assert_frame_equal(copy.item_frame, data["items"])


@pytest.mark.parametrize("name", ["online_retail", "movietweetings"])
def test_packaged_files_are_small_and_have_their_licence(name):
    folder = resources.files("skgnnrec.datasets").joinpath("data")
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.name.startswith(name)}
    assert sum(map(len, files.values())) <= 1_500_000
    licence = files[f"{name}_LICENSE.txt"].decode("utf-8")
    wanted = {"online_retail": "creativecommons.org/licenses/by/4.0", "movietweetings": "MIT License"}
    assert wanted[name] in licence
