"""From a catalog to vectors: encoded once, centred, of unit length."""

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skgnnrec import GraphFilterRecommender, ItemCatalog, RidgeRecommender, _validation
from skgnnrec.recommenders._item_vectors import ItemVectors

TITLES = ["red mug", "blue mug", "tea pot", "tea spoon"]
TABLE = pd.DataFrame({"title": TITLES, "price": [3.0, 4.0, 9.0, 1.0]})


class LetterCounts(TransformerMixin, BaseEstimator):
    """Vectors of letter counts, which count how often they are made."""

    n_fits = 0

    def fit(self, titles, y=None):
        type(self).n_fits += 1
        self.fitted_ = True
        return self

    def transform(self, titles):
        return np.array([[title.count(letter) for letter in "aeot"] for title in titles], dtype=float)


def encode(data, encoder=None, memory=None):
    vectors = ItemVectors(encoder, memory)
    return vectors, vectors.fit_transform(ItemCatalog(data))


def test_vectors_are_centred_and_of_unit_length():
    data = np.random.default_rng(0).standard_normal((10, 4)) + 5
    encoder, vectors = encode(data)
    centred = data - data.mean(axis=0)
    assert vectors.dtype == np.float32
    assert_allclose(vectors, centred / np.linalg.norm(centred, axis=1, keepdims=True), atol=1e-5)
    assert_allclose(encoder.transform(ItemCatalog(data)), vectors, atol=1e-6)


def test_new_items_use_the_centre_of_the_fitted_ones():
    data = np.random.default_rng(0).standard_normal((10, 4)) + 5
    encoder, vectors = encode(data)
    assert_allclose(encoder.transform(ItemCatalog(data[[7]])), vectors[[7]], atol=1e-6)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_an_item_at_the_centre_has_no_direction(scale):
    data = scale * np.array([[1.0, 0.1], [0.3, 0.7], [0.65, 0.4]], dtype=np.float32)
    assert_array_equal(encode(data)[1][2], [0, 0])
    assert not encode(np.full((5, 3), 0.1))[1].any()


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
    fitted, vectors = encode(data, encoder)
    assert vectors.shape[0] == 4
    assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert_allclose(fitted.transform(ItemCatalog(data)), vectors, atol=1e-5)


def test_the_encoder_given_stays_unfitted():
    encoder = TfidfVectorizer()
    fitted, _ = encode(TITLES, encoder)
    assert not hasattr(encoder, "vocabulary_")
    assert "mug" in fitted.encoder.vocabulary_


def test_memory_encodes_a_catalog_once(tmp_path):
    memory = joblib.Memory(tmp_path, verbose=0)
    LetterCounts.n_fits = 0
    first, vectors = encode(TITLES, LetterCounts(), memory)
    again, same = encode(list(TITLES), LetterCounts(), memory)
    assert LetterCounts.n_fits == 1
    assert_array_equal(vectors, same)
    assert_array_equal(again.transform(ItemCatalog(TITLES[:2])), first.transform(ItemCatalog(TITLES[:2])))
    encode(TITLES[:3], LetterCounts(), memory)
    assert LetterCounts.n_fits == 2


@pytest.mark.parametrize(
    ("data", "encoder", "match"),
    [
        (TITLES, None, "the data of items is of dtype .*TextEmbedder"),
        (TABLE, None, "column 'title' of items is of dtype"),
        (TABLE, TfidfVectorizer(), r"output of item_encoder \(TfidfVectorizer\) has 2 rows for 4 items.*one column"),
        ([[1.0], [np.nan]], None, "items contains NaN"),
        ([[1.0], [1e300]], None, "items contains infinity"),
    ],
)
def test_data_that_gives_no_vectors_is_refused(data, encoder, match):
    with pytest.raises(ValueError, match=match):
        encode(data, encoder)


def test_vectors_of_other_dimensions_are_refused():
    encoder, _ = encode(np.eye(4))
    with pytest.raises(ValueError, match="items has vectors of 3 dimensions, the fitted items 4"):
        encoder.transform(ItemCatalog(np.eye(3)))


def test_sparse_vectors_too_large_for_memory_are_refused(monkeypatch):
    monkeypatch.setattr(_validation, "available_memory", lambda: 30)
    monkeypatch.setattr(_validation, "SMALL", 0)
    with pytest.raises(ValueError, match=r"Dense item vectors from .*TfidfVectorizer.* TruncatedSVD"):
        encode(TITLES, TfidfVectorizer())


@pytest.mark.parametrize("cls", [RidgeRecommender, GraphFilterRecommender])
def test_an_encoder_without_items_is_refused(cls):
    with pytest.raises(ValueError, match="item_encoder has nothing to encode without items"):
        cls(item_encoder=TfidfVectorizer()).fit([[1, 0], [1, 1]])


class CountOfUsers(LetterCounts):
    """An encoder that cannot do without a y: how many users each item has."""

    def fit(self, titles, y):
        self.counts_ = np.asarray(y.sum(axis=1)).ravel()
        return self

    def transform(self, titles):
        return np.column_stack([self.counts_[: len(titles)], np.ones(len(titles))])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


@pytest.mark.parametrize("encoder", [CountOfUsers(), make_pipeline("passthrough", CountOfUsers())])
def test_encoders_that_require_a_y_get_the_interactions(encoder):
    X = sparse.csr_array(np.array([[1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 1, 0]], dtype=np.float32))
    vectors = ItemVectors(encoder, None)
    vectors.fit_transform(ItemCatalog(TITLES), X)
    assert_allclose(vectors.mean, [5 / 4, 1])
    assert_array_equal(vectors.encoder.transform(TITLES)[:, 0], [3, 1, 1, 0])


def test_other_encoders_get_no_y():
    class NoY(LetterCounts):
        def fit_transform(self, titles):
            return self.fit(titles).transform(titles)

    vectors = ItemVectors(NoY(), None)
    assert vectors.fit_transform(ItemCatalog(TITLES), sparse.csr_array(np.eye(4))).shape == (4, 4)


def test_frozen_encoders_stay_as_they_are():
    frozen = FrozenEstimator(TfidfVectorizer().fit(["red", "blue", "tea"]))
    fitted, vectors = encode(TITLES, frozen)
    assert vectors.shape == (4, 3)
    assert_allclose(fitted.transform(ItemCatalog(TITLES)), vectors, atol=1e-6)
