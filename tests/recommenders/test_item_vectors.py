"""From a catalog to item vectors: encoded once, centred, of unit length."""

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.impute import IterativeImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgnnrec import ContentRecommender, GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.exceptions import MemoryLimitError
from skgnnrec.model_selection import split_interactions

TITLES = ["red mug", "blue mug", "tea pot", "tea spoon"]
TABLE = pd.DataFrame({"title": TITLES, "price": [3.0, 4.0, 9.0, 1.0]})


class LetterCounts(TransformerMixin, BaseEstimator):
    """Vectors of letter counts; the class counts its fits."""

    n_fits = 0

    def fit(self, titles, y=None):
        type(self).n_fits += 1
        self.fitted_ = True
        return self

    def transform(self, titles):
        return np.array([[title.count(letter) for letter in "aeot"] for title in titles], dtype=float)


def encode(data, encoder=None, memory=None, X=None):
    """Return a recommender whose items have these data."""
    catalog = ItemCatalog(data)
    X = np.eye(catalog.n_items) if X is None else X
    return ContentRecommender(catalog=catalog, item_encoder=encoder, memory=memory).fit(X)


def cosines_with_new_items(rec, data):
    """Return the cosine of each fitted item with each new item, (n_items, n_new)."""
    n_items, catalog = rec.n_features_in_, ItemCatalog(data)
    items, scores = rec.recommend(np.eye(n_items), catalog.n_items, candidates=catalog, exclude_seen=False)
    cosines = np.empty(scores.shape)
    np.put_along_axis(cosines, items, scores, axis=1)
    return cosines


def test_vectors_are_centred_and_of_unit_length():
    data = np.random.default_rng(0).standard_normal((10, 4)) + 5
    vectors = encode(data).item_vectors_
    centred = data - data.mean(axis=0)
    assert vectors.dtype == np.float32
    assert_allclose(vectors, centred / np.linalg.norm(centred, axis=1, keepdims=True), atol=1e-5)


def test_new_items_use_the_centre_of_the_fitted_items():
    data = np.random.default_rng(0).standard_normal((10, 4)) + 5
    rec = encode(data)
    assert_allclose(cosines_with_new_items(rec, data[[7]])[:, 0], rec.item_vectors_ @ rec.item_vectors_[7], atol=1e-5)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_an_item_at_the_centre_has_the_zero_vector(scale):
    data = scale * np.array([[1.0, 0.1], [0.3, 0.7], [0.65, 0.4]], dtype=np.float32)
    assert_array_equal(encode(data).item_vectors_[2], [0, 0])
    assert not encode(np.full((5, 3), 0.1)).item_vectors_.any()


@pytest.mark.parametrize(
    ("data", "encoder"),
    [
        (np.eye(4), None),
        (sparse.eye_array(4), None),
        (pd.DataFrame(np.eye(4)), None),
        (pd.Series([1.0, 2.0, 3.0, 9.0]), None),
        (TITLES, TfidfVectorizer()),
        (pd.Series(TITLES), TfidfVectorizer()),
        (TABLE, make_column_transformer((TfidfVectorizer(), "title"), (StandardScaler(), ["price"]))),
        (TITLES, LetterCounts()),
    ],
)
def test_kinds_of_data_and_encoders(data, encoder):
    rec = encode(data, encoder)
    vectors = rec.item_vectors_
    assert vectors.shape[0] == 4
    assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert_allclose(cosines_with_new_items(rec, data), vectors @ vectors.T, atol=1e-5)


def test_the_given_encoder_stays_unfitted():
    encoder = TfidfVectorizer()
    encode(TITLES, encoder)
    assert not hasattr(encoder, "vocabulary_")


def test_memory_encodes_a_catalog_once(tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    LetterCounts.n_fits = 0
    first = encode(TITLES, LetterCounts(), memory)
    again = encode(list(TITLES), LetterCounts(), memory)
    assert LetterCounts.n_fits == 1
    assert_array_equal(first.item_vectors_, again.item_vectors_)
    assert_array_equal(cosines_with_new_items(again, TITLES[:2]), cosines_with_new_items(first, TITLES[:2]))
    encode(TITLES[:3], LetterCounts(), memory)
    assert LetterCounts.n_fits == 2


def scale_case(scale, dtype=np.float64):
    rng = np.random.default_rng(0)
    X = (rng.random((60, 20)) < 0.25).astype(np.float32)
    vectors, new = rng.standard_normal((20, 6)), rng.standard_normal((8, 6))
    with np.errstate(all="ignore"):
        vectors, new = (vectors * scale).astype(dtype), (new * scale).astype(dtype)
    recommender = GraphFilterRecommender(catalog=ItemCatalog(vectors)).fit(X)
    return recommender, X, new


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [(1e-25, np.float32), (1e25, np.float32), (1e-300, np.float64), (1e-60, np.float64), (1e300, np.float64)],
)
def test_the_unit_of_item_vectors_does_not_matter(scale, dtype):
    expected, X, new = scale_case(1.0)
    expected_lists = expected.recommend(X, 5, candidates=ItemCatalog(new))
    with np.errstate(all="raise"):
        found, X, new = scale_case(scale, dtype)
        lists = found.recommend(X, 5, candidates=ItemCatalog(new))
    assert_allclose(found.item_vectors_, expected.item_vectors_, atol=1e-5)
    assert_array_equal(lists[0], expected_lists[0])
    assert_allclose(lists[1], expected_lists[1], atol=1e-5)


