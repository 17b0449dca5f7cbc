"""Learning from who takes which items together, alone and inside of recommenders."""

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skgnnrec import (
    GraphFilterRecommender,
    InteractionAdapter,
    ItemCatalog,
    RidgeRecommender,
    TableRecommender,
)
from skgnnrec.model_selection import SameUsers, split_interactions

QUICK = {"max_iter": 12, "batch_size": 16, "learning_rate_init": 3e-3, "n_iter_no_change": 12}


@pytest.fixture
def adapter(embedder):
    return InteractionAdapter(embedder, **QUICK)


def separation(vectors, kinds):
    """Return how surely two texts of one kind are closer than two texts of two kinds: an AUC."""
    first, second = np.triu_indices(len(kinds), 1)
    return roc_auc_score(kinds[first] == kinds[second], (vectors @ vectors.T)[first, second])


def test_texts_taken_together_come_close(adapter, shelf):
    titles, y, kinds = shelf
    vectors = adapter.fit_transform(titles, y)
    assert separation(vectors, kinds) > max(0.9, separation(adapter.embedder_.transform(titles), kinds) + 0.1)
    assert adapter.validation_scores_[-1] > adapter.validation_scores_[0]


def test_new_texts_gain_too(adapter, shelf):
    titles, y, _ = shelf
    new = ["mug pot 77", "tea red 78", "soil reel 79", "rake spade 80"]
    new_kinds = np.array([0, 0, 1, 1])
    adapter.fit(titles, y)
    assert separation(adapter.transform(new), new_kinds) == 1 > separation(adapter.embedder_.transform(new), new_kinds)


def test_kinds_of_matrices_are_one(adapter, shelf):
    titles, y, _ = shelf
    adapter.set_params(max_iter=1)
    expected = adapter.fit(titles, y).transform(titles)
    for other in (y.toarray(), 3 * y, sparse.coo_matrix(y), pd.DataFrame(y.toarray())):
        assert_array_equal(clone(adapter).fit(titles, other).transform(titles), expected)


def test_texts_of_one_label_come_close(adapter, shelf):
    titles, _, kinds = shelf
    labels = np.array(["kitchen", "garden"])[kinds]
    assert separation(adapter.fit(titles, labels).transform(titles), kinds) > 0.95
    assert adapter.loss_curve_[-1] < 0.5  # were texts of one label negatives, half of a batch could not be told apart


def test_a_classifier_stands_behind_it(adapter, shelf):
    titles, _, kinds = shelf
    classifier = make_pipeline(adapter, LogisticRegression())
    assert cross_val_score(classifier, titles, kinds, cv=3, scoring="roc_auc").mean() > 0.9


def test_popular_texts_are_no_negatives_of_themselves(adapter, shelf):
    """All pairs have the same partner: nothing can be told apart, and the loss is that of the other direction."""
    from skgnnrec.adaptation._interaction_learner import InteractionLearner, Pairs
    from skgnnrec.adaptation._pairs import NeighborPairs
    from skgnnrec.text.networks import TrainableEncoder

    reader = adapter.embedder.fit(shelf[0])
    encoder = TrainableEncoder(reader._load_model("float32"), reader, None, 0)
    pairs = NeighborPairs(shelf[1], 1)
    none = np.array([], dtype=np.int64)
    learner = InteractionLearner(
        encoder,
        encoder.tokenize(shelf[0]),
        pairs,
        held_out=none,
        partners=pairs,
        temperature=0.1,
        batch_size=8,
        seed=0,
    )
    assert learner.validate() is None
    encoder.network.eval()
    assert float(learner.loss(Pairs(np.array([1, 2]), np.array([5, 5]))).detach()) == pytest.approx(0, abs=1e-6)
    assert float(learner.loss(Pairs(np.array([1, 2]), np.array([5, 40]))).detach()) > 0.01


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (np.ones((59, 3)), "one row a text, got 59 rows for 60 texts"),
        (np.ones((3, 60)), "got 3 rows for 60 texts. Interactions are items by users here: pass the transpose"),
        (np.ones(59), "one row a text, got 59 rows for 60 texts"),
        ([f"kind {number % 60}" for number in range(61)], "got 61 rows for 60 texts.$"),
        (-np.ones((60, 3)), "Negative values in data passed to y"),
        (np.full(60, np.nan), "y contains NaN"),
        (np.full((60, 2), np.nan), "y contains NaN"),
    ],
)
def test_targets_are_checked(adapter, shelf, y, match):
    with pytest.raises(ValueError, match=match):
        adapter.fit(shelf[0], y)


def test_users_of_one_item_teach_nothing(adapter, shelf):
    with pytest.warns(UserWarning, match="No two texts share a user"):
        adapter.fit(shelf[0], np.eye(60))
    assert adapter.n_iter_ == 0


# Inside of recommenders -------------------------------------------------------------------------------------


class Spy(InteractionAdapter):
    """Keep what it is given to learn from."""

    seen: ClassVar[list] = []

    def fit(self, X, y=None):
        self.seen.append((list(X), y))
        return super().fit(X, y)


@pytest.fixture
def spy(embedder):
    Spy.seen = []
    return Spy(embedder, max_iter=1)


