"""Item catalogs: items are found by id, catalogs never change and are never sliced."""

import copy
import pickle
import re

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from fitted_state import foreign_values, through_file
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils import _safe_indexing

from skgnnrec import ContentRecommender, ItemCatalog, RidgeRecommender
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
        (["red mug", "blue mug"], np.ndarray),
        (("red mug", None), np.ndarray),
        (np.array(["red mug", "blue mug"]), np.ndarray),
        (pd.Series(["red mug", "blue mug"], index=[5, 5]), pd.Series),
        ([1.0, 2.0], np.ndarray),
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
        (["a", "b", "a"], "ids must be distinct; got 'a' in more than one row"),
        (["a", None, "c"], "ids has missing values in 1 of 3 rows: 1"),
        ([1.0, np.nan, np.nan], "ids has missing values in 2 of 3 rows: 1, 2"),
        ("isbn", r"ids='isbn' must be one column of data; the columns are \['sku', 'title', 'price'\]"),
    ],
)
def test_ids_are_checked(ids, match):
    with pytest.raises(ItemAlignmentError, match=match):
        ItemCatalog(TABLE, ids=ids)


def test_a_few_of_many_repeated_ids_are_named():
    with pytest.raises(ItemAlignmentError, match=r"got 0, 1, 2, 3, 4, \.\.\. in more than one row"):
        ItemCatalog(np.zeros((20, 1)), ids=np.arange(20) % 10)


REPEATED = {"sku": ["b", "a", "b"], "title": ["red mug", "blue mug", "mug, red"]}


@pytest.mark.parametrize(
    ("table", "ids", "call"),
    [
        (pd.DataFrame(REPEATED), "sku", "data.drop_duplicates('sku')"),
        (pl.DataFrame(REPEATED), "sku", "data.unique('sku', keep='first', maintain_order=True)"),
        (pa.table(REPEATED), "sku", "~pandas.Index(ids).duplicated()"),
        (REPEATED["title"], np.array(REPEATED["sku"]), "~pandas.Index(ids).duplicated()"),
    ],
    ids=["pandas", "polars", "pyarrow", "arrays"],
)
def test_repeated_ids_come_with_a_way_to_keep_one_of_each(table, ids, call):
    with pytest.raises(ItemAlignmentError, match=re.escape(f"got 'b' in more than one row. {call} ")) as caught:
        ItemCatalog(table, ids=ids)
    expression = str(caught.value).split(". ", 1)[1].split(" keeps")[0].split(" marks")[0]
    found = eval(expression, {"data": table, "ids": REPEATED["sku"], "pandas": pd})
    if isinstance(found, np.ndarray):  # a mask
        assert found.tolist() == [True, True, False]
    else:
        assert ItemCatalog(found, ids="sku").ids.tolist() == ["b", "a"]


@pytest.mark.parametrize(
    "make", [pl.DataFrame, pa.table, pa.record_batch, dict], ids=["polars", "pyarrow", "batch", "dict"]
)
def test_tables_of_other_libraries(make):
    catalog = ItemCatalog(make(TABLE.to_dict("list")), ids="sku")
    assert catalog.ids.tolist() == ["b", "a", "c"]
    assert list(catalog.data.columns) == ["title", "price"]
    assert catalog.align(["c"]).data.to_dict("list") == {"title": ["tea pot"], "price": [9.0]}


@pytest.mark.parametrize(
    "ids",
    [
        pd.Series(pd.date_range("2024-01-01", periods=3, tz="Europe/Rome")),
        pd.Series([2**60 + 1, 2**60, 3]),
        pd.Series(pd.array([2**60 + 1, 2**60, 3], dtype="Int64")),
        pd.Series([("a", 1), ("a", 2), ("b", 1)]),
        pd.Series([1, "1", b"1"], dtype=object),
    ],
    ids=["zone", "integer", "nullable", "tuple", "mixed"],
)
def test_a_column_of_ids_keeps_their_types(ids):
    catalog = ItemCatalog(TABLE.reset_index(drop=True).assign(sku=ids), ids="sku")
    assert catalog.ids.tolist() == ids.tolist()
    assert list(map(type, catalog.ids.tolist())) == list(map(type, ids.tolist()))
    assert_array_equal(catalog.positions(ids), [0, 1, 2])


