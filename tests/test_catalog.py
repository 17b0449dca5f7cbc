"""ItemCatalog: found by id, immutable, invisible to whatever slices arrays."""

import copy
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.utils import _safe_indexing

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.exceptions import ItemAlignmentError

TABLE = pd.DataFrame(
    {"sku": ["b", "a", "c"], "title": ["red mug", "blue mug", "tea pot"], "price": [3.0, 4.0, 9.0]},
    index=[7, 7, 9],
)
id_lists = st.one_of(
    st.lists(st.integers(-50, 50), min_size=1, max_size=12, unique=True),
    st.lists(st.text(max_size=3), min_size=1, max_size=12, unique=True),
)


@pytest.fixture
def catalog():
    return ItemCatalog(TABLE, ids="sku")


def values(data):
    return data.toarray().tolist() if sparse.issparse(data) else np.asarray(data).tolist()


# What goes in ---------------------------------------------------------------------------------------------------------


def test_ids_from_a_column(catalog):
    assert catalog.n_items == 3
    assert catalog.ids.tolist() == ["b", "a", "c"]
    assert list(catalog.data.columns) == ["title", "price"]
    assert list(catalog.data.index) == [0, 1, 2]


def test_ids_from_an_array():
    catalog = ItemCatalog(TABLE["title"], ids=TABLE["sku"])
    assert isinstance(catalog.data, pd.Series)
    assert catalog.align(["c"]).data.tolist() == ["tea pot"]


def test_without_ids():
    catalog = ItemCatalog(TABLE)
    assert catalog.ids is None
    assert_array_equal(catalog.positions([2, 0, 3, -1]), [2, 0, -1, -1])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (["red mug", "blue mug"], pd.Series),
        (("red mug", None), pd.Series),
        (np.array(["red mug", "blue mug"]), pd.Series),
        (pd.Series(["red mug", "blue mug"], index=[5, 5]), pd.Series),
        ([1.0, 2.0], pd.Series),
        ([["red", "mug"], ["blue", "mug"]], np.ndarray),
        (np.eye(2), np.ndarray),
        (sparse.eye_array(2, format="coo"), sparse.csr_array),
        (pd.DataFrame({"title": ["red mug", "blue mug"]}), pd.DataFrame),
    ],
)
def test_kinds_of_data(data, kind):
    catalog = ItemCatalog(data, ids=["x", "y"])
    assert isinstance(catalog.data, kind)
    assert catalog.n_items == 2
    assert values(catalog.take([1]).data) == values(catalog.data)[1:]


@pytest.mark.parametrize("ids", [[3, 1, 2], ["x", "y", "z"], [("a", 1), ("a", 2), ("b", 1)], ["x", 1, 2.5]])
def test_kinds_of_ids(ids):
    index = pd.Index(ids, tupleize_cols=False)
    assert ItemCatalog(TABLE, ids=index).ids.tolist() == ids


@pytest.mark.parametrize(
    ("ids", "match"),
    [
        (["a", "b"], "ids has 2 entries, data 3 rows"),
        (["a", "b", "a"], "ids repeat: 'a'"),
        (["a", None, "c"], "ids are missing in 1 rows"),
        ([1.0, np.nan, np.nan], "ids are missing in 2 rows"),
        ("isbn", r"ids='isbn' must be a column of data, got columns \['sku', 'title', 'price'\]"),
    ],
)
def test_ids_are_checked(ids, match):
    with pytest.raises(ItemAlignmentError, match=match):
        ItemCatalog(TABLE, ids=ids)


def test_many_repeated_ids_are_not_all_named():
    with pytest.raises(ItemAlignmentError, match=r"ids repeat: 0, 1, 2, 3, 4, \.\.\."):
        ItemCatalog(np.zeros((20, 1)), ids=np.arange(20) % 10)


def test_a_name_needs_a_frame():
    with pytest.raises(ItemAlignmentError, match="which is no DataFrame"):
        ItemCatalog(["red mug"], ids="sku")


@pytest.mark.parametrize("data", ["red mug", b"red mug", {"title": ["red mug"]}, 3, None, iter(["red mug"])])
def test_data_without_rows_is_refused(data):
    with pytest.raises(TypeError, match=f"data must be a DataFrame, .* got {type(data).__name__}"):
        ItemCatalog(data)


def test_a_catalog_of_a_catalog_is_refused(catalog):
    with pytest.raises(TypeError, match="got an ItemCatalog"):
        ItemCatalog(catalog)


def test_cubes_are_refused():
    with pytest.raises(ValueError, match="one or two dimensions, got 3"):
        ItemCatalog(np.zeros((2, 2, 2)))


# Found by id ----------------------------------------------------------------------------------------------------------


def test_positions(catalog):
    positions = catalog.positions(["c", "nowhere", "b"])
    assert positions.dtype == np.int64
    assert_array_equal(positions, [2, -1, 0])


