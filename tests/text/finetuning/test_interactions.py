"""Fine-tuning with interactions, alone and inside recommenders."""

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
    InteractionFineTuner,
    ItemCatalog,
    LogRecommender,
    RidgeRecommender,
)
from skgnnrec.model_selection import SameUsers, split_interactions

QUICK = {"max_iter": 12, "batch_size": 16, "learning_rate_init": 3e-3, "n_iter_no_change": 12}


@pytest.fixture
def tuner(embedder):
    return InteractionFineTuner(embedder, **QUICK)


def separation(vectors, kinds):
    """Return the probability that two texts of one kind are closer than two texts of two kinds (AUC)."""
    first, second = np.triu_indices(len(kinds), 1)
    return roc_auc_score(kinds[first] == kinds[second], (vectors @ vectors.T)[first, second])


def test_texts_with_common_users_get_similar_vectors(tuner, shelf):
    titles, y, kinds = shelf
    vectors = tuner.fit_transform(titles, y)
    assert separation(vectors, kinds) > max(0.9, separation(tuner.embedder_.transform(titles), kinds) + 0.1)
    assert tuner.validation_scores_[-1] > tuner.validation_scores_[0]


def test_new_texts_gain_too(tuner, shelf):
    titles, y, _ = shelf
    new = ["mug pot 77", "tea red 78", "soil reel 79", "rake spade 80"]
    new_kinds = np.array([0, 0, 1, 1])
    tuner.fit(titles, y)
    assert separation(tuner.transform(new), new_kinds) == 1 > separation(tuner.embedder_.transform(new), new_kinds)


def test_all_kinds_of_matrices_give_the_same_vectors(tuner, shelf):
    titles, y, _ = shelf
    tuner.set_params(max_iter=1)
    expected = tuner.fit(titles, y).transform(titles)
    for other in (y.toarray(), 3 * y, sparse.coo_matrix(y), pd.DataFrame(y.toarray())):
        assert_array_equal(clone(tuner).fit(titles, other).transform(titles), expected)


def test_texts_of_one_label_get_similar_vectors(tuner, shelf):
    titles, _, kinds = shelf
    labels = np.array(["kitchen", "garden"])[kinds]
    assert separation(tuner.fit(titles, labels).transform(titles), kinds) > 0.95
    assert tuner.loss_curve_[-1] < 0.5  # with texts of one label as negatives, the loss could not be so low


def test_a_classifier_can_follow_in_a_pipeline(tuner, shelf):
    titles, _, kinds = shelf
    classifier = make_pipeline(tuner, LogisticRegression())
    assert cross_val_score(classifier, titles, kinds, cv=3, scoring="roc_auc").mean() > 0.9


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (np.ones((59, 3)), "one row for each text of X, got 59 rows for 60 texts"),
        (np.ones((3, 60)), r"got 3 rows for 60 texts\. Pass the transpose: here, rows are items and columns users"),
        (np.ones(59), "one row for each text of X, got 59 rows for 60 texts"),
        ([f"kind {number % 60}" for number in range(61)], "got 61 rows for 60 texts.$"),
        (-np.ones((60, 3)), "Negative values in data passed to y"),
        (np.full(60, np.nan), "y contains NaN"),
        (np.full((60, 2), np.nan), "y contains NaN"),
    ],
)
def test_targets_are_checked(tuner, shelf, y, match):
    with pytest.raises(ValueError, match=match):
        tuner.fit(shelf[0], y)


def test_users_of_one_item_give_no_pairs(tuner, shelf):
    with pytest.warns(UserWarning, match="No two texts share a user"):
        tuner.fit(shelf[0], np.eye(60))
    assert tuner.n_iter_ == 0


# Inside of recommenders -------------------------------------------------------------------------------------


class Spy(InteractionFineTuner):
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
def test_recommenders_pass_their_interactions(recommender, spy, shelf):
    titles, y, _ = shelf
    recommender = clone(recommender).set_params(catalog=ItemCatalog(titles), item_encoder=spy)
    recommender.fit(5 * y.T)
    ((texts, seen),) = Spy.seen
    assert texts == titles
    assert_array_equal(seen.toarray(), y.toarray())
    assert recommender.recommend(y.T, candidates=ItemCatalog(["tea mug 99", "soil rake 99"]))[0].shape == (80, 10)
    assert len(Spy.seen) == 1