def test_ids_from_the_index():
    table = TABLE.set_index("sku")
    for ids in (table.index, "sku"):
        catalog = ItemCatalog(table, ids=ids)
        assert catalog.ids.tolist() == ["b", "a", "c"]
        assert list(catalog.data.columns) == ["title", "price"]


def test_ids_without_data():
    for table in (TABLE[["sku"]], pl.DataFrame({"sku": ["b", "a", "c"]})):
        catalog = ItemCatalog(table, ids="sku")
        assert catalog.n_items == 3
        assert catalog.data.shape == (3, 0)
        assert catalog.align(["c", "b"]).ids.tolist() == ["c", "b"]
        assert repr(catalog) == "ItemCatalog(n_items=3, ids='b'...'c', columns=[])"


def test_one_of_two_columns_of_a_name_is_not_chosen():
    table = pd.concat([TABLE, TABLE[["sku"]]], axis=1)
    with pytest.raises(ItemAlignmentError, match=r"ids='sku' must be one column of data; the columns are"):
        ItemCatalog(table, ids="sku")


def test_a_name_needs_a_frame():
    with pytest.raises(ItemAlignmentError, match="ids='sku' must be a column of data, but data is not a DataFrame"):
        ItemCatalog(["red mug"], ids="sku")


@pytest.mark.parametrize("data", ["red mug", b"red mug", 3, None, iter(["red mug"])])
def test_data_without_rows_is_refused(data):
    with pytest.raises(TypeError, match=f"data must be a DataFrame, .* got {type(data).__name__}"):
        ItemCatalog(data)


def test_a_catalog_of_a_catalog_is_refused(catalog):
    with pytest.raises(TypeError, match="got an ItemCatalog"):
        ItemCatalog(catalog)


def test_cubes_are_refused():
    with pytest.raises(ValueError, match="one or two dimensions; got 3"):
        ItemCatalog(np.zeros((2, 2, 2)))


def test_images_are_values_of_a_column():
    stack = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
    catalogs = [ItemCatalog(stack), ItemCatalog(list(stack)), ItemCatalog(np.fromiter(stack, dtype=object, count=3))]
    assert catalogs[0] == catalogs[1] == catalogs[2] != ItemCatalog(stack[::-1])
    assert_array_equal(catalogs[0].take([2, 0]).data[0], stack[2])
    before = stack[0].copy()
    stack[:] = 0
    assert_array_equal(catalogs[1].data[0], before)  # a copy
    sizes = ItemCatalog([stack[0], None, stack[1, :2]], ids=["a", "b", "c"])
    assert [None if image is None else image.shape for image in sizes.align(["b", "c"]).data] == [None, (2, 5, 3)]
    assert ItemCatalog(stack[:, :, :, 0]).data[1].shape == (4, 5)


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


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ([0, 3], r"positions must be from 0 to 2; got 3\."),
        ([-1], r"positions must be from 0 to 2; got -1\."),
        (
            [True, False, True],
            "positions must be integers, the positions of items; got values of type bool. numpy.flatnonzero turns",
        ),
        ([0.5], "positions must be integers, the positions of items; got values of type float"),
    ],
)
def test_take_refuses_what_is_no_position(catalog, positions, message):
    with pytest.raises(ValueError, match=message):
        catalog.take(positions)


def test_positions_without_ids_are_integers():
    with pytest.raises(
        ValueError, match=r"ids must be integers, the .*; got values of type str\. The catalog has no ids"
    ):
        ItemCatalog(TABLE).positions(["0", "1"])


def test_align_names_what_is_missing(catalog):
    with pytest.raises(
        ItemAlignmentError, match=r"lacks 2 of 3 items: 'x', 'y'\. Add a row for each; its text may be missing\.$"
    ):
        catalog.align(["x", "a", "y"])