def test_small_vectors_beside_large_ones_keep_their_direction():
    part = np.random.default_rng(0).standard_normal((5, 3))
    vectors = np.vstack([part, -part, 1e-25 * part, -1e-25 * part])  # their mean is zero
    found = RidgeRecommender(catalog=ItemCatalog(vectors)).fit(np.eye(20)).item_vectors_
    assert_allclose(found[10:], found[:10], atol=1e-6)


def test_new_vectors_too_large_beside_the_fitted_ones_are_refused():
    recommender, X, new = scale_case(1.0)
    with pytest.raises(ValueError, match=r"candidates has values up to .*e\+60, too large in the unit of the fitted"):
        recommender.recommend(X, candidates=ItemCatalog(1e60 * new))


@pytest.mark.parametrize(
    ("data", "encoder", "match"),
    [
        (TITLES, None, "the data of the catalog is of dtype .*TextEmbedder"),
        (TABLE, None, "column 'title' of the catalog is of dtype"),
        (TABLE, TfidfVectorizer(), "takes one column of texts; the catalog has 2 columns"),
        ([[1.0], [np.nan]], None, "catalog contains NaN"),
        ([[1.0], [np.inf]], None, "catalog contains infinity"),
    ],
)
def test_data_without_vectors_are_refused(data, encoder, match):
    with pytest.raises(ValueError, match=match):
        encode(data, encoder)


def test_vectors_of_other_dimensions_are_refused():
    rec = encode(np.eye(4))
    with pytest.raises(ValueError, match="candidates has vectors of 3 dimensions, the fitted items 4"):
        rec.recommend(np.eye(4), candidates=ItemCatalog(np.eye(3)))


def test_sparse_vectors_beyond_the_memory_are_refused(monkeypatch):
    monkeypatch.setattr("skgnnrec._memory.available_memory", lambda: 30)
    monkeypatch.setattr("skgnnrec._memory.SMALL", 0)
    with pytest.raises(MemoryLimitError, match=r"Dense item vectors from .*TfidfVectorizer.* TruncatedSVD"):
        encode(TITLES, TfidfVectorizer())


@pytest.mark.parametrize("cls", [RidgeRecommender, GraphFilterRecommender])
def test_an_encoder_requires_a_catalog(cls):
    with pytest.raises(ValueError, match=r"item_encoder requires catalog=ItemCatalog\(...\)"):
        cls(item_encoder=TfidfVectorizer()).fit([[1, 0], [1, 1]])


class CountOfUsers(LetterCounts):
    """An encoder that requires a y: its vectors are the number of users of each item."""

    def fit(self, titles, y):
        self.counts_ = np.asarray(y.sum(axis=1)).ravel()
        return self

    def transform(self, titles):
        return np.column_stack([self.counts_[: len(titles)], np.zeros(len(titles))])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


@pytest.mark.parametrize("encoder", [CountOfUsers(), make_pipeline("passthrough", CountOfUsers())])
def test_encoders_that_require_a_y_receive_the_interactions(encoder):
    X = sparse.csr_array(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0]], dtype=np.float32))
    rec = encode(TITLES, encoder, X=X)
    assert_array_equal(rec.item_vectors_[:, 0], np.sign(np.array([3, 1, 1, 0]) - 5 / 4))


def test_other_encoders_receive_no_y():
    class NoY(LetterCounts):
        def fit_transform(self, titles):
            return self.fit(titles).transform(titles)

    assert encode(TITLES, NoY()).item_vectors_.shape == (4, 4)


def test_frozen_encoders_are_not_fitted_again():
    frozen = FrozenEstimator(TfidfVectorizer().fit(["red", "blue", "tea"]))
    rec = encode(TITLES, frozen)
    assert rec.item_vectors_.shape == (4, 3)
    assert_allclose(cosines_with_new_items(rec, TITLES), rec.item_vectors_ @ rec.item_vectors_.T, atol=1e-6)


@pytest.mark.parametrize(
    "imputer",
    [SimpleImputer(), SimpleImputer(strategy="median"), IterativeImputer(max_iter=30, tol=0.1, random_state=0)],
    ids=["mean", "median", "model"],
)
def test_imputers_fill_the_gaps_of_items(imputer, X, tastes, titles):
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((4, 6))
    table = pd.DataFrame(centres[tastes.item_topics] + 0.1 * rng.standard_normal((40, 6)), columns=list("abcdef"))
    whole = table.assign(text=list(titles))
    table = table.mask(rng.random(table.shape) < 0.2).assign(text=whole["text"].mask(rng.random(40) < 0.5))
    encoder = make_column_transformer(
        (make_pipeline(imputer, StandardScaler()), list("abcdef")), (TfidfVectorizer(), "text"), sparse_threshold=0
    )
    past, future = split_interactions(X, hold_out="cold_items", test_size=8, random_state=0)
    best = RidgeRecommender(catalog=ItemCatalog(whole), item_encoder=encoder).fit(past).score(past, future)
    rec = RidgeRecommender(catalog=ItemCatalog(table), item_encoder=encoder).fit(past)
    assert rec.score(past, future) > 0.5 * best > 0
    new = ItemCatalog(table.iloc[:2].assign(a=np.nan, text=None))
    assert np.isfinite(rec.recommend(X[:3], 2, candidates=new)[1]).all()


def test_vectors_that_are_missing_count_as_the_mean(X):
    vectors = np.random.default_rng(0).standard_normal((40, 3))
    vectors[7] = np.nan
    rec = RidgeRecommender(catalog=ItemCatalog(vectors), item_encoder=SimpleImputer()).fit(X)
    assert_array_equal(np.flatnonzero(~rec.item_vectors_.any(axis=1)), [7])