def test_align(catalog):
    aligned = catalog.align(["c", "b"])
    assert aligned.ids.tolist() == ["c", "b"]
    assert aligned.data["title"].tolist() == ["tea pot", "red mug"]


def test_take(catalog):
    assert catalog.take([1, 0]).ids.tolist() == ["a", "b"]
    assert catalog.take([]).n_items == 0


def test_align_names_what_is_missing(catalog):
    with pytest.raises(ItemAlignmentError, match=r"lacks 2 of 3 items: 'x', 'y'\. Add a row for each .*missing\)\.$"):
        catalog.align(["x", "a", "y"])


def test_align_tells_strings_from_numbers():
    catalog = ItemCatalog(["red mug", "blue mug"], ids=["1", "2"])
    with pytest.raises(ItemAlignmentError, match="Those ids are of type int, the catalog's of type str"):
        catalog.align([1, 2])


def test_align_needs_ids():
    with pytest.raises(ItemAlignmentError, match="no ids to find items by"):
        ItemCatalog(["red mug"]).align(["a"])


@given(id_lists, st.randoms(use_true_random=False))
def test_rows_stay_with_their_ids(ids, random):
    catalog = ItemCatalog(np.arange(len(ids))[:, None], ids=pd.Index(ids))
    asked = random.sample(ids, random.randint(1, len(ids)))
    aligned = catalog.align(asked)
    assert aligned.ids.tolist() == asked
    assert [ids[row] for row in aligned.data[:, 0]] == asked


@given(id_lists)
def test_positions_are_the_inverse_of_take(ids):
    catalog = ItemCatalog(np.zeros((len(ids), 1)), ids=pd.Index(ids))
    order = np.arange(len(ids))[::-1]
    assert_array_equal(catalog.positions(catalog.take(order).ids), order)
    assert_array_equal(catalog.take(order).positions(catalog.ids), order)


# Immutable and invisible ----------------------------------------------------------------------------------------------


def test_attributes_cannot_be_set(catalog):
    with pytest.raises(AttributeError, match="ItemCatalog is immutable: cannot set 'ids'"):
        catalog.ids = [1, 2, 3]
    with pytest.raises(AttributeError, match="ItemCatalog is immutable: cannot set 'anything'"):
        catalog.anything = 1


@pytest.mark.parametrize("data", [np.eye(3), np.zeros(3), sparse.eye_array(3, format="csr"), TABLE[["price"]]])
def test_neither_the_source_nor_the_result_is_the_catalog(data):
    data = data.copy()
    catalog = ItemCatalog(data, ids=["x", "y", "z"])
    before = values(catalog.data)
    for table in (data, catalog.data):
        if isinstance(table, pd.DataFrame | pd.Series):
            table.iloc[0] = 77.0
        elif sparse.issparse(table):
            table.data[:] = 77.0
        else:
            table[0] = 77.0
    catalog.ids[0] = "w"
    assert values(catalog.data) == before
    assert catalog.ids.tolist() == ["x", "y", "z"]


def test_copies_are_itself(catalog):
    assert copy.copy(catalog) is catalog
    assert copy.deepcopy(catalog) is catalog
    assert clone(RidgeRecommender(items=catalog)).items is catalog


@pytest.mark.parametrize("attribute", ["__len__", "shape", "__array__", "__getitem__", "__iter__", "__dict__"])
def test_nothing_to_slice_it_by(catalog, attribute):
    assert not hasattr(catalog, attribute)


def test_scikit_learn_cannot_slice_it(catalog):
    with pytest.raises((TypeError, ValueError, AttributeError), match=r"ItemCatalog|subscriptable|scalar"):
        _safe_indexing(catalog, [0])


@pytest.mark.parametrize("data", [TABLE, TABLE["title"], np.eye(3), sparse.eye_array(3, format="csr")])
def test_pickles(data):
    catalog = ItemCatalog(data, ids=["x", "y", "z"])
    copied = pickle.loads(pickle.dumps(catalog))
    assert copied.ids.tolist() == ["x", "y", "z"]
    assert values(copied.data) == values(catalog.data)
    assert joblib.hash(copied) == joblib.hash(catalog)


def test_equal_catalogs_share_a_cache_key():
    first, second = (ItemCatalog(TABLE.copy(), ids="sku").align(["a", "c"]) for _ in range(2))
    assert joblib.hash(first) == joblib.hash(second)


def test_repr(catalog):
    assert repr(catalog) == "ItemCatalog(n_items=3, ids='b'...'c', columns=['title', 'price'])"
    assert repr(ItemCatalog(np.eye(2), ids=[3, 4])) == "ItemCatalog(n_items=2, ids=3...4)"
    assert repr(ItemCatalog(np.zeros((0, 2)), ids=[])) == "ItemCatalog(n_items=0)"