def test_held_out_interactions_stay_held_out(spy, shelf):
    titles, y, _ = shelf
    past, future = split_interactions(sparse.csr_array(y.T), random_state=0)
    recommender = RidgeRecommender(catalog=ItemCatalog(titles), item_encoder=spy)
    GridSearchCV(recommender, {"alpha": [1, 10]}, cv=SameUsers(), refit=False).fit(past, future)
    assert len(Spy.seen) == 2
    for _, seen in Spy.seen:
        assert_array_equal(seen.toarray(), past.T.toarray())


def test_cross_validation_passes_the_users_of_the_fold(spy, shelf):
    titles, y, _ = shelf
    cross_val_score(RidgeRecommender(catalog=ItemCatalog(titles), item_encoder=spy), sparse.csr_array(y.T), cv=2)
    assert [seen.shape for _, seen in Spy.seen] == [(60, 40), (60, 40)]


def test_items_are_aligned_by_their_ids(spy, shelf):
    titles, y, _ = shelf
    order = np.random.default_rng(0).permutation(60)
    catalog = ItemCatalog([titles[j] for j in order], ids=order)
    log = pd.DataFrame({"item": sparse.coo_array(y).coords[0], "user": sparse.coo_array(y).coords[1]})
    model = LogRecommender(RidgeRecommender(catalog=catalog, item_encoder=spy), user="user", item="item").fit(log)
    ((texts, seen),) = Spy.seen
    held = dict(zip(texts, seen.toarray(), strict=True))
    users = model.user_ids_
    for row, title in enumerate(titles):
        if title in held:
            assert_array_equal(held[title], y.toarray()[row, users])


def test_fine_tuners_inside_other_encoders_are_found(spy, shelf):
    titles, y, _ = shelf
    frame = pd.DataFrame({"title": titles, "price": np.arange(60.0)})
    for items, encoder in [
        (titles, make_pipeline(spy, PCA(4))),
        (frame, make_column_transformer((spy, "title"), ("passthrough", ["price"]))),
    ]:
        Spy.seen.clear()
        RidgeRecommender(catalog=ItemCatalog(items), item_encoder=encoder).fit(y.T)
        assert_array_equal(Spy.seen[0][1].toarray(), y.toarray())


def test_memory_trains_once(tmp_path, spy, shelf):
    titles, y, _ = shelf
    recommender = RidgeRecommender(catalog=ItemCatalog(titles), item_encoder=spy, memory=str(tmp_path))
    GridSearchCV(recommender, {"alpha": [1, 10, 100]}, cv=SameUsers(), refit=False).fit(y.T, y.T)
    assert len(Spy.seen) == 1
    clone(recommender).fit(y.T.tocsr()[:40])  # other interactions are another training
    assert len(Spy.seen) == 2


# Across domains ---------------------------------------------------------------------------------------------


def test_a_fitted_tuner_can_be_used_in_another_domain(tuner, shelf):
    titles, y, _ = shelf
    one, two = np.arange(0, 60, 2), np.arange(1, 60, 2)  # two catalogs, no item in both
    tuner.fit([titles[j] for j in one], y[one])
    catalog = ItemCatalog([titles[j] for j in two])
    X = sparse.csr_array(y[two].T)
    past, future = split_interactions(X, random_state=0)
    nothing = sparse.csr_array((1, len(two)))  # nobody has taken anything in the new domain

    def score(encoder):
        return RidgeRecommender(gamma=0, catalog=catalog, item_encoder=encoder).fit(nothing).score(past, future)

    assert score(FrozenEstimator(tuner)) > score(tuner.embedder_) + 0.05
    frozen = RidgeRecommender(catalog=catalog, item_encoder=FrozenEstimator(tuner)).fit(X)
    assert_allclose(
        frozen.item_embedding_,
        RidgeRecommender(catalog=ItemCatalog(tuner.transform(catalog.data))).fit(X).item_embedding_,
        atol=1e-6,
    )


def test_users_of_one_catalog_are_served_from_another(tuner, shelf):
    titles, y, kinds = shelf
    one, two = np.arange(0, 60, 2), np.arange(1, 60, 2)
    recommender = GraphFilterRecommender(catalog=ItemCatalog([titles[j] for j in one]), item_encoder=tuner)
    X = sparse.csr_array(y[one].T)
    X = X[np.diff(X.indptr) > 0]
    arrivals = ItemCatalog([titles[j] for j in two], ids=two)
    found, _ = recommender.fit(X).recommend(X, 5, candidates=arrivals)
    tastes = (X.toarray()[:, kinds[one] == 1].sum(axis=1) > 0).astype(int)
    assert (kinds[found] == tastes[:, None]).mean() > 0.9