@pytest.mark.parametrize("recommender", [RidgeRecommender(), GraphFilterRecommender()])
def test_recommenders_hand_on_their_interactions(recommender, spy, shelf):
    titles, y, _ = shelf
    recommender = clone(recommender).set_params(items=ItemCatalog(titles), item_encoder=spy)
    recommender.fit(5 * y.T)
    ((texts, seen),) = Spy.seen
    assert texts == titles
    assert_array_equal(seen.toarray(), y.toarray())
    assert recommender.recommend(y.T, items=ItemCatalog(["tea mug 99", "soil rake 99"]))[0].shape == (80, 10)
    assert len(Spy.seen) == 1


def test_held_out_interactions_stay_held_out(spy, shelf):
    titles, y, _ = shelf
    past, future = split_interactions(sparse.csr_array(y.T), random_state=0)
    recommender = RidgeRecommender(items=ItemCatalog(titles), item_encoder=spy)
    GridSearchCV(recommender, {"alpha": [1, 10]}, cv=SameUsers(), refit=False).fit(past, future)
    assert len(Spy.seen) == 2
    for _, seen in Spy.seen:
        assert_array_equal(seen.toarray(), past.T.toarray())


def test_folds_of_users_are_those_of_the_fit(spy, shelf):
    titles, y, _ = shelf
    cross_val_score(RidgeRecommender(items=ItemCatalog(titles), item_encoder=spy), sparse.csr_array(y.T), cv=2)
    assert [seen.shape for _, seen in Spy.seen] == [(60, 40), (60, 40)]


def test_items_are_aligned_by_their_ids(spy, shelf):
    titles, y, _ = shelf
    order = np.random.default_rng(0).permutation(60)
    catalog = ItemCatalog([titles[j] for j in order], ids=order)
    log = pd.DataFrame({"item": sparse.coo_array(y).coords[0], "user": sparse.coo_array(y).coords[1]})
    model = TableRecommender(RidgeRecommender(items=catalog, item_encoder=spy), user="user", item="item").fit(log)
    ((texts, seen),) = Spy.seen
    held = dict(zip(texts, seen.toarray(), strict=True))
    users = model.user_ids_
    for row, title in enumerate(titles):
        if title in held:
            assert_array_equal(held[title], y.toarray()[row, users])


def test_encoders_inside_of_encoders_are_found(spy, shelf):
    titles, y, _ = shelf
    frame = pd.DataFrame({"title": titles, "price": np.arange(60.0)})
    for items, encoder in [
        (titles, make_pipeline(spy, PCA(4))),
        (frame, make_column_transformer((spy, "title"), ("passthrough", ["price"]))),
    ]:
        Spy.seen.clear()
        RidgeRecommender(items=ItemCatalog(items), item_encoder=encoder).fit(y.T)
        assert_array_equal(Spy.seen[0][1].toarray(), y.toarray())


def test_memory_trains_once(tmp_path, spy, shelf):
    titles, y, _ = shelf
    recommender = RidgeRecommender(items=ItemCatalog(titles), item_encoder=spy, memory=str(tmp_path))
    GridSearchCV(recommender, {"alpha": [1, 10, 100]}, cv=SameUsers(), refit=False).fit(y.T, y.T)
    assert len(Spy.seen) == 1
    clone(recommender).fit(y.T.tocsr()[:40])  # other interactions are another training
    assert len(Spy.seen) == 2


# Across domains ---------------------------------------------------------------------------------------------


def test_a_fitted_adapter_goes_into_another_domain(adapter, shelf):
    titles, y, _ = shelf
    one, two = np.arange(0, 60, 2), np.arange(1, 60, 2)  # two catalogs, no item in both
    adapter.fit([titles[j] for j in one], y[one])
    catalog = ItemCatalog([titles[j] for j in two])
    X = sparse.csr_array(y[two].T)
    past, future = split_interactions(X, random_state=0)
    nothing = sparse.csr_array((1, len(two)))  # nobody has taken anything in the new domain

    def score(encoder):
        return RidgeRecommender(items=catalog, item_encoder=encoder).fit(nothing).score(past, future)

    assert score(FrozenEstimator(adapter)) > score(adapter.embedder_) + 0.05
    frozen = RidgeRecommender(items=catalog, item_encoder=FrozenEstimator(adapter)).fit(X)
    assert_allclose(
        frozen.item_embedding_,
        RidgeRecommender(items=ItemCatalog(adapter.transform(catalog.data))).fit(X).item_embedding_,
        atol=1e-6,
    )


def test_users_of_one_catalog_are_served_from_another(adapter, shelf):
    titles, y, kinds = shelf
    one, two = np.arange(0, 60, 2), np.arange(1, 60, 2)
    recommender = GraphFilterRecommender(items=ItemCatalog([titles[j] for j in one]), item_encoder=adapter)
    X = sparse.csr_array(y[one].T)
    X = X[np.diff(X.indptr) > 0]
    arrivals = ItemCatalog([titles[j] for j in two], ids=two)
    found, _ = recommender.fit(X).recommend(X, 5, items=arrivals)
    tastes = (X.toarray()[:, kinds[one] == 1].sum(axis=1) > 0).astype(int)
    assert (kinds[found] == tastes[:, None]).mean() > 0.9