def test_align_tells_strings_from_numbers():
    catalog = ItemCatalog(["red mug", "blue mug"], ids=["1", "2"])
    with pytest.raises(ItemAlignmentError, match="These ids are of type int, those of the catalog of type str"):
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


def test_attributes_cannot_be_changed(catalog):
    with pytest.raises(AttributeError, match="ItemCatalog is immutable: cannot set 'ids'"):
        catalog.ids = [1, 2, 3]
    with pytest.raises(AttributeError, match="ItemCatalog is immutable: cannot set 'anything'"):
        catalog.anything = 1
    with pytest.raises(AttributeError, match="ItemCatalog is immutable: cannot delete 'n_items'"):
        del catalog.n_items


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
    assert clone(RidgeRecommender(catalog=catalog)).catalog is catalog


@pytest.mark.parametrize("attribute", ["__len__", "shape", "__array__", "__getitem__", "__iter__", "__dict__"])
def test_nothing_to_slice_it_by(catalog, attribute):
    assert not hasattr(catalog, attribute)


def test_scikit_learn_cannot_slice_it(catalog):
    with pytest.raises((TypeError, ValueError, AttributeError), match=r"ItemCatalog|subscriptable|scalar"):
        _safe_indexing(catalog, [0])


@pytest.mark.parametrize("data", [TABLE, TABLE["title"], np.eye(3), sparse.eye_array(3, format="csr"), ["a", "b", "c"]])
@pytest.mark.parametrize("copy_of", [lambda catalog: pickle.loads(pickle.dumps(catalog)), through_file])
def test_saved_catalogs_are_equal(data, copy_of):
    catalog = ItemCatalog(data, ids=["x", "y", "z"])
    assert foreign_values(catalog) == []
    copied = copy_of(catalog)
    assert copied == catalog
    assert copied.ids.tolist() == ["x", "y", "z"]
    assert values(copied.data) == values(catalog.data)


# Equality -------------------------------------------------------------------------------------------------------------


def test_catalogs_with_the_same_contents_are_equal():
    first, second = (ItemCatalog(TABLE.copy(), ids="sku").align(["a", "c"]) for _ in range(2))
    assert first is not second
    assert first == second
    assert hash(first) == hash(second)
    assert joblib.hash(first) == joblib.hash(second)  # the key of a cache
    assert len({first, second}) == 1


@pytest.mark.parametrize(
    "other",
    [
        ItemCatalog(TABLE, ids="title"),
        ItemCatalog(TABLE.drop(columns="sku")),
        ItemCatalog(TABLE, ids="sku").align(["a", "b", "c"]),
        ItemCatalog(TABLE.assign(price=[3.0, 4.0, 9.5]), ids="sku"),
        ItemCatalog(TABLE.assign(price=[3, 4, 9]), ids="sku"),
        ItemCatalog(TABLE.rename(columns={"price": "cost"}), ids="sku"),
        ItemCatalog(TABLE.drop(columns="sku"), ids=np.array(["b", "a", b"c"], dtype=object)),
        TABLE,
        None,
    ],
    ids=["ids", "no ids", "order", "value", "type", "name", "type of an id", "table", "none"],
)
def test_catalogs_with_other_contents_are_not(catalog, other):
    assert catalog != other


@given(id_lists, id_lists)
def test_catalogs_are_equal_where_their_ids_are(first, second):
    left, right = (ItemCatalog(np.zeros((len(ids), 1)), ids=pd.Index(ids, dtype=object)) for ids in (first, second))
    assert (left == right) == (first == second and list(map(type, first)) == list(map(type, second)))


def test_repr(catalog):
    assert repr(catalog) == "ItemCatalog(n_items=3, ids='b'...'c', columns=['title', 'price'])"
    assert repr(ItemCatalog(np.eye(2), ids=[3, 4])) == "ItemCatalog(n_items=2, ids=3...4)"
    assert repr(ItemCatalog(np.zeros((0, 2)), ids=[])) == "ItemCatalog(n_items=0)"


# What encoders of items receive ---------------------------------------------------------------------------------------

