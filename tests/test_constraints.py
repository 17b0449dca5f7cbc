"""Constraints of parameters: booleans are no numbers, classes no instances, and numbers of NumPy are like others."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.decomposition import TruncatedSVD
from sklearn.utils._param_validation import InvalidParameterError

from skgnnrec import GraphFilterRecommender, ItemCatalog, LogRecommender, PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import RankingScorer, catalog_coverage, gini_index, item_exposure
from skgnnrec.online import interleave, sample_size_of_means

X = np.eye(3)
WIDE = np.tri(6, 200)
WIDE_CATALOG = ItemCatalog(np.random.default_rng(0).standard_normal((200, 3)))
RECOMMENDER = PopularityRecommender().fit(WIDE)
LISTS = np.arange(200)[None]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda value: make_interactions(n_users=value), "n_users"),
        (lambda value: catalog_coverage([[0]], n_items=value), "n_items"),
        (lambda value: sample_size_of_means(value, 1.0), "difference"),
        (lambda value: RidgeRecommender(alpha=value).fit(X), "alpha"),
        (lambda value: RidgeRecommender(n_recommendations=value).fit(X), "n_recommendations"),
        (lambda value: PopularityRecommender().fit(X).recommend(X, value), "n_recommendations"),
        (lambda value: PopularityRecommender().fit(X).similar_items([0], value), "n"),
        (lambda value: LogRecommender(PopularityRecommender(), user=value, item=1).fit([(1, 2)]), "user"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("flag", [True, False, np.True_])
def test_booleans_are_no_numbers(call, name, flag):
    with pytest.raises(InvalidParameterError, match=rf"The '{name}' parameter of .* Got (np\.)?(True|False)_? instead"):
        call(flag)


@pytest.mark.parametrize(
    "call",
    [
        lambda n: make_interactions(
            n, n, n_topics=n // 10, user_exponent=n // 100, random_state=0
        ).interactions.toarray(),
        lambda n: RECOMMENDER.recommend(WIDE, n)[0],
        lambda n: RECOMMENDER.similar_items([0, 1], n)[0],
        lambda n: RECOMMENDER.rank_held_out(WIDE, None, n).recommended,
        lambda n: RankingScorer(k=n)(RECOMMENDER, WIDE),
        lambda n: RidgeRecommender(n_recommendations=n, embedding_dim=n).fit(WIDE).predict(WIDE),
        lambda n: GraphFilterRecommender(catalog=WIDE_CATALOG, n_neighbors=n, n_components=n).fit(WIDE).predict(WIDE),
        lambda n: gini_index(LISTS[:, :n], n_items=n),
        lambda n: item_exposure(LISTS[:, :n], n_items=n, k=n),
        lambda n: interleave(LISTS, LISTS[:, ::-1], n, random_state=0)[0],
    ],
)
def test_narrow_integers_of_numpy_do_not_wrap(call):
    with warnings.catch_warnings(action="error", category=RuntimeWarning):
        assert_array_equal(call(np.uint8(110)), call(110))
        assert_array_equal(call(np.int8(110)), call(110))


def test_classes_are_no_instances():
    catalog = ItemCatalog(X)
    with pytest.raises(
        InvalidParameterError, match=r"'item_encoder' parameter of .* implementing 'fit' and 'transform'"
    ):
        RidgeRecommender(catalog=catalog, item_encoder=TruncatedSVD).fit(X)
    assert RidgeRecommender(catalog=catalog, item_encoder=TruncatedSVD(2)).fit(X).item_vectors_.shape == (3, 2)