TITLES = pd.DataFrame({"sku": ["b", "a", "c"], "title": ["red mug", "blue mug", "tea pot"]})
TEXT_ENCODERS = [
    TfidfVectorizer(),
    CountVectorizer(binary=True),
    HashingVectorizer(n_features=64),
    make_pipeline(TfidfVectorizer(), StandardScaler(with_mean=False)),
    make_union(TfidfVectorizer(), TfidfVectorizer(analyzer="char")),
]
X = np.eye(3)


@pytest.mark.parametrize("encoder", TEXT_ENCODERS, ids=lambda encoder: type(encoder).__name__)
@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table], ids=["pandas", "polars", "pyarrow"])
def test_the_only_column_of_a_table_is_text_for_encoders_of_texts(encoder, make):
    expected = ContentRecommender(catalog=ItemCatalog(TITLES["title"]), item_encoder=encoder).fit(X)
    catalog = ItemCatalog(make(TITLES.to_dict("list")), ids="sku")
    found = ContentRecommender(catalog=catalog, item_encoder=encoder).fit(X)
    assert_array_equal(found.item_vectors_, expected.item_vectors_)
    new = ItemCatalog(make({"sku": ["z"], "title": ["red pot"]}), ids="sku")
    assert found.recommend(X[:1], 1, candidates=new)[0] == "z"


def test_the_only_column_of_a_table_stays_a_table_for_other_encoders():
    catalog = ItemCatalog(pd.DataFrame({"sku": ["b", "a", "c"], "brand": ["x", "y", "x"]}), ids="sku")
    vectors = ContentRecommender(catalog=catalog, item_encoder=OneHotEncoder()).fit(X).item_vectors_
    assert_array_equal(vectors[0], vectors[2])


MISSING = ["red mug", None, "tea pot"]


@pytest.mark.parametrize(
    "data",
    [
        MISSING,
        ["red mug", np.nan, "tea pot"],
        np.array(MISSING, dtype=object),
        pd.Series(MISSING),
        pd.Series(MISSING, dtype=object),
        pd.Series(MISSING, dtype="category"),
        pd.DataFrame({"title": MISSING}),
        pd.DataFrame({"title": pd.array(MISSING, dtype="string")}),
        pl.Series(MISSING),
        pl.DataFrame({"title": MISSING}),
        pa.table({"title": MISSING}),
    ],
    ids=lambda data: type(data).__name__,
)
def test_missing_texts_are_empty_texts(data):
    encoder = TfidfVectorizer()
    filled = ContentRecommender(catalog=ItemCatalog(["red mug", "", "tea pot"]), item_encoder=encoder).fit(X)
    found = ContentRecommender(catalog=ItemCatalog(data), item_encoder=encoder).fit(X)
    assert_array_equal(found.item_vectors_, filled.item_vectors_)


def test_missing_texts_of_one_column_among_several_are_empty_texts():
    encoder = make_column_transformer((TfidfVectorizer(), "title"), (StandardScaler(), ["price"]))
    table = pd.DataFrame({"title": MISSING, "price": [1.0, 2.0, 4.0]})
    expected = ContentRecommender(catalog=ItemCatalog(table.fillna("")), item_encoder=encoder).fit(X)
    for each in (encoder, make_pipeline(encoder, "passthrough")):
        found = ContentRecommender(catalog=ItemCatalog(table), item_encoder=each).fit(X)
        assert_array_equal(found.item_vectors_, expected.item_vectors_)


def test_an_encoder_of_texts_does_not_choose_among_columns(catalog):
    with pytest.raises(
        ValueError,
        match=r"item_encoder=TfidfVectorizer\(...\) takes one column of texts; the catalog has 2 columns: "
        r"\['title', 'price'\]",
    ):
        ContentRecommender(catalog=catalog, item_encoder=TfidfVectorizer()).fit(X)


def test_a_table_is_no_catalog():
    with pytest.raises(ValueError, match=r"'catalog' parameter .* an ItemCatalog.* Got a DataFrame instead") as caught:
        ContentRecommender(catalog=TITLES, item_encoder=TfidfVectorizer()).fit(X)
    assert "ItemCatalog(" in str(caught.value)
    assert "red mug" not in str(caught.value)
